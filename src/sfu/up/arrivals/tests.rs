//! The library's reader as the sender's end.

use std::collections::BTreeMap;

use rtc::{
    rtcp::transport_feedbacks::transport_layer_cc::{
        PacketStatusChunk, SymbolTypeTcc, TransportLayerCc,
    },
    shared::marshal::Unmarshal,
};

use super::*;
use crate::sfu::testing::random::Random;

/// What one message says: number and arrival in ticks, `None` for those that are missing.
fn read(packet: &[u8]) -> Vec<(u16, Option<u64>)> {
    assert!(packet.len() < 1100, "{}", packet.len());
    let message = TransportLayerCc::unmarshal(&mut &packet[..]).expect("the library reads it");
    let mut symbols = Vec::new();
    for chunk in &message.packet_chunks {
        match chunk {
            PacketStatusChunk::RunLengthChunk(run) => {
                let repeated = std::iter::repeat_n(run.packet_status_symbol, run.run_length.into());
                symbols.extend(repeated);
            }
            PacketStatusChunk::StatusVectorChunk(vector) => {
                symbols.extend(vector.symbol_list.iter().copied());
            }
        }
    }
    assert!(symbols.len() >= usize::from(message.packet_status_count));
    symbols.truncate(message.packet_status_count.into());
    let mut deltas = message.recv_deltas.iter();
    let mut at = u64::from(message.reference_time) * TICKS_A_REFERENCE;
    let mut told = Vec::new();
    for (nth, symbol) in symbols.iter().enumerate() {
        let number = message.base_sequence_number.wrapping_add(nth as u16);
        let arrival = (*symbol != SymbolTypeTcc::PacketNotReceived).then(|| {
            let delta = deltas.next().expect("a delta for each arrival");
            at = at.wrapping_add_signed(delta.delta / 250);
            at
        });
        told.push((number, arrival));
    }
    assert!(deltas.next().is_none());
    told
}

struct Fixture {
    arrivals: Arrivals,
    start: Instant,
}

impl Fixture {
    fn new() -> Self {
        let start = Instant::now() + Duration::from_secs(3600);
        Self { arrivals: Arrivals::new(start), start }
    }

    fn received(&mut self, ms: u64, number: u16) {
        self.arrivals.received(self.start + Duration::from_millis(ms), number);
    }

    fn told(&mut self) -> Vec<Vec<(u16, Option<u64>)>> {
        let mut told = Vec::new();
        self.arrivals.tell(1, 2, |packet| told.push(read(packet)));
        told
    }
}

#[test]
fn what_came_and_what_did_not_is_told_once() {
    let mut fixture = Fixture::new();
    for (ms, number) in [(100, 65_534), (101, 65_535), (104, 2), (103, 1), (300, 3)] {
        fixture.received(ms, number);
    }
    let due = fixture.arrivals.poll_timeout();
    assert_eq!(due, Some(fixture.start + Duration::from_millis(200)), "100 ms after the first");
    let expected = [
        (65_534, Some(400)),
        (65_535, Some(404)),
        (0, None),
        (1, Some(412)),
        (2, Some(416)),
        (3, Some(1200)),
    ];
    assert_eq!(fixture.told(), [expected.to_vec()]);
    assert_eq!((fixture.told().len(), fixture.arrivals.poll_timeout()), (0, None));
    // A late one is told with what is known around it.
    fixture.received(310, 0);
    fixture.received(311, 5);
    let again = [
        (0, Some(1240)),
        (1, Some(412)),
        (2, Some(416)),
        (3, Some(1200)),
        (4, None),
        (5, Some(1244)),
    ];
    assert_eq!(fixture.told(), [again.to_vec()]);
}

#[test]
fn long_silence_and_long_losses_are_split_or_begun_anew() {
    let mut fixture = Fixture::new();
    fixture.received(0, 0);
    fixture.received(60_000, 1);
    assert_eq!(fixture.told(), [vec![(0, Some(0))], vec![(1, Some(240_000))]]);
    fixture.received(60_001, 2001);
    let told = fixture.told();
    assert_eq!((told.len(), told[0].len()), (1, 2000));
    assert_eq!(told[0].iter().filter(|(_, arrival)| arrival.is_some()).count(), 1);
    fixture.received(60_002, 9000);
    assert_eq!(fixture.told(), [vec![(9000, Some(240_008))]], "a jump is a new beginning");
}

/// All arrivals are told with their times, whatever is lost, late or doubled; memory is bounded.
#[test]
fn every_arrival_is_told() {
    for seed in 0..30 {
        let mut random = Random::new(seed);
        let mut fixture = Fixture::new();
        let mut told = BTreeMap::new();
        let mut sent = BTreeMap::new();
        let mut ms = random.below(1000);
        for number in 0..3000_u64 {
            ms += random.below(if seed % 2 == 0 { 2 } else { 400 });
            if random.below(10) < 3 {
                continue;
            }
            let number = (number + 64_000) as u16;
            sent.entry(number).or_insert(ms * 4);
            fixture.received(ms, number);
            if random.below(20) == 0 {
                fixture.received(ms + 1, number);
            }
            if random.below(60) == 0 {
                for (number, arrival) in fixture.told().into_iter().flatten() {
                    if let Some(arrival) = arrival {
                        // The reference time has 24 bits of 64 ms: no wrap in this test.
                        told.insert(number, arrival);
                    }
                }
            }
        }
        for (number, arrival) in fixture.told().into_iter().flatten() {
            arrival.map(|arrival| told.insert(number, arrival));
        }
        assert_eq!(told, sent, "seed {seed}");
    }
}

#[test]
fn a_forger_of_numbers_costs_nothing_much() {
    let mut random = Random::new(3);
    let mut fixture = Fixture::new();
    for step in 0..20_000 {
        fixture.received(step, random.below(65_536) as u16);
        if step % 500 == 0 {
            fixture.told();
        }
        assert!(fixture.arrivals.known.len() <= MAX_KNOWN);
    }
    let mut fixture = Fixture::new();
    for step in 0..20_000_u64 {
        fixture.received(step / 100, (step * 1999) as u16);
    }
    assert!(fixture.told().len() < 2000);
}

//! A path to the viewer and back, for the estimate of it.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::{check_state, receive};
use crate::sfu::{
    downlink::{Downlink, Phase},
    forward::Forwarded,
    fuzzing::{Input, Peer, Teller},
};

/// A path as wide as the fuzzer says, and a viewer that tells truly what came by it.
pub(super) struct Way {
    teller: Teller,
    /// On their way: when they arrive, and their transport-wide numbers.
    under_way: VecDeque<(Instant, u16)>,
    free_at: Instant,
    bps: f64,
    n_steps: usize,
}

impl Way {
    const STEP: Duration = Duration::from_millis(20);
    const LONGEST_QUEUE: Duration = Duration::from_secs(1);
    /// A minute; longer takes the fuzzer too long.
    const MAX_STEPS: usize = 3000;

    pub(super) fn new(now: Instant) -> Self {
        let (teller, under_way) = (Teller::new(now), VecDeque::new());
        Self { teller, under_way, free_at: now, bps: 1e6, n_steps: 0 }
    }

    /// Packets of the second slot go out at a steady rate, for so many steps; padding too.
    pub(super) fn play(
        &mut self,
        down: &mut Downlink,
        peer: &mut Peer,
        now: &mut Instant,
        sequence: &mut u16,
        input: &mut Input<'_>,
    ) {
        // From 30 kbit/s on.
        self.bps = 30_000.0 * 1.04_f64.powi(input.byte().into());
        let (flags, payload) = (input.byte(), vec![0; usize::from(input.byte()) * 4]);
        for _ in 0..input.byte() {
            self.n_steps += 1;
            if self.n_steps > Self::MAX_STEPS {
                return;
            }
            *now += Self::STEP;
            down.set_clock(*now);
            for n in 0..flags & 15 {
                *sequence = sequence.wrapping_add(1);
                let header = Forwarded { sequence: *sequence, timestamp: 0, marker: true };
                let mut buffer = [0; 1500];
                let sealed = down.seal_rtp(1, header, &[], &payload, &mut buffer);
                let is_lost = n < flags >> 4;
                self.carry(*now, &buffer[..sealed.unwrap_or(0)], is_lost);
            }
            self.pad(down, *now);
            let mut out: Vec<(SocketAddr, Vec<u8>)> = Vec::new();
            while let Some((at, number)) =
                self.under_way.front().copied().filter(|(at, _)| at <= now)
            {
                self.under_way.pop_front();
                self.teller.received(at, number);
            }
            for packet in self.teller.told(*now) {
                receive(down, peer, *now, &packet, &mut out);
            }
            if down.poll_timeout().is_some_and(|due| due <= *now) {
                down.handle_timeout(*now, &mut out);
            }
            assert!(out.is_empty(), "nobody is answered");
            check_state(down, *now);
        }
        let report = down.seal_sender_report(1, 1 << 40, 1000, &mut [0; 256]);
        assert_eq!(report.is_some(), matches!(down.phase, Phase::Connected(_)));
    }

    fn pad(&mut self, down: &mut Downlink, now: Instant) {
        let mut n_packets = 0;
        while down.is_padding_due() {
            let mut buffer = [0; 400];
            let Some(length) = down.seal_padding(&mut buffer) else { break };
            self.carry(now, &buffer[..length], false);
            n_packets += 1;
            assert!(n_packets < 10_000, "it asks for padding without end");
        }
    }

    fn carry(&mut self, now: Instant, packet: &[u8], is_lost: bool) {
        let &[first, ..] = packet else { return };
        assert_eq!(first & 0x10, 0x10, "the answer has taken transport-wide numbers");
        let number = u16::from_be_bytes([packet[17], packet[18]]);
        let begins = self.free_at.max(now);
        if is_lost || begins > now + Self::LONGEST_QUEUE {
            return;
        }
        self.free_at = begins + Duration::from_secs_f64(packet.len() as f64 * 8.0 / self.bps);
        self.under_way.push_back((self.free_at, number));
    }
}

//! A path to the viewer and back, for the estimate of it.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::{check_state, is_check, receive};
use crate::sfu::{
    down::Downlink,
    media::forward::Forwarded,
    testing::fuzzing::{Input, Peer, Teller},
};

/// What of a packet that has arrived is told to its sender.
#[derive(Debug, Clone, Copy)]
struct Carried {
    at: Instant,
    sequence: u16,
    is_media: bool,
    /// The transport-wide number.
    number: Option<u16>,
}

/// A path as wide as the fuzzer says, and a viewer that tells truly what came by it: of arrivals if
/// that was negotiated, and by receiver reports.
pub(super) struct Way {
    teller: Teller,
    under_way: VecDeque<Carried>,
    free_at: Instant,
    bps: f64,
    n_steps: usize,
    reporter: Reporter,
}

impl Way {
    /// A queue that is longer loses packets.
    const LONGEST_QUEUE: Duration = Duration::from_secs(1);
    /// More takes the fuzzer too long.
    const MAX_STEPS: usize = 3000;

    pub(super) fn new(now: Instant) -> Self {
        Self {
            teller: Teller::new(now),
            under_way: VecDeque::new(),
            free_at: now,
            bps: 1e6,
            n_steps: 0,
            reporter: Reporter::new(now),
        }
    }

    /// Packets of the second slot go out at a steady rate, for so many steps; padding too.
    pub(super) fn play(
        &mut self,
        step: Duration,
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
            *now += step;
            down.set_clock(*now);
            for n in 0..flags & 15 {
                *sequence = sequence.wrapping_add(1);
                let header = Forwarded { sequence: *sequence, timestamp: 0, marker: true };
                let mut buffer = [0; 1500];
                let sealed = down.seal_rtp(1, header, &[], &payload, &mut buffer);
                let is_lost = n < flags >> 4;
                self.carry(*now, &buffer[..sealed.unwrap_or(0)], true, is_lost);
            }
            self.pad(down, *now);
            self.tell(down, peer, *now);
            let mut out: Vec<(SocketAddr, Vec<u8>)> = Vec::new();
            if down.poll_timeout().is_some_and(|due| due <= *now) {
                down.handle_timeout(*now, &mut out);
            }
            assert!(out.iter().all(is_check), "nobody is answered");
            check_state(down, *now);
        }
    }

    fn pad(&mut self, down: &mut Downlink, now: Instant) {
        let mut n_packets = 0;
        while down.is_padding_due() {
            let mut buffer = [0; 400];
            let Some(length) = down.seal_padding(&mut buffer) else { break };
            self.carry(now, &buffer[..length], false, false);
            n_packets += 1;
            assert!(n_packets < 10_000, "it asks for padding without end");
        }
    }

    fn carry(&mut self, now: Instant, packet: &[u8], is_media: bool, is_lost: bool) {
        let &[first, _, high, low, ..] = packet else { return };
        let sequence = u16::from_be_bytes([high, low]);
        let has_number = first & 0x10 != 0;
        let number = has_number.then(|| u16::from_be_bytes([packet[17], packet[18]]));
        let begins = self.free_at.max(now);
        if is_lost || begins > now + Self::LONGEST_QUEUE {
            return;
        }
        self.free_at = begins + Duration::from_secs_f64(packet.len() as f64 * 8.0 / self.bps);
        self.under_way.push_back(Carried { at: self.free_at, sequence, is_media, number });
    }

    fn tell(&mut self, down: &mut Downlink, peer: &mut Peer, now: Instant) {
        while let Some(carried) = self.under_way.pop_front_if(|carried| carried.at <= now) {
            if let Some(number) = carried.number {
                self.teller.received(carried.at, number);
            }
            if carried.is_media {
                self.reporter.received(carried.sequence);
            }
        }
        let mut told = self.teller.told(now);
        told.extend(self.reporter.report(down, now));
        let mut out: Vec<(SocketAddr, Vec<u8>)> = Vec::new();
        for packet in told {
            receive(down, peer, now, &packet, &mut out);
        }
        assert!(out.is_empty(), "nobody is answered");
    }
}

/// What a receiver counts (RFC 3550 6.4.1, appendix A.3), once a second.
struct Reporter {
    began: Instant,
    due: Instant,
    first: Option<u32>,
    highest: u32,
    n_received: u32,
    /// Expected and received packets at the report before.
    former: (u32, u32),
    /// Of the newest sender report.
    ntp: u64,
}

impl Reporter {
    fn new(now: Instant) -> Self {
        let (due, former) = (now, (0, 0));
        Self { began: now, due, first: None, highest: 0, n_received: 0, former, ntp: 0 }
    }

    fn received(&mut self, sequence: u16) {
        let ahead = sequence.wrapping_sub(self.highest as u16);
        self.highest = match self.first {
            Some(_) if ahead < 0x8000 => self.highest + u32::from(ahead),
            Some(_) => self.highest,
            None => sequence.into(),
        };
        self.first = self.first.or(Some(self.highest));
        self.n_received += 1;
    }

    /// A receiver report of the second slot, to the sender report of a second before.
    fn report(&mut self, down: &mut Downlink, now: Instant) -> Option<Vec<u8>> {
        if now < self.due {
            return None;
        }
        self.due = now + Duration::from_secs(1);
        let ssrc = down.negotiation.line(1)?.media.ssrc;
        let expected = self.highest - self.first? + 1;
        let (was_expected, was_received) =
            std::mem::replace(&mut self.former, (expected, self.n_received));
        let n_new = expected - was_expected;
        let n_lost = n_new.saturating_sub(self.n_received - was_received);
        let total = expected.saturating_sub(self.n_received) & 0x7f_ffff;
        let mut packet = vec![0x81, 201, 0, 7, 0, 0, 0, 1];
        packet.extend(ssrc.to_be_bytes());
        packet.extend(((n_lost * 256 / n_new.max(1)).min(255) << 24 | total).to_be_bytes());
        packet.extend(self.highest.to_be_bytes());
        packet.extend(5_u32.to_be_bytes());
        packet.extend(((self.ntp >> 16) as u32).to_be_bytes());
        packet.extend(65_536_u32.to_be_bytes());
        let since = now.saturating_duration_since(self.began);
        self.ntp = (1 << 40) + (since.as_secs_f64() * (1_u64 << 32) as f64) as u64;
        let sealed = down.seal_sender_report(1, self.ntp, 1000, &mut [0; 256]);
        assert_eq!(sealed.is_some(), down.link.is_connected());
        Some(packet)
    }
}

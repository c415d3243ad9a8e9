//! A path that carries so many bits a second, and a viewer behind it that tells of arrivals, or reports
//! what it lacks.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::{Duration, Instant},
};

use super::peer::Peer;
use crate::sfu::path::write_feedback;

/// What waits before the path is lost beyond this, in bytes, where nothing else is said.
const QUEUE: usize = 60_000;
/// A browser tells of arrivals this often.
const FEEDBACK: Duration = Duration::from_millis(100);

/// A path to one address.
pub(super) struct Link {
    pub(super) bps: f64,
    /// Bytes that may wait.
    pub(super) queue_len: usize,
    pub(super) n_dropped: usize,
    queue: VecDeque<(Instant, Vec<u8>)>,
    free_at: Option<Instant>,
    /// The longest that something has waited.
    pub(super) longest: Duration,
}

impl Link {
    pub(super) fn new(bps: f64) -> Self {
        Self {
            bps,
            queue_len: QUEUE,
            n_dropped: 0,
            queue: VecDeque::new(),
            free_at: None,
            longest: Duration::ZERO,
        }
    }

    pub(super) fn take(&mut self, now: Instant, datagram: Vec<u8>) {
        let waiting: usize = self.queue.iter().map(|(_, datagram)| datagram.len()).sum();
        if waiting + datagram.len() > self.queue_len {
            self.n_dropped += 1;
            return;
        }
        let begin = self.free_at.map_or(now, |at| at.max(now));
        let end = begin + Duration::from_secs_f64((datagram.len() + 28) as f64 * 8.0 / self.bps);
        self.longest = self.longest.max(end - now);
        self.free_at = Some(end);
        self.queue.push_back((end, datagram));
    }

    pub(super) fn arrived(&mut self, now: Instant) -> impl Iterator<Item = Vec<u8>> {
        let n = self.queue.iter().take_while(|(at, _)| *at <= now).count();
        self.queue.drain(..n).map(|(_, datagram)| datagram)
    }
}

/// The viewer's half of transport-wide feedback.
pub(super) struct Teller {
    began: Instant,
    told_at: Instant,
    next: Option<u16>,
    /// It sends receiver reports.
    pub(super) reporter: Option<Reporter>,
}

impl Teller {
    pub(super) fn new(now: Instant) -> Self {
        Self { began: now, told_at: now, next: None, reporter: None }
    }

    /// Tells what came since the last time, gaps included.
    pub(super) fn tell(&mut self, now: Instant, peer: &mut Peer) {
        if let Some(reporter) = &mut self.reporter {
            reporter.report(now, peer);
        }
        if now < self.told_at + FEEDBACK || peer.arrivals.is_empty() {
            return;
        }
        self.told_at = now;
        let arrivals = std::mem::take(&mut peer.arrivals);
        let base = self.next.unwrap_or(arrivals[0].0);
        let came: BTreeMap<u16, Instant> =
            arrivals.iter().map(|(number, at)| (number.wrapping_sub(base), *at)).collect();
        let came: BTreeMap<u16, Instant> =
            came.into_iter().filter(|(place, _)| *place < 0x8000).collect();
        let Some((last, _)) = came.last_key_value() else { return };
        let us = |at: &Instant| (*at - self.began).as_micros() as i64;
        let reference = came.values().map(us).min().unwrap_or_default() / 64_000;
        let statuses: Vec<Option<i64>> =
            (0..=*last).map(|place| Some(us(came.get(&place)?) - reference * 64_000)).collect();
        for (part, statuses) in statuses.chunks(300).enumerate() {
            let first = base.wrapping_add(300 * part as u16);
            peer.client.send_rtcp(&write_feedback(first, reference as u32, statuses));
        }
        self.next = Some(base.wrapping_add(last + 1));
    }
}

/// The viewer's receiver reports (RFC 3550 6.4.2 and appendix A.3).
pub(super) struct Reporter {
    every: Duration,
    told_at: Instant,
    /// Of each SSRC: what should have come and what came, as of the report before.
    before: HashMap<u32, (u32, u32)>,
}

impl Reporter {
    pub(super) fn new(now: Instant, every: Duration) -> Self {
        Self { every, told_at: now, before: HashMap::new() }
    }

    fn report(&mut self, now: Instant, peer: &mut Peer) {
        if now < self.told_at + self.every || peer.streams.is_empty() {
            return;
        }
        self.told_at = now;
        let n_words = 1 + 6 * peer.streams.len();
        let mut packet = vec![0x80 | peer.streams.len() as u8, 201, 0, n_words as u8, 0, 0, 0, 9];
        for (ssrc, stream) in &peer.streams {
            let (highest, expected, came) = stream.tally();
            let (n, m) = self.before.insert(*ssrc, (expected, came)).unwrap_or_default();
            // What is repaired came, but to an interval before.
            let lost = (expected - n).saturating_sub(came - m);
            let fraction = if expected == n { 0 } else { 256 * lost / (expected - n) };
            packet.extend(ssrc.to_be_bytes());
            packet.extend((fraction.min(255) << 24 | (expected - came)).to_be_bytes());
            packet.extend(highest.to_be_bytes());
            packet.extend([0; 12]);
        }
        peer.client.send_rtcp(&packet);
    }
}

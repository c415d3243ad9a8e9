//! A path that carries so many bits a second, and a viewer behind it that tells of arrivals.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use super::peer::Peer;
use crate::sfu::bandwidth::write_feedback;

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
}

impl Teller {
    pub(super) fn new(now: Instant) -> Self {
        Self { began: now, told_at: now, next: None }
    }

    /// Tells what came since the last time, gaps included.
    pub(super) fn tell(&mut self, now: Instant, peer: &mut Peer) {
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

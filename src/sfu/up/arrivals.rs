//! PURE. When the packets of a connection arrived, for the sender's estimate of its bandwidth.
//!
//! Transport-wide feedback of draft-holmer-rmcat-transport-wide-cc-extensions-01: which of the
//! numbers 1, 2, 3, … came, and when, in steps of 250 µs. It seals nothing and knows no streams.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// As often as Chromium sends it.
pub(super) const TELL_EVERY: Duration = Duration::from_millis(100);
/// Arrivals that are remembered: what comes late is told with what is known around it.
const MAX_KNOWN: usize = 1024;
/// A larger step of the number is no loss: the sender has begun anew.
const MAX_STEP: u64 = 2048;
/// Arrivals in one message: under 1000 bytes however they lie.
const MAX_TOLD: usize = 150;
/// Packets in one message, with those that are missing; one run has 8191.
const MAX_STATUSES: u64 = 8000;
/// 4 a millisecond.
const TICK_US: u128 = 250;
/// The reference time counts 64 ms.
const TICKS_A_REFERENCE: u64 = 256;

const TRANSPORT_FEEDBACK: u8 = 205;
const TRANSPORT_CC: u8 = 15;
const NOT_RECEIVED: u8 = 0;
const SMALL_DELTA: u8 = 1;
const LARGE_DELTA: u8 = 2;

/// What arrived.
#[derive(Debug)]
pub(crate) struct Arrivals {
    origin: Instant,
    /// Numbers without their wraps, ascending, each with its tick.
    known: VecDeque<(u64, u64)>,
    /// The first number of the next message.
    next: u64,
    count: u8,
    due: Option<Instant>,
}

impl Arrivals {
    pub(crate) fn new(origin: Instant) -> Self {
        Self { origin, known: VecDeque::new(), next: 0, count: 0, due: None }
    }

    /// The packet of this number has arrived.
    pub(crate) fn received(&mut self, now: Instant, number: u16) {
        let ticks = now.saturating_duration_since(self.origin).as_micros() / TICK_US;
        let ticks = ticks as u64;
        self.due = self.due.or(Some(now + TELL_EVERY));
        let Some((newest, _)) = self.known.back().copied() else {
            // Room below, for what comes late.
            self.next = u64::from(number) + (1 << 32);
            self.known.push_back((self.next, ticks));
            return;
        };
        let ahead = number.wrapping_sub(newest as u16) as i16;
        let number = newest.saturating_add_signed(ahead.into());
        if number > newest {
            if number - newest > MAX_STEP {
                self.known.clear();
                self.next = number;
            } else if self.known.len() == MAX_KNOWN {
                self.known.pop_front();
            }
            self.known.push_back((number, ticks));
            return;
        }
        let oldest = self.known.front().map_or(newest, |(oldest, _)| *oldest);
        if let Err(at) = self.known.binary_search_by_key(&number, |(known, _)| *known)
            // Before the oldest nobody knows what was told.
            && number > oldest
            && self.known.len() < MAX_KNOWN
        {
            self.known.insert(at, (number, ticks));
            self.next = self.next.min(number);
        }
    }

    /// When [`Self::tell`] has something to say.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Passes on the feedback that is due, as whole RTCP packets.
    pub(crate) fn tell(&mut self, sender_ssrc: u32, media_ssrc: u32, mut pass: impl FnMut(&[u8])) {
        self.due = None;
        while let Some(packet) = self.packet(sender_ssrc, media_ssrc) {
            pass(&packet);
        }
    }

    /// The next message; `None` if all is told.
    fn packet(&mut self, sender_ssrc: u32, media_ssrc: u32) -> Option<Vec<u8>> {
        let from = self.known.partition_point(|(number, _)| *number < self.next);
        let (first, first_ticks) = *self.known.get(from)?;
        // What lies further back was forgotten before it could be told.
        let base = self.next.max(first.saturating_sub(MAX_STEP));
        let reference = first_ticks / TICKS_A_REFERENCE;
        let mut before = reference * TICKS_A_REFERENCE;
        let mut symbols = Vec::with_capacity(256);
        let mut deltas = Vec::with_capacity(256);
        for (number, ticks) in self.known.range(from..).take(MAX_TOLD) {
            let delta = ticks.wrapping_sub(before) as i64;
            let Ok(delta) = i16::try_from(delta) else { break };
            if number - base >= MAX_STATUSES {
                break;
            }
            symbols.resize((number - base) as usize, NOT_RECEIVED);
            if let Ok(small) = u8::try_from(delta) {
                symbols.push(SMALL_DELTA);
                deltas.push(small);
            } else {
                symbols.push(LARGE_DELTA);
                deltas.extend(delta.to_be_bytes());
            }
            before = *ticks;
        }
        self.next = base + symbols.len() as u64;
        let mut packet = vec![0x80 | TRANSPORT_CC, TRANSPORT_FEEDBACK, 0, 0];
        packet.extend(sender_ssrc.to_be_bytes());
        packet.extend(media_ssrc.to_be_bytes());
        packet.extend((base as u16).to_be_bytes());
        packet.extend((symbols.len() as u16).to_be_bytes());
        packet.extend(&(reference as u32).to_be_bytes()[1..]);
        packet.push(self.count);
        self.count = self.count.wrapping_add(1);
        write_chunks(&symbols, &mut packet);
        packet.extend(deltas);
        packet.resize(packet.len().next_multiple_of(4), 0);
        let words = (packet.len() / 4 - 1) as u16;
        packet[2..4].copy_from_slice(&words.to_be_bytes());
        Some(packet)
    }
}

/// Runs where they are long, else vectors of one bit a packet or of two (sections 3.1.3, 3.1.4).
fn write_chunks(mut symbols: &[u8], out: &mut Vec<u8>) {
    while let [first, ..] = *symbols {
        let run = symbols.iter().take_while(|symbol| **symbol == first).count().min(0x1fff);
        let is_one_bit = symbols.iter().take(14).all(|symbol| *symbol <= SMALL_DELTA);
        let per_vector = if is_one_bit { 14 } else { 7 };
        let (chunk, taken) = if run >= per_vector.min(symbols.len()) {
            (u16::from(first) << 13 | run as u16, run)
        } else {
            let taken = per_vector.min(symbols.len());
            let width = 14 / per_vector as u16;
            let bits = symbols[..taken]
                .iter()
                .zip(1_u16..)
                .fold(0, |bits, (symbol, nth)| bits | u16::from(*symbol) << (14 - nth * width));
            (if is_one_bit { 0x8000 } else { 0xc000 } | bits, taken)
        };
        out.extend(chunk.to_be_bytes());
        symbols = &symbols[taken..];
    }
}

#[cfg(test)]
mod tests;

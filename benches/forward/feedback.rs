//! What a browser tells of arrivals: transport-wide feedback every 50 ms
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1).

use std::time::{Duration, Instant};

/// As often as Chromium tells at these rates.
const TELL_EVERY: Duration = Duration::from_millis(50);
/// Units of an arrival's delta and of the reference time, µs.
const DELTA_US: u64 = 250;
const REFERENCE_US: u64 = 64_000;
const OWN_SSRC: u32 = 1;

/// Arrivals that were not told of.
pub(crate) struct Feedback {
    origin: Instant,
    /// Numbers without their wraps, and when each came, in µs.
    arrived: Vec<(u64, u64)>,
    newest: u64,
    next: u64,
    count: u8,
    due: Option<Instant>,
}

impl Feedback {
    pub(crate) fn new(origin: Instant) -> Self {
        Self { origin, arrived: Vec::new(), newest: 1 << 32, next: 0, count: 0, due: None }
    }

    pub(crate) fn received(&mut self, now: Instant, number: u16) {
        let ahead = number.wrapping_sub(self.newest as u16) as i16;
        let number = self.newest.saturating_add_signed(ahead.into());
        self.newest = self.newest.max(number);
        self.arrived.push((number, (now - self.origin).as_micros() as u64));
        self.due.get_or_insert(now + TELL_EVERY);
    }

    /// The packet that is due, with its RTCP header; `media` is the newest source.
    pub(crate) fn take(&mut self, now: Instant, media: u32) -> Option<Vec<u8>> {
        if self.due.is_none_or(|due| due > now) {
            return None;
        }
        self.due = None;
        self.arrived.sort_unstable();
        let (first, first_us) = *self.arrived.first()?;
        let (last, _) = *self.arrived.last()?;
        // What was lost between two messages is told with the later.
        let base = if self.next == 0 { first } else { self.next.min(first) };
        self.next = last + 1;
        let reference = first_us / REFERENCE_US;
        let mut symbols: Vec<u8> = Vec::with_capacity((last - base + 1) as usize);
        let mut deltas = Vec::with_capacity(self.arrived.len() + 4);
        let mut before = reference * REFERENCE_US / DELTA_US;
        for (number, us) in self.arrived.drain(..) {
            symbols.resize((number - base) as usize, 0);
            let ticks = us / DELTA_US;
            let delta = ticks as i64 - before as i64;
            before = ticks;
            match u8::try_from(delta) {
                Ok(small) => {
                    symbols.push(1);
                    deltas.push(small);
                }
                Err(_) => {
                    symbols.push(2);
                    deltas.extend((delta as i16).to_be_bytes());
                }
            }
        }
        let mut out = vec![0x8f, 205, 0, 0];
        out.extend(OWN_SSRC.to_be_bytes());
        out.extend(media.to_be_bytes());
        out.extend((base as u16).to_be_bytes());
        out.extend((symbols.len() as u16).to_be_bytes());
        out.extend(&(reference as u32).to_be_bytes()[1..]);
        out.push(self.count);
        self.count = self.count.wrapping_add(1);
        for seven in symbols.chunks(7) {
            let bits = seven.iter().enumerate();
            let chunk = bits
                .fold(0xc000, |chunk, (at, symbol)| chunk | u16::from(*symbol) << (12 - 2 * at));
            out.extend(chunk.to_be_bytes());
        }
        out.extend(deltas);
        out.resize(out.len().next_multiple_of(4), 0);
        let words = (out.len() / 4 - 1) as u16;
        out[2..4].copy_from_slice(&words.to_be_bytes());
        Some(out)
    }
}

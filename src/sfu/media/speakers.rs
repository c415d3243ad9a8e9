//! PURE. Who is loud in a room: which voices are forwarded, who speaks, and who is the active speaker.
//!
//! Owns a meter for each voice, the places among which the loudest are, and the active speaker. Time
//! and levels (RFC 6464) are arguments; it knows tracks by the numbers their room gives them, and
//! neither packets nor viewers.
//!
//! ```text
//!  level -> meter (up within 150 ms, down 15 dB/s) -> place: kept until somebody is clearly louder
//!                                        |
//!                                        '-> speaks (and 300 ms on) -> dominates 400 ms -> active
//! ```
//! A packet asks for a place by itself, so there is no round in which a word's beginning waits. While
//! there are no more voices than places each has one, and asking is all it costs.
//!
//! A voice whose publisher sends no levels (a WHIP program, an old client) is never silenced for that:
//! it is always forwarded, takes no place, and is never the active speaker. The V bit of RFC 6464
//! counts for nothing here: who cannot tell leaves it 0, and those who can disagree.

use std::time::{Duration, Instant};

/// dB of the scale; 0 is silence as RFC 6464 has it (-127 dBov).
const SCALE: u8 = 127;
/// Time constant of a rising meter: 60 dB of silence are overcome in about 150 ms, while one loud
/// packet (a click) moves it by a third.
const ATTACK: Duration = Duration::from_millis(50);
/// A level is that of its packet and of no more time than this: after silence that was not sent
/// (DTX) one packet must not be believed at once.
const LONGEST_PACKET: Duration = Duration::from_millis(60);
/// dB a second of a falling meter: the gap between two words costs 6 dB.
const FALL: f32 = 15.0;
/// dB by which a place's holder must be exceeded.
const MARGIN: f32 = 6.0;
/// The same while the holder is new, so that no two take turns.
const NEW_MARGIN: f32 = 10.0;
/// For so long a holder is new.
const NEW: Duration = Duration::from_secs(1);
/// dB by which a single packet takes the place at once: the meter's way up would cost the beginning
/// of the word.
const AT_ONCE: f32 = 15.0;
/// Who sends nothing for so long holds its place against nobody. Silence under DTX is a packet every
/// 400 ms.
const GONE: Duration = Duration::from_secs(1);
/// Speech, on the scale: -40 dBov. Microphones with gain control speak at -15 to -35, rooms hum below
/// -50.
const SPEECH: f32 = (SCALE - 40) as f32;
/// Somebody who was heard to speak does so for this long: words have gaps.
const HOLD: Duration = Duration::from_millis(300);
/// The active speaker changes after another has dominated for so long; longer than [`HOLD`], so that
/// a cough is not enough.
const DOMINANCE: Duration = Duration::from_millis(400);
/// How often speaking is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What becomes of a packet of a voice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes to all who watch.
    Forward,
    /// The same, after packets that were left out: viewers' numbers go on without a gap.
    Resume,
    /// It is left out.
    LeaveOut,
}

/// A voice that carries levels.
#[derive(Debug, Clone)]
struct Voice {
    /// dB above silence, at `heard`.
    loudness: f32,
    /// The newest packet's time.
    heard: Instant,
    /// Since when it holds a place.
    place: Option<Instant>,
    /// Packets were left out since one was forwarded.
    is_left_out: bool,
    /// When it was last heard to speak.
    spoke: Option<Instant>,
    /// When it began to.
    began: Instant,
    /// As was last looked.
    speaks: bool,
}

impl Voice {
    fn new(now: Instant) -> Self {
        Self {
            loudness: 0.0,
            heard: now,
            place: None,
            is_left_out: false,
            spoke: None,
            began: now,
            speaks: false,
        }
    }

    fn loudness(&self, now: Instant) -> f32 {
        let since = now.saturating_duration_since(self.heard);
        (self.loudness - FALL * since.as_secs_f32()).max(0.0)
    }

    fn speaks(&self, now: Instant) -> bool {
        self.spoke.is_some_and(|spoke| now < spoke + HOLD)
    }

    fn hear(&mut self, now: Instant, level: f32) {
        let fallen = self.loudness(now);
        self.loudness = if level > fallen {
            let since = now.saturating_duration_since(self.heard).min(LONGEST_PACKET);
            let share = 1.0 - (-since.as_secs_f32() / ATTACK.as_secs_f32()).exp();
            fallen + (level - fallen) * share
        } else {
            fallen
        };
        self.heard = now;
        if self.loudness >= SPEECH && level >= SPEECH {
            if !self.speaks(now) {
                self.began = now;
            }
            self.spoke = Some(now);
        }
    }

    /// What becomes of its newest packet.
    fn verdict(&mut self) -> Verdict {
        let is_in = self.place.is_some();
        match (is_in, std::mem::replace(&mut self.is_left_out, !is_in)) {
            (true, false) => Verdict::Forward,
            (true, true) => Verdict::Resume,
            (false, _) => Verdict::LeaveOut,
        }
    }

    /// What a challenger must exceed; below everything where the place is as good as free.
    fn defence(&self, now: Instant) -> Option<f32> {
        let since = self.place?;
        if now >= self.heard + GONE {
            return Some(f32::NEG_INFINITY);
        }
        let margin = if now < since + NEW { NEW_MARGIN } else { MARGIN };
        Some(self.loudness(now) + margin)
    }
}

/// All voices of a room.
#[derive(Debug)]
pub struct Speakers {
    n_places: usize,
    n_taken: usize,
    /// By the track's number.
    voices: Vec<Option<Voice>>,
    active: Option<usize>,
    /// Who is about to be active, and since when it dominates.
    claim: Option<(usize, Instant)>,
    looked: Option<Instant>,
    /// A voice that counted is gone.
    is_stale: bool,
}

impl Speakers {
    /// At most so many voices are forwarded at a time, of those that carry levels.
    pub fn new(n_places: usize) -> Self {
        Self {
            n_places: n_places.max(1),
            n_taken: 0,
            voices: Vec::new(),
            active: None,
            claim: None,
            looked: None,
            is_stale: false,
        }
    }

    /// A packet of a voice came. `level` is RFC 6464's: 0 is as loud as can be, 127 silence.
    pub fn hear(&mut self, now: Instant, track: usize, level: Option<u8>) -> Verdict {
        let Some(level) = level else {
            // Without a level it stands where it stood; who never had one is always let through.
            let voice = self.voices.get_mut(track).and_then(Option::as_mut);
            return voice.map_or(Verdict::Forward, Voice::verdict);
        };
        let level = f32::from(SCALE.saturating_sub(level));
        if self.voices.len() <= track {
            self.voices.resize(track + 1, None);
        }
        let voice = self.voices[track].get_or_insert_with(|| Voice::new(now));
        voice.hear(now, level);
        if voice.place.is_none() {
            let challenger = voice.loudness;
            self.claim_place(now, track, challenger, level);
        }
        self.voices[track].as_mut().map_or(Verdict::Forward, Voice::verdict)
    }

    /// Gives this voice a free place, or that of the weakest if it must yield to a voice of this
    /// loudness, or to a packet of this level.
    fn claim_place(&mut self, now: Instant, track: usize, challenger: f32, level: f32) {
        if self.n_taken < self.n_places {
            self.n_taken += 1;
        } else {
            let defended = self.voices.iter().enumerate().filter_map(|(number, voice)| {
                let voice = voice.as_ref()?;
                Some((number, voice.defence(now)?, voice.loudness(now)))
            });
            let Some((weakest, defence, loudness)) = defended.min_by(|a, b| a.1.total_cmp(&b.1))
            else {
                return;
            };
            if challenger <= defence && level <= loudness + AT_ONCE {
                return;
            }
            if let Some(voice) = &mut self.voices[weakest] {
                voice.place = None;
            }
        }
        if let Some(voice) = &mut self.voices[track] {
            voice.place = Some(now);
        }
    }

    /// A track is gone; another may get its number.
    pub fn forget(&mut self, track: usize) {
        let Some(voice) = self.voices.get_mut(track).and_then(Option::take) else { return };
        self.n_taken -= usize::from(voice.place.is_some());
        self.claim = self.claim.filter(|(claimer, _)| *claimer != track);
        self.is_stale |= voice.speaks || self.active == Some(track);
        self.active = self.active.filter(|active| *active != track);
    }

    /// Finds out who speaks, at most once in 100 ms. True if that has changed.
    pub fn look(&mut self, now: Instant) -> bool {
        if self.looked.is_some_and(|looked| now < looked + LOOK_EVERY) {
            return false;
        }
        self.looked = Some(now);
        let mut changed = std::mem::take(&mut self.is_stale);
        for voice in self.voices.iter_mut().flatten() {
            let speaks = voice.speaks(now);
            changed |= std::mem::replace(&mut voice.speaks, speaks) != speaks;
        }
        changed | self.look_for_active(now)
    }

    fn look_for_active(&mut self, now: Instant) -> bool {
        let Some(loudest) = self.dominant(now) else {
            self.claim = None;
            return false;
        };
        if self.active == Some(loudest) {
            self.claim = None;
            return false;
        }
        let since = match self.claim {
            Some((claimer, since)) if claimer == loudest => since,
            _ => self.dominates_since(now, loudest),
        };
        if now < since + DOMINANCE {
            self.claim = Some((loudest, since));
            return false;
        }
        self.claim = None;
        self.active = Some(loudest);
        true
    }

    /// The loudest of those who speak; the active speaker, then who is about to follow it, yield only
    /// to the clearly louder.
    fn dominant(&self, now: Instant) -> Option<usize> {
        let speaking = |track: usize| {
            let voice = self.voices.get(track)?.as_ref()?;
            voice.speaks.then(|| voice.loudness(now))
        };
        let loudest = (0..self.voices.len())
            .filter_map(|track| Some((track, speaking(track)?)))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        let (loudest, loudness) = loudest?;
        let keeps = |track: &usize| speaking(*track).is_some_and(|own| loudness <= own + MARGIN);
        let claimer = self.claim.map(|(claimer, _)| claimer);
        Some(self.active.filter(keeps).or(claimer.filter(keeps)).unwrap_or(loudest))
    }

    /// Since when: if the active speaker has stopped, since then, or since this one began.
    fn dominates_since(&self, now: Instant, track: usize) -> Instant {
        let voice = |track: usize| self.voices.get(track).and_then(Option::as_ref);
        let Some(began) = voice(track).map(|voice| voice.began) else { return now };
        match self.active.and_then(voice) {
            Some(active) if active.speaks => now,
            Some(active) => active.spoke.map_or(began, |spoke| began.max(spoke)),
            None => began,
        }
    }

    /// Who was the last to dominate; it stays that in silence. As of the last [`Self::look`].
    pub fn active(&self) -> Option<usize> {
        self.active
    }

    /// Who speaks, as of the last [`Self::look`].
    pub fn speaking(&self) -> impl Iterator<Item = usize> {
        let voices = self.voices.iter().enumerate();
        voices.filter(|(_, voice)| voice.as_ref().is_some_and(|v| v.speaks)).map(|(track, _)| track)
    }
}

#[cfg(test)]
mod tests;

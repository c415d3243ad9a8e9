//! Tables, then properties over random rooms.

use super::*;
use crate::sfu::testing::random::Random;

const PACKET: u64 = 20;

/// A room in virtual time, every voice with a packet every 20 ms.
struct Bench {
    speakers: Speakers,
    now: Instant,
    begin: Instant,
    levels: Vec<Option<u8>>,
    /// Of each voice, whether its newest packet went out.
    heard: Vec<bool>,
    /// Voices that came in where they had been left out.
    n_resumed: usize,
    n_changes: usize,
}

impl Bench {
    fn new(n_places: usize, levels: &[u8]) -> Self {
        let now = Instant::now() + Duration::from_secs(3600);
        Self {
            speakers: Speakers::new(n_places),
            now,
            begin: now,
            levels: levels.iter().copied().map(Some).collect(),
            heard: vec![false; levels.len()],
            n_resumed: 0,
            n_changes: 0,
        }
    }

    fn ms(&self) -> u64 {
        (self.now - self.begin).as_millis() as u64
    }

    /// One packet of each voice.
    fn step(&mut self) {
        self.now += Duration::from_millis(PACKET);
        for track in 0..self.levels.len() {
            let Some(level) = self.levels[track] else { continue };
            let verdict = self.speakers.hear(self.now, track, Some(level));
            let heard = verdict != Verdict::LeaveOut;
            if verdict == Verdict::Resume {
                assert!(!self.heard[track], "{track} resumes and was there");
                self.n_resumed += 1;
            }
            self.n_changes += usize::from(self.heard[track] != heard);
            self.heard[track] = heard;
        }
        self.speakers.look(self.now);
        let n_in = self.speakers.voices.iter().flatten().filter(|v| v.place.is_some()).count();
        assert_eq!(n_in, self.speakers.n_taken);
        assert!(n_in <= self.speakers.n_places);
    }

    fn run(&mut self, ms: u64) {
        let end = self.ms() + ms;
        while self.ms() < end {
            self.step();
        }
    }

    /// How long until so; at most 5 s.
    fn until(&mut self, so: impl Fn(&Self) -> bool) -> u64 {
        let begin = self.ms();
        while !so(self) {
            assert!(self.ms() < begin + 5000, "not within 5 s");
            self.step();
        }
        self.ms() - begin
    }

    fn forwarded(&self) -> Vec<usize> {
        let places = self.speakers.voices.iter().enumerate();
        let has_place = |voice: &Option<Voice>| voice.as_ref().is_some_and(|v| v.place.is_some());
        places.filter(|(_, voice)| has_place(voice)).map(|(track, _)| track).collect()
    }

    fn speaking(&self) -> Vec<usize> {
        self.speakers.speaking().collect()
    }
}

#[test]
fn as_many_voices_as_places_are_all_heard_from_their_first_packet() {
    let mut bench = Bench::new(4, &[127, 20, 90, 60]);
    bench.step();
    assert_eq!(bench.heard, [true; 4]);
    bench.run(10_000);
    assert_eq!((bench.n_changes, bench.n_resumed), (4, 0), "and for ever");
}

#[test]
fn a_louder_newcomer_is_in_and_how_soon() {
    // level of the four that have the places, of the newcomer; after how many ms it is in
    let cases: [(u8, u8, Option<u64>); 6] = [
        (127, 30, Some(20)), // against silence: by its first packet
        (70, 40, Some(20)),
        (45, 28, Some(20)),
        (45, 35, Some(200)),
        (45, 40, None), // a little louder is no cause
        (45, 45, None),
    ];
    for (others, newcomer, expected) in cases {
        let mut bench = Bench::new(4, &[others; 4]);
        bench.run(3000);
        bench.levels.push(Some(127));
        bench.heard.push(false);
        bench.run(500);
        assert!(!bench.heard[4]);
        bench.levels[4] = Some(newcomer);
        match expected {
            Some(limit) => {
                let took = bench.until(|bench| bench.heard[4]);
                assert!(took <= limit, "{others}, {newcomer}: {took} ms");
                assert_eq!(bench.n_resumed, 1);
            }
            None => {
                bench.run(5000);
                assert!(!bench.heard[4], "{others}, {newcomer}");
            }
        }
    }
}

#[test]
fn equals_do_not_take_turns() {
    let mut bench = Bench::new(4, &[30; 12]);
    let mut random = Random::new(3);
    bench.run(3000);
    bench.n_changes = 0;
    for _ in 0..3000 {
        for level in &mut bench.levels {
            *level = Some(27 + random.below(7) as u8);
        }
        bench.step();
    }
    assert_eq!(bench.n_changes, 0, "a minute of all talking alike");
}

#[test]
fn words_with_gaps_keep_their_place_against_others_alike() {
    let mut bench = Bench::new(1, &[30, 127]);
    for _ in 0..20 {
        bench.levels = vec![Some(30), Some(127)];
        bench.run(600);
        // The other speaks in the gaps, as loud.
        bench.levels = vec![Some(127), Some(30)];
        bench.run(240);
        assert_eq!(bench.forwarded(), [0]);
    }
    bench.levels = vec![Some(127), Some(30)];
    let took = bench.until(|bench| bench.heard[1]);
    assert!(took <= 600, "and who goes on alone is heard: {took} ms");
}

#[test]
fn who_stops_sending_leaves_a_place_to_whoever_asks() {
    let mut bench = Bench::new(2, &[20, 20, 90]);
    bench.run(1000);
    assert_eq!(bench.forwarded(), [0, 1]);
    bench.levels[0] = None;
    let took = bench.until(|bench| bench.heard[2]);
    assert!((980..=1040).contains(&took), "{took} ms");
    bench.speakers.forget(2);
    assert_eq!((bench.forwarded(), bench.speakers.n_taken), (vec![1], 1));
    bench.levels[2] = None;
    bench.levels[0] = Some(120);
    bench.step();
    assert_eq!(bench.forwarded(), [0, 1], "a place that is free");
}

#[test]
fn a_voice_without_levels_is_always_heard_and_takes_no_place() {
    let mut bench = Bench::new(1, &[20, 20]);
    for _ in 0..100 {
        bench.step();
        assert_eq!(bench.speakers.hear(bench.now, 9, None), Verdict::Forward);
    }
    assert_eq!(bench.forwarded(), [0]);
    assert!(!bench.speaking().contains(&9));
    assert_eq!(bench.speakers.hear(bench.now, 1, None), Verdict::LeaveOut, "it tells levels");
    assert_eq!(bench.speakers.hear(bench.now, 0, None), Verdict::Forward);
}

#[test]
fn who_speaks_is_told_with_the_gaps_between_words_bridged() {
    let mut bench = Bench::new(8, &[127, 127]);
    bench.run(1000);
    assert!(bench.speaking().is_empty() && bench.speakers.active().is_none());
    bench.levels[0] = Some(5);
    bench.step();
    bench.levels[0] = Some(127);
    bench.run(500);
    assert!(bench.speaking().is_empty(), "a click");
    bench.levels[0] = Some(25);
    let took = bench.until(|bench| bench.speaking() == [0]);
    assert!(took <= 200, "{took} ms");
    bench.levels[0] = Some(127);
    bench.run(200);
    assert_eq!(bench.speaking(), [0], "a gap");
    bench.run(220);
    assert!(bench.speaking().is_empty());
}

#[test]
fn the_active_speaker_dominated_and_stays_in_silence() {
    let mut bench = Bench::new(8, &[25, 127, 127]);
    let took = bench.until(|bench| bench.speakers.active() == Some(0));
    assert!((300..=600).contains(&took), "{took} ms");
    bench.levels = vec![Some(127); 3];
    bench.run(10_000);
    assert_eq!(bench.speakers.active(), Some(0), "in silence");
    bench.levels[1] = Some(15);
    bench.run(200);
    bench.levels[1] = Some(127);
    bench.run(2000);
    assert_eq!(bench.speakers.active(), Some(0), "a cough");
    bench.levels[1] = Some(25);
    let took = bench.until(|bench| bench.speakers.active() == Some(1));
    assert!((300..=600).contains(&took), "{took} ms");
    bench.levels[2] = Some(25);
    bench.run(5000);
    assert_eq!(bench.speakers.active(), Some(1), "one who talks as loud changes nothing");
    bench.levels[2] = Some(12);
    let took = bench.until(|bench| bench.speakers.active() == Some(2));
    assert!((300..=700).contains(&took), "the clearly louder: {took} ms");
    bench.levels[2] = Some(127);
    let took = bench.until(|bench| bench.speakers.active() == Some(1));
    assert!((300..=700).contains(&took), "who talks on while it stops: {took} ms");
    bench.speakers.forget(1);
    assert_eq!(bench.speakers.active(), None);
    bench.now += LOOK_EVERY;
    assert!(bench.speakers.look(bench.now), "that it is gone is news");
}

/// Voices that talk and pause as people do; some packets are lost.
struct Crowd {
    random: Random,
    /// The usual level of each.
    usual: Vec<u8>,
    /// Whether it talks, and until when.
    turns: Vec<(bool, u64)>,
}

impl Crowd {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(100 + seed);
        let n_voices = 2 + random.below(20) as usize;
        let usual = (0..n_voices).map(|_| 15 + random.below(30) as u8).collect();
        Self { random, usual, turns: vec![(false, 0); n_voices] }
    }

    fn level(&mut self, track: usize, ms: u64) -> Option<u8> {
        let (talks, until) = self.turns[track];
        if until <= ms {
            let longest = if talks { 900 } else { 2500 };
            self.turns[track] = (!talks, ms + 100 + self.random.below(longest));
        }
        match self.random.below(50) {
            0 => None,
            _ if self.turns[track].0 => Some(self.usual[track] + self.random.below(8) as u8),
            _ => Some(75 + self.random.below(20) as u8),
        }
    }
}

impl Bench {
    fn meter(&self, track: usize) -> f32 {
        self.speakers.voices[track].as_ref().map_or(0.0, |voice| voice.loudness(self.now))
    }

    /// One packet; whoever loses its place by that loses it to the clearly louder.
    fn hear(&mut self, track: usize, level: u8) {
        let before = self.forwarded();
        let meters: Vec<f32> = (0..self.levels.len()).map(|track| self.meter(track)).collect();
        let verdict = self.speakers.hear(self.now, track, Some(level));
        let after = self.forwarded();
        let was_in = self.heard[track];
        self.heard[track] = verdict != Verdict::LeaveOut;
        assert_eq!(self.heard[track], after.contains(&track));
        let lost: Vec<usize> = before.iter().filter(|t| !after.contains(t)).copied().collect();
        assert!(after.len() <= self.speakers.n_places && after.len() >= before.len());
        match lost[..] {
            [] => {}
            [lost] => {
                assert_eq!(before.len(), self.speakers.n_places, "there was no place");
                let loud = self.meter(track).max(f32::from(127 - level) - AT_ONCE + MARGIN);
                let voice = self.speakers.voices[lost].as_ref().expect("it had a place");
                let is_gone = self.now >= voice.heard + GONE;
                assert!(is_gone || loud > meters[lost] + MARGIN, "{lost} lost it without cause");
            }
            _ => panic!("{lost:?} lost their places to one"),
        }
        let is_resumed = verdict == Verdict::Resume;
        assert!(!is_resumed || !was_in, "nothing of it was left out");
        self.n_resumed += usize::from(is_resumed);
    }
}

#[test]
fn in_random_rooms_the_loudest_are_in_and_nothing_changes_without_cause() {
    let mut n_clear = 0;
    for seed in 0..20 {
        let mut crowd = Crowd::new(seed);
        let n_voices = crowd.usual.len();
        let n_places = 1 + crowd.random.below(6) as usize;
        let mut bench = Bench::new(n_places, &vec![127; n_voices]);
        bench.run(1000);
        // Since when one voice has been louder by 12 dB than all others were lately.
        let mut loudest: Option<(usize, u64)> = None;
        for _ in 0..1500 {
            bench.now += Duration::from_millis(PACKET);
            for track in 0..n_voices {
                let level = crowd.level(track, bench.ms());
                level.inspect(|level| bench.hear(track, *level));
                bench.levels[track] = level;
            }
            let level = |track: usize| 127 - bench.levels[track].unwrap_or(127);
            let top = (0..n_voices).max_by_key(|track| level(*track)).expect("there are some");
            let limit = f32::from(level(top)) - 12.0;
            let is_clear = (0..n_voices).all(|track| track == top || bench.meter(track) < limit);
            let goes_on = loudest.filter(|(known, _)| *known == top && is_clear);
            loudest = is_clear.then_some(goes_on.unwrap_or((top, bench.ms())));
            if let Some((top, _)) = loudest.filter(|(_, since)| bench.ms() >= since + 180) {
                assert!(bench.heard[top], "{seed}: {top} is the loudest and not heard");
                n_clear += 1;
            }
        }
        let all_fit = n_voices <= n_places;
        assert!(!all_fit || bench.n_resumed == 0, "{seed}: there is a place for each");
    }
    assert!(n_clear > 500, "{n_clear}");
}

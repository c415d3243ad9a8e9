//! Tables of offers, and properties over random sequences of shows and answers.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{
    ids::MemberId,
    protocol::{MediaKind, TrackSource},
    sfu::testing::random::Random as Dice,
};

pub(crate) fn track(member: u64, mid: &str, codec: Codec) -> ShownTrack {
    let member = MemberId(member);
    let (kind, source) = match codec {
        Codec::Opus => (MediaKind::Audio, TrackSource::Microphone),
        _ => (MediaKind::Video, TrackSource::Camera),
    };
    let track = TrackId { member, mid: mid.parse().unwrap() };
    ShownTrack { shown: Shown { member, track, kind, source }, codec }
}

/// A client's answer to an offer, with `refuse` deciding by codec name.
pub(crate) fn answer_to(offer: &str, refuse: impl Fn(&str) -> bool) -> String {
    let (session, sections) = offer.split_once("\r\nm=").unwrap();
    assert!(session.contains("a=ice-lite") && session.contains("a=setup:actpass"));
    let mut sdp = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n".to_owned();
    let fingerprint = ["AB"; 32].join(":");
    for section in sections.split("\r\nm=") {
        let name = section.split("rtpmap:").nth(1).unwrap().split([' ', '/']).nth(1).unwrap();
        let section = section.replace("a=sendonly", "a=recvonly");
        let section = match refuse(name) {
            true => section.replacen(" 9 ", " 0 ", 1),
            false => section,
        };
        let theirs = |line: &&str| !line.starts_with("a=ssrc") && !line.starts_with("a=candidate");
        let lines: Vec<_> = section.lines().filter(theirs).collect();
        sdp.push_str(&format!(
            "m={}\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n\
             a=fingerprint:sha-256 {fingerprint}\r\na=setup:active\r\n",
            lines.join("\r\n")
        ));
    }
    sdp
}

pub(crate) struct Fixture {
    pub(crate) negotiation: Negotiation,
    pub(crate) now: Instant,
    credentials: IceCredentials,
    candidates: Vec<String>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self {
            negotiation: Negotiation::new([7; 32]),
            now: Instant::now(),
            credentials: IceCredentials::from_random([1; 32]),
            candidates: vec!["candidate:1 1 udp 2130706431 192.0.2.1 10000 typ host".to_owned()],
        }
    }

    fn show(&mut self, tracks: &[ShownTrack]) -> bool {
        self.negotiation.show(self.now, tracks)
    }

    /// Lets time pass; the offer if there is a new one.
    fn after(&mut self, ms: u64) -> Option<Arc<str>> {
        self.now += Duration::from_millis(ms);
        let local = Local {
            credentials: &self.credentials,
            fingerprint: &[0xcd; 32],
            candidates: &self.candidates,
            setup: "actpass",
        };
        let new = self.negotiation.advance(self.now, local);
        new.then(|| self.negotiation.offer().unwrap().1)
    }

    fn answer(&mut self, refuse: impl Fn(&str) -> bool) -> bool {
        let (revision, offer) = self.negotiation.offer().unwrap();
        let sdp = answer_to(&offer, refuse);
        self.negotiation.handle_answer(self.now, revision, &sdp).unwrap()
    }

    fn mids(&self) -> Vec<(String, String)> {
        let text = |(mid, shown): (Mid, Shown)| (mid.to_string(), shown.track.to_string());
        self.negotiation.mids().into_iter().map(text).collect()
    }

    fn slots(&self, tracks: &[ShownTrack]) -> Vec<Option<Slot>> {
        tracks.iter().map(|track| self.negotiation.slot(&track.shown.track)).collect()
    }
}

#[test]
fn an_offer_says_what_browsers_need() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.negotiation.poll_timeout(), None);
    fixture.show(&[
        track(1, "0", Codec::Opus),
        track(1, "1", Codec::Vp8),
        track(2, "1", Codec::H264),
    ]);
    let offer = fixture.after(20).unwrap();
    let ufrag = format!("a=ice-ufrag:{}\r\n", fixture.credentials.ufrag);
    let wanted = [
        "a=group:BUNDLE 0 1 2\r\n",
        "a=ice-lite\r\n",
        &ufrag,
        "a=fingerprint:sha-256 CD:CD:",
        "a=setup:actpass\r\n",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\n",
        "a=mid:0\r\na=sendonly\r\n",
        "a=rtcp-mux\r\na=rtcp-rsize\r\n",
        "a=rtpmap:111 opus/48000/2\r\n",
        "a=fmtp:111 minptime=10;sprop-stereo=1;stereo=1;useinbandfec=1\r\n",
        "a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n",
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n",
        "a=rtpmap:96 VP8/90000\r\n",
        "a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 ccm fir\r\n",
        "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n",
        "a=ssrc-group:FID ",
        "m=video 9 UDP/TLS/RTP/SAVPF 102 103\r\n",
        "profile-level-id=42e01f",
        "a=msid:0000000000000001 0000000000000001.1\r\n",
        "a=candidate:1 1 udp 2130706431 192.0.2.1 10000 typ host\r\na=end-of-candidates\r\nm=video",
    ];
    for part in wanted {
        assert!(offer.contains(part), "{part:?} is missing in\n{offer}");
    }
    assert_eq!(offer.matches("a=candidate").count(), 1);
    assert_eq!(offer.matches("a=ssrc:").count(), 5);
    let session = rtc::sdp::SessionDescription::unmarshal(&mut std::io::Cursor::new(&*offer));
    assert_eq!(session.unwrap().media_descriptions.len(), 3);
}

#[test]
fn the_first_offer_goes_at_once_and_one_is_in_flight() {
    let mut fixture = Fixture::new();
    let (a, b, c) =
        (track(1, "0", Codec::Opus), track(1, "1", Codec::Vp8), track(2, "0", Codec::Opus));
    assert!(!fixture.show(&[a.clone(), b.clone()]), "not told before it is offered");
    assert_eq!(fixture.after(0).unwrap().matches("m=").count(), 2);
    assert_eq!(fixture.mids().len(), 2);
    assert_eq!(fixture.slots(&[a.clone(), b.clone()]), [None, None], "not answered");

    let all = [a, b, c];
    fixture.show(&all);
    assert_eq!(fixture.negotiation.poll_timeout(), None, "one is in flight");
    assert!(fixture.after(1000).is_none());
    fixture.answer(|_| false);
    assert_eq!(fixture.slots(&all), [Some(0), Some(1), None]);
    assert_eq!(fixture.after(0).unwrap().matches("m=").count(), 3);
    assert_eq!(fixture.slots(&all), [Some(0), Some(1), None], "what was live goes on");
    fixture.answer(|_| false);
    assert_eq!(fixture.slots(&all), [Some(0), Some(1), Some(2)]);
    assert!(fixture.after(1000).is_none());
    assert_eq!(fixture.negotiation.poll_timeout(), None);
}

#[test]
fn later_changes_of_20_ms_are_one_offer() {
    let mut fixture = Fixture::new();
    let tracks = [
        track(1, "0", Codec::Opus),
        track(1, "1", Codec::Vp8),
        track(2, "0", Codec::Opus),
        track(2, "1", Codec::Vp8),
    ];
    fixture.show(&tracks[..1]);
    assert_eq!(fixture.after(0).unwrap().matches("m=").count(), 1);
    fixture.answer(|_| false);
    fixture.show(&tracks[..2]);
    assert!(fixture.after(19).is_none());
    fixture.show(&tracks);
    assert_eq!(fixture.after(1).unwrap().matches("m=").count(), 4);
}

#[test]
fn a_track_that_takes_a_line_needs_no_offer() {
    let mut fixture = Fixture::new();
    let (a, b) = (track(1, "1", Codec::Vp8), track(2, "1", Codec::Vp8));
    fixture.show(std::slice::from_ref(&a));
    fixture.after(20);
    fixture.answer(|_| false);
    assert!(fixture.show(std::slice::from_ref(&b)), "told at once");
    assert_eq!(fixture.mids(), [("0".to_owned(), b.shown.track.to_string())]);
    assert_eq!(fixture.slots(&[a.clone(), b.clone()]), [None, Some(0)]);
    assert!(fixture.after(1000).is_none());

    // In two steps within 20 ms as well.
    fixture.show(&[]);
    fixture.after(10);
    fixture.show(std::slice::from_ref(&a));
    assert!(fixture.after(1000).is_none());
    assert_eq!(fixture.slots(&[a, b]), [Some(0), None]);
}

/// Chromium shows nothing on a section that was inactive and comes back with the SSRC it had.
#[test]
fn a_line_without_track_stays_as_it_is_and_is_used_again_at_once() {
    let mut fixture = Fixture::new();
    let (a, b) = (track(1, "1", Codec::Vp8), track(2, "1", Codec::Vp8));
    fixture.show(&[a, b.clone()]);
    let first = fixture.after(20).unwrap();
    fixture.answer(|_| false);
    assert!(fixture.show(std::slice::from_ref(&b)), "told at once");
    assert_eq!(fixture.mids(), [("1".to_owned(), b.shown.track.to_string())]);
    assert!(fixture.after(1000).is_none(), "whoever leaves costs no offer");
    // Something else is to be offered meanwhile.
    let sound = track(3, "0", Codec::Opus);
    fixture.show(&[b.clone(), sound.clone()]);
    let second = fixture.after(20).unwrap();
    assert_eq!(second.matches("a=sendonly\r\n").count(), 3);
    assert_eq!(second.matches("a=msid:").count(), 2, "there is no track to name");
    fixture.answer(|_| false);
    let c = track(4, "1", Codec::Vp8);
    assert!(fixture.show(&[b.clone(), sound.clone(), c.clone()]), "told at once");
    assert_eq!(fixture.slots(&[b, c, sound]), [Some(1), Some(0), Some(2)]);
    assert!(fixture.after(1000).is_none(), "and who comes after, none either");
    let ssrcs = |sdp: &str| -> BTreeSet<String> {
        sdp.lines().filter(|line| line.starts_with("a=ssrc:")).map(str::to_owned).collect()
    };
    assert!(ssrcs(&first).is_subset(&ssrcs(&second)), "SSRCs stay with their lines");
}

#[test]
fn a_refused_codec_is_not_offered_again() {
    let mut fixture = Fixture::new();
    let (a, b) = (track(1, "1", Codec::H264), track(2, "1", Codec::Vp8));
    fixture.show(&[a.clone(), b.clone()]);
    fixture.after(20);
    assert!(fixture.answer(|codec| codec == "H264"), "it is not on a line any more");
    assert_eq!(fixture.mids(), [("1".to_owned(), b.shown.track.to_string())]);
    assert!(fixture.after(1000).is_none());
    let (c, d) = (track(3, "1", Codec::H264), track(3, "0", Codec::Opus));
    let all = [a, b, c, d];
    fixture.show(&all);
    let offer = fixture.after(20).unwrap();
    assert!(
        offer.contains("m=video 0 UDP/TLS/RTP/SAVPF 102 103\r\n")
            && offer.contains("BUNDLE 1 2\r\n")
    );
    assert!(
        offer.contains("typ host\r\na=end-of-candidates\r\nm=audio"),
        "not in a refused section"
    );
    fixture.answer(|codec| codec == "H264");
    assert_eq!(fixture.slots(&all), [None, Some(1), None, Some(2)]);
}

#[test]
fn an_answer_that_is_none_leaves_the_offer_in_flight() {
    let mut fixture = Fixture::new();
    let a = [track(1, "1", Codec::Vp8)];
    fixture.show(&a);
    let offer = fixture.after(20).unwrap();
    let now = fixture.now;
    let answer = answer_to(&offer, |_| false);
    let mut handle = |revision, sdp: &str| fixture.negotiation.handle_answer(now, revision, sdp);
    assert_eq!(handle(0, &answer), Err(SfuError::OfferUnknown(0)));
    assert_eq!(handle(2, &answer), Err(SfuError::OfferUnknown(2)));
    assert!(matches!(handle(1, "garbage"), Err(SfuError::SdpInvalid(_))));
    assert_eq!(handle(1, &answer), Ok(false));
    assert_eq!(handle(1, &answer), Err(SfuError::OfferUnknown(1)), "twice");
    fixture.show(&[a[0].clone(), track(2, "1", Codec::Vp8)]);
    let offer = fixture.after(20).unwrap();
    let other = answer_to(&offer, |_| false).replace("AB:AB", "AB:AC");
    let result = fixture.negotiation.handle_answer(fixture.now, 2, &other);
    assert!(matches!(result, Err(SfuError::SdpUnacceptable(_))), "another certificate");
}

/// Random shows and answers. Never two offers in flight; SSRCs and mids never move; what is told
/// is what was wished; and once all is answered, every track that can be shown is.
#[test]
fn whatever_happens_the_last_table_gets_offered() {
    let codecs = [Codec::Opus, Codec::Vp8, Codec::H264];
    for seed in 0..60 {
        let mut dice = Dice::new(seed);
        let mut fixture = Fixture::new();
        let refuses_h264 = dice.below(3) == 0;
        let mut wished: Vec<ShownTrack> = Vec::new();
        let mut in_flight = None;
        let mut places = BTreeMap::new();
        for _ in 0..120 {
            match dice.below(4) {
                0 => {
                    wished.retain(|_| dice.below(3) > 0);
                    for _ in 0..dice.below(4) {
                        let codec = codecs[dice.below(3) as usize];
                        let new = track(dice.below(6), codec.name(), codec);
                        if !wished.contains(&new) {
                            wished.insert(dice.below(wished.len() as u64 + 1) as usize, new);
                        }
                    }
                    fixture.show(&wished);
                }
                1 if in_flight.is_some() => {
                    fixture.answer(|codec| refuses_h264 && codec == "H264");
                    in_flight = None;
                }
                _ => {}
            }
            if let Some(offer) = fixture.after(dice.below(15)) {
                assert_eq!(in_flight.replace(offer), None, "seed {seed}: two in flight");
            }
            for (slot, line) in fixture.negotiation.lines.iter().enumerate() {
                if let Some(mid) = &line.mid {
                    let place = (slot, line.media.ssrc, line.rtx_ssrc, line.codec);
                    assert_eq!(*places.entry(mid.clone()).or_insert(place), place, "seed {seed}");
                }
            }
            let told: Vec<_> = fixture.mids().into_iter().map(|(_, track)| track).collect();
            let is_wished =
                |told: &String| wished.iter().any(|track| track.shown.track.to_string() == *told);
            assert!(told.iter().all(is_wished), "seed {seed}");
            assert_eq!(
                told.iter().collect::<BTreeSet<_>>().len(),
                told.len(),
                "seed {seed}: twice"
            );
        }
        for _ in 0..3 {
            if in_flight.take().is_some() {
                fixture.answer(|codec| refuses_h264 && codec == "H264");
            }
            in_flight = fixture.after(20);
        }
        assert_eq!(in_flight, None, "seed {seed}: it settles");
        for track in &wished {
            let showable = !(refuses_h264 && track.codec == Codec::H264);
            let slot = fixture.negotiation.slot(&track.shown.track);
            assert_eq!(slot.is_some(), showable, "seed {seed}: {track:?}");
        }
    }
}

#[test]
fn a_huge_room_gets_as_many_lines_as_an_sdp_can_hold() {
    let mut fixture = Fixture::new();
    let tracks: Vec<_> = (0..300).map(|member| track(member, "1", Codec::H264)).collect();
    fixture.show(&tracks);
    let offer = fixture.after(20).unwrap();
    assert_eq!(offer.matches("m=video").count(), MAX_LINES);
    assert!(offer.len() < 128 * 1024, "{}", offer.len());
    fixture.answer(|_| false);
    assert!(fixture.slots(&tracks[..MAX_LINES]).iter().all(Option::is_some));
}

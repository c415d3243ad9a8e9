//! Doors for fuzzing a viewer's connection; see the module above.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use self::way::Way;
use super::{CLIENT, Input, NOBODY, Peer, check, check_answer, credentials, keying};
use crate::{
    ids::{MemberId, TrackId},
    protocol::{MediaKind, Shown, TrackSource},
    sfu::{
        down::{
            DownEvent, DownShared, Downlink, MAX_EVENTS, ShownTrack, negotiation::MAX_LINES, rtcp,
            seal::MAX_HEAD, table::Line,
        },
        link::{
            srtp::{Profile, Srtp},
            transport::Keyed,
        },
        media::{
            forward::Forwarded,
            packet::Codec,
            red,
            sdp::{
                answer::Answered,
                offer::{Offer, Side},
            },
        },
        path::TransportFeedback,
    },
};
use bytes::Bytes;

mod way;

static SHARED: LazyLock<Arc<DownShared>> =
    LazyLock::new(|| DownShared::new().expect("a certificate can be made"));

fn new(now: Instant) -> Downlink {
    let candidates = ["candidate:1 1 udp 1 192.0.2.3 3 typ host".to_owned()];
    Downlink::new(SHARED.clone(), credentials(), Arc::new(candidates), [7; 32], now)
}

fn track(member: u64, mid: &str, codec: Codec) -> ShownTrack {
    let track = TrackId { member: MemberId(member), mid: mid.parse().expect("a mid") };
    let (kind, source) = match codec {
        Codec::Opus => (MediaKind::Audio, TrackSource::Microphone),
        _ => (MediaKind::Video, TrackSource::Screen),
    };
    ShownTrack { shown: Shown { track, member: MemberId(member), kind, source }, codec }
}

/// What a viewer is shown: sound and pictures.
const USUAL: &[Codec] = &[Codec::Opus, Codec::Vp8, Codec::H264];
const YOUNGER: &[Codec] = &[Codec::Opus, Codec::Vp9, Codec::Av1, Codec::H265];

/// Shows a track of each codec; our offer of them is ready.
fn offered(now: &mut Instant, codecs: &[Codec]) -> Downlink {
    let mut down = new(*now);
    let tracks = codecs.iter().enumerate().map(|(n, codec)| track(n as u64 + 1, "t", *codec));
    down.show(*now, &tracks.collect::<Vec<_>>());
    *now += Duration::from_millis(20);
    down.handle_timeout(*now, &mut Vec::new());
    assert!(down.offer().is_some());
    down
}

/// What a client that takes all of our offer answers.
fn good_answer(offer: &str) -> String {
    let mut answer = String::new();
    for line in offer.lines() {
        let is_ours = ["a=ice-", "a=fingerprint", "a=setup", "a=candidate", "a=end-of", "a=ssrc"];
        match line {
            "a=sendonly" => answer.push_str("a=recvonly\r\n"),
            _ if is_ours.iter().any(|key| line.starts_with(key)) => {}
            _ => answer.push_str(&format!("{line}\r\n")),
        }
        if line.starts_with("t=") {
            let _ = write!(
                answer,
                "a=ice-ufrag:peer\r\na=ice-pwd:peerpasswordpeerpasswor\r\na=setup:active\r\n\
                 a=fingerprint:sha-256 {}\r\n",
                ["00"; 32].join(":")
            );
        }
    }
    answer
}

/// The client's answer to our offer: what is refused is refused with a reason and leaves the offer in
/// flight, what is taken answers each line, and another offer is an SDP still.
pub fn sdp_answer(bytes: &[u8]) {
    let Ok(sdp) = std::str::from_utf8(bytes) else { return };
    let mut now = Instant::now() + Duration::from_secs(3600);
    // An answer has the sections of its offer.
    let is_usual = sdp.matches("\nm=").count() <= USUAL.len();
    let codecs = if is_usual { USUAL } else { YOUNGER };
    let mut down = offered(&mut now, codecs);
    let taken = down.handle_answer(now, 1, sdp);
    match &taken {
        Ok(()) => {
            let refused = down.handle_answer(now, 1, sdp);
            assert!(refused.is_err(), "it is answered already");
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            let (_, offer) = down.offer().expect("there is an offer");
            down.handle_answer(now, 1, &good_answer(&offer)).expect("it is still in flight");
        }
    }
    let live = (0..codecs.len()).filter_map(|slot| down.negotiation.line(slot)?.live());
    for live in live {
        assert!(live.payload_type < 128 && live.rtx_payload_type.is_none_or(|rtx| rtx < 128));
        assert!(live.red_payload_type.is_none_or(|red| red < 128 && red != live.payload_type));
    }
    for slot in 0..codecs.len() {
        let line = down.negotiation.line(slot).expect("a line a track");
        assert_ne!(line.answered, Answered::NotYet);
    }
    down.show(now, &[track(8, "x", Codec::Opus), track(9, "y", Codec::Opus)]);
    now += Duration::from_millis(20);
    down.handle_timeout(now, &mut Vec::new());
    if let Some((_, offer)) = down.offer() {
        let lines: Vec<&str> = offer.lines().collect();
        let mids: Vec<String> = lines
            .iter()
            .filter_map(|line| line.strip_prefix("a=mid:"))
            .map(str::to_owned)
            .collect();
        check_answer(&offer, &mids);
        assert!((codecs.len()..=codecs.len() + 2).contains(&mids.len()));
    }
}

/// What there is to watch.
const PUBLISHED: [&[Codec]; 4] =
    [&[], USUAL, &[Codec::H264], &[Codec::H265, Codec::Av1, Codec::Vp9]];

/// The offer of a client that receives: a refusal says why, an answer is one, whatever is published.
pub fn sdp_whep(bytes: &[u8]) {
    let Ok(sdp) = std::str::from_utf8(bytes) else { return };
    let now = Instant::now();
    // A fuzzer gets further with one of them an input; kept inputs go through all.
    let first = sdp.len() % PUBLISHED.len();
    let n_tried = if cfg!(fuzzing) { 1 } else { PUBLISHED.len() };
    for published in PUBLISHED.into_iter().cycle().skip(first).take(n_tried) {
        let mut down = new(now);
        match down.handle_offer(now, sdp, published) {
            Ok(answer) => {
                let offer = Offer::read(sdp, Side::Viewer).expect("it was answered");
                let mids: Vec<String> = offer.sections.iter().map(|s| s.mid.to_string()).collect();
                check_answer(&answer, &mids);
                let again = down.handle_offer(now, sdp, published).expect("the same offer");
                check_answer(&again, &mids);
                assert_eq!(down.local_ufrag(), &*credentials().ufrag, "no restart was asked for");
                fill(&mut down, now);
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

/// The client's sections show what they can receive, one codec after the other.
fn fill(down: &mut Downlink, now: Instant) {
    for codec in Codec::VIDEO {
        down.show(now, &[track(1, "v", codec), track(1, "a", Codec::Opus)]);
        assert!(down.mids().len() <= 2);
        for slot in 0..MAX_LINES {
            let Some(line) = down.negotiation.line(slot) else { break };
            let Some(live) = line.live() else { continue };
            let types = [Some(live.payload_type), live.rtx_payload_type, live.red_payload_type];
            assert!(types.into_iter().flatten().all(|number| number < 128));
            assert!(line.codec == codec || line.codec == Codec::Opus);
            assert!(live.red_payload_type.is_none() || line.codec == Codec::Opus);
        }
    }
}

/// As the answer's `setup` says: without RED, without transport-wide numbers.
fn connected(now: &mut Instant, profile: Profile, setup: u8) -> Downlink {
    let mut down = offered(now, USUAL);
    let (_, offer) = down.offer().expect("there is an offer");
    let mut answer = good_answer(&offer);
    if setup & 2 != 0 {
        answer = answer.replace("red/48000", "none/48000");
    }
    if setup & 4 != 0 {
        answer = answer.replace("a=extmap:3 ", "a=extmap:3 none:");
    }
    down.handle_answer(*now, 1, &answer).expect("the answer is good");
    let srtp = Srtp::new(profile, &keying(profile)).expect("the profile's length");
    down.handle_datagram(*now, CLIENT, &check(&credentials()), &mut NOBODY.to_vec());
    down.link.force(*now, Keyed { srtp, inbound: None }, CLIENT.into());
    assert_eq!(down.route(), Some(CLIENT.into()));
    down.note_link();
    assert!(down.estimator.is_some(), "the answer is taken");
    while down.poll_event().is_some() {}
    down
}

/// A viewer who knows the keys and reports what it likes, while packets go out to it: NACKs and
/// events are bounded, the estimate is a sensible number, and nothing is sealed twice.
pub fn rtcp_down(bytes: &[u8]) {
    parse(bytes);
    let mut input = Input::new(bytes);
    let setup = input.byte();
    let profile = if setup & 1 == 0 { Profile::Gcm } else { Profile::Cm };
    let mut now = Instant::now() + Duration::from_secs(3600);
    let mut down = connected(&mut now, profile, setup);
    let mut peer = Peer::new(profile);
    let mut out: Vec<(SocketAddr, Vec<u8>)> = Vec::new();
    let mut sequence = 0;
    let mut way = Way::new(now);
    while !input.is_empty() {
        let kind = input.byte();
        match kind & 7 {
            6 if kind & 0x80 != 0 => {
                let step = Duration::from_millis(if kind & 0x40 == 0 { 20 } else { 100 });
                way.play(step, &mut down, &mut peer, &mut now, &mut sequence, &mut input);
            }
            0..=2 => {
                let packet = report(&mut down, kind, &mut input);
                receive(&mut down, &mut peer, now, &packet, &mut out);
            }
            3 => receive(&mut down, &mut peer, now, input.long_chunk(), &mut out),
            4 if kind & 0x80 != 0 => {
                down.set_sound_plain(kind & 0x40 != 0);
                send_red(&mut down, &mut peer, kind & 0x40 != 0, &mut sequence, &mut input);
            }
            4 => send(&mut down, usize::from(kind >> 3 & 3), &mut sequence, &mut input),
            5 => down.handle_datagram(now, CLIENT, input.chunk(), &mut out),
            6 => now += Duration::from_millis(u64::from(input.byte()) + 1),
            _ => now += Duration::from_micros(u64::from(input.byte()) * 100),
        }
        down.set_clock(now);
        if down.poll_timeout().is_some_and(|due| due <= now) {
            while down.is_padding_due() && down.seal_padding(&mut [0; 400]).is_some() {}
            down.handle_timeout(now, &mut out);
        }
        check_state(&mut down, now);
    }
    assert!(out.iter().all(is_check), "nobody is answered");
}

/// The parser alone: what it passes on is no more than the bytes can hold.
fn parse(bytes: &[u8]) {
    let mut n_feedback = 0;
    rtcp::parse(bytes, |feedback| {
        n_feedback += 1;
        if let rtcp::Feedback::Arrivals(feedback) = feedback {
            let mut n_told = 0;
            feedback.each(|_, arrival| {
                n_told += 1;
                assert!(arrival.is_none_or(|at| at.unsigned_abs() < 1 << 40));
            });
            assert!((1..=4096).contains(&n_told));
        }
    });
    assert!(n_feedback <= bytes.len() / 4);
    if let Some(feedback) = TransportFeedback::parse(bytes) {
        feedback.each(|_, _| {});
    }
}

/// Feedback with a good head: of a slot's SSRC, with the fuzzer's body.
fn report(down: &mut Downlink, kind: u8, input: &mut Input<'_>) -> Vec<u8> {
    let slot = usize::from(kind >> 3 & 3);
    let ssrc = down.negotiation.line(slot).map_or(0, |line| line.media.ssrc);
    let (format, packet_type) = match kind & 7 {
        0 => (15, 205),
        1 => (1, 205),
        _ if kind & 0x20 != 0 => (15, 206),
        _ => [(1, 206), (4, 206), (1, 201), (1, 200)][usize::from(kind >> 6)],
    };
    let mut packet = vec![0x80 | format, packet_type, 0, 0, 0, 0, 0, 1];
    packet.extend(ssrc.to_be_bytes());
    packet.extend(input.chunk());
    packet.resize(packet.len().next_multiple_of(4), 0);
    let words = (packet.len() / 4 - 1) as u16;
    packet[2..4].copy_from_slice(&words.to_be_bytes());
    packet
}

fn receive(
    down: &mut Downlink,
    peer: &mut Peer,
    now: Instant,
    compound: &[u8],
    out: &mut Vec<(SocketAddr, Vec<u8>)>,
) {
    let Some(sealed) = peer.rtcp(compound) else { return };
    down.handle_datagram(now, CLIENT, &sealed, out);
}

/// A check of ours, which asks whether the client is still there.
fn is_check((_, datagram): &(SocketAddr, Vec<u8>)) -> bool {
    datagram.starts_with(&[0, 1])
}

/// Some packets to the viewer, one of them perhaps twice.
fn send(down: &mut Downlink, slot: usize, sequence: &mut u16, input: &mut Input<'_>) {
    let head = input.chunk();
    let head = &head[..head.len().min(MAX_HEAD)];
    let payload = vec![0; usize::from(input.byte()) * 5];
    let mut buffer = [0; 1500];
    for _ in 0..1 + input.byte() % 32 {
        *sequence = sequence.wrapping_add(1);
        let header = Forwarded { sequence: *sequence, timestamp: 0, marker: true };
        let sealed = down.seal_rtp(slot, header, head, &payload, &mut buffer);
        assert!(sealed.is_none_or(|length| length > 12 + head.len() + payload.len()));
        let again = down.seal_rtp(slot, header, head, &payload, &mut buffer);
        assert!(again.is_none(), "one number was sealed twice");
        down.seal_rtx(slot, header, head, &payload, &mut buffer);
    }
}

/// Sound in RED to the viewer: as it came to one that has RED and is to have it, else its primary
/// block.
fn send_red(
    down: &mut Downlink,
    peer: &mut Peer,
    is_plain: bool,
    sequence: &mut u16,
    input: &mut Input<'_>,
) {
    let payload = Bytes::copy_from_slice(input.chunk());
    let Some((payload, primary)) = red::open(payload, red::OPUS) else { return };
    let primary = usize::from(primary);
    let live = down.negotiation.line(0).and_then(Line::live).expect("the sound is accepted");
    let expected = match live.red_payload_type.filter(|_| !is_plain) {
        Some(red) => (red, payload.clone()),
        None => (live.payload_type, payload.slice(primary..)),
    };
    *sequence = sequence.wrapping_add(1);
    let header = Forwarded { sequence: *sequence, timestamp: 0, marker: false };
    let mut buffer = [0; 1500];
    let Some(length) = down.seal_red(0, header, &payload, primary, &mut buffer) else { return };
    assert_eq!(peer.open(&buffer[..length]), expected);
    let again = down.seal_red(0, header, &payload, primary, &mut buffer);
    assert!(again.is_none(), "one number was sealed twice");
}

fn check_state(down: &mut Downlink, now: Instant) {
    if let Some(estimator) = down.estimator() {
        let bps = estimator.bps();
        assert!((10_000.0..=1e9).contains(&bps), "{bps} bit/s");
        let carries = estimator.carries_bps();
        assert!(carries > 0.0 && carries <= bps, "{carries} of {bps} bit/s");
        assert!((0.0..=1.0).contains(&estimator.loss()), "{}", estimator.loss());
        assert!(estimator.padding(now) <= 1 << 20);
        estimator.want(now, Some(20_000_000.0), true);
    }
    assert!(down.events.len() <= MAX_EVENTS + 8);
    let mut n_asked = 0;
    while let Some(event) = down.poll_event() {
        match event {
            DownEvent::Nack(slot, sequences) => {
                assert!(slot < 3 && !sequences.is_empty());
                n_asked += sequences.len();
            }
            DownEvent::KeyframeWanted(slot) => assert!(slot < 3),
            DownEvent::Connected | DownEvent::OfferReady | DownEvent::Closed => {}
        }
    }
    assert!(n_asked <= 512, "{n_asked} packets asked for at a time");
}

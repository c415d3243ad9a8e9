//! Doors for fuzzing a publisher's connection; see the module above.

use std::{
    net::SocketAddr,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use super::{CLIENT, Input, NOBODY, Peer, check, check_answer, credentials, keying};
use crate::{
    seams::media::Path,
    sfu::{
        link::{
            srtp::{Inbound, MAX_OVERHEAD, MAX_SOURCES, Profile, Srtp},
            transport::Keyed,
        },
        media::{
            packet::{Codec, Packet},
            payload::begins_keyframe,
            red,
            sdp::offer::{Offer, Side},
        },
        path::TransportFeedback,
        up::{
            UpEvent, UpShared, Uplink, arrivals::Arrivals, media::MAX_EVENTS, nack::Missing, rtcp,
            shared,
        },
    },
};

mod handshake;

pub use handshake::dtls_handshake;

static SHARED: LazyLock<Arc<UpShared>> =
    LazyLock::new(|| UpShared::new().expect("a certificate can be made"));

/// Payload types of that offer: RED, then VP9, AV1, H.265 and H.264 with their retransmissions.
const OTHERS: [u8; 9] = [63, 98, 99, 45, 46, 49, 50, 102, 103];

/// Two sections: sound and a picture of three layers, with every codec and all extensions.
const OFFER: &str = include_str!("../../../../tests/sdp/fuzz-offer.sdp");

/// Tells a sender truly when its packets arrived.
pub(crate) struct Teller(Arrivals);

impl Teller {
    pub(crate) fn new(now: Instant) -> Self {
        Self(Arrivals::new(now))
    }

    pub(crate) fn received(&mut self, now: Instant, number: u16) {
        self.0.received(now, number);
    }

    /// RTCP packets, where some are due.
    pub(crate) fn told(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let mut told = Vec::new();
        if self.0.poll_timeout().is_some_and(|due| due <= now) {
            self.0.tell(1, 2, |packet| told.push(packet.to_vec()));
        }
        told
    }
}

fn new(now: Instant) -> Uplink {
    let candidates = ["candidate:1 1 udp 1 192.0.2.3 3 typ host".to_owned()];
    Uplink::new(&SHARED, credentials(), Arc::new(candidates), CLIENT, now).expect("it cannot fail")
}

/// A publisher's offer, and once more: a refusal says why, an answer is one.
pub fn sdp_publish(bytes: &[u8]) {
    let Ok(sdp) = std::str::from_utf8(bytes) else { return };
    let now = Instant::now();
    let mut uplink = new(now);
    match uplink.handle_offer(now, sdp) {
        Ok(answer) => {
            let offer = Offer::read(sdp, Side::Publisher).expect("it was answered");
            let mids: Vec<String> = offer.sections.iter().map(|s| s.mid.to_string()).collect();
            check_answer(&answer, &mids);
            assert!(uplink.mids().len() <= mids.len());
            let again = uplink.handle_offer(now, sdp).expect("the same offer is taken again");
            assert_eq!(uplink.local_ufrag(), &*credentials().ufrag, "no restart was asked for");
            check_answer(&again, &mids);
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert!(uplink.transport.is_none(), "a refused offer changes nothing");
        }
    }
}

/// Connected, with keys that are always the same. Plain: the client wants whole compounds and FIR.
fn connected(now: Instant, profile: Profile, is_plain: bool) -> Uplink {
    let mut uplink = new(now);
    if is_plain {
        let offer = OFFER.replace("a=rtcp-rsize\n", "").replace(" nack pli", " ack rpsi");
        uplink.handle_offer(now, &offer).expect("the offer is good");
    } else {
        uplink.handle_offer(now, OFFER).expect("the offer is good");
    }
    let srtp = Srtp::new(profile, &keying(profile)).expect("the profile's length");
    let inbound = Inbound::new(profile, &keying(profile)).expect("the profile's length");
    uplink.handle_datagram(now, CLIENT, &check(&credentials()), &mut NOBODY.to_vec());
    let keyed = Keyed { srtp, inbound: Some(Box::new(inbound)) };
    uplink.link.force(now, keyed, CLIENT.into());
    assert_eq!(uplink.link.route(), Some(CLIENT.into()));
    uplink
}

/// A publisher who knows the keys and sends what it likes: nothing grows without end, what is told is
/// of a section that publishes, and what is sent fits into datagrams.
pub fn uplink(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let setup = input.byte();
    let profile = if setup & 1 == 0 { Profile::Gcm } else { Profile::Cm };
    let mut now = Instant::now() + Duration::from_secs(3600);
    let mut uplink = connected(now, profile, setup & 2 != 0);
    let mut newest_ssrc = 0x1000_u32;
    let mut peer = Peer::new(profile);
    let mut out: Vec<(SocketAddr, Vec<u8>)> = Vec::new();
    let mids = uplink.mids();
    while !input.is_empty() {
        let kind = input.byte();
        let datagram = match kind & 7 {
            0..=2 => short_packet(&mut input, kind),
            3 => peer.rtp(input.long_chunk(), u16::from(kind >> 7)),
            4 => peer.rtcp(input.long_chunk()),
            5 if kind == 0xfd => {
                for _ in 0..input.byte() {
                    newest_ssrc += 1;
                    let packet = of_new_source(newest_ssrc);
                    let sealed = peer.rtp(&packet, 0).expect("a whole header");
                    uplink.handle_datagram(now, CLIENT, &sealed, &mut out);
                }
                None
            }
            5 => Some(input.chunk().to_vec()),
            6 => {
                now += Duration::from_millis(input.byte().into());
                None
            }
            _ => {
                let (mid, _) = &mids[usize::from(kind >> 3) % mids.len()];
                uplink.request_keyframe(now, mid, input.byte(), &mut out);
                None
            }
        };
        let datagram = match kind & 7 {
            0..=2 => datagram.and_then(|packet| peer.rtp(&packet, 0)),
            _ => datagram,
        };
        if let Some(datagram) = datagram {
            uplink.handle_datagram(now, CLIENT, &datagram, &mut out);
        }
        if uplink.poll_timeout().is_some_and(|due| due <= now) {
            uplink.handle_timeout(now, &mut out);
            assert!(uplink.poll_timeout().is_none_or(|due| due > now), "it does not come to rest");
        }
        for (to, datagram) in out.drain(..) {
            assert_eq!(to, CLIENT);
            assert!(datagram.len() <= 1500 + MAX_OVERHEAD, "{} bytes", datagram.len());
        }
        assert!(!uplink.media.has_writes());
        drain(&mut uplink, now);
    }
    assert!(uplink.path(now) != Path::New);
}

/// A plausible packet out of a few bytes: sequence, payload type, source, an extension, a payload.
fn short_packet(input: &mut Input<'_>, kind: u8) -> Option<Vec<u8>> {
    let payload_type = match kind >> 3 & 3 {
        0 => 96,
        1 => 97,
        2 => 111,
        _ => OTHERS[usize::from(input.byte()) % OTHERS.len()],
    };
    let mut packet = vec![0x80, payload_type | kind & 0x80];
    packet.extend(input.word().to_be_bytes());
    packet.extend([0, 0, input.byte(), 0, 0, 0, 0, input.byte()]);
    if kind & 0x20 != 0 {
        let elements = input.chunk();
        let n_words = elements.len().div_ceil(4);
        packet[0] |= 0x10;
        let profile = if kind & 0x40 != 0 { [0x10, 0] } else { [0xbe, 0xde] };
        packet.extend(profile);
        packet.extend((n_words as u16).to_be_bytes());
        packet.extend(elements);
        packet.resize(16 + 4 * n_words, 0);
    }
    packet.extend(input.chunk());
    Some(packet)
}

/// Sound of a source that was not heard before, by its mid.
fn of_new_source(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x90, 111, 0, 1, 0, 0, 0, 0];
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0xbe, 0xde, 0, 1, 0x40, b'0', 0, 0]);
    packet.extend(b"opus");
    packet
}

fn drain(uplink: &mut Uplink, now: Instant) {
    let mids = uplink.mids();
    let mut n_events = 0;
    while let Some(event) = uplink.poll_event() {
        n_events += 1;
        match event {
            UpEvent::Rtp { mid, packet } => {
                assert!(mids.iter().any(|(known, _)| *known == mid));
                assert!(packet.layer < 3 && !packet.payload.is_empty() && packet.arrived == now);
                assert_eq!(packet.keyframe, begins_keyframe(packet.codec, &packet.payload));
                check_red(packet);
            }
            UpEvent::SenderReport { mid, layer, .. } => {
                assert!(mids.iter().any(|(known, _)| *known == mid) && layer < 3);
            }
            UpEvent::Connected | UpEvent::Closed => {}
        }
    }
    assert!(n_events <= MAX_EVENTS + 2);
    assert!(uplink.media.n_kept() <= MAX_SOURCES + mids.len() * 256, "sources and wishes");
}

/// What is RED is sound, and read again it is the same.
fn check_red(packet: Packet) {
    let Some(primary) = packet.red else { return };
    assert_eq!(packet.codec, Codec::Opus);
    let again = red::open(packet.payload.clone(), red::OPUS);
    assert_eq!(again, Some((packet.payload, primary)));
}

/// RTCP of a publisher, and what we write: NACKs name what they were made for and no more, our
/// feedback is read by our own reader of it.
pub fn rtcp_up(bytes: &[u8]) {
    let mut n_reports = 0;
    rtcp::sender_reports(bytes, |_| n_reports += 1);
    assert!(n_reports <= bytes.len() / 20);
    let mut input = Input::new(bytes);
    let mut now = Instant::now();
    let mut missing = Missing::default();
    let mut arrivals = Arrivals::new(now);
    while !input.is_empty() {
        let kind = input.byte();
        let number = if kind & 1 == 0 { u16::from(input.byte()) } else { input.word() };
        missing.received(now, number);
        arrivals.received(now, number);
        now += Duration::from_micros(u64::from(kind >> 1) * 300);
        if kind & 0x80 != 0 {
            ask(&mut missing, now);
        }
        if kind & 0x40 != 0 {
            now += Duration::from_millis(u64::from(input.word()));
        }
        if arrivals.poll_timeout().is_some_and(|due| due <= now) {
            tell(&mut arrivals);
        }
    }
    tell(&mut arrivals);
}

fn ask(missing: &mut Missing, now: Instant) {
    let mut asked = Vec::new();
    missing.ask(now, |sequence| asked.push(sequence));
    assert!(asked.len() <= 256);
    let mut nack = Vec::new();
    rtcp::write_nack(&mut nack, 5, &asked);
    assert!(nack.len() <= 12 + 4 * 256 && nack.len().is_multiple_of(4));
    let mut named = Vec::new();
    for pair in nack[12..].chunks_exact(4) {
        let first = u16::from_be_bytes([pair[0], pair[1]]);
        let following = u16::from_be_bytes([pair[2], pair[3]]);
        named.push(first);
        let bits = (0..16).filter(|bit| following >> bit & 1 == 1);
        named.extend(bits.map(|bit| first.wrapping_add(bit + 1)));
    }
    assert_eq!(named, asked);
}

fn tell(arrivals: &mut Arrivals) {
    let mut n_messages = 0;
    arrivals.tell(1, 2, |packet| {
        n_messages += 1;
        assert!(packet.len() <= 1200, "{} bytes", packet.len());
        // Our own reader takes 4096 packets at most, which is less than we tell of at a time.
        let n_statuses = u16::from_be_bytes([packet[14], packet[15]]);
        let feedback = TransportFeedback::parse(packet);
        assert!(feedback.is_some() || n_statuses > 4096, "{packet:?}");
        if let Some(feedback) = feedback {
            let mut n_told = 0;
            feedback.each(|_, _| n_told += 1);
            assert_eq!(n_told, n_statuses);
        }
    });
    assert!(n_messages <= 1024);
}

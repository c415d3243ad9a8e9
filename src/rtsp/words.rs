//! PURE. What RTSP carries in the words of others: SDP, transports, RTCP.

use std::{fmt::Write as _, net::IpAddr};

use crate::seams::feed::{FeedDescription, FeedFormat, FeedTrack};

/// How a track is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// On the connection itself, RTP by this channel and RTCP by the next.
    Interleaved(u8),
    /// To the client's UDP ports.
    Udp(u16, u16),
}

/// The first transport of a `Transport` header that can be had (RFC 2326, 12.39). `next` is a free
/// channel.
pub(super) fn way(transport: &str, next: u8) -> Option<Way> {
    transport.split(',').find_map(|one| {
        let mut parts = one.split(';').map(str::trim);
        let protocol = parts.next()?;
        let mut pair = None;
        for part in parts {
            match part.split_once('=') {
                None if part.eq_ignore_ascii_case("multicast") => return None,
                Some(("interleaved" | "client_port", range)) => pair = Some(range),
                Some(("mode", mode)) if !mode.trim_matches('"').eq_ignore_ascii_case("play") => {
                    return None;
                }
                _ => {}
            }
        }
        let (first, second) = match pair {
            Some(range) => {
                let (first, second) = range.split_once('-').unwrap_or((range, ""));
                (first.parse::<u16>().ok(), second.parse::<u16>().ok())
            }
            None => (None, None),
        };
        match protocol.to_ascii_uppercase().as_str() {
            "RTP/AVP/TCP" => {
                let channel = first.map_or(Some(next), |first| u8::try_from(first).ok())?;
                (channel < u8::MAX).then_some(Way::Interleaved(channel))
            }
            "RTP/AVP" | "RTP/AVP/UDP" => {
                let rtp = first.filter(|port| *port >= 1024)?;
                Some(Way::Udp(rtp, second.or(rtp.checked_add(1))?))
            }
            _ => None,
        }
    })
}

/// The path of a track below its camera's.
pub(super) fn control(track: FeedTrack) -> &'static str {
    match track {
        FeedTrack::Picture => "trackID=0",
        FeedTrack::Sound => "trackID=1",
    }
}

/// A camera as SDP (RFC 8866; RFC 2326, C.1).
pub(super) fn sdp(name: &str, own: IpAddr, description: &FeedDescription) -> String {
    let family = if own.is_ipv4() { "IP4" } else { "IP6" };
    // A name has no control characters: `Nickname` and the configuration see to that.
    let mut text = format!(
        "v=0\r\no=- 1 1 IN {family} {own}\r\ns={name}\r\nc=IN {family} {}\r\nt=0 0\r\n\
         a=control:*\r\na=range:npt=now-\r\n",
        if own.is_ipv4() { "0.0.0.0" } else { "::" }
    );
    section(&mut text, "video", &description.picture, FeedTrack::Picture);
    if let Some(sound) = &description.sound {
        section(&mut text, "audio", sound, FeedTrack::Sound);
    }
    text
}

fn section(text: &mut String, medium: &str, format: &FeedFormat, track: FeedTrack) {
    let FeedFormat { encoding, payload_type, clock_rate, parameters } = format;
    // RFC 7587, 7: always two channels.
    let (encoding, channels) = match encoding.as_str() {
        "OPUS" => ("opus", "/2"),
        other => (other, ""),
    };
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "m={medium} 0 RTP/AVP {payload_type}\r\na=rtpmap:{payload_type} {encoding}/{clock_rate}{channels}\r\n"
    );
    if !parameters.is_empty() {
        let _ = write!(text, "a=fmtp:{payload_type} {parameters}\r\n");
    }
    let _ = write!(text, "a=control:{}\r\n", control(track));
}

/// What a sender report needs of the packets that went out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// Of the newest packet.
    pub(super) ssrc: u32,
    /// Of the newest packet.
    pub(super) timestamp: u32,
    pub(super) n_packets: u32,
    pub(super) n_octets: u32,
}

impl Count {
    /// One more went out. What is no RTP counts for nothing.
    pub(super) fn add(&mut self, rtp: &[u8]) {
        let word = |at: usize| {
            let bytes = rtp.get(at..at + 4)?;
            Some(u32::from_be_bytes(bytes.try_into().ok()?))
        };
        let (Some(timestamp), Some(ssrc)) = (word(4), word(8)) else { return };
        self.ssrc = ssrc;
        self.timestamp = timestamp;
        self.n_packets = self.n_packets.wrapping_add(1);
        self.n_octets = self.n_octets.wrapping_add((rtp.len() - 12) as u32);
    }

    /// A sender report (RFC 3550, 6.4.1): `ntp` is when the newest packet went out, by which players
    /// bring picture and sound together.
    pub(super) fn report(&self, ntp: u64) -> [u8; 28] {
        let mut report = [0; 28];
        report[..4].copy_from_slice(&[0x80, 200, 0, 6]);
        report[4..8].copy_from_slice(&self.ssrc.to_be_bytes());
        report[8..16].copy_from_slice(&ntp.to_be_bytes());
        report[16..20].copy_from_slice(&self.timestamp.to_be_bytes());
        report[20..24].copy_from_slice(&self.n_packets.to_be_bytes());
        report[24..].copy_from_slice(&self.n_octets.to_be_bytes());
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_way_that_can_be_had_is_taken() {
        let cases = [
            ("RTP/AVP/TCP;unicast;interleaved=2-3", Some(Way::Interleaved(2))),
            ("RTP/AVP/TCP;unicast", Some(Way::Interleaved(4))),
            ("RTP/AVP;unicast;client_port=5000-5001", Some(Way::Udp(5000, 5001))),
            ("RTP/AVP/UDP;unicast;client_port=5000", Some(Way::Udp(5000, 5001))),
            ("RTP/AVP;multicast, RTP/AVP/TCP;interleaved=0-1", Some(Way::Interleaved(0))),
            ("RTP/SAVP;unicast;client_port=5000-5001", None),
            ("RTP/AVP;unicast;client_port=80-81", None),
            ("RTP/AVP;unicast", None),
            ("RTP/AVP/TCP;interleaved=255-256", None),
            ("RTP/AVP/TCP;interleaved=0-1;mode=record", None),
            ("RTP/AVP/TCP;interleaved=0-1;mode=\"PLAY\"", Some(Way::Interleaved(0))),
            ("", None),
        ];
        for (transport, expected) in cases {
            assert_eq!(way(transport, 4), expected, "{transport}");
        }
    }

    #[test]
    fn a_camera_is_described_as_players_read_it() {
        let format = |encoding: &str, payload_type, clock_rate, parameters: &str| FeedFormat {
            encoding: encoding.into(),
            payload_type,
            clock_rate,
            parameters: parameters.into(),
        };
        let description = FeedDescription {
            picture: format("H264", 96, 90_000, "packetization-mode=1"),
            sound: Some(format("OPUS", 97, 48_000, "")),
        };
        let text = sdp("Front door", IpAddr::from([192, 0, 2, 1]), &description);
        for line in [
            "s=Front door\r\n",
            "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n\
             a=control:trackID=0\r\n",
            "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 opus/48000/2\r\na=control:trackID=1\r\n",
        ] {
            assert!(text.contains(line), "{line:?} in {text}");
        }
    }

    #[test]
    fn a_report_tells_of_the_newest_packet() {
        let mut count = Count::default();
        let mut rtp = [0x80, 96, 0, 1, 0, 0, 0, 9, 0, 0, 0, 7, 1, 2, 3].to_vec();
        count.add(&rtp);
        rtp[7] = 10;
        count.add(&rtp);
        count.add(&[1, 2, 3]);
        assert_eq!(count, Count { ssrc: 7, timestamp: 10, n_packets: 2, n_octets: 6 });
        let report = count.report(0x0102_0304_0506_0708);
        assert_eq!(report[..8], [0x80, 200, 0, 6, 0, 0, 0, 7]);
        assert_eq!(report[8..16], [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(report[16..], [0, 0, 0, 10, 0, 0, 0, 2, 0, 0, 0, 6]);
    }
}

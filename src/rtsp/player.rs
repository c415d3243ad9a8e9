//! Where a client's packets go: into its connection, or to its UDP ports.

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::{BufMut, BytesMut};

use super::words::{Count, Way};
use crate::seams::feed::{FeedPacket, FeedTrack};

/// Seconds from 1900 to 1970.
const NTP_OFFSET: u64 = 2_208_988_800;

/// Where one track goes.
#[derive(Debug)]
pub(super) struct Outlet {
    track: FeedTrack,
    way: Way,
    /// For UDP: RTP and RTCP.
    sockets: Option<(UdpSocket, UdpSocket)>,
    count: Count,
    /// When the newest packet went out.
    newest: SystemTime,
}

impl Outlet {
    /// A way to a client. UDP goes to the address that the connection comes from, and nowhere else.
    pub(super) fn new(track: FeedTrack, way: Way, own: IpAddr, peer: IpAddr) -> io::Result<Self> {
        let sockets = match way {
            Way::Interleaved(_) => None,
            Way::Udp(rtp, rtcp) => {
                let bind = |port| {
                    let socket = UdpSocket::bind((own, 0))?;
                    socket.connect((peer, port))?;
                    socket.set_nonblocking(true)?;
                    io::Result::Ok(socket)
                };
                Some((bind(rtp)?, bind(rtcp)?))
            }
        };
        Ok(Self { track, way, sockets, count: Count::default(), newest: UNIX_EPOCH })
    }

    pub(super) fn track(&self) -> FeedTrack {
        self.track
    }

    /// As the answer to `SETUP` says it.
    pub(super) fn transport(&self) -> String {
        let port = |socket: &UdpSocket| socket.local_addr().as_ref().map_or(0, SocketAddr::port);
        match (self.way, &self.sockets) {
            (Way::Interleaved(channel), _) => {
                format!("RTP/AVP/TCP;unicast;interleaved={channel}-{}", channel.saturating_add(1))
            }
            (Way::Udp(rtp, rtcp), Some((ours, ours_rtcp))) => format!(
                "RTP/AVP;unicast;client_port={rtp}-{rtcp};server_port={}-{}",
                port(ours),
                port(ours_rtcp)
            ),
            (Way::Udp(..), None) => String::new(),
        }
    }

    /// Sends a packet; what is to go into the connection is put behind `stream`.
    pub(super) fn send(&mut self, packet: &FeedPacket, stream: &mut BytesMut) {
        self.count.add(&packet.rtp);
        self.newest = SystemTime::now();
        match (self.way, &self.sockets) {
            (Way::Interleaved(channel), _) => frame(stream, channel, &packet.rtp),
            // A datagram that the system does not take is lost as others are.
            // overflow: DROPS the packet, as the network does.
            (_, Some((rtp, _))) => drop(rtp.send(&packet.rtp)),
            (_, None) => {}
        }
    }

    /// Sends a sender report, if anything went out before.
    pub(super) fn report(&self, stream: &mut BytesMut) {
        if self.count.n_packets == 0 {
            return;
        }
        let report = self.count.report(ntp(self.newest));
        match (self.way, &self.sockets) {
            (Way::Interleaved(channel), _) => frame(stream, channel.saturating_add(1), &report),
            // overflow: DROPS the report, the next one says the same.
            (_, Some((_, rtcp))) => drop(rtcp.send(&report)),
            (_, None) => {}
        }
    }
}

/// As NTP writes a time: seconds since 1900 and their fraction (RFC 5905).
fn ntp(at: SystemTime) -> u64 {
    let at = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let fraction = (u64::from(at.subsec_nanos()) << 32) / 1_000_000_000;
    (at.as_secs() + NTP_OFFSET) << 32 | fraction
}

/// RFC 2326, 10.12. A packet that does not fit into a frame does not come from a payloader.
fn frame(stream: &mut BytesMut, channel: u8, packet: &[u8]) {
    let Ok(length) = u16::try_from(packet.len()) else { return };
    stream.reserve(4 + packet.len());
    stream.put_u8(b'$');
    stream.put_u8(channel);
    stream.put_u16(length);
    stream.put_slice(packet);
}

//! Real media: a connection like a publisher's, by one way alone, and sound through it.

use std::{
    future::Future,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use rtc::{
    ice::{mdns::MulticastDnsMode, network_type::NetworkType},
    interceptor::Registry,
    media_stream::MediaStreamTrack,
    peer_connection::{
        configuration::{
            RTCConfigurationBuilder, RTCIceServer, RTCIceTransportPolicy,
            interceptor_registry::register_default_interceptors, media_engine::MediaEngine,
            setting_engine::SettingEngineBuilder,
        },
        sdp::RTCSessionDescription,
    },
    rtp,
    rtp_transceiver::rtp_sender::{
        RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
    },
};
use tokio::{
    net::UdpSocket,
    sync::mpsc,
    time::{interval, timeout},
};
use webrtc::{
    media_stream::track_local::{TrackLocal, static_rtp::TrackLocalStaticRTP},
    peer_connection::{
        PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceCandidateInit,
        RTCIceGatheringState, RTCPeerConnectionState,
    },
    runtime::default_runtime,
};

use super::{https::Client, link::Fault};
use crate::protocol::IceServer;

/// A way that stands does so within one or two seconds; browsers give up after some fifteen.
const STANDS_WITHIN: Duration = Duration::from_secs(8);
/// Addresses of relays come by then or not at all.
const GATHERED_WITHIN: Duration = Duration::from_secs(4);
/// Sound that is sent: half a second of silence (RFC 6716, 2.1.9), a packet for each 20 ms.
const N_PACKETS: u16 = 25;
const OPUS_SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];

/// By what media goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum By {
    Udp,
    Tcp,
    /// Through one of these servers.
    Relay(Vec<IceServer>),
}

impl By {
    fn protocol(&self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp | Self::Relay(_) => "udp",
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Trial {
    /// What the box has offered by this protocol.
    pub(super) tried: Vec<String>,
    /// How long it took to connect; `None`: it did not.
    pub(super) connected: Option<Duration>,
    /// Packets of sound that were sent.
    pub(super) n_sent: u16,
}

type Done<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

enum News {
    Gathered,
    Connected,
    Failed,
}

struct Handler(mpsc::Sender<News>);

impl Handler {
    fn tell(&self, news: News) {
        // overflow: DROPS; whoever waits has heard enough by then.
        let _ = self.0.try_send(news);
    }
}

// Written out as `async_trait` expands it.
impl PeerConnectionEventHandler for Handler {
    fn on_ice_gathering_state_change<'a, 'b>(&'a self, state: RTCIceGatheringState) -> Done<'b>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            if state == RTCIceGatheringState::Complete {
                self.tell(News::Gathered);
            }
        })
    }

    fn on_connection_state_change<'a, 'b>(&'a self, state: RTCPeerConnectionState) -> Done<'b>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            match state {
                RTCPeerConnectionState::Connected => self.tell(News::Connected),
                RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed => {
                    self.tell(News::Failed);
                }
                _ => {}
            }
        })
    }
}

/// Connects to the box's media by this way alone, and sends sound.
///
/// # Errors
/// The box does not take part, or the system does not.
pub(super) async fn try_media(client: &mut Client, by: &By) -> Result<Trial, Fault> {
    let (sender, mut news) = mpsc::channel(8);
    let at = client.addresses().await?.first().copied();
    let at = at.ok_or(Fault::Strange("the name means no address"))?;
    let local = own_address(at).await?;
    let connection = build(by, local, Handler(sender)).await.map_err(library)?;
    let ssrc: u32 = rand::random();
    let track = Arc::new(TrackLocalStaticRTP::new(sound(ssrc)));
    connection.add_track(Arc::clone(&track) as Arc<dyn TrackLocal>).await.map_err(library)?;
    let offer = connection.create_offer(None).await.map_err(library)?;
    connection.set_local_description(offer).await.map_err(library)?;
    let gathering = async { while !matches!(news.recv().await, Some(News::Gathered) | None) {} };
    // What has come by then is offered.
    let _ = timeout(GATHERED_WITHIN, gathering).await;
    let offer = connection.local_description().await;
    let offer = offer.ok_or(Fault::Strange("no offer was made"))?.sdp;
    let answer = client.post("/api/v1/doctor/media", ("application/sdp", &offer)).await?;
    if answer.status != 201 {
        return Err(Fault::Refused(answer.status));
    }
    let (bare, candidates) = parted(&answer.text(), by.protocol());
    let mut trial = Trial { tried: named(&candidates, at.ip()), ..Trial::default() };
    if !trial.tried.is_empty() {
        let started = Instant::now();
        let bare = RTCSessionDescription::answer(bare).map_err(library)?;
        connection.set_remote_description(bare).await.map_err(library)?;
        for candidate in candidates {
            // The library dials TCP for those that are told one by one, and for no others.
            let candidate = RTCIceCandidateInit {
                candidate,
                sdp_mid: Some("0".into()),
                sdp_mline_index: Some(0),
                ..RTCIceCandidateInit::default()
            };
            connection.add_ice_candidate(candidate).await.map_err(library)?;
        }
        if matches!(timeout(STANDS_WITHIN, standing(&mut news)).await, Ok(true)) {
            trial.connected = Some(started.elapsed());
            trial.n_sent = send(&track, ssrc).await;
        }
    }
    // It ends when it is dropped, too.
    let _ = connection.close().await;
    Ok(trial)
}

async fn standing(news: &mut mpsc::Receiver<News>) -> bool {
    loop {
        match news.recv().await {
            Some(News::Connected) => return true,
            Some(News::Failed) | None => return false,
            Some(News::Gathered) => {}
        }
    }
}

fn library(error: rtc::shared::error::Error) -> Fault {
    Fault::Io(std::io::Error::other(error.to_string()))
}

/// By which address this machine goes there.
async fn own_address(to: SocketAddr) -> Result<IpAddr, Fault> {
    let any: SocketAddr = match to {
        SocketAddr::V4(_) => "0.0.0.0:0".parse().map_err(|_| Fault::Strange("no address"))?,
        SocketAddr::V6(_) => "[::]:0".parse().map_err(|_| Fault::Strange("no address"))?,
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(to).await?;
    Ok(socket.local_addr()?.ip())
}

async fn build(
    by: &By,
    local: IpAddr,
    handler: Handler,
) -> Result<impl PeerConnection, rtc::shared::error::Error> {
    let mut media_engine = MediaEngine::default();
    media_engine.register_default_codecs()?;
    let registry = register_default_interceptors(Registry::new(), &mut media_engine)?;
    let mut configuration = RTCConfigurationBuilder::new();
    if let By::Relay(servers) = by {
        let servers = servers.iter().map(|server| RTCIceServer {
            urls: server.urls.clone(),
            username: server.username.clone().unwrap_or_default(),
            credential: server.credential.clone().unwrap_or_default(),
        });
        configuration = configuration
            .with_ice_servers(servers.collect())
            .with_ice_transport_policy(RTCIceTransportPolicy::Relay);
    }
    let address = vec![SocketAddr::new(local, 0).to_string()];
    let (udp, tcp, types) = match by {
        By::Tcp => (Vec::new(), address, vec![NetworkType::Tcp4, NetworkType::Tcp6]),
        By::Udp | By::Relay(_) => (address, Vec::new(), vec![NetworkType::Udp4, NetworkType::Udp6]),
    };
    // The box names addresses, and a machine without a default route has no multicast.
    let settings = SettingEngineBuilder::new()
        .with_network_types(types)
        .with_multicast_dns_mode(MulticastDnsMode::Disabled);
    let building = PeerConnectionBuilder::new()
        .with_configuration(configuration.build())
        .with_media_engine(media_engine)
        .with_interceptor_registry(registry)
        .with_setting_engine(settings.build())
        .with_handler(Arc::new(handler))
        .with_runtime(default_runtime().ok_or_else(|| std::io::Error::other("no runtime"))?)
        .with_udp_addrs(udp)
        .with_tcp_addrs(tcp)
        .build();
    Box::pin(building).await
}

fn sound(ssrc: u32) -> MediaStreamTrack {
    let codec = RTCRtpCodec {
        mime_type: "audio/opus".into(),
        clock_rate: 48_000,
        channels: 2,
        sdp_fmtp_line: "minptime=10;useinbandfec=1".into(),
        ..RTCRtpCodec::default()
    };
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters {
            ssrc: Some(ssrc),
            ..RTCRtpCodingParameters::default()
        },
        codec,
        ..RTCRtpEncodingParameters::default()
    };
    let name = || "probe".to_owned();
    MediaStreamTrack::new(name(), name(), name(), RtpCodecKind::Audio, vec![encoding])
}

/// How many packets went out.
async fn send(track: &TrackLocalStaticRTP, ssrc: u32) -> u16 {
    let mut ticks = interval(Duration::from_millis(20));
    let mut n_sent = 0;
    for nth in 0..N_PACKETS {
        ticks.tick().await;
        let header = rtp::Header {
            version: 2,
            payload_type: 111,
            sequence_number: nth,
            timestamp: u32::from(nth) * 960,
            ssrc,
            ..rtp::Header::default()
        };
        let payload = bytes::Bytes::from_static(&OPUS_SILENCE);
        if track.write_rtp(rtp::Packet { header, payload }).await.is_ok() {
            n_sent += 1;
        }
    }
    n_sent
}

/// The answer without candidates, and those of one protocol.
fn parted(sdp: &str, protocol: &str) -> (String, Vec<String>) {
    let mut bare = String::with_capacity(sdp.len());
    let mut candidates = Vec::new();
    for line in sdp.lines() {
        match line.strip_prefix("a=") {
            Some(candidate) if candidate.starts_with("candidate:") => {
                let kind = candidate.split(' ').nth(2).unwrap_or_default();
                if kind.eq_ignore_ascii_case(protocol) && !candidates.iter().any(|c| c == candidate)
                {
                    candidates.push(candidate.to_owned());
                }
            }
            // More are to come.
            Some("end-of-candidates") => {}
            _ => {
                bare.push_str(line);
                bare.push_str("\r\n");
            }
        }
    }
    (bare, candidates)
}

/// Candidates as `ADDRESS:PORT`. Those of the box's loopback are named on the box alone.
fn named(candidates: &[String], reached_at: IpAddr) -> Vec<String> {
    let addresses = candidates.iter().filter_map(|candidate| {
        let mut words = candidate.split(' ').skip(4);
        let (ip, port) = (words.next()?.parse::<IpAddr>().ok()?, words.next()?.parse().ok()?);
        (!ip.is_loopback() || reached_at.is_loopback()).then(|| SocketAddr::new(ip, port))
    });
    addresses.map(|address| address.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_parted_from_its_candidates() {
        let sdp = "v=0\r\na=candidate:1 1 udp 1 10.0.0.2 10000 typ host\r\n\
                   a=candidate:1 1 udp 1 10.0.0.2 10000 typ host\r\n\
                   a=candidate:2 1 TCP 1 fd00::2 10000 typ host tcptype passive\r\n\
                   a=candidate:3 1 tcp 1 127.0.0.1 10000 typ host tcptype passive\r\n\
                   a=end-of-candidates\r\na=mid:0\r\n";
        let (bare, udp) = parted(sdp, "udp");
        assert_eq!(bare, "v=0\r\na=mid:0\r\n");
        assert_eq!(udp, ["candidate:1 1 udp 1 10.0.0.2 10000 typ host"]);
        let (_, tcp) = parted(sdp, "tcp");
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert_eq!(named(&tcp, ip("10.0.0.2")), ["[fd00::2]:10000"]);
        assert_eq!(named(&tcp, ip("127.0.0.1")), ["[fd00::2]:10000", "127.0.0.1:10000"]);
        assert_eq!(parted("v=0", "udp"), ("v=0\r\n".to_owned(), Vec::new()));
    }
}

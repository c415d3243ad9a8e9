//! Counters and gauges of the whole box, in Prometheus text by [`Metrics::encode`].

use std::sync::{LazyLock, atomic::AtomicI64};

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

macro_rules! metrics {
    ($($(#[$doc:meta])* $field:ident: $kind:ty, $name:literal, $help:literal;)*) => {
        /// Everything that is counted. Clone nothing: `metrics().packets_in.inc()`.
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            $($(#[$doc])* #[doc = $help] pub $field: $kind,)*
        }

        impl Metrics {
            fn new() -> Self {
                let mut registry = Registry::with_prefix("parlor");
                $(let $field = <$kind>::default(); registry.register($name, $help, $field.clone());)*
                Self { registry, $($field,)* }
            }
        }
    };
}

metrics! {
    rooms: Gauge<i64, AtomicI64>, "rooms", "Rooms with somebody in them";
    members: Gauge<i64, AtomicI64>, "members", "Members of all rooms, cameras included";
    joins: Counter, "joins", "Joins, returns included";
    slow_members: Counter, "slow_members", "Members disconnected because their outbox was full";
    http_requests: Counter, "http_requests", "Requests answered";
    http_refused: Counter, "http_refused", "Requests refused: not from the LAN, limits, origin";
    connections_bad: Counter, "connections_bad", "Connections closed: neither TLS nor HTTP, or too slow";
    sessions: Gauge<i64, AtomicI64>, "sessions", "Open signaling sessions";
    messages_bad: Counter, "messages_bad", "Signaling messages that were no request";
    datagrams_in: Counter, "datagrams_in", "Datagrams received on media ports";
    datagrams_out: Counter, "datagrams_out", "Datagrams sent from media ports";
    datagrams_bad: Counter, "datagrams_bad", "Datagrams dropped: no STUN, DTLS, RTP of a known peer";
    packets_in: Counter, "rtp_packets_in", "RTP packets received from publishers";
    packets_forged: Counter, "rtp_packets_forged", "RTP packets of publishers that failed authentication";
    packets_replayed: Counter, "rtp_packets_replayed", "RTP packets of publishers that came before, or far too late";
    packets_malformed: Counter, "rtp_packets_malformed", "RTP packets of publishers with a broken header, padding or redundancy";
    packets_stray: Counter, "rtp_packets_stray", "RTP packets of no published section, or of one SSRC too many";
    packets_asked_for: Counter, "rtp_packets_asked_for", "RTP packets that publishers were asked to send again";
    packets_left_out: Counter, "rtp_packets_left_out", "RTP packets of voices that were not among the loudest";
    packets_out: Counter, "rtp_packets_out", "RTP packets sent to viewers";
    packets_dropped: Counter, "rtp_packets_dropped", "RTP packets not sent: the socket was full";
    media_tcp_connections: Gauge<i64, AtomicI64>, "media_tcp_connections", "TCP connections for media that are open";
    media_tcp_accepted: Counter, "media_tcp_accepted", "TCP connections for media that were accepted";
    media_tcp_refused: Counter, "media_tcp_refused", "TCP connections for media that found no place";
    media_tcp_evicted: Counter, "media_tcp_evicted", "TCP connections for media of strangers that made room for others";
    media_tcp_bad: Counter, "media_tcp_bad", "TCP connections for media ended: what came was no media";
    media_tcp_dropped: Counter, "media_tcp_dropped", "Packets not sent by TCP: the connection took too little";
    annexes: Gauge<i64, AtomicI64>, "annexes", "Further media workers that rooms have viewers on, beside their own";
    packets_handed_over: Counter, "rtp_packets_handed_over", "RTP packets and reports handed from a room's worker to another";
    handed_over_dropped: Counter, "rtp_packets_handed_over_dropped", "RTP packets not handed over: the other worker was far behind";
    batches_dropped: Counter, "batches_handed_over_dropped", "Batches of packets not handed over, as above";
    retransmissions: Counter, "rtp_retransmissions", "RTP packets sent again by RTX";
    keyframe_requests: Counter, "keyframe_requests", "PLIs sent to publishers, coalesced";
    turn_allocations: Gauge<i64, AtomicI64>, "turn_allocations", "TURN allocations that live";
    turn_relayed: Counter, "turn_relayed", "Datagrams relayed, both ways";
    turn_relayed_bytes: Counter, "turn_relayed_bytes", "Bytes relayed, both ways";
    turn_dropped: Counter, "turn_dropped", "Datagrams not relayed: no permission, a cap, a full socket";
    turn_refused: Counter, "turn_refused", "STUN and TURN requests refused";
    turn_unanswered: Counter, "turn_unanswered", "Requests of strangers not answered: their address had got what it may";
    turn_bad: Counter, "turn_bad", "Messages to the TURN server that were none";
    viewers: Gauge<i64, AtomicI64>, "viewers", "Connected down connections";
    whep_viewers: Gauge<i64, AtomicI64>, "whep_viewers", "Viewers by WHEP, connected or not yet";
    publishers: Gauge<i64, AtomicI64>, "publishers", "Connected up connections";
    camera_restarts: Counter, "camera_restarts", "Camera pipelines started again after a fault";
}

impl Metrics {
    /// All of them as Prometheus text.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// The one set of this process.
pub fn metrics() -> &'static Metrics {
    static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);
    &METRICS
}

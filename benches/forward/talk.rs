//! What the server's process and the clients' process say to each other: one JSON value a line.

use std::io::Write as _;

use serde::{Deserialize, Serialize};

/// What the publishers send, each of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pattern {
    /// Packets of a frame, sent at once.
    pub(crate) frame: u32,
    /// Frames a second.
    pub(crate) fps: u32,
    /// Bytes of a packet before it is sealed.
    pub(crate) packet_len: usize,
    /// Packets of a keyframe.
    pub(crate) keyframe: u32,
    /// Frames from keyframe to keyframe.
    pub(crate) keyframe_every: u32,
    /// Packets of sound a second, 100 bytes each.
    pub(crate) audio: u32,
}

/// From the server to the clients.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Offers to publish a picture, and sound where that is said.
    Publish { member: u64, audio: bool },
    /// Our answer to that.
    Answer { member: u64, sdp: String },
    /// Watches from now on: time counts.
    Watch { member: u64 },
    /// Our offer to a viewer.
    Offer { member: u64, sdp: String },
    /// This viewer is gone without a word.
    Leave { member: u64 },
    /// What all publishers send from now on.
    Send(Pattern),
    /// What came since the last count.
    Count,
    /// It is over.
    End,
}

/// From the clients to the server.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// A publisher's offer.
    Offer { member: u64, sdp: String },
    /// A publisher can send.
    Published { member: u64 },
    /// A viewer's answer.
    Answer { member: u64, sdp: String },
    /// Its first packet and the end of its first keyframe came so long after [`Order::Watch`].
    Joined { member: u64, packet_us: u64, keyframe_us: u64 },
    /// To [`Order::Count`].
    Counted(Counted),
}

/// What viewers got.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Counted {
    /// RTP packets.
    pub(crate) received: u64,
    /// Numbers of their sequences that did not come.
    pub(crate) missing: u64,
    /// Datagrams that the clients' own sockets had no room for, by the kernel's count.
    pub(crate) overrun: u64,
    /// From the publisher's sealing to the viewer's socket, of every eighth packet, µs, sorted.
    pub(crate) delays_us: Vec<u32>,
}

/// Writes a line to standard output.
pub(crate) fn say(message: &impl Serialize) {
    let line = serde_json::to_string(message).expect("plain values");
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

/// The middle of some measurements.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The value below which so large a share of sorted values lies.
pub(crate) fn percentile(sorted: &[u32], share: f64) -> u32 {
    let at = (sorted.len() as f64 * share) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or(0)
}

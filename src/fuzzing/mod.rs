//! What each fuzz target calls: a function that takes bytes and panics where a promise is broken.
//!
//! Compiled for tests and under `cfg(fuzzing)`, which cargo-fuzz sets; never part of the binary. Who
//! fuzzes is `fuzz/`, a crate of its own (`make fuzz`); its seeds and the inputs that once broke
//! something, kept in `fuzz/seeds/`, go through the same functions in the ordinary tests.

#[cfg(test)]
mod tests;

pub use crate::{
    http::fuzzing::sdp_fragment,
    sfu::testing::fuzzing::{
        demux, dtls, dtls_handshake, ice, payload, rewrite, rtcp_down, rtcp_up, rtp, sdp_answer,
        sdp_publish, sdp_whep, srtp, tcp_stream, uplink,
    },
    stun::fuzzing::stun,
    turn::fuzzing::turn,
};

use crate::{net::parse, protocol::Request};

/// A name and what it calls.
pub type Target = (&'static str, fn(&[u8]));

/// Every target by its name, which is that of its file in `fuzz/fuzz_targets/` too.
pub const TARGETS: [Target; 20] = [
    ("demux", demux),
    ("dtls", dtls),
    ("dtls_handshake", dtls_handshake),
    ("ice", ice),
    ("netlink", netlink),
    ("payload", payload),
    ("rewrite", rewrite),
    ("rtcp_down", rtcp_down),
    ("rtcp_up", rtcp_up),
    ("rtp", rtp),
    ("sdp_answer", sdp_answer),
    ("sdp_fragment", sdp_fragment),
    ("sdp_publish", sdp_publish),
    ("sdp_whep", sdp_whep),
    ("signaling", signaling),
    ("srtp", srtp),
    ("stun", stun),
    ("tcp_stream", tcp_stream),
    ("turn", turn),
    ("uplink", uplink),
];

/// A signaling message: it is read, or refused with a reason that is no echo of it.
pub fn signaling(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Request::parse(text) {
        Ok(request) => {
            let value: serde_json::Value = serde_json::from_str(text).expect("it was read");
            assert_eq!(value["id"], request.id);
        }
        Err(bad) => assert!((1..1000).contains(&bad.message.len()), "{}", bad.message),
    }
}

/// Messages of the kernel: no more than there is room for, and prefixes that fit their address.
pub fn netlink(bytes: &[u8]) {
    let mut n_messages = 0;
    for message in parse::messages(bytes) {
        n_messages += 1;
        match message {
            parse::Message::Address(known) | parse::Message::AddressGone(known) => {
                assert!(known.prefix_len <= if known.ip.is_ipv4() { 32 } else { 128 });
            }
            parse::Message::Failed(_, errno) => assert!(errno != 0),
            _ => {}
        }
    }
    assert!(n_messages <= bytes.len() / 16);
}

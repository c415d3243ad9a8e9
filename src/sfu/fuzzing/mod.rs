//! Doors for fuzzing: a function a target, which takes bytes and holds the code to what it promises.
//!
//! Compiled for tests, which run the kept inputs through them, and under `cfg(fuzzing)`, which
//! cargo-fuzz sets. Whoever fuzzes is a peer: the bytes are what it sends, or say what it does. A
//! broken promise is a panic.
//!
//! What needs the inside of a connection is beside that, in `uplink` and `downlink`.

mod forward;
mod input;
mod keys;
mod sdp;
mod transport;

pub use forward::rewrite;
pub use keys::srtp;
pub use transport::{demux, ice, payload, rtp};

pub use super::{
    downlink::fuzzing::{rtcp_down, sdp_answer, sdp_whep},
    dtls::fuzzing::dtls,
    uplink::fuzzing::{dtls_handshake, rtcp_up, sdp_publish, uplink},
};

pub(crate) use super::uplink::fuzzing::Teller;
pub(crate) use input::Input;
pub(crate) use keys::{Peer, keying};
pub(crate) use sdp::check_answer;
pub(crate) use transport::{CLIENT, NOBODY, check, credentials};

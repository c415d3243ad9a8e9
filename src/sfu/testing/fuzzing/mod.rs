//! Doors for fuzzing: a function a target, which takes bytes and holds the code to what it promises.
//!
//! Compiled for tests, which run the kept inputs through them, and under `cfg(fuzzing)`, which
//! cargo-fuzz sets. Whoever fuzzes is a peer: the bytes are what it sends, or say what it does. A
//! broken promise is a panic.
//!
//! `up` and `down` look inside a connection of that side.

mod down;
pub(crate) mod dtls;
mod forward;
mod input;
mod keys;
mod sdp;
mod stream;
mod transport;
mod up;

pub use forward::rewrite;
pub use keys::srtp;
pub use stream::tcp_stream;
pub use transport::{demux, ice, payload, rtp};

pub use down::{rtcp_down, sdp_answer, sdp_whep};
pub use dtls::dtls;
pub use up::{dtls_handshake, rtcp_up, sdp_publish, uplink};

pub(crate) use input::Input;
pub(crate) use keys::{Peer, keying};
pub(crate) use sdp::check_answer;
pub(crate) use transport::{CLIENT, NOBODY, check, credentials};
pub(crate) use up::Teller;

//! A client of any parlor: what `parlor probe` goes by, and what the doctor asks its own box with.
//!
//! ```text
//!  run: URL --> https --> session (guest, or by the URL's token) --> wss
//!                                    |--> ice-servers --> turn by UDP, TCP, TLS
//!                                    '--> doctor/media --> UDP, TCP, relay: real media
//! ```
//! Owns sockets of its own and nothing else; decides nothing about the box (`doctor` does). The only
//! place that names the async `webrtc` crate.

mod https;
mod link;
mod media;
mod run;
mod socket;
mod stun;
mod tls;
mod turn;
mod url;
mod verdicts;
mod way;

pub use https::{Answer, Client};
pub use link::{Fault, Framing, Link};
pub use run::probe;
pub use stun::binding;
pub use tls::Shown;
pub use turn::{Relaying, User, relay};
pub use url::{NoUrl, Token, Url};
pub use way::Way;

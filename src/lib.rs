//! parlor: a private place to meet and to watch.
//!
//! # Map
//! ```text
//! src/
//!   main.rs              arguments -> settings -> logging -> app::run -> exit code
//!   lib.rs               this map
//!   app.rs               composition root: starts every task in order, drains in reverse
//!   cli.rs               the command line: arguments in, what is to be done out; exit codes
//!   ids.rs               names of things: parsed once, then carried as types
//!   protocol/            signaling messages both ways
//!   ports.rs             plain values and traits by which parts meet without knowing each other
//!   config/              what was written -> what it means
//!   net/                 LAN addresses
//!     parse.rs           PURE. netlink: bytes in, values out
//!     table.rs           PURE. what the kernel has told so far, and what to ask next
//!     policy.rs          PURE. which addresses are announced, in which order
//!     watch.rs           the netlink socket and its task
//!   room/                PURE. one room: members, chat, who publishes, who watches
//!   rooms/               the registry, one task a room
//!   sfu/                 the media plane
//!   telemetry/           logging, metrics, systemd
//! ```

pub mod app;
#[cfg(feature = "camera")]
pub mod camera;
pub mod cli;
pub mod config;
pub mod http;
pub mod ids;
pub mod net;
pub mod ports;
pub mod protocol;
pub mod room;
pub mod rooms;
pub mod sfu;
pub mod telemetry;
pub mod trust;

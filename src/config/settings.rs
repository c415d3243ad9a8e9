//! What the configuration means: [`Settings`], the only form that travels.
//!
//! Every value here has been checked; nothing below has to ask again.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    path::PathBuf,
    time::Duration,
};

use ipnet::IpNet;

use crate::ids::{CameraId, RoomName};

mod camera;

pub use camera::{AudioSource, CameraSettings, Unwatched, VideoSource};

/// The effective settings of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `[http]`
    pub http: HttpSettings,
    /// `[media]`
    pub media: MediaSettings,
    /// `[network]`
    pub network: NetworkSettings,
    /// `[turn]`
    pub turn: TurnSettings,
    /// `[ice]`
    pub ice: IceSettings,
    /// `[rooms]`
    pub rooms: RoomSettings,
    /// `[[room]]`, each room once.
    pub rooms_ahead: Vec<RoomAhead>,
    /// `[rtsp]`
    pub rtsp: RtspSettings,
    /// `[[camera]]`; `None` where none is written: every capture device found becomes one.
    /// `camera = []` is `Some` of nothing: no cameras at all.
    pub cameras: Option<Vec<CameraSettings>>,
    /// `[access]`
    pub access: AccessSettings,
    /// `[log]`
    pub log: LogSettings,
    /// `[metrics]`
    pub metrics: MetricsSettings,
    /// Where keys and tables lie: `--data`, `storage.data_dir`. `boot` makes it and
    /// finds out whether it can be written.
    pub data_dir: PathBuf,
    /// A test picture with a clock stands in where no camera is found.
    pub demo: bool,
}

impl Settings {
    /// The password of a room, where one is set.
    pub fn room_password(&self, name: &RoomName) -> Option<&Secret> {
        self.rooms_ahead.iter().find(|room| room.name == *name)?.password.as_ref()
    }

    /// Whether any room has a password: whoever is nobody yet may come in by it.
    pub fn has_room_passwords(&self) -> bool {
        self.rooms_ahead.iter().any(|room| room.password.is_some())
    }

    /// The room of a camera that is configured.
    pub fn room_of_camera(&self, id: &CameraId) -> Option<&RoomName> {
        let camera = self.cameras.iter().flatten().find(|camera| camera.id == *id)?;
        Some(&camera.room)
    }
}

/// `[http]`
#[derive(Debug, Clone, PartialEq)]
pub struct HttpSettings {
    /// Where https, wss are served; default `[::]:8172`, dual-stack.
    pub listen: Vec<SocketAddr>,
    /// PEM files that replace the box's own certificate: chain and key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Serve the page from this folder instead of what is built in.
    pub web_dir: Option<PathBuf>,
    /// Largest request head, bytes (default 16 KiB).
    pub max_header: usize,
    /// Largest request body, bytes (default 64 KiB).
    pub max_body: usize,
    /// Largest SDP in a body or message, bytes (default 128 KiB).
    pub max_sdp: usize,
    /// Largest signaling message besides its SDP, bytes (default 64 KiB).
    pub max_message: usize,
    /// Open connections from one address (default 64).
    pub connections_per_address: usize,
    /// Open connections of all (default 4096); as many as the system has descriptors for, if less.
    pub max_connections: usize,
    /// Joins from one address in a minute (default 60).
    pub joins_per_minute: usize,
    /// An idle keep-alive connection is closed (default 60 s).
    pub idle_timeout: Duration,
    /// A request head or body has to arrive within (default 10 s).
    pub slow_timeout: Duration,
    /// Origins besides the box's own names from which sockets and changes are accepted.
    pub origins: Vec<String>,
    /// Names besides those of the certificate by which the box may be asked; lower case.
    pub hosts: Vec<String>,
    /// Whose word on where a request comes from is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Who may embed the pages: CSP `frame-ancestors` sources; default `'self'`.
    pub frame_ancestors: Vec<String>,
}

/// `[media]`
#[derive(Debug, Clone, PartialEq)]
pub struct MediaSettings {
    /// UDP and TCP ports; the first worker takes the first. Default 10000-10100.
    pub ports: RangeInclusive<u16>,
    /// Worker threads, each with its own port (default 1).
    pub workers: usize,
    /// Viewers of one room on one worker before another takes new ones (default 400).
    pub viewers_per_worker: usize,
    /// Media by TCP where UDP does not get through (default true).
    pub tcp: bool,
}

/// `[network]`
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkSettings {
    /// Announced beside what is discovered. DNS names are accepted and come later.
    pub announce: Vec<Announce>,
    /// Globs of interfaces to use; empty is all.
    pub include: Vec<String>,
    /// Globs of interfaces left out (default `docker* br-* veth* virbr*` and their like).
    pub exclude: Vec<String>,
}

/// One entry of `network.announce`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Announce {
    /// An address, with the worker's own port.
    Ip(IpAddr),
    /// An address and the port that is forwarded to the first worker.
    Socket(SocketAddr),
    /// A DNS name, re-resolved.
    Name(String),
}

impl Announce {
    /// The address, unless it is a name.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(*ip),
            Self::Socket(address) => Some(address.ip()),
            Self::Name(_) => None,
        }
    }
}

/// `[turn]`: coturn's words.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnSettings {
    /// Where STUN and TURN are served, UDP and TCP; default `[::]:3478`. Empty is off.
    pub listen: Vec<SocketAddr>,
    /// UDP ports of relay addresses; default what the workers leave of `media.ports`. `None` where
    /// they leave nothing.
    pub relay_ports: Option<RangeInclusive<u16>>,
    /// The realm of long-term credentials (RFC 8489, 9.2); default `parlor`.
    pub realm: String,
    /// The secret of time-limited credentials (TURN-REST).
    pub static_auth_secret: Option<Secret>,
    /// Static users: name and password.
    pub users: Vec<(String, Secret)>,
    /// Public address, and the private one it stands for where several are mapped.
    pub external_ip: Vec<(IpAddr, Option<IpAddr>)>,
    /// Allocations at a time, of all users; 0 is no limit.
    pub total_quota: u32,
    /// Allocations at a time of one user; 0 is no limit.
    pub user_quota: u32,
    /// Bytes a second of one allocation, each way; 0 is no limit.
    pub max_bps: u64,
    /// Bytes a second of all allocations, each way; 0 is no limit.
    pub bps_capacity: u64,
    /// Where clients are told to ask when nothing is left here.
    pub alternate_server: Vec<SocketAddr>,
    /// Peers that may be reached even if they are denied below.
    pub allowed_peer_ip: Vec<IpRange>,
    /// Peers that may not be reached.
    pub denied_peer_ip: Vec<IpRange>,
}

/// First and last address, of one family, first ≤ last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpRange {
    /// The first that belongs to it.
    pub first: IpAddr,
    /// The last that belongs to it.
    pub last: IpAddr,
}

/// What must not be shown: its `Debug` is `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for whoever checks it. Never log it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// `[rooms]`
#[derive(Debug, Clone, PartialEq)]
pub struct RoomSettings {
    /// Participants (cameras and streams not counted); 0 is no limit.
    pub max_participants: usize,
    /// WHEP viewers of one room, who are no participants; 0 is no limit.
    pub max_viewers: usize,
    /// Voices that are forwarded at a time: the loudest.
    pub max_speakers: usize,
    /// Who may make a room.
    pub create: Role,
    /// The room the join page proposes.
    pub default: RoomName,
    /// Whether two people talk directly (default `auto`).
    pub direct: Direct,
    /// Days that chat is kept, 0 for no limit (default 30).
    pub history_days: u32,
    /// Messages of a room that are kept, 0 for none (default 10 000).
    pub history_lines: usize,
}

/// `rooms.direct`: from browser to browser, or by way of the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direct {
    /// Directly while two people are alone and their browsers reach each other.
    Auto,
    /// Always by way of the box.
    Never,
    /// Never by way of the box: a third person is told so.
    Only,
}

/// `[[room]]`: a room that is set up ahead.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomAhead {
    /// What it is called.
    pub name: RoomName,
    /// Participants; 0 is no limit. Default as `[rooms]` has it.
    pub max_participants: usize,
    /// What everybody is asked for who has neither an account nor an invite: an argon2id hash, or the
    /// password itself.
    pub password: Option<Secret>,
    /// Default as `[rooms]` has it.
    pub direct: Direct,
    /// Nobody new comes in.
    pub locked: bool,
    /// Whoever comes waits to be let in.
    pub lobby: bool,
    /// What whoever comes in is told; may be empty.
    pub welcome: String,
}

/// `[ice]`
#[derive(Debug, Clone, PartialEq)]
pub struct IceSettings {
    /// STUN and TURN servers of others that clients are told of.
    pub servers: Vec<IceServer>,
}

/// `[[ice.servers]]`
#[derive(Debug, Clone, PartialEq)]
pub struct IceServer {
    /// `stun:`, `stuns:`, `turn:`, `turns:` (RFC 7064, 7065); at least one.
    pub urls: Vec<String>,
    /// May be empty; with `secret` it stands behind the time.
    pub username: String,
    /// A fixed password.
    pub credential: Option<Secret>,
    /// What passwords that expire are made of (TURN-REST).
    pub secret: Option<Secret>,
    /// How long those are good (default 24 h).
    pub expiry: Duration,
}

/// Who somebody is, ordered by what they may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Whoever comes from the LAN.
    Guest,
    /// With an account, an invite or the room's password.
    User,
    /// Has set the box up.
    Owner,
}

/// `[rtsp]`
#[derive(Debug, Clone, PartialEq)]
pub struct RtspSettings {
    /// Where cameras are served by RTSP (default `[::]:8554`); empty is nowhere.
    pub listen: Vec<SocketAddr>,
    /// Names and passwords for digest credentials of those who may not watch by where they come from.
    pub users: Vec<(String, Secret)>,
}

/// `[access]`
#[derive(Debug, Clone, PartialEq)]
pub struct AccessSettings {
    /// Who is a guest: `lan` (default) or `none`.
    pub guests: Guests,
    /// A proxy or tunnel on this machine speaks for the outside: loopback is not the LAN.
    pub local_proxy: bool,
    /// Who comes from this machine itself (default `token`, with `--demo` `guest`).
    pub loopback: Loopback,
}

/// `access.loopback`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loopback {
    /// Somebody who may be anybody, by a tunnel or proxy: a token says that it is a browser here.
    Token,
    /// A guest: nothing forwards to this machine.
    Guest,
}

/// `access.guests`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guests {
    /// Whoever comes from the LAN.
    Lan,
    /// Nobody.
    None,
}

/// `[metrics]`
#[derive(Debug, Clone, PartialEq)]
pub struct MetricsSettings {
    /// `/metrics` answers loopback (and, later, the owner); default true.
    pub enabled: bool,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq)]
pub struct LogSettings {
    /// A `tracing` filter, such as `info` or `parlor::sfu=debug,info`.
    pub filter: String,
}

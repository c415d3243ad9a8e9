//! Every key with its default, and what all of them together mean: [`Settings`].
//!
//! PURE: what was written comes in by the [`Reader`], settings go out, faults stay in the reader.
//! A new key is one call here, one field in `settings.rs`, one entry in `systemd/parlor.toml`, one
//! valid and one invalid example in `tests/config/`. [`super::conflicts`] looks at keys together.

use std::{path::PathBuf, time::Duration};

use super::{
    conflicts,
    fault::{Problem, did_you_mean},
    forms,
    reader::Reader,
    repeated::{self, DIRECT},
    section::Section,
    settings::{
        AccessSettings, Announce, Guests, HttpSettings, IceSettings, LogSettings, Loopback,
        MediaSettings, MetricsSettings, NetworkSettings, Role, RoomSettings, RtspSettings,
        Settings, TurnSettings,
    },
    shape::{self, Meant, string},
};

const KIB: usize = 1024;
const MIB: usize = 1024 * 1024;

/// What is known besides what is written.
#[derive(Debug, Clone, Default)]
pub(super) struct Surroundings {
    /// Where the data folder lies if nobody says; empty where this system has no place for it.
    pub(super) data_dir: String,
    /// `--demo`
    pub(super) demo: bool,
}

/// Reads all sections. The settings are to be used only if the reader has no fault.
pub(super) fn settings(reader: &mut Reader, surroundings: &Surroundings) -> Settings {
    let http = reader.section("http", http);
    let media = reader.section("media", media);
    let network = reader.section("network", network);
    let (turn, min_max) = reader.section("turn", turn);
    let ice = reader.section("ice", ice);
    let rooms = reader.section("rooms", rooms);
    let ahead = reader.sections("room", |s| repeated::room(s, &rooms)).unwrap_or_default();
    let cameras = reader.sections("camera", repeated::camera);
    let rtsp = reader.section("rtsp", rtsp);
    let access = reader.section("access", |s| access(s, surroundings.demo));
    let data_dir = reader.section("storage", |s| storage(s, &surroundings.data_dir));
    let log = reader.section("log", log);
    let metrics = reader.section("metrics", metrics);

    if http.1 {
        let problem = "has no partner";
        let remedy = "write both http.certificate and http.certificate_key, or neither";
        for key in ["certificate", "certificate_key"] {
            reader.written_fault("http", key, Problem::new(problem, remedy));
        }
    }
    let mut settings = Settings {
        http: http.0,
        media,
        network,
        turn,
        ice,
        rooms,
        rooms_ahead: repeated::different_rooms(reader, ahead),
        cameras: cameras.map(|cameras| repeated::different_cameras(reader, cameras)),
        rtsp,
        access,
        log,
        metrics,
        data_dir,
        demo: surroundings.demo,
    };
    if settings.demo && settings.cameras.is_some() {
        let text = "--demo: no test picture stands in, for cameras are configured ([[camera]], or \
                    camera = [])";
        reader.warnings.push(text.into());
    }
    conflicts::workers(reader, &settings);
    settings.turn.relay_ports = conflicts::relay_ports(reader, &settings, min_max);
    conflicts::ports(reader, &settings);
    settings
}

/// The settings, and whether one of certificate and key is missing.
fn http(s: &mut Section<'_>) -> (HttpSettings, bool) {
    let listen = s.list("listen", "[::]:8172", forms::listen);
    if listen.is_empty() {
        s.fault_if_whole("listen", "names no address", "write ADDR:PORT, such as \"[::]:8172\"");
    }
    let certificate = s.key("certificate", "", shape::path);
    let key = s.key("certificate_key", "", shape::path);
    let one_missing = certificate.is_some() != key.is_some();
    let seconds = |from, to| Duration::from_secs(from)..=Duration::from_secs(to);
    let settings = HttpSettings {
        listen,
        certificate: certificate.zip(key),
        web_dir: s.key("web_dir", "", shape::path),
        max_header: s.key("max_header", "16 KiB", shape::bytes(KIB..=MIB)),
        max_body: s.key("max_body", "64 KiB", shape::bytes(KIB..=16 * MIB)),
        max_sdp: s.key("max_sdp", "128 KiB", shape::bytes(4 * KIB..=4 * MIB)),
        max_message: s.key("max_message", "64 KiB", shape::bytes(4 * KIB..=4 * MIB)),
        connections_per_address: s.key(
            "connections_per_address",
            64,
            shape::integer(1..=100_000, "connections"),
        ),
        max_connections: s.key(
            "max_connections",
            4096,
            shape::integer(16..=1_000_000, "connections"),
        ),
        joins_per_minute: s.key("joins_per_minute", 60, shape::integer(1..=100_000, "joins")),
        idle_timeout: s.key("idle_timeout", "60s", shape::duration(seconds(1, 3600))),
        slow_timeout: s.key("slow_timeout", "10s", shape::duration(seconds(1, 300))),
        origins: s.list("origins", Vec::<String>::new(), forms::origin),
        hosts: s.list("hosts", Vec::<String>::new(), forms::host),
        frame_ancestors: s.list("frame_ancestors", vec!["'self'"], forms::csp_source),
        trusted_proxies: s.list("trusted_proxies", Vec::<String>::new(), forms::network),
    };
    (settings, one_missing)
}

fn media(s: &mut Section<'_>) -> MediaSettings {
    MediaSettings {
        ports: s.key("ports", "10000-10100", shape::some_ports),
        workers: s.key("workers", 1, shape::integer(1..=64, "threads")),
        viewers_per_worker: s.key(
            "viewers_per_worker",
            400,
            shape::integer(1..=100_000, "viewers"),
        ),
        tcp: s.key("tcp", true, shape::flag),
    }
}

fn network(s: &mut Section<'_>) -> NetworkSettings {
    let announce = s.list("announce", Vec::<String>::new(), forms::announce);
    for entry in &announce {
        if let Announce::Name(name) = entry {
            s.dormant("announce", &format!("{name:?}"));
        }
    }
    let excluded =
        vec!["docker*", "br-*", "veth*", "virbr*", "podman*", "cni*", "lxcbr*", "lxdbr*"];
    let (include, exclude) = s.section("network.interfaces", |s| {
        let include = s.list("include", Vec::<String>::new(), forms::interface_glob);
        (include, s.list("exclude", excluded, forms::interface_glob))
    });
    NetworkSettings { announce, include, exclude }
}

/// What `min-port` and `max-port` said; 0 is nothing.
pub(super) type MinMax = (u16, u16);

fn turn(s: &mut Section<'_>) -> (TurnSettings, MinMax) {
    let quota = || shape::integer(0..=1_000_000, "allocations, 0 for no limit");
    let bytes = || shape::integer(0..=1_000_000_000_000, "bytes a second, 0 for no limit");
    let port = || shape::integer(0..=65_535, "a port, 0 for relay_ports' default");
    let settings = TurnSettings {
        listen: s.list("listen", "[::]:3478", forms::listen),
        relay_ports: s.key("relay_ports", "", shape::ports),
        realm: s.key("realm", "parlor", realm),
        static_auth_secret: s.shown(forms::show_secret).key(
            "static-auth-secret",
            "",
            forms::secret,
        ),
        users: s.shown(forms::show_users).list("user", Vec::<String>::new(), forms::user),
        external_ip: s.list("external-ip", Vec::<String>::new(), forms::external_ip),
        total_quota: s.key("total-quota", 0, quota()),
        user_quota: s.key("user-quota", 0, quota()),
        max_bps: s.key("max-bps", 0, bytes()),
        bps_capacity: s.key("bps-capacity", 0, bytes()),
        alternate_server: s.list("alternate-server", Vec::<String>::new(), forms::listen),
        allowed_peer_ip: s.list("allowed-peer-ip", Vec::<String>::new(), forms::ip_range),
        denied_peer_ip: s.list("denied-peer-ip", Vec::<String>::new(), forms::ip_range),
    };
    (settings, (s.key("min-port", 0, port()), s.key("max-port", 0, port())))
}

fn rtsp(s: &mut Section<'_>) -> RtspSettings {
    RtspSettings {
        listen: s.list("listen", "[::]:8554", forms::listen),
        users: s.shown(forms::show_users).list("user", Vec::<String>::new(), forms::user),
    }
}

/// RFC 8489, 14.9: at most 127 characters.
fn realm(value: &toml::Value) -> Meant<String> {
    let realm = shape::text(127)(value)?;
    if realm.is_empty() {
        return Err(Problem::new("is empty", "write a realm, such as your domain"));
    }
    Ok(realm)
}

fn rooms(s: &mut Section<'_>) -> RoomSettings {
    const ROLES: &[(&str, Role)] =
        &[("guest", Role::Guest), ("user", Role::User), ("owner", Role::Owner)];
    let max_participants =
        s.key("max_participants", 0, shape::integer(0..=100_000, "participants, 0 for no limit"));
    let max_viewers =
        s.key("max_viewers", 200, shape::integer(0..=100_000, "viewers, 0 for no limit"));
    let max_speakers = s.key("max_speakers", 8, shape::integer(1..=64, "speakers"));
    let create = s.key("create", "guest", shape::choice(ROLES));
    let default = s.key("default", "home", forms::room);
    let direct = s.key("direct", "auto", shape::choice(DIRECT));
    let days = shape::integer(0..=3650, "days, 0 for no limit");
    let history_days = s.key("history_days", 30, days);
    let lines = shape::integer(0..=1_000_000, "messages, 0 for none");
    let history_lines = s.key("history_lines", 10_000, lines);
    RoomSettings {
        max_participants,
        max_viewers,
        max_speakers,
        create,
        default,
        direct,
        history_days,
        history_lines,
    }
}

fn ice(s: &mut Section<'_>) -> IceSettings {
    IceSettings { servers: s.sections("ice.servers", repeated::ice_server) }
}

fn access(s: &mut Section<'_>, demo: bool) -> AccessSettings {
    const GUESTS: &[(&str, Guests)] = &[("lan", Guests::Lan), ("none", Guests::None)];
    const LOOPBACK: &[(&str, Loopback)] = &[("token", Loopback::Token), ("guest", Loopback::Guest)];
    let guests = s.key("guests", "lan", shape::choice(GUESTS));
    let local_proxy = s.key("local_proxy", false, shape::flag);
    // Whoever tries parlor out opens it on the same machine.
    let unsaid = if demo { "guest" } else { "token" };
    let loopback = s.key("loopback", unsaid, shape::choice(LOOPBACK));
    AccessSettings { guests, local_proxy, loopback }
}

fn storage(s: &mut Section<'_>, default: &str) -> PathBuf {
    let written = s.key("data_dir", default, shape::path);
    written.unwrap_or_else(|| PathBuf::from(default))
}

fn log(s: &mut Section<'_>) -> LogSettings {
    LogSettings { filter: s.key("filter", "info", filter) }
}

/// A filter that `tracing` understands. Any bare word is one (of a module of that name), so words
/// that look like a misspelt level are told apart here.
fn filter(value: &toml::Value) -> Meant<String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let remedy = "write a level (error, warn, info, debug, trace) or \"parlor::sfu=debug,info\"";
    let text = string(value, "a filter, such as \"info\" or \"parlor::sfu=debug,info\"")?;
    tracing_subscriber::EnvFilter::builder()
        .parse(text)
        .map_err(|_| Problem::new("is no filter", remedy))?;
    for word in text.split(',').map(str::trim) {
        let level = LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
        let plain = word.bytes().all(|byte| byte.is_ascii_alphabetic());
        if plain && !level && did_you_mean(word, LEVELS).is_some() {
            return Err(Problem::new("is no level", remedy));
        }
    }
    Ok(text.to_owned())
}

fn metrics(s: &mut Section<'_>) -> MetricsSettings {
    MetricsSettings { enabled: s.key("enabled", true, shape::flag) }
}

//! Who may name whom: design invariants 1 (purity), 2 (one folder a big library), 3 (the camera is a
//! member like any other), and the edges between the parts of the house.

use std::collections::BTreeSet;

use crate::{Fault, source::Source};

/// Vocabulary: everybody may name it, and it names nothing but itself.
const VOCABULARY: [&str; 4] = ["ids", "protocol", "config", "seams"];

/// Known by nobody but each other; they know everybody.
const TOP: [&str; 5] = ["", "app", "boot", "cli", "fuzzing"];

/// The only edges between parts, besides those to the vocabulary; `room` and `stun` are pure.
const EDGES: [(&str, &[&str]); 15] = [
    ("http", &["rooms", "access", "trust", "store", "net", "doctor", "telemetry"]),
    ("rooms", &["room", "access", "sfu", "store", "telemetry"]),
    ("access", &["store"]),
    ("camera", &["rooms", "telemetry"]),
    ("rtsp", &["rooms", "access", "telemetry"]),
    ("turn", &["net", "stun", "telemetry"]),
    ("doctor", &["net", "probe", "sfu", "turn", "trust", "telemetry"]),
    ("sfu", &["stun", "telemetry"]),
    ("net", &["telemetry"]),
    ("store", &["telemetry"]),
    ("trust", &["telemetry"]),
    ("probe", &["stun", "telemetry"]),
    ("telemetry", &[]),
    ("room", &[]),
    ("stun", &[]),
];

/// Libraries and the only parts that may name them; `rtc` stands for `rtc_dtls` and the like too.
const LIBRARIES: [(&str, &[&str]); 12] = [
    ("rtc", &["sfu", "turn", "probe"]),
    ("webrtc", &["probe"]),
    ("gstreamer", &["camera"]),
    ("gst", &["camera"]),
    ("hyper", &["http"]),
    ("http_body", &["http"]),
    ("rustls", &["http", "trust", "probe"]),
    ("tokio_rustls", &["http", "probe"]),
    ("tokio_tungstenite", &["http", "probe"]),
    ("tungstenite", &["http", "probe"]),
    ("nix", &["net", "telemetry"]),
    ("rusqlite", &["store"]),
];

/// The modules that decide and do nothing; see [`pure_modules`] for how others join them.
const PURE: [&str; 18] = [
    "room",
    "stun",
    "sfu/media",
    "sfu/path",
    "sfu/wire/candidates",
    "sfu/wire/demux",
    "sfu/wire/rtp",
    "turn/server",
    "turn/allocation",
    "turn/credential",
    "turn/policy",
    "net/parse",
    "net/policy",
    "net/table",
    "camera/source",
    "camera/encoder",
    "http/routes",
    "doctor/verdicts",
];

/// The media plane's rooms, from the top down; those of one line do not know each other.
const MEDIA: [&[&str]; 9] = [
    &["door"],
    &["worker"],
    &["router"],
    &["relay"],
    &["up", "down"],
    &["media"],
    &["path"],
    &["link"],
    &["wire"],
];

/// What the media plane is tried with: it knows all its rooms, and the product does not know it.
const TRIALS: &str = "testing";

/// What a pure module must not name: clocks, chance, sockets, files, tasks.
const IMPURE: [&str; 17] = [
    "tokio",
    "rand",
    "nix",
    "libc",
    "socket2",
    "quinn_udp",
    "futures_util",
    "std::fs",
    "std::process",
    "std::thread",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "Instant::now",
    "SystemTime::now",
    "std::time::Instant::now",
    "std::time::SystemTime::now",
];

/// The parts that must not know what a camera is.
const BLIND: [&str; 3] = ["room", "rooms", "sfu"];

fn part(source: &Source) -> &str {
    source.module().first().copied().unwrap_or_default()
}

/// Invariant 2.
pub(crate) fn libraries(source: &Source) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (path, line) in source.paths() {
        let root = path[0].as_str();
        let stands_for = |library: &str| {
            root == library || root.strip_prefix(library).is_some_and(|rest| rest.starts_with('_'))
        };
        for (library, allowed) in LIBRARIES {
            if stands_for(library) && !allowed.contains(&part(source)) {
                let text = format!("`{root}` is named; only {} may", allowed.join(", "));
                faults.push(Fault::new(source, line, text));
            }
        }
    }
    faults
}

/// Section 2 of the design: edges.
pub(crate) fn edges(source: &Source) -> Vec<Fault> {
    let from = part(source);
    if TOP.contains(&from) {
        return Vec::new();
    }
    let edges = EDGES.iter().find(|(name, _)| *name == from).map(|(_, to)| *to);
    let Some(allowed) = edges.or_else(|| VOCABULARY.contains(&from).then_some(&[][..])) else {
        let text =
            format!("`{from}` has no place in the layers; give it one in tests/tidy/layers.rs");
        return vec![Fault::new(source, 1, text)];
    };
    let mut faults = Vec::new();
    for (path, line) in source.paths() {
        let [root, to, ..] = path.as_slice() else { continue };
        let to = to.as_str();
        // Macros of the crate's root have no part of their own.
        let known = VOCABULARY.contains(&to) || to == from || allowed.contains(&to);
        let is_part = EDGES.iter().any(|(name, _)| *name == to) || TOP.contains(&to);
        if (root == "crate" || root == "parlor") && is_part && !known {
            faults.push(Fault::new(source, line, format!("`{from}` names `{to}`")));
        }
    }
    faults
}

/// Between the rooms of the media plane imports run downward only, and each thing is named where it
/// is: what `sfu` shows the house is for the house. Nobody in the product names what it is tried with.
pub(crate) fn media_rooms(source: &Source) -> Vec<Fault> {
    let module = source.module();
    let floor = |room: &str| MEDIA.iter().position(|rooms| rooms.contains(&room));
    let own = match module.as_slice() {
        ["sfu", TRIALS, ..] | ["fuzzing", ..] => return Vec::new(),
        ["sfu", room, ..] if floor(room).is_none() => {
            return vec![Fault::new(source, 1, format!("`sfu` has no room `{room}`"))];
        }
        ["sfu", room, ..] => Some(*room),
        _ => None,
    };
    let mut faults = Vec::new();
    for (path, line) in source.paths() {
        let ["crate" | "parlor", "sfu", to, ..] = path_of(&path)[..] else { continue };
        let text = match own {
            _ if to == TRIALS => format!("`{TRIALS}` is named outside of tests"),
            None => continue,
            Some(own) if to == own => continue,
            Some(own) => match (floor(own), floor(to)) {
                (Some(above), Some(below)) if above < below => continue,
                (_, Some(_)) => format!("`{own}` names `{to}`, which is not below it"),
                (_, None) => format!("`{own}` names `{to}` by way of `sfu`; name it where it is"),
            },
        };
        faults.push(Fault::new(source, line, text));
    }
    faults
}

fn path_of(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}

/// The modules held to purity: those of the list, those that say so of themselves (a line of their
/// documentation begins with `PURE`, not indented as in a drawing), and those of which the module
/// above says so: a line that begins with ``PURE: `name`, `name` ``.
pub(crate) fn pure_modules(sources: &[Source]) -> BTreeSet<String> {
    let mut pure: BTreeSet<String> = PURE.iter().map(|&module| module.to_owned()).collect();
    for source in sources.iter().filter(|source| !part(source).is_empty()) {
        let own = source.module().join("/");
        let docs = source.module_docs();
        let Some(at) = docs.iter().position(|line| line.starts_with(" PURE")) else { continue };
        match docs[at].strip_prefix(" PURE: `") {
            None => drop(pure.insert(own)),
            Some(_) => {
                let text = docs[at..].join(" ");
                let sentence = text.split_once('.').map_or(text.as_str(), |(sentence, _)| sentence);
                let names = sentence.split('`').skip(1).step_by(2);
                pure.extend(names.map(|name| format!("{own}/{name}")));
            }
        }
    }
    pure
}

/// Invariant 1, for the modules of [`pure_modules`] and all below them.
pub(crate) fn purity(source: &Source, pure: &BTreeSet<String>) -> Vec<Fault> {
    let module = source.module().join("/");
    let below = |pure: &String| {
        let rest = module.strip_prefix(pure.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if !pure.iter().any(below) {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for (path, line) in source.paths() {
        let path = path.join("::");
        let named = |what: &str| {
            path.strip_prefix(what).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        if let Some(what) = IMPURE.iter().find(|what| named(what)) {
            faults.push(Fault::new(source, line, format!("a pure module names `{what}`")));
        }
    }
    for token in &source.tokens {
        if ["async", "await"].contains(&token.text.as_str()) {
            let text = format!("a pure module has `{}`", token.text);
            faults.push(Fault::new(source, token.line, text));
        }
    }
    faults
}

/// Invariant 3: neither imports nor branches. Strings and comments may speak of cameras.
pub(crate) fn blindness(source: &Source) -> Vec<Fault> {
    if !BLIND.contains(&part(source)) {
        return Vec::new();
    }
    let knows = source.tokens.iter().filter(|token| token.text.to_lowercase().contains("camera"));
    let fault = |token: &crate::source::Token| {
        let text = format!("`{}` is named; a camera is a member like any other", token.text);
        Fault::new(source, token.line, text)
    };
    knows.map(fault).collect()
}

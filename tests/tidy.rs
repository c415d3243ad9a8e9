//! The house keeps its own rules: layers, purity, sizes, documentation, the drawn tree.
//!
//! The rules are in `design.md` (sections 1 and 2) as `src/lib.rs` carries them. Each checker is shown
//! bad examples first: a check that cannot fail proves nothing. Functions of the page's scripts are
//! measured by `web/test/tidy.test.js`, which has a parser for them. Macros are not expanded.

#[path = "tidy/form.rs"]
mod form;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/secrets.rs"]
mod secrets;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/tree.rs"]
mod tree;

use std::{fmt, fs, path::Path};

use source::{Source, files, sources};

/// One breach of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    path: String,
    line: usize,
    text: String,
}

impl Fault {
    fn new(source: &Source, line: usize, text: String) -> Self {
        Self { path: source.path.clone(), line, text }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.text)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn assert_none(faults: &[Fault]) {
    let lines: Vec<String> = faults.iter().map(Fault::to_string).collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), lines.join("\n"));
}

/// Holds every source of the product to a rule.
fn check_sources(rule: impl Fn(&Source) -> Vec<Fault>) {
    let sources = sources(root());
    assert!(sources.len() >= 10, "only {} files found below src/", sources.len());
    assert_none(&sources.iter().flat_map(rule).collect::<Vec<_>>());
}

/// Shows a rule examples, each with whether it is to object.
fn check_examples(rule: impl Fn(&Source) -> Vec<Fault>, examples: &[(&str, &str, bool)]) {
    for (path, text, bad) in examples {
        let faults = rule(&Source::parse(path, text));
        assert_eq!(!faults.is_empty(), *bad, "{path}: {text}\n{faults:?}");
    }
}

#[test]
fn each_big_library_lives_in_one_folder() {
    check_examples(
        layers::libraries,
        &[
            ("src/room/mod.rs", "use rtc::peer_connection::RTCPeerConnection;", true),
            ("src/sfu/link/dtls.rs", "use rtc::peer_connection::RTCPeerConnection;", false),
            ("src/rooms/mod.rs", "fn f() { rtc_dtls::f() }", true),
            ("src/rooms/mod.rs", "use std::{net::IpAddr, sync::Arc}; use rtcp_like::X;", false),
            ("src/app.rs", "use {std::net, gstreamer as g};", true),
            ("src/app.rs", "/// [`gstreamer::init`]\nfn f() { \"gstreamer::init\"; }", false),
            ("src/sfu/mod.rs", "use webrtc::api::API;", true),
            ("src/sfu/mod.rs", "#[cfg(test)]\nmod tests { use webrtc::api::API; }", false),
            ("src/config/mod.rs", "fn f() { nix::unistd::gethostname(); }", true),
            ("src/net/mod.rs", "fn f() { nix::unistd::gethostname(); }", false),
            ("src/turn/tls.rs", "use tokio_rustls::server::TlsStream;", true),
        ],
    );
    check_sources(layers::libraries);
}

#[test]
fn only_the_drawn_edges_exist_between_parts() {
    check_examples(
        layers::edges,
        &[
            ("src/http/session.rs", "use crate::rooms::RoomHandle;", false),
            ("src/http/session.rs", "use crate::{ids::RoomName, sfu::SfuHandle};", true),
            ("src/rooms/mod.rs", "use crate::{\n    ids::RoomName,\n    camera::X,\n};", true),
            ("src/sfu/worker/mod.rs", "use super::down::X; use super::super::rooms::Y;", true),
            ("src/sfu/worker/mod.rs", "use super::down::X; use crate::telemetry::Y;", false),
            ("src/room/mod.rs", "fn f() { crate::telemetry::metrics::metrics(); }", true),
            ("src/ids.rs", "use crate::rooms::RoomHandle;", true),
            ("src/config/settings.rs", "use crate::ids::RoomName;", false),
            ("src/net/mod.rs", "use crate::app::App;", true),
            ("src/app.rs", "use crate::{camera, http, rooms};", false),
            ("src/utils.rs", "", true),
        ],
    );
    check_sources(layers::edges);
}

#[test]
fn imports_of_the_media_plane_run_downward() {
    check_examples(
        layers::media_rooms,
        &[
            ("src/sfu/router/flow.rs", "use crate::sfu::{media::packet::Packet, up::X};", false),
            ("src/sfu/router/flow.rs", "use super::{Router, viewer::Viewer};", false),
            ("src/sfu/router/mod.rs", "use super::worker::core::X;", true),
            ("src/sfu/media/track.rs", "use crate::{ids::Mid, sfu::{path, router::X}};", true),
            ("src/sfu/up/offer.rs", "fn f() { crate::sfu::down::g() }", true),
            ("src/sfu/up/offer.rs", "use crate::sfu::SfuHandle;", true),
            ("src/sfu/up/mod.rs", "use crate::sfu::testing::fuzzing;", true),
            ("src/sfu/up/mod.rs", "#[cfg(test)]\nmod tests { use crate::sfu::testing::X; }", false),
            ("src/sfu/testing/world.rs", "use crate::sfu::{door, wire};", false),
            ("src/sfu/forward.rs", "", true),
            ("src/sfu/mod.rs", "pub use door::SfuHandle; use self::wire::X;", false),
            ("src/rooms/mod.rs", "use crate::sfu::testing::X;", true),
            ("src/rooms/mod.rs", "use crate::sfu::SfuHandle;", false),
        ],
    );
    let all = sources(root());
    let sfu = all.iter().filter(|source| source.path.starts_with("src/sfu/")).count();
    assert!(sfu >= 50, "only {sfu} files of the media plane found");
    check_sources(layers::media_rooms);
}

#[test]
fn pure_modules_read_no_clock_and_touch_no_socket() {
    check_examples(
        |source| layers::purity(source, &layers::pure_modules(std::slice::from_ref(source))),
        &[
            ("src/room/mod.rs", "fn f() { let now = Instant::now(); }", true),
            ("src/room/mod.rs", "use std::time::{Duration, Instant}; fn f(now: Instant) {}", false),
            ("src/room/chat.rs", "fn f() { std::time::SystemTime::now(); }", true),
            ("src/sfu/media/forward.rs", "use tokio::sync::mpsc;", true),
            ("src/sfu/media/forward/layer.rs", "use rand::Rng;", true),
            ("src/sfu/mediation.rs", "use rand::Rng;", false),
            ("src/net/parse.rs", "use std::net::{IpAddr, UdpSocket};", true),
            ("src/net/parse.rs", "use std::net::IpAddr;", false),
            ("src/net/policy.rs", "async fn f() {}", true),
            ("src/net/policy.rs", "#[cfg(test)]\nmod tests { fn f() { Instant::now(); } }", false),
            ("src/config/shape.rs", "//! Shapes.\n//!\n//! PURE: values.\nuse std::fs;", true),
            ("src/config/shape.rs", "//! Shapes of pure values.\nuse std::fs;", false),
        ],
    );
    let parent =
        "//! Cameras.\n//!\n//! PURE: `state`,\n//! `offer`. The rest: `tasks`.\nasync fn f() {}";
    let parent = Source::parse("src/camera/mod.rs", parent);
    let pure = layers::pure_modules(std::slice::from_ref(&parent));
    let child = |name: &str| Source::parse(&format!("src/camera/{name}.rs"), "async fn f() {}");
    assert!(layers::purity(&parent, &pure).is_empty());
    assert_eq!(layers::purity(&child("state"), &pure).len(), 1);
    assert_eq!(layers::purity(&child("offer"), &pure).len(), 1);
    assert!(layers::purity(&child("tasks"), &pure).is_empty());

    let pure = layers::pure_modules(&sources(root()));
    let there = |module: &String| root().join(format!("src/{module}.rs")).exists();
    assert!(pure.iter().filter(|module| there(module)).count() >= 5, "{pure:?}");
    check_sources(|source| layers::purity(source, &pure));
}

#[test]
fn a_camera_is_a_member_like_any_other() {
    check_examples(
        layers::blindness,
        &[
            ("src/room/mod.rs", "if kind == MemberKind::Camera {}", true),
            ("src/rooms/mod.rs", "use crate::ids::CameraId;", true),
            ("src/sfu/media/track.rs", "// a camera's track\nfn f() { \"camera\"; }", false),
            ("src/http/mod.rs", "use crate::ids::CameraId;", false),
        ],
    );
    check_sources(layers::blindness);
}

#[test]
fn every_send_says_what_happens_when_it_is_full() {
    let far =
        "// overflow: DROPS, because\n".to_owned() + &"\n".repeat(20) + "fn f() { x.send(1); }";
    check_examples(
        form::channels,
        &[
            ("src/a.rs", "fn f() { x.send(1); }", true),
            ("src/a.rs", "fn f() {\n // overflow: awaited, it is ours\n x\n  .send(1);\n }", false),
            ("src/a.rs", "fn f() { x.try_send(1); // overflow: nudge\n }", false),
            ("src/a.rs", "// overflow: who knows\nfn f() { x.try_send(1); }", true),
            ("src/a.rs", &far, true),
            ("src/a.rs", "fn send(&self) {} fn f() { X::send(); x.sender(); }", false),
            ("src/a.rs", "fn f() { self.send(1); let _ = reply.send(2); }", false),
            ("src/a.rs", "fn f() { self.reply.tx.send(1); }", true),
            ("src/a.rs", "fn f() { mpsc::unbounded_channel(); }", true),
            ("src/a.rs", "#[cfg(test)]\nmod tests { fn f() { x.send(1); } }", false),
        ],
    );
    check_sources(form::channels);
}

#[test]
fn no_function_is_too_long() {
    let long = |n_lines: usize| format!("fn f() {{\n{}}}\n", "    g();\n".repeat(n_lines));
    let (good, bad) = (long(68), long(69));
    let commented = format!("fn f() {{\n{}}}\n", "    // why\n\n".repeat(100));
    let method = format!("impl X {{ fn a(&self) -> [u8; 2]; {} fn c() {{}} }}", long(69));
    let many = "fn f() {}\n".repeat(100);
    check_examples(
        form::function_sizes,
        &[
            ("src/a.rs", &good, false),
            ("src/a.rs", &bad, true),
            ("src/a.rs", &commented, false),
            ("src/a.rs", &method, true),
            ("src/a.rs", &many, false),
        ],
    );
    check_sources(form::function_sizes);
    let tests: Vec<Source> = texts("tests", &[".rs"])
        .into_iter()
        .map(|(path, text)| Source::parse(&path, &text))
        .collect();
    assert_none(&tests.iter().flat_map(form::function_sizes).collect::<Vec<_>>());
}

#[test]
fn no_file_is_too_long() {
    assert_eq!(form::file_size("a", &"x\n".repeat(400)), []);
    assert_eq!(form::file_size("a", &"x\n".repeat(401)).len(), 1);
    let mut faults = Vec::new();
    for folder in ["src", "web", "tests", "benches"] {
        for (path, text) in texts(folder, &[".rs", ".js", ".mjs", ".css", ".html", ".ts"]) {
            faults.extend(form::file_size(&path, &text));
        }
    }
    assert_none(&faults);
}

#[test]
fn every_module_says_what_it_is() {
    check_examples(
        form::module_docs,
        &[
            ("src/a.rs", "//! Owns a.\nfn f() {}", false),
            ("src/a.rs", "// Owns a.\nfn f() {}", true),
            ("src/a.rs", "//!\nfn f() {}", true),
            ("src/a.rs", "", true),
        ],
    );
    check_sources(form::module_docs);
    let tests = texts("tests", &[".rs"]);
    assert!(tests.len() > 2, "the tests are found");
    let bare = |(path, text): &(String, String)| form::module_docs(&Source::parse(path, text));
    assert_none(&tests.iter().flat_map(bare).collect::<Vec<_>>());

    assert_eq!(form::script_docs("a.js", "import x from \"./x.js\";\n").len(), 1);
    assert_eq!(form::script_docs("a.js", "/** What it is. */\n"), []);
    let mut scripts = texts("web", &[".js", ".mjs"]);
    // What a test is for, its names say.
    scripts.retain(|(path, _)| !path.starts_with("web/test/"));
    let bare = |(path, text): &(String, String)| form::script_docs(path, text);
    assert_none(&scripts.iter().flat_map(bare).collect::<Vec<_>>());
}

#[test]
fn no_file_names_a_folder_of_somebodys_machine() {
    let join = |folder: &str| format!("see /{folder}/parlor");
    assert_eq!(form::machine_paths("a", &join("work")).len(), 1);
    assert_eq!(form::machine_paths("a", &join("root")).len(), 1);
    assert_eq!(form::machine_paths("a", "see $HOME/work/x, src/root/x, x.org/home/x"), []);
    let endings = ["", ".rs", ".md", ".toml", ".js", ".sh", ".bb", ".service"];
    let texts = texts("", &endings);
    assert!(texts.len() > 30, "only {} files found", texts.len());
    let faults = texts.iter().flat_map(|(path, text)| form::machine_paths(path, text));
    assert_none(&faults.collect::<Vec<_>>());
}

#[test]
fn no_file_holds_a_secret() {
    let key = |body: &str| ["-----BEGIN PRIVATE", " KEY-----\n", body, "\n"].concat();
    assert_eq!(secrets::secrets("a.pem", &key(&"A".repeat(64))).len(), 1);
    assert_eq!(secrets::secrets("a.md", &key("...")), []);
    let token = |n_chars: usize| ["token = gh", "p_", &"x".repeat(n_chars)].concat();
    assert_eq!(secrets::secrets("a.toml", &token(36)).len(), 1);
    assert_eq!(secrets::secrets("a.toml", &token(8)), []);
    assert_eq!(secrets::secrets("a.rs", &["a_gh", "p_", &"x".repeat(40)].concat()), []);
    // Every file that is text, whatever it is called.
    let texts = texts("", &[""]);
    assert!(texts.len() > 300, "only {} files found", texts.len());
    let faults = texts.iter().flat_map(|(path, text)| secrets::secrets(path, text));
    assert_none(&faults.collect::<Vec<_>>());
}

#[test]
fn the_tree_in_the_documentation_is_the_tree_on_disk() {
    let docs =
        [" Map:", " ```text", " src/   all", "   lib.rs   this", "   sfu/   media", "     a.rs"];
    let more = ["                    goes on", " web/  page", " ```", " src/", "   other.rs"];
    let drawn = tree::drawn(&[&docs[..], &more[..]].concat());
    assert_eq!(drawn, ["src/", "src/lib.rs", "src/sfu/", "src/sfu/a.rs", "web/"]);

    let faults = |docs: &[&str]| {
        let faults = tree::check(root(), docs);
        faults.into_iter().map(|fault| fault.text).collect::<Vec<_>>()
    };
    assert_eq!(faults(&["nothing"]).len(), 1);
    let missing = faults(&[" src/", "   lib.rs", "   nowhere.rs"]);
    assert!(missing.contains(&"`src/nowhere.rs` is drawn and not there".into()), "{missing:?}");
    assert!(missing.contains(&"`src/main.rs` is there and not drawn".into()), "{missing:?}");

    let text = fs::read_to_string(root().join("src/lib.rs")).expect("src/lib.rs");
    let library = Source::parse("src/lib.rs", &text);
    assert_none(&tree::check(root(), &library.module_docs()));
}

#[test]
fn code_is_told_from_what_only_looks_like_it() {
    let text = r##"
        // rtc::a
        /* rtc::b /* rtc::c */ rtc::d */
        const A: &str = "rtc::e \" rtc::f";
        const B: &str = r#"rtc::g " rtc::h"#;
        const C: [char; 3] = ['"', '\'', 'é'];
        fn f<'a>(x: &'a str) -> &'a str { 'outer: loop { rtc::real(b"rtc::i", b'x', "\\"); } }
    "##;
    let paths = Source::parse("src/a.rs", text).paths();
    let named: Vec<String> = paths.into_iter().map(|(path, _)| path.join("::")).collect();
    assert_eq!(named, ["rtc::real"]);

    let text = "use a::{self, b::{c, d as e}, *}; use super::f;
        fn g() -> impl B + use<'_> { self::h(); x.y::<z::A>() }";
    let paths = Source::parse("src/m/n.rs", text).paths();
    let named: Vec<String> = paths.into_iter().map(|(path, _)| path.join("::")).collect();
    let expected =
        ["a::self", "a::b::c", "a::b::d", "a::*", "crate::m::f", "crate::m::n::h", "z::A"];
    assert_eq!(named, expected);
}

/// Path and text of every such file below a folder; what is no text is passed over.
fn texts(folder: &str, endings: &[&str]) -> Vec<(String, String)> {
    let paths = files(root(), folder, endings).into_iter();
    let read = |path: std::path::PathBuf| {
        let text = fs::read_to_string(&path).ok()?;
        let relative = path.strip_prefix(root()).expect("it lies below").to_string_lossy();
        Some((relative.into_owned(), text))
    };
    paths.filter_map(read).collect()
}

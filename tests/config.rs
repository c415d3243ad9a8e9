//! The configuration from outside: broken files and all their faults, right files and what they
//! mean, the reference manual against the code.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use parlor::{
    boot::load_with,
    config::{
        Announce, Direct, Faults, KeyInfo, Loaded, Loopback, Role, Settings, Sources, VideoSource,
        keys,
    },
};
use tempfile::NamedTempFile;

fn environment(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    let home = [("HOME", "/home/somebody")];
    home.iter().chain(variables).map(|(name, value)| (name.into(), value.into())).collect()
}

fn load(path: &Path) -> Result<Loaded, Faults> {
    let sources = Sources { config: Some(path.to_owned()), ..Sources::default() };
    load_with(&sources, environment(&[]))
}

/// An empty file, so that no file of the machine that tests run on is read.
fn nothing() -> PathBuf {
    PathBuf::from("tests/config/valid/empty.toml")
}

fn defaults() -> Settings {
    load(&nothing()).expect("nothing written is right").settings
}

fn load_text(text: &str) -> Result<Loaded, Faults> {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    load(file.path())
}

fn examples(folder: &str, at_least: usize) -> Vec<PathBuf> {
    let folder = Path::new("tests/config").join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    assert!(files.len() >= at_least, "only {} examples found", files.len());
    files
}

#[test]
fn each_broken_file_tells_all_its_faults() {
    for path in examples("invalid", 16) {
        let faults = load(&path).expect_err(&path.display().to_string()).to_string();
        let folder = format!("{}/", path.parent().unwrap().display());
        let found = faults.replace(&folder, "") + "\n";
        let expected_path = path.with_extension("expected");
        let expected = fs::read_to_string(&expected_path).unwrap_or_default();
        assert!(found == expected, "{}:\n{found}", expected_path.display());
        for secret in ["not to be shown", "swordfish"] {
            assert!(!found.contains(secret), "{}: {found}", path.display());
        }
    }
}

/// Lines that do not come back as they were.
const SECRETS: [&str; 5] =
    ["static-auth-secret =", "user =", "password =", "credential =", "secret ="];

#[test]
fn each_right_file_prints_what_parses_back() {
    for path in examples("valid", 5) {
        let text = fs::read_to_string(&path).unwrap();
        // Secrets are not printed, so what has some cannot come back.
        let text: String = text
            .lines()
            .filter(|line| !SECRETS.iter().any(|key| line.starts_with(key)))
            .map(|line| line.replace("admin:swordfish@", "") + "\n")
            .collect();
        let first = load_text(&text).unwrap_or_else(|faults| panic!("{faults}"));
        let second = load_text(&first.effective)
            .unwrap_or_else(|faults| panic!("{}: {faults}\n{}", path.display(), first.effective));
        assert_eq!(first.settings, second.settings, "{}", path.display());
    }
}

#[test]
fn every_key_has_a_right_and_a_wrong_example() {
    let all = fs::read_to_string("tests/config/valid/every-key.toml").unwrap()
        + &fs::read_to_string("tests/config/valid/relay-ports.toml").unwrap();
    let faults: String = examples("invalid", 15)
        .iter()
        .map(|path| fs::read_to_string(path.with_extension("expected")).unwrap_or_default())
        .collect();
    let keys = keys();
    assert!(keys.len() > 40, "only {} keys", keys.len());
    for KeyInfo { section, key, .. } in keys {
        assert!(all.contains(&format!("\n{key} = ")), "{key} in no right example");
        assert!(faults.contains(&format!(": {section}.{key} = ")), "{section}.{key}: never wrong");
    }
}

#[test]
fn everything_written_arrives() {
    let loaded = load(Path::new("tests/config/valid/every-key.toml")).unwrap();
    let settings = &loaded.settings;
    assert_eq!(settings.http.listen.len(), 2);
    assert_eq!(settings.http.max_message, 32 * 1024);
    assert_eq!(settings.http.slow_timeout.as_millis(), 1500);
    assert_eq!(settings.http.origins, ["https://portal.example:8443"]);
    assert_eq!(settings.media.ports, 20000..=20010);
    assert_eq!(settings.network.announce[0], Announce::Ip("203.0.113.9".parse().unwrap()));
    assert_eq!(
        settings.network.announce[3],
        Announce::Socket("[2001:db8::9]:10007".parse().unwrap())
    );
    assert_eq!(settings.network.announce[4], Announce::Name("box.example".into()));
    assert!(settings.network.exclude.is_empty());
    assert_eq!(settings.turn.relay_ports, Some(50000..=50100));
    assert_eq!(settings.turn.users[1].1.reveal(), "a:b");
    assert_eq!(settings.turn.denied_peer_ip[2].last.to_string().len(), 39);
    assert_eq!(settings.rooms.create, Role::Owner);
    let cameras = settings.cameras.as_ref().unwrap();
    assert_eq!(cameras[0].name, "Front door");
    assert_eq!(cameras[0].bitrate_bps, 500_000);
    assert!(
        matches!(&cameras[1].source, VideoSource::Rtsp(url) if url.reveal().contains("swordfish"))
    );
    assert_eq!(cameras[1].name, "garden");
    assert_eq!(settings.http.hosts, ["parlor.example"]);
    assert_eq!(settings.http.trusted_proxies[1].to_string(), "172.18.0.0/16");
    assert_eq!(settings.access.loopback, Loopback::Guest);
    let room = &settings.rooms_ahead[0];
    assert_eq!(
        (room.name.as_str(), room.max_participants, room.direct),
        ("Küche", 3, Direct::Only)
    );
    // What a room does not say is as [rooms] has it.
    let plain = &settings.rooms_ahead[1];
    assert_eq!((plain.max_participants, plain.direct), (12, Direct::Never));
    assert_eq!(settings.ice.servers.len(), 3);
    assert_eq!(settings.ice.servers[1].expiry.as_secs(), 3600);
    assert_eq!(settings.data_dir, Path::new("/srv/parlor"));
    // What is shown, in a log or by `check`, holds no secret.
    for shown in [format!("{settings:?}"), loaded.effective.clone(), loaded.dormant.join(" ")] {
        assert!(!shown.contains("swordfish") && !shown.contains("north"), "{shown}");
    }
    assert!(loaded.effective.contains("user = [\"alice:***\", \"bob:***\"]"));
    assert!(loaded.effective.contains("rtsp://admin:***@192.168.1.7:554/stream"));
}

#[test]
fn what_comes_later_is_named() {
    let loaded = load(Path::new("tests/config/valid/every-key.toml")).unwrap();
    for key in [
        "network.announce = \"box.example\"",
        "camera.source = \"rtsp://…\"",
        "camera.audio = \"pipewire\"",
    ] {
        assert!(loaded.dormant.iter().any(|line| line == key), "{key}: {:?}", loaded.dormant);
    }
    for section in ["http", "media", "room", "turn", "ice"] {
        let mut lines = loaded.dormant.iter();
        assert!(!lines.any(|line| line.starts_with(section)), "{:?}", loaded.dormant);
    }
    assert!(load(&nothing()).unwrap().dormant.is_empty());
}

/// The manual with its commented keys in force.
fn uncommented(manual: &str) -> String {
    let key_or_section = |line: &str| {
        line.starts_with('#') && line[1..].starts_with(|c: char| c.is_ascii_lowercase() || c == '[')
    };
    let lines = manual.lines().map(|line| if key_or_section(line) { &line[1..] } else { line });
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_manual_lists_every_key_with_its_default() {
    let manual = fs::read_to_string("systemd/parlor.toml").unwrap();
    let mut section = String::new();
    let mut listed = BTreeSet::new();
    let mut explained = false;
    for line in manual.lines() {
        if let Some(title) = line.trim_start_matches('#').strip_prefix('[') {
            section = title.trim_matches(['[', ']']).to_owned();
            assert!(explained, "[{section}] is not explained");
        } else if let Some((key, value)) = line
            .strip_prefix('#')
            .and_then(|line| line.split_once(" = "))
            .filter(|(key, _)| !key.starts_with(' '))
        {
            assert!(explained, "{section}.{key} is not explained");
            assert!(
                listed.insert((section.clone(), key.to_owned())),
                "{section}.{key} is there twice"
            );
            let known =
                keys().into_iter().find(|known| known.section == section && known.key == key);
            let known = known.unwrap_or_else(|| panic!("{section}.{key} is not in the code"));
            // A camera's id and source have no default, and its name's is the id.
            let needed =
                ["camera.id", "camera.source", "camera.name", "room.name", "ice.servers.urls"];
            if !needed.contains(&format!("{section}.{key}").as_str()) {
                assert_eq!(value, known.default, "{section}.{key}");
            }
        }
        explained = line.starts_with("# ");
    }
    for KeyInfo { section, key, .. } in keys() {
        assert!(listed.contains(&(section.into(), key.into())), "{section}.{key} is not listed");
    }
}

#[test]
fn the_manual_means_the_defaults() {
    let manual = fs::read_to_string("systemd/parlor.toml").unwrap();
    let as_it_is = load_text(&manual).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(as_it_is.settings, defaults());
    let mut settings = load_text(&uncommented(&manual)).unwrap_or_else(|f| panic!("{f}")).settings;
    let camera = "[[camera]]\nid = \"door\"\nsource = \"test\"\n";
    assert_eq!(settings.cameras, load_text(camera).unwrap().settings.cameras);
    assert_eq!(settings.rooms_ahead.len(), 1);
    assert_eq!(settings.ice.servers.len(), 1);
    settings.cameras = None;
    settings.rooms_ahead.clear();
    settings.ice.servers.clear();
    assert_eq!(settings, defaults());
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("order.toml");
    let text = "[http]\nlisten = \"[::]:1001\"\n[media]\nworkers = 2\n[rooms]\ndefault = \"a\"\n";
    fs::write(&path, text).unwrap();
    let sources = Sources {
        config: Some(path),
        listen: vec!["127.0.0.1:1003".into(), "[::1]:1003".into()],
        data: Some("/srv/a".into()),
        demo: true,
        ..Sources::default()
    };
    let variables = environment(&[
        ("PARLOR_HTTP_LISTEN", "[::]:1002"),
        ("PARLOR_MEDIA_WORKERS", "3"),
        ("STATE_DIRECTORY", "/srv/b"),
    ]);
    let loaded = load_with(&sources, variables).unwrap();
    let settings = loaded.settings;
    let listen: Vec<String> = settings.http.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["127.0.0.1:1003", "[::1]:1003"]);
    assert_eq!(settings.media.workers, 3);
    assert_eq!(settings.rooms.default.as_str(), "a");
    assert_eq!(settings.data_dir, Path::new("/srv/a"));
    assert!(settings.demo);
    for source in ["# --listen", "# environment PARLOR_MEDIA_WORKERS", "order.toml:6"] {
        assert!(loaded.effective.contains(source), "{}", loaded.effective);
    }
}

#[test]
fn every_key_outside_of_cameras_has_a_variable() {
    for KeyInfo { section, key, default, repeated } in keys() {
        let name = format!("PARLOR_{section}_{key}").to_uppercase().replace(['.', '-'], "_");
        let value = default.trim_matches('"');
        let sources = Sources { config: Some(nothing()), ..Sources::default() };
        let loaded = load_with(&sources, environment(&[(&name, value)]));
        let loaded = loaded.unwrap_or_else(|faults| panic!("{name}={value}: {faults}"));
        assert_eq!(loaded.settings, defaults(), "{name}={value}");
        assert_eq!(loaded.warnings.len(), usize::from(repeated), "{name}={value}");
    }
}

#[test]
fn variables_mean_what_they_say() {
    let sources = Sources { config: Some(nothing()), ..Sources::default() };
    let loaded = load_with(
        &sources,
        environment(&[
            ("PARLOR_NETWORK_ANNOUNCE", "203.0.113.9, [2001:db8::9]:10007"),
            ("PARLOR_NETWORK_INTERFACES_EXCLUDE", "[\"docker*\", \"wg0\"]"),
            ("PARLOR_TURN_STATIC_AUTH_SECRET", "north"),
            ("PARLOR_ACCESS_LOCAL_PROXY", "true"),
            ("PARLOR_LOG", "debug"),
            ("PARLOR_HTTP_LISTN", "x"),
        ]),
    );
    let loaded = loaded.unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(loaded.settings.network.announce.len(), 2);
    assert_eq!(loaded.settings.network.exclude, ["docker*", "wg0"]);
    assert_eq!(loaded.settings.turn.static_auth_secret.unwrap().reveal(), "north");
    assert!(loaded.settings.access.local_proxy);
    assert_eq!(loaded.settings.log.filter, "debug");
    let warning = "environment PARLOR_HTTP_LISTN: no such key, it does nothing; did you mean \
                   PARLOR_HTTP_LISTEN?";
    assert_eq!(loaded.warnings, [warning]);
}

#[test]
fn faults_of_flags_and_variables_name_them() {
    let sources = Sources {
        config: Some("/nonexistent/parlor.toml".into()),
        listen: vec!["8172".into()],
        ..Sources::default()
    };
    let faults =
        load_with(&sources, [("PARLOR_MEDIA_WORKERS", "many")].map(|(n, v)| (n.into(), v.into())))
            .unwrap_err()
            .to_string();
    let lines: Vec<&str> = faults.lines().collect();
    let expected = [
        "--config: config = \"/nonexistent/parlor.toml\": cannot be read: No such file or directory; \
         name a readable file, or leave --config out",
        "--listen: http.listen = \"8172\": has no address; write ADDR:PORT, such as \"[::]:443\" (all \
         addresses) or \"192.168.1.5:443\"",
        "environment PARLOR_MEDIA_WORKERS: media.workers = \"many\": is a string; write a whole \
         number, 1 to 64 (threads)",
        "default: storage.data_dir = \"\": is nowhere: neither STATE_DIRECTORY nor XDG_STATE_HOME nor \
         HOME is set; write --data DIR, or storage.data_dir",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn the_data_folder_is_where_the_system_keeps_state() {
    let cases: [(&[(&str, &str)], &str); 5] = [
        (&[], "/home/somebody/.local/state/parlor"),
        (&[("XDG_STATE_HOME", "/x/")], "/x/parlor"),
        (&[("XDG_STATE_HOME", "relative")], "/home/somebody/.local/state/parlor"),
        (&[("XDG_STATE_HOME", "/x"), ("STATE_DIRECTORY", "/s")], "/s"),
        (&[("STATE_DIRECTORY", "/s:/t")], "/s"),
    ];
    for (variables, expected) in cases {
        let sources = Sources { config: Some(nothing()), ..Sources::default() };
        let settings = load_with(&sources, environment(variables)).unwrap().settings;
        assert_eq!(settings.data_dir, Path::new(expected), "{variables:?}");
    }
}

#[test]
fn the_documentation_names_no_key_that_is_not_there() {
    let known: BTreeSet<String> =
        keys().iter().map(|key| format!("{}.{}", key.section, key.key)).collect();
    let sections: BTreeSet<&str> = known.iter().filter_map(|key| key.split('.').next()).collect();
    let unknown = |text: &str| -> Vec<String> {
        let quoted = text.split('`').skip(1).step_by(2);
        let named = quoted.filter_map(|quoted| quoted.split([' ', '=']).next());
        let is_key = |name: &&str| {
            let mut parts = name.split('.');
            let of_section = parts.next().is_some_and(|part| sections.contains(part));
            let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b"._-".contains(&b));
            of_section && plain && parts.next().is_some_and(|part| !part.is_empty())
        };
        let names_one = |name: &&str| !known.iter().any(|key| key.starts_with(*name));
        named.filter(is_key).filter(names_one).map(str::to_owned).collect()
    };
    assert_eq!(
        unknown("`http.listen`, `ice.servers`, `room`, `turn.example.org`"),
        ["turn.example.org"]
    );
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("README.md")];
    let docs = fs::read_dir(root.join("docs")).expect("the documentation");
    files.extend(docs.map(|entry| entry.expect("readable").path()).filter(|path| path.is_file()));
    let texts = files.iter().filter_map(|path| Some((path, fs::read_to_string(path).ok()?)));
    let faults: Vec<_> = texts.map(|(path, text)| (path, unknown(&text))).collect();
    assert!(faults.len() > 8, "only {} files found", faults.len());
    for (path, unknown) in faults {
        assert_eq!(unknown, Vec::<String>::new(), "{}", path.display());
    }
}

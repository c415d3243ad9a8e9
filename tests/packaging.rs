//! What builds parlor elsewhere agrees with what builds it here.

use std::{collections::BTreeSet, fs, path::Path};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn table(text: &str) -> toml::Table {
    text.parse().expect("TOML")
}

/// Every crate of the lock file as the recipe has to list it, its checksum's line after it.
fn wanted(lock: &str) -> BTreeSet<String> {
    let lock = table(lock);
    let mut lines = BTreeSet::new();
    for package in lock["package"].as_array().expect("packages") {
        let text = |key: &str| package.get(key).and_then(toml::Value::as_str);
        let Some(_source) = text("source") else { continue }; // parlor itself
        let name = text("name").expect("a name");
        let version = text("version").expect("a version");
        let checksum = text("checksum").expect("a crate of the registry has a checksum");
        lines.insert(format!("crate://crates.io/{name}/{version} \\"));
        lines.insert(format!("SRC_URI[{name}-{version}.sha256sum] = \"{checksum}\""));
    }
    lines
}

fn listed(inc: &str) -> BTreeSet<String> {
    let lines = inc.lines().map(str::trim);
    let counts = |line: &&str| line.starts_with("crate://") || line.starts_with("SRC_URI[");
    lines.filter(counts).map(str::to_owned).collect()
}

#[test]
fn the_yocto_recipe_lists_the_crates_of_the_lock_file() {
    let lock = read("Cargo.lock");
    let inc = read("yocto/meta-parlor/recipes-parlor/parlor/parlor-crates.inc");
    let (wanted, listed) = (wanted(&lock), listed(&inc));
    assert!(wanted.len() > 100, "the lock file has crates");
    let differ: Vec<_> = wanted.symmetric_difference(&listed).collect();
    assert!(
        differ.is_empty(),
        "run yocto/meta-parlor/scripts/update-crates.py; {} lines differ, such as {:?}",
        differ.len(),
        differ.first()
    );
}

#[test]
fn the_yocto_recipe_bears_the_version_and_the_compiler_is_old_enough() {
    let manifest = table(&read("Cargo.toml"));
    let text = |key: &str| manifest["package"][key].as_str().expect("text").to_owned();
    let recipe = format!("yocto/meta-parlor/recipes-parlor/parlor/parlor_{}.bb", text("version"));
    let recipe = read(&recipe);
    assert!(recipe.contains("require parlor-crates.inc"), "it has its crates");
    // Yocto wrynose has Rust 1.94 for as long as it is supported.
    let parts = text("rust-version");
    let minor: u32 = parts.split('.').nth(1).and_then(|part| part.parse().ok()).expect("1.N");
    assert!(minor <= 94, "rust-version is {parts}");
    // What the recipe installs is here.
    for line in recipe.lines().filter(|line| line.contains("${S}/")) {
        let path = line.split("${S}/").nth(1).and_then(|rest| rest.split(' ').next());
        read(path.expect("a path"));
    }
}

#[test]
fn cross_and_the_machine_itself_take_the_same_packages() {
    let cross = table(&read("Cross.toml"));
    let targets = cross["target"].as_table().expect("targets");
    assert!(targets.len() >= 2, "64-bit ARM and 32-bit ARM");
    let here = read(".ci/deps");
    let words = here.split_whitespace();
    let libraries: Vec<&str> = words.filter(|word| word.starts_with("libgst")).collect();
    assert!(libraries.len() >= 3, "{libraries:?}");
    for target in targets.values() {
        let dockerfile = &target["dockerfile"];
        let file = dockerfile["file"].as_str().expect("a path");
        let context = dockerfile["context"].as_str().expect("a path");
        let steps = read(file);
        for copied in steps.lines().filter_map(|line| line.strip_prefix("COPY ")) {
            let from = copied.split(' ').next().expect("a file");
            read(&format!("{context}/{from}"));
        }
        for library in &libraries {
            assert!(steps.contains(&format!("{library}:")), "{library} is missing in {file}");
        }
    }
}

/// The packages with GStreamer's plugins that a text names.
fn plugins(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || ".-".contains(c)));
    words.filter(|word| word.starts_with("gstreamer1.0-")).map(str::to_owned).collect()
}

#[test]
fn the_debian_package_has_what_it_says() {
    let manifest = table(&read("Cargo.toml"));
    let deb = &manifest["package"]["metadata"]["deb"];
    let assets = deb["assets"].as_array().expect("assets");
    assert!(assets.len() > 5, "{assets:?}");
    let mut n_systemd = 0;
    for asset in assets {
        let [from, to] = [0, 1].map(|at| asset[at].as_str().expect("a path"));
        if from != "target/release/parlor" {
            read(from);
        }
        // cargo-deb's scripts name such a file as it is called here, not as it is installed.
        if ["sysusers.d/", "tmpfiles.d/"].iter().any(|folder| to.contains(folder)) {
            n_systemd += 1;
            assert_eq!(Path::new(from).file_name(), Path::new(to).file_name());
        }
    }
    assert_eq!(n_systemd, 2, "the user, and the folders");
    // Unlike the reference manual, which would be asked about at each upgrade once somebody changed it.
    let conffile = read("image/debian/parlor.toml");
    assert!(table(&conffile).is_empty(), "the package's own configuration sets nothing");
}

#[test]
fn the_container_has_the_plugins_of_the_package() {
    let manifest = table(&read("Cargo.toml"));
    let deb = &manifest["package"]["metadata"]["deb"];
    let of = |key: &str| deb[key].as_str().expect("text").to_owned();
    let wanted = plugins(&(of("depends") + "," + &of("recommends")));
    assert!(wanted.len() >= 5, "{wanted:?}");
    let container = read("Containerfile");
    let (_, runs) = container.rsplit_once("\nFROM ").expect("a second stage");
    assert_eq!(plugins(runs), wanted, "Containerfile and Cargo.toml");
    let image = plugins(&read("image/disk/build"));
    let missing: Vec<_> = wanted.difference(&image).collect();
    assert!(missing.is_empty(), "image/disk/build lacks {missing:?}");
}

#[test]
fn the_service_has_no_rights_that_it_does_not_need() {
    let unit = read("systemd/parlor.service");
    let lines: Vec<&str> = unit.lines().map(str::trim).collect();
    for wanted in [
        // A core file would hold keys.
        "LimitCORE=0",
        "LimitNOFILE=65536",
        "UMask=0077",
        "StateDirectoryMode=0700",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=",
        "User=parlor",
        "Restart=on-failure",
    ] {
        assert!(lines.contains(&wanted), "{wanted}");
    }
}

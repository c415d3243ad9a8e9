//! The kept inputs, through the doors that the fuzzer uses.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::TARGETS;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
}

/// Names of what lies in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry.expect("an entry").file_name().into_string().expect("UTF-8")
    };
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

#[test]
fn the_kept_inputs_break_nothing() {
    let mut broken = Vec::new();
    for (name, target) in TARGETS {
        let seeds = folder("seeds").join(name);
        let inputs = names(&seeds);
        assert!(!inputs.is_empty(), "no seed for {name}");
        for input in inputs {
            let bytes = fs::read(seeds.join(&input)).expect("it is readable");
            if std::panic::catch_unwind(|| target(&bytes)).is_err() {
                broken.push(format!("fuzz/seeds/{name}/{input}"));
            }
        }
        target(&[]);
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_target_has_its_file_and_its_seeds() {
    let known: Vec<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let files: Vec<String> = known.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names(&folder("fuzz_targets")), files);
    assert_eq!(names(&folder("seeds")), known);
    let manifest = fs::read_to_string(folder("Cargo.toml")).expect("the crate's manifest");
    for (name, file) in known.iter().zip(files) {
        assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"fuzz_targets/{file}\"")));
    }
}

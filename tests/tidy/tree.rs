//! The tree that `src/lib.rs` draws is the tree on disk.
//!
//! The drawing is in the crate's documentation, one entry a line, two blanks a level; a folder ends in
//! `/`; what follows the name is text; a line indented further than any entry goes on with that text:
//! ```text
//! src/
//!   main.rs              arguments -> settings
//!   sfu/                 the media plane
//!     worker.rs          one thread a worker
//! web/                   the page
//! ```
//! A folder below `src/` that is drawn with entries has all of them drawn, its `mod.rs` and its test
//! modules aside; one that is drawn without stands for whatever it holds. Of what is drawn beside
//! `src/`, only that it exists is asked.

use std::{collections::BTreeSet, fs, path::Path};

use crate::Fault;

/// Lines indented at least this far continue the text of the entry above.
const TEXT_COLUMN: usize = 16;

/// Paths drawn, folders with their `/`.
pub(crate) fn drawn(docs: &[&str]) -> Vec<String> {
    let mut paths = Vec::new();
    let mut folders: Vec<String> = Vec::new();
    let lines = docs.iter().map(|line| line.strip_prefix(' ').unwrap_or(line));
    let drawing = lines.skip_while(|line| line.split(' ').next() != Some("src/"));
    for line in drawing.take_while(|line| !line.starts_with("```")) {
        let indent = line.len() - line.trim_start().len();
        let Some(name) = line.split_whitespace().next() else { continue };
        if indent >= TEXT_COLUMN {
            continue;
        }
        folders.truncate(indent / 2);
        let path = folders.concat() + name;
        if name.ends_with('/') {
            folders.push(name.to_owned());
        }
        paths.push(path);
    }
    paths
}

/// What differs between the drawing and the disk.
pub(crate) fn check(root: &Path, docs: &[&str]) -> Vec<Fault> {
    let drawn: BTreeSet<String> = drawn(docs).into_iter().collect();
    let fault = |text: String| Fault { path: "src/lib.rs".into(), line: 1, text };
    if !drawn.contains("src/") {
        return vec![fault("no tree is drawn that begins with `src/`".into())];
    }
    let mut faults = Vec::new();
    for path in &drawn {
        if !root.join(path).exists() {
            faults.push(fault(format!("`{path}` is drawn and not there")));
        }
    }
    for folder in drawn.iter().filter(|path| path.starts_with("src/") && path.ends_with('/')) {
        let has_entries = drawn.iter().any(|path| path != folder && path.starts_with(folder));
        if !has_entries {
            continue;
        }
        for name in entries(&root.join(folder)) {
            let path = format!("{folder}{name}");
            if !drawn.contains(&path) {
                faults.push(fault(format!("`{path}` is there and not drawn")));
            }
        }
    }
    faults
}

/// What a folder holds, `mod.rs`, test modules and a module's own folder beside its file aside.
fn entries(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let name = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.ok()?;
        let name = entry.file_name().into_string().ok()?;
        let is_folder = entry.file_type().ok()?.is_dir();
        let beside_its_file = is_folder && folder.join(format!("{name}.rs")).exists();
        let for_tests = name == "tests.rs" || name.ends_with("_tests.rs") || name == "tests";
        let left_out = name == "mod.rs" || for_tests || beside_its_file;
        (!left_out).then(|| if is_folder { format!("{name}/") } else { name })
    };
    entries.filter_map(name).collect()
}

//! Effective settings as TOML, and the list of all keys.
//!
//! PURE. What `parlor check` prints parses back to the same settings, secrets aside: those are
//! `***`, which is refused when it is read.

use std::{collections::BTreeSet, fmt::Write};

use toml::{Table, Value};

use super::{fault::Source, reader::SectionRead};

/// Lists of sections, which are one key each for the settings page.
pub(super) const LISTS: [&str; 3] = ["ice.servers", "room", "camera"];

/// One key as the code knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyInfo {
    /// `http`, `network.interfaces`, `camera`.
    pub section: &'static str,
    /// True for `[[camera]]` and its like, which no variable sets.
    pub repeated: bool,
    /// `listen`
    pub key: &'static str,
    /// As TOML. Empty text, 0 or an empty list may stand for "none"; `camera.id`,
    /// `camera.source` and `room.name` have none.
    pub default: String,
}

/// One key as it is in force.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownKey {
    /// With its section: `network.announce`.
    pub key: String,
    /// Secrets are `***`.
    pub value: toml::Value,
    /// What it is where nobody says anything.
    pub default: toml::Value,
    /// Who says so.
    pub source: Source,
}

/// All keys of sections that are there once, and each list of sections as one. `lists`: those that
/// somebody wrote.
pub(super) fn shown(sections: &[SectionRead], lists: &[(&str, Source)]) -> Vec<ShownKey> {
    let once = sections.iter().filter(|section| !section.repeated);
    let shown = once.flat_map(|section| {
        section.entries.iter().map(|entry| ShownKey {
            key: format!("{}.{}", section.name, entry.key),
            value: entry.shown.clone(),
            default: entry.default.clone(),
            source: entry.source.clone(),
        })
    });
    let list = |name: &'static str| {
        let written = lists.iter().find(|(list, _)| *list == name);
        let each = sections.iter().filter(|section| section.name == name).map(|section| {
            // What is left to its default stays so when the list is sent back.
            let written = section.entries.iter().filter(|entry| entry.source != Source::Default);
            let shown = written.map(|entry| (entry.key.to_owned(), entry.shown.clone()));
            Value::Table(shown.collect::<Table>())
        });
        ShownKey {
            key: name.to_owned(),
            value: Value::Array(each.collect()),
            default: Value::Array(Vec::new()),
            source: written.map_or(Source::Default, |(_, source)| source.clone()),
        }
    };
    shown.chain(LISTS.map(list)).collect()
}

/// Every key of what was read, once.
pub(super) fn keys(sections: &[SectionRead]) -> Vec<KeyInfo> {
    let mut seen = BTreeSet::new();
    let mut keys = Vec::new();
    for section in sections {
        for entry in &section.entries {
            if seen.insert((section.name, entry.key)) {
                let default = entry.default.to_string();
                let (section, repeated) = (section.name, section.repeated);
                keys.push(KeyInfo { section, repeated, key: entry.key, default });
            }
        }
    }
    keys
}

/// The settings in force, each with where it was written. `no_cameras`: an empty list was written.
pub(super) fn effective(sections: &[SectionRead], no_cameras: bool) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    if no_cameras {
        let _ = writeln!(text, "camera = []\n");
    }
    for (index, section) in sections.iter().enumerate() {
        let gap = if index == 0 { "" } else { "\n" };
        let title = section.name;
        let _ = if section.repeated {
            writeln!(text, "{gap}[[{title}]]")
        } else {
            writeln!(text, "{gap}[{title}]")
        };
        for entry in &section.entries {
            let (key, shown) = (entry.key, &entry.shown);
            let _ = match &entry.source {
                Source::Default => writeln!(text, "{key} = {shown}"),
                source => writeln!(text, "{key} = {shown}  # {}", one_line(source)),
            };
        }
    }
    text
}

/// A comment ends with its line, and a path may hold anything.
fn one_line(source: &Source) -> String {
    source.to_string().chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

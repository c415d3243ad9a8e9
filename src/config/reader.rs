//! Reads keys one by one out of flags, environment, file and defaults, and collects every fault.
//!
//! The list of keys is written once, as the calls in [`super::meaning`]: each names its key, its
//! default and its shape. What is asked for here is what exists: unknown keys, environment names,
//! `parlor check` and the test over `systemd/parlor.toml` follow from it.

use std::collections::{BTreeMap, BTreeSet};

use toml::Value;

use super::{
    fault::{Fault, Problem, Source, did_you_mean},
    section::Section,
    shape,
    written::{self, Node, Spelled, Table},
};

/// Sections whose keys may be secrets.
const SECRETIVE: [&str; 6] = ["camera", "room", "turn", "rtsp", "ice", "ice.servers"];

/// Keys that have moved, and where they are now.
const MOVED: [(&str, &str); 1] = [("storage.chat_history", "rooms.history_lines")];

/// How a value is shown: secrets become `***`.
pub(super) type Show = fn(&Value) -> Value;

/// One key as it is in force.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: &'static str,
    /// Already fit to be shown.
    pub(super) shown: Value,
    pub(super) default: Value,
    pub(super) source: Source,
}

/// One section as it was read; `[[camera]]` is one for each.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SectionRead {
    pub(super) name: &'static str,
    pub(super) repeated: bool,
    pub(super) entries: Vec<Entry>,
}

/// What is read from, and what has been found so far.
pub(super) struct Reader {
    root: Table,
    environment: BTreeMap<String, String>,
    flags: BTreeMap<&'static str, (&'static str, String)>,
    /// What the settings page says, by full key: it counts where nobody else says anything.
    pub(super) page: BTreeMap<String, Value>,
    pub(super) known_variables: BTreeSet<String>,
    leftovers: Vec<(&'static str, String, Node)>,
    pub(super) faults: Vec<Fault>,
    pub(super) sections: Vec<SectionRead>,
    pub(super) warnings: Vec<String>,
    /// Keys that were written and whose part comes later.
    pub(super) dormant: Vec<String>,
    /// Lists of sections that somebody wrote, even empty ones.
    pub(super) lists: Vec<(&'static str, Source)>,
}

impl Reader {
    /// `environment` holds only variables whose name begins with `PARLOR_`; `flags` maps a key to
    /// the flag's name and its value.
    pub(super) fn new(
        root: Table,
        environment: BTreeMap<String, String>,
        flags: BTreeMap<&'static str, (&'static str, String)>,
    ) -> Self {
        Self {
            root,
            environment,
            flags,
            page: BTreeMap::new(),
            known_variables: BTreeSet::new(),
            leftovers: Vec::new(),
            faults: Vec::new(),
            sections: Vec::new(),
            warnings: Vec::new(),
            dormant: Vec::new(),
            lists: Vec::new(),
        }
    }

    /// Reads `[name]`.
    pub(super) fn section<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> T {
        let table = match self.root.take(name) {
            None => None,
            Some(Node::Table(table)) => Some(table),
            Some(other) => {
                self.not_a_section(name, &other, &format!("write [{name}] and its keys below"));
                None
            }
        };
        self.read_table(name, table, false, read)
    }

    /// Reads each `[[name]]`; `None` where neither file nor page has even an empty list of them.
    pub(super) fn sections<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&mut Section<'_>) -> T,
    ) -> Option<Vec<T>> {
        let written = self.root.take(name);
        let tables = self.tables(name, written)?;
        let mut each = |table| self.read_table(name, Some(table), true, &mut read);
        Some(tables.into_iter().map(&mut each).collect())
    }

    /// The sections of a list of them, which the file has written, else the page; nothing, and a fault,
    /// where it is no list.
    pub(super) fn tables(
        &mut self,
        name: &'static str,
        written: Option<Node>,
    ) -> Option<Vec<Table>> {
        let node = written.or_else(|| self.page.get(name).map(written::of_page))?;
        self.lists.push((name, node.source()));
        match node {
            Node::Tables(tables) => Some(tables),
            Node::Leaf(Spelled { value: Value::Array(array), .. }) if array.is_empty() => {
                Some(Vec::new())
            }
            other => {
                self.not_a_section(name, &other, &format!("write [[{name}]] and its keys below"));
                None
            }
        }
    }

    pub(super) fn read_table<T>(
        &mut self,
        name: &'static str,
        table: Option<Table>,
        repeated: bool,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> T {
        self.sections.push(SectionRead { name, repeated, entries: Vec::new() });
        let index = self.sections.len() - 1;
        let table = table.unwrap_or_else(Table::empty);
        let mut section = Section::new(self, name, table, index);
        let value = read(&mut section);
        let left = section.left();
        self.leftovers.extend(left.into_iter().map(|(key, node)| (name, key, node)));
        value
    }

    pub(super) fn not_a_section(&mut self, name: &str, node: &Node, remedy: &str) {
        let (value, problem) = match node {
            // Whatever was meant for these, it may hold a password.
            Node::Leaf(_) if SECRETIVE.contains(&name) => {
                ("***".into(), "is a value where a section is needed")
            }
            Node::Leaf(spelled) => {
                (spelled.value.to_string(), "is a value where a section is needed")
            }
            Node::Table(_) => ("[…]".into(), "is one section where a list of them is needed"),
            Node::Tables(_) => ("[[…]]".into(), "is a list of sections where one is needed"),
        };
        self.faults.push(Fault {
            source: node.source(),
            key: name.into(),
            value,
            problem: problem.into(),
            remedy: remedy.into(),
        });
    }

    /// What nobody asked for: unknown sections and keys are faults, unknown environment variables
    /// are warnings.
    pub(super) fn finish(&mut self) {
        let root = std::mem::take(&mut self.root.entries);
        let unknown_sections: Vec<Fault> =
            root.iter().map(|(key, node)| self.unknown_at_root(key, node)).collect();
        let leftovers = std::mem::take(&mut self.leftovers);
        let unknown_keys: Vec<Fault> = leftovers
            .iter()
            .map(|(section, key, node)| self.unknown_key(section, key, node))
            .collect();
        self.faults.extend(unknown_sections);
        self.faults.extend(unknown_keys);
        let mut warnings = std::mem::take(&mut self.warnings);
        for name in self.environment.keys().filter(|name| !self.known_variables.contains(*name)) {
            let hint = self.variable_hint(name);
            warnings.push(format!("environment {name}: no such key, it does nothing{hint}"));
        }
        self.warnings = warnings;
    }

    fn variable_hint(&self, name: &str) -> String {
        const PREFIX: &str = "PARLOR_";
        let plain = |name: &str| name.strip_prefix(PREFIX).unwrap_or(name).to_owned();
        let in_file = [("CAMERA", "cameras"), ("ROOM_", "rooms ahead"), ("ICE_", "ICE servers")];
        if let Some((_, what)) = in_file.iter().find(|(start, _)| plain(name).starts_with(start)) {
            return format!("; {what} are set in the file");
        }
        let known: Vec<String> = self.known_variables.iter().map(|name| plain(name)).collect();
        let near = did_you_mean(&plain(name), known.iter().map(String::as_str));
        near.map(|near| format!("; did you mean {PREFIX}{near}?")).unwrap_or_default()
    }

    fn unknown_at_root(&self, key: &str, node: &Node) -> Fault {
        let sections: BTreeSet<&str> = self.sections.iter().map(|section| section.name).collect();
        let owners = self.owners(key);
        let is_value = matches!(node, Node::Leaf(_));
        let remedy = if is_value && !owners.is_empty() {
            format!("write it below {}", owners.join(" or "))
        } else if let Some(near) = did_you_mean(key, sections.iter().copied()) {
            format!("did you mean [{near}]?")
        } else {
            "the sections are [http] [media] [network] [turn] [ice] [rooms] [[room]] [[camera]] [rtsp] \
             [access] [storage] [log] [metrics]"
                .to_owned()
        };
        let problem = if is_value { "is not a key outside of sections" } else { "is no section" };
        unknown(key.to_owned(), node, problem, remedy)
    }

    fn unknown_key(&self, section: &str, key: &str, node: &Node) -> Fault {
        let keys: BTreeSet<&str> = self
            .sections
            .iter()
            .filter(|read| read.name == section)
            .flat_map(|read| read.entries.iter().map(|entry| entry.key))
            .collect();
        let full = format!("{section}.{key}");
        let remedy = if let Some((_, now)) = MOVED.iter().find(|(old, _)| *old == full) {
            format!("it is {now} now")
        } else if let Some(near) = did_you_mean(key, keys.iter().copied()) {
            format!("did you mean {near}?")
        } else if let [owner] = &self.owners(key)[..] {
            format!("write it below {owner}")
        } else {
            let keys: Vec<&str> = keys.into_iter().collect();
            format!("[{section}] has {}", keys.join(", "))
        };
        unknown(format!("{section}.{key}"), node, "is not a known key", remedy)
    }

    fn owners(&self, key: &str) -> Vec<String> {
        let mut owners = Vec::new();
        for read in &self.sections {
            let title = if read.repeated {
                format!("[[{}]]", read.name)
            } else {
                format!("[{}]", read.name)
            };
            if read.entries.iter().any(|entry| entry.key == key) && !owners.contains(&title) {
                owners.push(title);
            }
        }
        owners
    }
}

/// An unknown key's value is shown unless its name sounds like a secret's.
fn unknown(key: String, node: &Node, problem: &str, remedy: String) -> Fault {
    let lower = key.to_lowercase();
    let secret = ["secret", "pass", "user", "token", "key", "source", "url"];
    let value = match node {
        Node::Leaf(_) if secret.iter().any(|word| lower.contains(word)) => "***".into(),
        Node::Leaf(spelled) => spelled.value.to_string(),
        Node::Table(_) => "[…]".into(),
        Node::Tables(_) => "[[…]]".into(),
    };
    Fault { source: node.source(), key, value, problem: problem.into(), remedy }
}

impl Reader {
    fn entry(&self, section: &str, key: &str) -> Option<&Entry> {
        let mut sections = self.sections.iter().filter(|read| read.name == section);
        sections.find_map(|read| read.entries.iter().find(|entry| entry.key == key))
    }

    /// Where a key that has been read was written.
    pub(super) fn source_of(&self, section: &str, key: &str) -> Source {
        self.entry(section, key).map_or(Source::Default, |entry| entry.source.clone())
    }

    /// Whether anybody wrote it.
    pub(super) fn is_written(&self, section: &str, key: &str) -> bool {
        self.source_of(section, key) != Source::Default
    }

    /// Whether a key has a fault already: its default then stands in, which nobody meant.
    pub(super) fn is_faulty(&self, section: &str, key: &str) -> bool {
        let full = format!("{section}.{key}");
        self.faults.iter().any(|fault| fault.key == full)
    }

    /// A key's value as it is shown.
    pub(super) fn shown(&self, section: &str, key: &str) -> String {
        self.entry(section, key).map(|entry| entry.shown.to_string()).unwrap_or_default()
    }

    /// A fault of a key that has been read and that somebody wrote; nothing where nobody did.
    pub(super) fn written_fault(&mut self, section: &str, key: &str, problem: Problem) {
        if let Some(entry) = self.entry(section, key)
            && entry.source != Source::Default
        {
            let (source, shown) = (entry.source.clone(), entry.shown.to_string());
            self.fault_at(source, &format!("{section}.{key}"), &shown, problem);
        }
    }

    /// A fault of anything.
    pub(super) fn fault_at(&mut self, source: Source, key: &str, value: &str, problem: Problem) {
        self.faults.push(Fault {
            source,
            key: key.to_owned(),
            value: value.to_owned(),
            problem: problem.problem,
            remedy: problem.remedy,
        });
    }

    /// What a flag or the environment says about a key.
    pub(super) fn overriding(
        &mut self,
        full: &str,
        variable: &str,
        default: &Value,
    ) -> Option<Spelled> {
        if let Some((flag, text)) = self.flags.get(full) {
            return Some(Spelled {
                value: shape::typed_like(default, text),
                source: Source::Flag(flag),
            });
        }
        // `PARLOR_LOG` is what other programs have taught people to type.
        let alias = (full == "log.filter").then_some("PARLOR_LOG");
        if let Some(alias) = alias {
            self.known_variables.insert(alias.to_owned());
        }
        [Some(variable), alias].into_iter().flatten().find_map(|name| {
            let text = self.environment.get(name)?;
            Some(Spelled {
                value: shape::typed_like(default, text),
                source: Source::Environment(name.to_owned()),
            })
        })
    }
}

/// `http.listen` is `PARLOR_HTTP_LISTEN`.
pub(super) fn variable_name(full_key: &str) -> String {
    format!("PARLOR_{}", full_key.to_uppercase().replace(['.', '-'], "_"))
}

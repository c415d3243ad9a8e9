//! One section while it is read: keys are asked for by name, default and shape.
//!
//! Owns the order flag > environment > file > settings page > default. A fault never ends the reading.

use toml::Value;

use super::{
    fault::{Fault, Problem, Source},
    reader::{Entry, Reader, Show, variable_name},
    shape,
    written::{Node, Spelled, Table},
};

/// One section while it is read.
pub(super) struct Section<'r> {
    reader: &'r mut Reader,
    name: &'static str,
    table: Table,
    index: usize,
    show: Show,
}

impl<'r> Section<'r> {
    /// The section at `index` of what the reader has read.
    pub(super) fn new(
        reader: &'r mut Reader,
        name: &'static str,
        table: Table,
        index: usize,
    ) -> Self {
        Self { reader, name, table, index, show: Value::clone }
    }

    /// The keys that nobody asked for.
    pub(super) fn left(self) -> Vec<(String, Node)> {
        self.table.entries
    }

    /// The next key is shown this way.
    pub(super) fn shown(&mut self, show: Show) -> &mut Self {
        self.show = show;
        self
    }

    /// Reads `[name.sub]`.
    pub(super) fn section<T>(
        &mut self,
        full_name: &'static str,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> T {
        let sub = full_name.rsplit('.').next().unwrap_or(full_name);
        let table = match self.table.take(sub) {
            None => None,
            Some(Node::Table(table)) => Some(table),
            Some(other) => {
                let remedy = format!("write [{full_name}] and its keys below");
                self.reader.not_a_section(full_name, &other, &remedy);
                None
            }
        };
        self.reader.read_table(full_name, table, false, read)
    }

    /// Reads each `[[name.sub]]`; none where nothing is written.
    pub(super) fn sections<T>(
        &mut self,
        full_name: &'static str,
        mut read: impl FnMut(&mut Section<'_>) -> T,
    ) -> Vec<T> {
        let sub = full_name.rsplit('.').next().unwrap_or(full_name);
        let written = self.table.take(sub);
        let tables = self.reader.tables(full_name, written).unwrap_or_default();
        let mut each = |table| self.reader.read_table(full_name, Some(table), true, &mut read);
        tables.into_iter().map(&mut each).collect()
    }

    /// A key with one value. A fault is noted and the default stands in, so that reading goes on.
    pub(super) fn key<T>(
        &mut self,
        key: &'static str,
        default: impl Into<Value>,
        mean: impl Fn(&Value) -> Result<T, Problem>,
    ) -> T {
        let default = default.into();
        let spelled = self.spelled(key, &default);
        let value = match mean(&spelled.value) {
            Ok(value) => value,
            Err(problem) => {
                self.fault(key, &spelled, problem);
                mean(&default).expect("a default has a meaning")
            }
        };
        self.enter(key, spelled, default);
        value
    }

    /// A key with any number of values: a list of strings, or one string.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        default: impl Into<Value>,
        mean: impl Fn(&str) -> Result<T, Problem>,
    ) -> Vec<T> {
        let default = default.into();
        let mut spelled = self.spelled(key, &default);
        if let (Source::Environment(_) | Source::Flag(_), Value::String(text)) =
            (&spelled.source, &spelled.value)
        {
            spelled.value = shape::split(text);
        }
        let mut meant = Vec::new();
        let elements = match &spelled.value {
            Value::Array(array) => array.clone(),
            one => vec![one.clone()],
        };
        for element in elements {
            let text = element
                .as_str()
                .ok_or_else(|| shape::wrong_type(&element, "text between quotes, or a list of it"));
            match text.and_then(&mean) {
                Ok(value) => meant.push(value),
                Err(problem) => self.fault(key, &spelled, problem.about(&element)),
            }
        }
        self.enter(key, spelled, default);
        meant
    }

    /// A key that has no default. `None` after its fault.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        remedy: &str,
        mean: impl Fn(&Value) -> Result<T, Problem>,
    ) -> Option<T> {
        let missing = Value::String(String::new());
        let spelled = self.spelled(key, &missing);
        if spelled.source == Source::Default {
            let source = self.table.source.clone();
            let key_name = format!("{}.{key}", self.name);
            self.reader.faults.push(Fault {
                source,
                key: key_name,
                value: "(nothing)".into(),
                problem: "is missing".into(),
                remedy: remedy.into(),
            });
            self.enter(key, spelled, missing);
            return None;
        }
        let value = match mean(&spelled.value) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.fault(key, &spelled, problem);
                None
            }
        };
        self.enter(key, spelled, missing);
        value
    }

    /// Where the key read before this stands, for faults between keys.
    pub(super) fn source_of(&self, key: &str) -> Source {
        let mut entries = self.reader.sections[self.index].entries.iter();
        let entry = entries.find(|entry| entry.key == key);
        entry.map_or(Source::Default, |entry| entry.source.clone())
    }

    /// Whether a key that has been read here has a fault.
    pub(super) fn is_faulty(&self, key: &str) -> bool {
        let (full, source) = (format!("{}.{key}", self.name), self.source_of(key));
        self.reader.faults.iter().any(|fault| fault.key == full && fault.source == source)
    }

    /// A fault of the whole value of a key that has been read without one; where nobody wrote it, it
    /// is told of the section.
    pub(super) fn fault_if_whole(&mut self, key: &str, problem: &str, remedy: &str) {
        if self.is_faulty(key) {
            return;
        }
        let mut entries = self.reader.sections[self.index].entries.iter();
        let shown = entries.find(|entry| entry.key == key).map(|entry| entry.shown.to_string());
        let source = match self.source_of(key) {
            Source::Default => self.table.source.clone(),
            written => written,
        };
        let full = format!("{}.{key}", self.name);
        let problem = Problem::new(problem, remedy);
        self.reader.fault_at(source, &full, &shown.unwrap_or_default(), problem);
    }

    /// Says that this value of a key that has been read does nothing yet.
    pub(super) fn dormant(&mut self, key: &str, value: &str) {
        self.reader.dormant.push(format!("{}.{key} = {value}", self.name));
    }

    fn spelled(&mut self, key: &'static str, default: &Value) -> Spelled {
        let written = self.table.take(key);
        if !self.reader.sections[self.index].repeated {
            let full = format!("{}.{key}", self.name);
            let variable = variable_name(&full);
            let spelled = self.reader.overriding(&full, &variable, default);
            self.reader.known_variables.insert(variable);
            if let Some(spelled) = spelled {
                return spelled;
            }
        }
        match written {
            Some(Node::Leaf(spelled)) => spelled,
            Some(node) => {
                let source = node.source();
                Spelled { value: Value::Table(toml::Table::new()), source }
            }
            None => self.unwritten(key, default),
        }
    }

    /// A key that file, environment and flags leave to others.
    fn unwritten(&self, key: &str, default: &Value) -> Spelled {
        let repeated = self.reader.sections[self.index].repeated;
        match self.reader.page.get(&format!("{}.{key}", self.name)) {
            Some(value) if !repeated => Spelled { value: value.clone(), source: Source::Page },
            _ => Spelled { value: default.clone(), source: Source::Default },
        }
    }

    fn fault(&mut self, key: &str, spelled: &Spelled, problem: Problem) {
        let show = self.show;
        let value = match problem.part {
            Some(part) => show(&part),
            None => show(&spelled.value),
        };
        self.reader.faults.push(Fault {
            source: spelled.source.clone(),
            key: format!("{}.{key}", self.name),
            value: value.to_string(),
            problem: problem.problem,
            remedy: problem.remedy,
        });
    }

    fn enter(&mut self, key: &'static str, spelled: Spelled, default: Value) {
        let show = std::mem::replace(&mut self.show, Value::clone);
        let entry = Entry { key, shown: show(&spelled.value), default, source: spelled.source };
        self.reader.sections[self.index].entries.push(entry);
    }
}

//! The configuration as written: TOML with the line of each value, before it means anything.
//!
//! Owns parsing of the file's text (TOML 1.1). It knows no key; [`super::reader`] asks for those.

use std::{ops::Range, path::PathBuf, sync::Arc};

use toml::{
    Spanned, Value,
    de::{DeTable, DeValue},
};

use super::fault::{Fault, Source};

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spelled {
    pub(super) value: Value,
    pub(super) source: Source,
}

/// What a key of the file holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// `key = value`
    Leaf(Spelled),
    /// `[key]`
    Table(Table),
    /// `[[key]]`, once or more often
    Tables(Vec<Table>),
}

impl Node {
    pub(super) fn source(&self) -> Source {
        match self {
            Self::Leaf(spelled) => spelled.source.clone(),
            Self::Table(table) => table.source.clone(),
            Self::Tables(tables) => tables.first().map_or(Source::Default, |t| t.source.clone()),
        }
    }
}

/// A section of the file, keys in the order of their lines.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    pub(super) source: Source,
    pub(super) entries: Vec<(String, Node)>,
}

impl Table {
    /// The table of a run without a file.
    pub(super) fn empty() -> Self {
        Self { source: Source::Default, entries: Vec::new() }
    }

    /// Takes a key out, so that what is left at the end is what nobody knows.
    pub(super) fn take(&mut self, key: &str) -> Option<Node> {
        let index = self.entries.iter().position(|(name, _)| name == key)?;
        Some(self.entries.remove(index).1)
    }
}

/// Parses a file's text. All faults of its syntax come at once; a file that has one is not read
/// further, since what stands behind the fault may mean anything.
pub(super) fn parse(path: &Arc<PathBuf>, text: &str) -> Result<Table, Vec<Fault>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        let file = File { path, text };
        return Ok(file.table(1, root.get_ref()));
    }
    let file = File { path, text };
    let mut faults: Vec<Fault> = errors.iter().map(|error| file.syntax_fault(error)).collect();
    faults.sort_by_key(|fault| fault.source.order());
    // What follows on the same line is what the first one has led to.
    faults.dedup_by_key(|fault| fault.source.order().1);
    Err(faults)
}

/// What the settings page says of a list of sections, as if it stood in a file.
pub(super) fn of_page(value: &Value) -> Node {
    let leaf = |value: &Value| Node::Leaf(Spelled { value: value.clone(), source: Source::Page });
    let Value::Array(array) = value else { return leaf(value) };
    let table = |element: &Value| {
        let entries = element.as_table()?.iter();
        let entries = entries.map(|(key, value)| (key.clone(), leaf(value))).collect();
        Some(Table { source: Source::Page, entries })
    };
    match array.iter().map(table).collect::<Option<Vec<_>>>() {
        Some(tables) if !tables.is_empty() => Node::Tables(tables),
        _ => leaf(value),
    }
}

struct File<'a> {
    path: &'a Arc<PathBuf>,
    text: &'a str,
}

impl File<'_> {
    fn line(&self, span: Range<usize>) -> usize {
        let before = self.text.as_bytes().iter().take(span.start);
        1 + before.filter(|byte| **byte == b'\n').count()
    }

    fn source(&self, line: usize) -> Source {
        Source::File(Arc::clone(self.path), line)
    }

    fn table(&self, line: usize, table: &DeTable<'_>) -> Table {
        let mut entries: Vec<(usize, String, Node)> = Vec::new();
        for (key, value) in table {
            let line = self.line(key.span());
            entries.push((line, key.get_ref().to_string(), self.node(line, value)));
        }
        entries.sort_by_key(|(line, _, _)| *line);
        let entries = entries.into_iter().map(|(_, key, node)| (key, node)).collect();
        Table { source: self.source(line), entries }
    }

    fn node(&self, line: usize, value: &Spanned<DeValue<'_>>) -> Node {
        match value.get_ref() {
            DeValue::Table(table) => Node::Table(self.table(line, table)),
            DeValue::Array(array) if !array.is_empty() && array.iter().all(is_table) => {
                let tables = array.iter().filter_map(|element| {
                    let table = element.get_ref().as_table()?;
                    Some(self.table(self.line(element.span()), table))
                });
                Node::Tables(tables.collect())
            }
            other => Node::Leaf(Spelled { value: plain(other), source: self.source(line) }),
        }
    }

    /// Names line and column, and the key if one stands there. The value is not shown: it may be a
    /// secret whose quotes are missing.
    fn syntax_fault(&self, error: &toml::de::Error) -> Fault {
        let span = error.span().unwrap_or_default();
        let start = span.start.min(self.text.len());
        let line = self.line(span);
        let line_start = self.text.as_bytes()[..start]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |newline| newline + 1);
        let column = 1 + self.text.get(line_start..start).map_or(0, |text| text.chars().count());
        let written = self.text.lines().nth(line - 1).unwrap_or_default();
        let key = written.split('=').next().unwrap_or_default().trim();
        let remedy = if error.message().contains("duplicate key") {
            "write it once"
        } else {
            "write KEY = VALUE, with text between double quotes"
        };
        Fault {
            source: Source::Place(Arc::clone(self.path), line, column),
            key: if key.is_empty() { "(line)".into() } else { key.chars().take(60).collect() },
            value: "…".into(),
            problem: format!("is not TOML: {}", error.message().trim().replace('\n', ", ")),
            remedy: remedy.into(),
        }
    }
}

fn is_table(value: &Spanned<DeValue<'_>>) -> bool {
    value.get_ref().is_table()
}

fn plain(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            // Larger than anything that is in range, and that is what its fault will say.
            .map_or(Value::Integer(i64::MAX), Value::Integer),
        DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(boolean) => Value::Boolean(*boolean),
        DeValue::Datetime(datetime) => Value::Datetime(*datetime),
        DeValue::Array(array) => Value::Array(array.iter().map(|v| plain(v.get_ref())).collect()),
        DeValue::Table(table) => Value::Table(
            table.iter().map(|(key, v)| (key.get_ref().to_string(), plain(v.get_ref()))).collect(),
        ),
    }
}

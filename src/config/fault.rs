//! What is wrong with a configuration, and where it was written.
//!
//! Owns the one line a fault is told in: `SOURCE: KEY = VALUE: what is wrong; what would be right`.
//! It decides nothing; [`super::reader`] and [`super::meaning`] collect faults.

use std::{fmt, path::PathBuf, sync::Arc};

use toml::Value;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A line of a file, counted from 1; 0 is the file as a whole.
    File(Arc<PathBuf>, usize),
    /// A line and a column of a file, both counted from 1.
    Place(Arc<PathBuf>, usize, usize),
    /// An environment variable.
    Environment(String),
    /// A command line flag, with its dashes.
    Flag(&'static str),
    /// The owner's settings page.
    Page,
    /// Nobody wrote it.
    Default,
}

impl Source {
    /// One word for the API: `flag`, `environment`, `file`, `page`, `default`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::File(..) | Self::Place(..) => "file",
            Self::Environment(_) => "environment",
            Self::Flag(_) => "flag",
            Self::Page => "page",
            Self::Default => "default",
        }
    }

    /// Faults are told in the order in which somebody would go through them: flags, environment,
    /// then the file from its top.
    pub(super) fn order(&self) -> (u8, usize, usize) {
        match self {
            Self::Flag(_) => (0, 0, 0),
            Self::Environment(_) => (1, 0, 0),
            Self::Page => (2, 0, 0),
            Self::Default => (2, 1, 0),
            Self::File(_, line) => (3, *line, 0),
            Self::Place(_, line, column) => (3, *line, *column),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, 0) => write!(f, "{}", path.display()),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Place(path, line, column) => write!(f, "{}:{line}:{column}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => f.write_str(name),
            Self::Page => f.write_str("settings page"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub source: Source,
    /// Which key, with its section: `http.listen`.
    pub key: String,
    /// What was written, as TOML; secrets are `***`.
    pub value: String,
    /// What is wrong with it.
    pub problem: String,
    /// What would be right.
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, key, value, problem, remedy } = self;
        // One fault is one line, whatever was written.
        let line = format!("{source}: {key} = {value}: {problem}; {remedy}");
        for c in line.chars() {
            if c.is_control() { write!(f, "{}", c.escape_default())? } else { write!(f, "{c}")? }
        }
        Ok(())
    }
}

/// All that is wrong, at least one fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// Why one value cannot mean anything: told by [`super::shape`], which does not know the key.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Problem {
    /// The part of the value that is meant; the whole of it where `None`.
    pub(super) part: Option<Box<Value>>,
    /// What is wrong.
    pub(super) problem: String,
    /// What would be right.
    pub(super) remedy: String,
}

impl Problem {
    pub(super) fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { part: None, problem: problem.into(), remedy: remedy.into() }
    }

    /// It is about this part of a list.
    pub(super) fn about(self, part: &Value) -> Self {
        Self { part: Some(Box::new(part.clone())), ..self }
    }
}

/// The name among `known` that somebody who wrote `written` may have meant.
pub(super) fn did_you_mean<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '_', '.'], "");
    let wanted = plain(written);
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&wanted, &plain(name)), name))
        .filter(|(likeness, _)| *likeness > 0.84)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_finds_its_neighbour() {
        let known = ["listen", "max_header", "max_body", "static-auth-secret"];
        let cases = [
            ("listne", Some("listen")),
            ("Listen", Some("listen")),
            ("max-header", Some("max_header")),
            ("static_auth_secret", Some("static-auth-secret")),
            ("colour", None),
        ];
        for (written, expected) in cases {
            assert_eq!(did_you_mean(written, known), expected, "{written}");
        }
    }

    #[test]
    fn a_fault_is_one_line() {
        let fault = Fault {
            source: Source::Flag("--listen"),
            key: "http.listen".into(),
            value: "\"a\nb\"".into(),
            problem: "is no address".into(),
            remedy: "write one".into(),
        };
        assert_eq!(
            fault.to_string(),
            "--listen: http.listen = \"a\\nb\": is no address; write one"
        );
    }
}

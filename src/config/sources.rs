//! Where a configuration comes from: file, environment and flags of this process.
//!
//! Owns the reading of them, and the looks at files that settings name. What they mean is decided
//! in [`super::meaning`].

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    fault::{Fault, Faults, Problem, Source},
    meaning::{self, Surroundings},
    print::{self, KeyInfo},
    reader::Reader,
    settings::Settings,
    written::{self, Table},
};

/// Read where it exists and no `--config` names another.
pub const DEFAULT_FILE: &str = "/etc/parlor/parlor.toml";

/// What the command line says; kept, so that SIGHUP can load again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--data`
    pub data: Option<PathBuf>,
    /// `--listen`, each `ADDR:PORT`; not checked yet.
    pub listen: Vec<String>,
    /// `--web-dir`
    pub web_dir: Option<PathBuf>,
    /// `--demo`
    pub demo: bool,
}

/// A configuration without faults.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it means.
    pub settings: Settings,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// What is right and may surprise all the same (a variable that means nothing): a line each.
    pub warnings: Vec<String>,
    /// Keys, or `key = value`, whose part comes in a later release: they were written, are right,
    /// and do nothing yet.
    pub dormant: Vec<String>,
    /// All settings in force as TOML, secrets as `***`.
    pub effective: String,
}

impl Sources {
    /// Reads file and environment of this process.
    ///
    /// # Errors
    /// All that is wrong, in the order of sections.
    pub fn load(&self) -> Result<Loaded, Faults> {
        self.load_with(std::env::vars_os())
    }

    /// [`Sources::load`] in another environment: for tests.
    ///
    /// # Errors
    /// As [`Sources::load`].
    pub fn load_with(
        &self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Loaded, Faults> {
        let environment: BTreeMap<OsString, OsString> = environment.into_iter().collect();
        let mut faults = Vec::new();
        let file = self.config.clone().or_else(|| {
            let default = PathBuf::from(DEFAULT_FILE);
            // Whatever is there is read, or it is said why not.
            fs::symlink_metadata(&default).is_ok().then_some(default)
        });
        let root = match &file {
            Some(path) => self.read_file(path).unwrap_or_else(|found| {
                faults.extend(found);
                Table::empty()
            }),
            None => Table::empty(),
        };
        let mut reader = Reader::new(root, variables(&environment), self.flags());
        let surroundings = Surroundings { data_dir: data_dir(&environment), demo: self.demo };
        let settings = meaning::settings(&mut reader, &surroundings);
        look_at_files(&mut reader, &settings);
        reader.finish();
        faults.append(&mut reader.faults);
        if !faults.is_empty() {
            faults.sort_by_key(|fault| fault.source.order());
            return Err(Faults(faults));
        }
        let no_cameras = settings.cameras.as_ref().is_some_and(Vec::is_empty);
        let effective = print::effective(&reader.sections, no_cameras);
        let Reader { warnings, dormant, .. } = reader;
        Ok(Loaded { settings, file, warnings, dormant, effective })
    }

    fn read_file(&self, path: &Path) -> Result<Table, Vec<Fault>> {
        let path = Arc::new(path.to_owned());
        let unreadable = |problem: String, remedy: &str| {
            let source = match self.config {
                Some(_) => Source::Flag("--config"),
                None => Source::Default,
            };
            let value = format!("{:?}", path.display().to_string());
            let (key, remedy) = ("config".into(), remedy.into());
            vec![Fault { source, key, value, problem, remedy }]
        };
        let bytes = fs::read(&*path).map_err(|error| {
            unreadable(
                format!("cannot be read: {}", reason(&error)),
                "name a readable file, or leave --config out",
            )
        })?;
        let text = String::from_utf8(bytes)
            .map_err(|_| unreadable("is not UTF-8 text".into(), "save it as UTF-8"))?;
        written::parse(&path, &text)
    }

    fn flags(&self) -> BTreeMap<&'static str, (&'static str, String)> {
        let absolute = |path: &PathBuf| {
            std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string()
        };
        let mut flags = BTreeMap::new();
        if !self.listen.is_empty() {
            flags.insert("http.listen", ("--listen", self.listen.join(",")));
        }
        if let Some(data) = &self.data {
            flags.insert("storage.data_dir", ("--data", absolute(data)));
        }
        if let Some(web_dir) = &self.web_dir {
            flags.insert("http.web_dir", ("--web-dir", absolute(web_dir)));
        }
        flags
    }
}

/// Every key that exists, in the order of sections, with its default.
pub fn keys() -> Vec<KeyInfo> {
    let example = "[[camera]]\nid = \"example\"\nsource = \"test\"\n";
    let root = written::parse(&Arc::new(PathBuf::new()), example).expect("the example is TOML");
    let mut reader = Reader::new(root, BTreeMap::new(), BTreeMap::new());
    meaning::settings(&mut reader, &Surroundings::default());
    print::keys(&reader.sections)
}

/// All `PARLOR_` variables. One that is not UTF-8 is read with replacement characters, which no key
/// accepts.
fn variables(environment: &BTreeMap<OsString, OsString>) -> BTreeMap<String, String> {
    let ours = environment.iter().filter_map(|(name, value)| {
        let name = name.to_str().filter(|name| name.starts_with("PARLOR_"))?;
        Some((name.to_owned(), value.to_string_lossy().into_owned()))
    });
    ours.collect()
}

/// `$STATE_DIRECTORY` (the first, where systemd gives several), else `$XDG_STATE_HOME/parlor`, else
/// `~/.local/state/parlor`; empty where there is no home either.
fn data_dir(environment: &BTreeMap<OsString, OsString>) -> String {
    let variable = |name: &str| {
        let value = environment.get(OsStr::new(name))?.to_str()?;
        Path::new(value).is_absolute().then_some(value)
    };
    if let Some(state) = variable("STATE_DIRECTORY").and_then(|all| all.split(':').next()) {
        return state.to_owned();
    }
    if let Some(state) = variable("XDG_STATE_HOME") {
        return format!("{}/parlor", state.trim_end_matches('/'));
    }
    let home = variable("HOME").map(|home| home.trim_end_matches('/'));
    home.map(|home| format!("{home}/.local/state/parlor")).unwrap_or_default()
}

/// Files and folders that must be there before anything starts.
fn look_at_files(reader: &mut Reader, settings: &Settings) {
    if settings.data_dir.as_os_str().is_empty() {
        let problem = "is nowhere: neither STATE_DIRECTORY nor XDG_STATE_HOME nor HOME is set";
        let problem = Problem::new(problem, "write --data DIR, or storage.data_dir");
        reader.fault_at(Source::Default, "storage.data_dir", "\"\"", problem);
    }
    if let Some((certificate, key)) = &settings.http.certificate {
        for (name, path) in [("certificate", certificate), ("certificate_key", key)] {
            if let Err(error) = fs::File::open(path).and_then(|file| is_file(&file)) {
                let problem = format!("cannot be read: {}", reason(&error));
                let problem = Problem::new(problem, "name a PEM file that parlor may read");
                reader.written_fault("http", name, problem);
            }
        }
    }
    if let Some(web_dir) = &settings.http.web_dir
        && !web_dir.is_dir()
    {
        let problem = Problem::new("is no folder", "name the folder that holds the page");
        reader.written_fault("http", "web_dir", problem);
    }
}

fn is_file(file: &fs::File) -> io::Result<()> {
    if file.metadata()?.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(()) }
}

/// The system's words, without its number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

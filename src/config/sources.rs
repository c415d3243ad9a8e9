//! Where a configuration comes from: file, environment and flags.
//!
//! PURE: what is asked of the disk is asked through [`Files`], which `boot` answers. What keys mean is
//! decided in [`super::meaning`].

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    fault::{Fault, Faults, Problem, Source},
    meaning::{self, Surroundings},
    print::{self, KeyInfo, ShownKey},
    reader::Reader,
    settings::Settings,
    written::{self, Table},
};

/// Read where it exists and no `--config` names another.
pub const DEFAULT_FILE: &str = "/etc/parlor/parlor.toml";

/// What a configuration asks of the disk.
pub trait Files {
    /// The bytes of a file.
    ///
    /// # Errors
    /// What the system says.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Whether there is anything, even a link that leads nowhere.
    fn exists(&self, path: &Path) -> bool;
    /// Whether it is a file, not a folder, that may be read.
    ///
    /// # Errors
    /// What the system says.
    fn can_be_read(&self, path: &Path) -> io::Result<()>;
    /// Whether it is a folder.
    fn is_folder(&self, path: &Path) -> bool;
}

/// A machine without any file: for tests of what a configuration means.
#[derive(Debug, Clone, Copy)]
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _path: &Path) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }
    fn exists(&self, _path: &Path) -> bool {
        false
    }
    fn can_be_read(&self, _path: &Path) -> io::Result<()> {
        Err(io::ErrorKind::NotFound.into())
    }
    fn is_folder(&self, _path: &Path) -> bool {
        false
    }
}

/// What the command line says; kept, so that SIGHUP can load again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--data`, from `/` on.
    pub data: Option<PathBuf>,
    /// `--listen`, each `ADDR:PORT`; not checked yet.
    pub listen: Vec<String>,
    /// `--web-dir`, from `/` on.
    pub web_dir: Option<PathBuf>,
    /// `--demo`
    pub demo: bool,
    /// What the settings page says: JSON by full key (`network.announce`).
    pub page: BTreeMap<String, String>,
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
    /// Each key as it is in force; `[[camera]]` and the like are one each.
    pub keys: Vec<ShownKey>,
}

impl Sources {
    /// What flags, this environment and the file mean together.
    ///
    /// # Errors
    /// All that is wrong, in the order of sections.
    pub fn understand(
        &self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        files: &dyn Files,
    ) -> Result<Loaded, Faults> {
        let environment: BTreeMap<OsString, OsString> = environment.into_iter().collect();
        let mut faults = Vec::new();
        let file = self.config.clone().or_else(|| {
            let default = PathBuf::from(DEFAULT_FILE);
            // Whatever is there is read, or it is said why not.
            files.exists(&default).then_some(default)
        });
        let root = match &file {
            Some(path) => self.read_file(path, files).unwrap_or_else(|found| {
                faults.extend(found);
                Table::empty()
            }),
            None => Table::empty(),
        };
        let mut reader = Reader::new(root, variables(&environment), self.flags());
        reader.page = self.read_page(&mut faults);
        let surroundings = Surroundings { data_dir: data_dir(&environment), demo: self.demo };
        let settings = meaning::settings(&mut reader, &surroundings);
        look_at_files(&mut reader, &settings, files);
        reader.finish();
        self.look_at_page(&mut reader);
        faults.append(&mut reader.faults);
        if !faults.is_empty() {
            faults.sort_by_key(|fault| fault.source.order());
            return Err(Faults(faults));
        }
        let no_cameras = settings.cameras.as_ref().is_some_and(Vec::is_empty);
        let effective = print::effective(&reader.sections, no_cameras);
        let keys = print::shown(&reader.sections, &reader.lists);
        let Reader { warnings, dormant, .. } = reader;
        Ok(Loaded { settings, file, warnings, dormant, effective, keys })
    }

    fn read_page(&self, faults: &mut Vec<Fault>) -> BTreeMap<String, toml::Value> {
        let mut page = BTreeMap::new();
        for (key, json) in &self.page {
            match serde_json::from_str(json) {
                Ok(value) => drop(page.insert(key.clone(), value)),
                Err(_) => faults.push(Fault {
                    source: Source::Page,
                    key: key.clone(),
                    value: "…".into(),
                    problem: "has no form that a key has".into(),
                    remedy: "write a text, a number, true, false, or a list of texts".into(),
                }),
            }
        }
        page
    }

    /// Keys that the page cannot set.
    fn look_at_page(&self, reader: &mut Reader) {
        for key in self.page.keys() {
            let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
            let mut sections = reader.sections.iter().filter(|read| !read.repeated);
            let is_known = print::LISTS.contains(&key.as_str())
                || sections.any(|read| {
                    read.name == section && read.entries.iter().any(|entry| entry.key == name)
                });
            let problem = match is_known {
                // It says where the page's own word is kept.
                true if key == "storage.data_dir" => Problem::new(
                    "cannot be set by the page, which is kept in it",
                    "write it in the file, or as --data",
                ),
                true => continue,
                false => Problem::new("is no key of the page", "GET lists those there are"),
            };
            reader.fault_at(Source::Page, key, "…", problem);
        }
    }

    fn read_file(&self, path: &Path, files: &dyn Files) -> Result<Table, Vec<Fault>> {
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
        let bytes = files.read(&path).map_err(|error| {
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
        let text = |path: &PathBuf| path.display().to_string();
        let mut flags = BTreeMap::new();
        if !self.listen.is_empty() {
            flags.insert("http.listen", ("--listen", self.listen.join(",")));
        }
        if let Some(data) = &self.data {
            flags.insert("storage.data_dir", ("--data", text(data)));
        }
        if let Some(web_dir) = &self.web_dir {
            flags.insert("http.web_dir", ("--web-dir", text(web_dir)));
        }
        flags
    }
}

/// Every key that exists, in the order of sections, with its default.
pub fn keys() -> Vec<KeyInfo> {
    let example = "[[camera]]\nid = \"example\"\nsource = \"test\"\n[[room]]\nname = \"example\"\n\
                   [[ice.servers]]\nurls = \"stun:stun.example\"\n";
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
fn look_at_files(reader: &mut Reader, settings: &Settings, files: &dyn Files) {
    if settings.data_dir.as_os_str().is_empty() {
        let problem = "is nowhere: neither STATE_DIRECTORY nor XDG_STATE_HOME nor HOME is set";
        let problem = Problem::new(problem, "write --data DIR, or storage.data_dir");
        reader.fault_at(Source::Default, "storage.data_dir", "\"\"", problem);
    }
    if let Some((certificate, key)) = &settings.http.certificate {
        for (name, path) in [("certificate", certificate), ("certificate_key", key)] {
            if let Err(error) = files.can_be_read(path) {
                let problem = format!("cannot be read: {}", reason(&error));
                let problem = Problem::new(problem, "name a PEM file that parlor may read");
                reader.written_fault("http", name, problem);
            }
        }
    }
    if let Some(web_dir) = &settings.http.web_dir
        && !files.is_folder(web_dir)
    {
        let problem = Problem::new("is no folder", "name the folder that holds the page");
        reader.written_fault("http", "web_dir", problem);
    }
}

/// The system's words, without its number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

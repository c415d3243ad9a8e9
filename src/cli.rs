//! The command line: arguments in, [`Command`] out; and the exit codes (sysexits) of all commands.
//!
//! It does not decide what settings mean: `config` does, of flags as of everything else.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};

use crate::{config::Sources, probe::Url, turn::credential::MAX_TTL};

/// Exit codes, for `serve` as for `check`.
pub mod exit {
    /// Clean.
    pub const OK: u8 = 0;
    /// `doctor` and `probe` have found a fault.
    pub const FAULTY: u8 = 1;
    /// The command line is wrong.
    pub const USAGE: u8 = 64;
    /// The data folder was written by a newer version.
    pub const DATA_NEWER: u8 = 65;
    /// A fault of ours.
    pub const INTERNAL: u8 = 70;
    /// An address is in use.
    pub const ADDRESS_IN_USE: u8 = 71;
    /// The data folder is not writable.
    pub const DATA_NOT_WRITABLE: u8 = 73;
    /// The configuration is wrong.
    pub const CONFIGURATION: u8 = 78;
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Run the service.
    Serve(Sources),
    /// Print the effective settings.
    Check(Sources),
    /// Print a time-limited user name and password of the TURN server.
    TurnCredential {
        /// Where the settings come from.
        sources: Sources,
        /// Whom it is for.
        user: String,
        /// For how long.
        ttl: Duration,
    },
    /// Print a new set-up code; the owner's sessions end.
    ResetOwner(Sources),
    /// Write all of the data folder to this file.
    BackUp(Sources, PathBuf),
    /// Put this file into the data folder.
    Restore(Sources, PathBuf),
    /// Look whether the box is well.
    Doctor {
        /// Where the settings come from.
        sources: Sources,
        /// By what people reach the box, where that is not this machine's own name.
        url: Option<Url>,
        /// For programs.
        json: bool,
    },
    /// Go to a parlor as a client would.
    Probe {
        /// Where it is.
        url: Url,
        /// For programs.
        json: bool,
    },
    /// Print this and go: to stdout with code 0, else to stderr.
    Say {
        /// The text, with its newline.
        text: String,
        /// The exit code.
        code: u8,
    },
}

/// A private place to meet and to watch: rooms, cameras and their pictures in one program.
#[derive(Debug, Parser)]
#[command(name = "parlor", version, args_conflicts_with_subcommands = true)]
#[command(disable_help_subcommand = true)]
#[command(after_help = "Without a command parlor serves. No configuration file is needed; \
    environment variables such as PARLOR_HTTP_LISTEN stand between flags and the file.")]
struct Cli {
    #[command(flatten)]
    serve: ServeArgs,
    #[command(subcommand)]
    command: Option<Written>,
}

#[derive(Debug, Subcommand)]
enum Written {
    /// Run the service (the default)
    Serve(ServeArgs),
    /// Print the effective settings as TOML; if anything is wrong, a line for each fault
    Check(CheckArgs),
    /// Tell what is reachable, announced and encodable here, each fault with its remedy; exit 1 if any
    Doctor(DoctorArgs),
    /// Go to a running parlor as a client would, with real media; exit 1 if anything is in the way
    Probe(ProbeArgs),
    /// Print a time-limited TURN user name and password
    TurnCredential(TurnCredentialArgs),
    /// Write all of the data folder (chat, people, settings, keys) to one file; the box may run
    Backup(FileArgs),
    /// Put what `parlor backup` has written into the data folder, while no box uses it
    Restore(FileArgs),
    /// The owner of the box
    #[command(subcommand)]
    Owner(OwnerCommand),
}

#[derive(Debug, Subcommand)]
enum OwnerCommand {
    /// Print a new one-time set-up code; sessions and passwords of the owner end
    Reset(FolderArgs),
}

#[derive(Debug, Args)]
struct FolderArgs {
    /// Configuration file [default: /etc/parlor/parlor.toml where that exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data folder [default: as serve has it]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct DoctorArgs {
    /// Print JSON: {ok, checks: [{id, ok, took_ms, detail, remedy}]}
    #[arg(long)]
    json: bool,
    /// By what people reach the box, such as https://box.example:8172
    #[arg(long, value_name = "URL")]
    url: Option<Url>,
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Debug, Args)]
struct ProbeArgs {
    /// Such as https://box.example:8172; or an invite's URL, in quotes
    url: Url,
    /// Print JSON: {ok, checks: [{id, ok, took_ms, detail, remedy}]}
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct FileArgs {
    /// The file; it holds keys, so keep it as you keep them
    file: PathBuf,
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Debug, Args)]
struct ServeArgs {
    /// Configuration file [default: /etc/parlor/parlor.toml where that exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data folder [default: $STATE_DIRECTORY, else $XDG_STATE_HOME/parlor, else
    /// ~/.local/state/parlor]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where https is served, ADDR:PORT; may be given more than once [default: [::]:8172]
    #[arg(long, value_name = "ADDR")]
    listen: Vec<String>,
    /// Serve the page from this folder instead of what is built in
    #[arg(long, value_name = "DIR")]
    web_dir: Option<PathBuf>,
    /// A test picture with a clock stands in where no camera is found
    #[arg(long)]
    demo: bool,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// Configuration file [default: /etc/parlor/parlor.toml where that exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct TurnCredentialArgs {
    /// Configuration file [default: /etc/parlor/parlor.toml where that exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data folder, whose key is used where turn.static-auth-secret is not set
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Whom it is for; quotas count by this name
    #[arg(long, value_name = "NAME", value_parser = user)]
    user: String,
    /// For how long: a number and s, m, h or d
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = ttl)]
    ttl: Duration,
}

/// A name that a user name can hold (RFC 8489 14.3: 508 bytes, of which the time takes some).
fn user(text: &str) -> Result<String, String> {
    match text.len() {
        1..=400 if !text.chars().any(char::is_control) => Ok(text.to_owned()),
        _ => Err("write 1 to 400 bytes without control characters".into()),
    }
}

/// `90s`, `30m`, `24h`, `7d`.
fn ttl(text: &str) -> Result<Duration, String> {
    let wrong = || "write a number and s, m, h or d, such as 24h; 365d at most".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    let ttl = count.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)?;
    if ttl.is_zero() || ttl > MAX_TTL { Err(wrong()) } else { Ok(ttl) }
}

impl From<ServeArgs> for Sources {
    fn from(args: ServeArgs) -> Self {
        let ServeArgs { config, data, listen, web_dir, demo } = args;
        Self { config, data, listen, web_dir, demo, ..Self::default() }
    }
}

impl From<FolderArgs> for Sources {
    fn from(FolderArgs { config, data }: FolderArgs) -> Self {
        Self { config, data, ..Self::default() }
    }
}

/// Understands the arguments, the program's name first.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Command {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { exit::USAGE } else { exit::OK };
            return Command::Say { text: error.render().to_string(), code };
        }
    };
    match cli.command {
        None => Command::Serve(cli.serve.into()),
        Some(Written::Serve(args)) => Command::Serve(args.into()),
        Some(Written::Check(args)) => {
            Command::Check(Sources { config: args.config, ..Sources::default() })
        }
        Some(Written::Doctor(DoctorArgs { json, url, folder })) => {
            Command::Doctor { sources: folder.into(), url, json }
        }
        Some(Written::Probe(ProbeArgs { url, json })) => Command::Probe { url, json },
        Some(Written::TurnCredential(args)) => {
            let TurnCredentialArgs { config, data, user, ttl } = args;
            let sources = Sources { config, data, ..Sources::default() };
            Command::TurnCredential { sources, user, ttl }
        }
        Some(Written::Backup(FileArgs { file, folder })) => Command::BackUp(folder.into(), file),
        Some(Written::Restore(FileArgs { file, folder })) => Command::Restore(folder.into(), file),
        Some(Written::Owner(OwnerCommand::Reset(folder))) => Command::ResetOwner(folder.into()),
    }
}

/// A command of the contract that is not built yet says so, and fails.
#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parsed(line: &str) -> Command {
        parse(std::iter::once("parlor").chain(line.split_whitespace()).map(OsString::from))
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_is_the_default() {
        let expected = Command::Serve(Sources {
            config: Some("a.toml".into()),
            data: Some("d".into()),
            listen: vec!["127.0.0.1:0".into(), "[::1]:0".into()],
            web_dir: Some("web".into()),
            demo: true,
            ..Sources::default()
        });
        let flags = "--config a.toml --data d --listen 127.0.0.1:0 --listen [::1]:0 --web-dir web \
                     --demo";
        assert_eq!(parsed(flags), expected);
        assert_eq!(parsed(&format!("serve {flags}")), expected);
        assert_eq!(parsed(""), Command::Serve(Sources::default()));
        let config = Some("a.toml".into());
        assert_eq!(
            parsed("check --config a.toml"),
            Command::Check(Sources { config, ..Sources::default() })
        );
    }

    #[test]
    fn a_credential_has_its_time() {
        for (written, seconds) in [("", 86_400), ("--ttl 90s", 90), ("--ttl 2d", 172_800)] {
            let parsed = parsed(&format!("turn-credential --user ann --data d {written}"));
            let data = Some("d".into());
            let sources = Sources { data, ..Sources::default() };
            let (user, ttl) = ("ann".to_owned(), Duration::from_secs(seconds));
            assert_eq!(parsed, Command::TurnCredential { sources, user, ttl });
        }
    }

    #[test]
    fn the_doctor_is_told_where_people_come_from() {
        let sources = Sources { data: Some("d".into()), ..Sources::default() };
        let url = "https://box.example:8172".parse().ok();
        assert!(url.is_some());
        let asked = Command::Doctor { sources, url, json: true };
        assert_eq!(parsed("doctor --data d --json --url https://box.example:8172"), asked);
        let probe = parsed("probe https://box.example:8172/r/home#invite=x");
        let url: Url = "https://box.example:8172/#invite=x".parse().expect("a URL");
        assert_eq!(probe, Command::Probe { url, json: false });
        let plain = Command::Doctor { sources: Sources::default(), url: None, json: false };
        assert_eq!(parsed("doctor"), plain);
    }

    #[test]
    fn a_backup_names_its_file_and_its_folder() {
        let sources = Sources { data: Some("d".into()), ..Sources::default() };
        let file = PathBuf::from("box.parlor");
        let back_up = Command::BackUp(sources.clone(), file.clone());
        assert_eq!(parsed("backup box.parlor --data d"), back_up);
        assert_eq!(parsed("restore --data d box.parlor"), Command::Restore(sources, file));
    }

    #[test]
    fn what_is_said_has_its_code() {
        let cases = [
            ("--version", exit::OK, "parlor "),
            ("--help", exit::OK, "Usage: parlor"),
            ("--nonsense", exit::USAGE, "--nonsense"),
            ("chekc", exit::USAGE, "check"),
            ("check --demo", exit::USAGE, "--demo"),
            ("doctor --url http://a", exit::USAGE, "https://box.example"),
            ("doctor --demo", exit::USAGE, "--demo"),
            ("probe", exit::USAGE, "<URL>"),
            ("probe http://a", exit::USAGE, "https://box.example"),
            ("turn-credential", exit::USAGE, "--user"),
            ("turn-credential --user a --ttl 24", exit::USAGE, "such as 24h"),
            ("turn-credential --user a --ttl 0h", exit::USAGE, "such as 24h"),
            ("turn-credential --user a --ttl 366d", exit::USAGE, "365d at most"),
            ("owner", exit::USAGE, "reset"),
            ("backup", exit::USAGE, "<FILE>"),
            ("restore", exit::USAGE, "<FILE>"),
        ];
        for (line, expected_code, expected_text) in cases {
            let Command::Say { text, code } = parsed(line) else { panic!("{line}: ran") };
            assert_eq!(code, expected_code, "{line}");
            assert!(text.contains(expected_text), "{line}: {text}");
        }
    }
}

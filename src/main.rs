//! Arguments, settings, logging, [`parlor::app::run`], exit code. Nothing else happens here.

use std::{
    io::Write,
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use parlor::{
    app::{self, AppError},
    boot::{self, data_folder, descriptors},
    cli::{self, Command, exit},
    config::Sources,
    probe::Url,
    seams::report::Report,
    telemetry::logging::{self, NOTICE},
    trust,
    turn::credential,
};

/// Threads that do blocking work have this long to come back after all else has ended.
const LEAVE_AFTER: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    let code = match cli::parse(std::env::args_os()) {
        Command::Serve(sources) => serve(sources),
        Command::Check(sources) => check(&sources),
        Command::TurnCredential { sources, user, ttl } => turn_credential(&sources, &user, ttl),
        Command::ResetOwner(sources) => reset_owner(&sources),
        Command::BackUp(sources, file) => keep(&sources, |data| app::back_up(data, &file)),
        Command::Restore(sources, file) => keep(&sources, |data| app::restore(&file, data)),
        Command::Doctor { sources, url, json } => doctor(sources, url, json),
        Command::Probe { url, json } => probe(url, json),
        Command::Say { text, code } => say(&text, code),
    };
    ExitCode::from(code)
}

fn check(sources: &Sources) -> u8 {
    match boot::load(sources) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                complain(warning);
            }
            say(&loaded.effective, exit::OK)
        }
        Err(faults) => {
            complain(&faults.to_string());
            exit::CONFIGURATION
        }
    }
}

/// `parlor owner reset`, while the service runs or not.
fn reset_owner(sources: &Sources) -> u8 {
    let loaded = match boot::load(sources) {
        Ok(loaded) => loaded,
        Err(faults) => {
            complain(&faults.to_string());
            return exit::CONFIGURATION;
        }
    };
    let data_dir = &loaded.settings.data_dir;
    let told = |error: &AppError| {
        complain(&format!("{error:#}"));
        error.exit_code()
    };
    if let Err(error) = data_folder::prepare(data_dir) {
        return told(&error.into());
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().build() {
        Ok(runtime) => runtime,
        Err(error) => return told(&AppError::Internal(error.into())),
    };
    match runtime.block_on(app::reset_owner(data_dir)) {
        Ok(code) => say(&format!("set-up code: {code}\n"), exit::OK),
        Err(error) => told(&error),
    }
}

/// `parlor doctor`, while the service runs or not.
fn doctor(sources: Sources, url: Option<Url>, json: bool) -> u8 {
    let loaded = match boot::load(&sources) {
        Ok(loaded) => loaded,
        Err(faults) => {
            complain(&faults.to_string());
            return exit::CONFIGURATION;
        }
    };
    look(app::examine(Arc::new(loaded.settings), sources, url), json)
}

/// `parlor probe URL`.
fn probe(url: Url, json: bool) -> u8 {
    look(parlor::probe::probe(url), json)
}

/// Looks, and prints what came of it; its verdict is the exit code.
fn look(looking: impl Future<Output = Report>, json: bool) -> u8 {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&error.to_string());
            return exit::INTERNAL;
        }
    };
    let report = runtime.block_on(looking);
    // An encoder that hangs does not hold up the answer.
    runtime.shutdown_timeout(LEAVE_AFTER);
    tell(&report, json)
}

fn tell(report: &Report, json: bool) -> u8 {
    let text = match json {
        // Its parts are texts and numbers.
        true => serde_json::to_string_pretty(report).unwrap_or_default() + "\n",
        false => report.text(speaks_chinese()),
    };
    match say(&text, exit::OK) {
        exit::OK if !report.ok => exit::FAULTY,
        code => code,
    }
}

/// By the first of the variables that say it (locale(7)).
fn speaks_chinese() -> bool {
    let said = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().filter_map(std::env::var_os);
    let first =
        said.map(|value| value.to_string_lossy().into_owned()).find(|value| !value.is_empty());
    first.is_some_and(|value| value.starts_with("zh"))
}

/// `parlor backup FILE`, `parlor restore FILE`.
fn keep(sources: &Sources, work: impl FnOnce(&Path) -> Result<(), AppError>) -> u8 {
    let loaded = match boot::load(sources) {
        Ok(loaded) => loaded,
        Err(faults) => {
            complain(&faults.to_string());
            return exit::CONFIGURATION;
        }
    };
    match work(&loaded.settings.data_dir) {
        Ok(()) => exit::OK,
        Err(error) => {
            complain(&format!("{error:#}"));
            error.exit_code()
        }
    }
}

fn serve(sources: Sources) -> u8 {
    let loaded = match boot::load(&sources) {
        Ok(loaded) => loaded,
        Err(faults) => {
            complain(&faults.to_string());
            return exit::CONFIGURATION;
        }
    };
    logging::init(&loaded.settings.log.filter);
    if let Err(error) = data_folder::prepare(&loaded.settings.data_dir) {
        return fail(&error.into());
    }
    let _held = match data_folder::hold(&loaded.settings.data_dir) {
        Ok(held) => held,
        Err(error) => return fail(&error.into()),
    };
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    if !loaded.dormant.is_empty() {
        tracing::warn!("do nothing yet, in this release: {}", loaded.dormant.join(", "));
    }
    let max_connections = descriptors::raise();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&AppError::Internal(error.into())),
    };
    let ended = runtime.block_on(app::run(Arc::new(loaded.settings), sources, max_connections));
    let code = match ended {
        Ok(()) => exit::OK,
        Err(error) => fail(&error),
    };
    // A thread that waits for a device is left to the end of the process.
    runtime.shutdown_timeout(LEAVE_AFTER);
    code
}

/// Prints what the running box, or the next start of it, takes.
fn turn_credential(sources: &Sources, user: &str, ttl: Duration) -> u8 {
    let settings = match boot::load(sources) {
        Ok(loaded) => loaded.settings,
        Err(faults) => {
            complain(&faults.to_string());
            return exit::CONFIGURATION;
        }
    };
    let secret = match settings.turn.static_auth_secret {
        Some(secret) => secret,
        None => {
            let made = data_folder::prepare(&settings.data_dir).map_err(AppError::from);
            match made
                .and_then(|()| trust::turn_secret(&settings.data_dir).map_err(app::trust_error))
            {
                Ok(secret) => secret,
                Err(error) => {
                    complain(&error.to_string());
                    return error.exit_code();
                }
            }
        }
    };
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let credential = credential::mint(&secret, user, ttl, unix);
    say(
        &format!("username: {}\npassword: {}\n", credential.username, credential.password),
        exit::OK,
    )
}

/// Somebody must act: the reason is the last line of the log.
fn fail(error: &AppError) -> u8 {
    tracing::error!(target: NOTICE, "{error:#}");
    error.exit_code()
}

/// One line (or more, all of one kind) for the operator. Where stderr is closed nobody is told, and
/// the exit code remains.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
}

fn say(text: &str, code: u8) -> u8 {
    let written = if code == exit::OK {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
    } else {
        std::io::stderr().write_all(text.as_bytes())
    };
    match written {
        // Whoever closed the pipe (`parlor check | head`) has read enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => exit::INTERNAL,
        _ => code,
    }
}

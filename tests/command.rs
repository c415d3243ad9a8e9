//! The program from outside: what it prints, where, and its exit codes; what systemd is told.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use std::{
    fs,
    io::Read,
    os::unix::{fs::PermissionsExt, net::UnixDatagram},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use tempfile::TempDir;

/// A folder of one test, gone when the test ends.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.join(name), text).unwrap();
        self.join(name)
    }
}

/// parlor in an environment of its own; an empty file keeps the machine's own configuration out.
fn parlor(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parlor"));
    command.args(arguments).env_clear().env("HOME", "/home/somebody").stdin(Stdio::null());
    command
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn what_is_asked_for_goes_to_stdout_and_what_is_wrong_to_stderr() {
    let empty = "tests/config/valid/empty.toml";
    let broken = "tests/config/invalid/rooms-access-log.toml";
    let cases: [(&[&str], i32, &str, &str); 8] = [
        (&["--version"], 0, "parlor 0.", ""),
        (&["--help"], 0, "Usage: parlor", ""),
        (&["check", "--config", empty], 0, "[http]\nlisten = \"[::]:8172\"\n", ""),
        (
            &["check", "--config", broken],
            78,
            "",
            "rooms-access-log.toml:4: rooms.default = \"a/b\": ",
        ),
        (
            &["serve", "--config", broken],
            78,
            "",
            "rooms-access-log.toml:4: rooms.default = \"a/b\": ",
        ),
        (
            &["--config", empty, "--listen", "nowhere"],
            78,
            "",
            "--listen: http.listen = \"nowhere\": ",
        ),
        (&["--nonsense"], 64, "", "--nonsense"),
        (&["doctor", "--nonsense"], 64, "", "--nonsense"),
    ];
    for (arguments, code, stdout, stderr) in cases {
        let output = parlor(arguments).output().unwrap();
        let (out, err) = texts(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {err}");
        for (found, expected) in [(&out, stdout), (&err, stderr)] {
            assert!(found.contains(expected), "{arguments:?}: {found}");
            assert_eq!(found.is_empty(), expected.is_empty(), "{arguments:?}: {found}");
        }
    }
}

#[test]
fn faults_are_one_line_each() {
    for (file, n_faults) in [("cameras", 20), ("turn", 20), ("unknown", 13), ("types", 18)] {
        let path = format!("tests/config/invalid/{file}.toml");
        let (_, err) = texts(&parlor(&["check", "--config", &path]).output().unwrap());
        assert_eq!(err.lines().count(), n_faults, "{err}");
        for line in err.lines() {
            let shape = line.starts_with(&format!("{path}:")) && line.contains(" = ");
            assert!(shape && line.contains("; "), "{line}");
        }
    }
}

#[test]
fn a_warning_does_not_disturb_what_check_prints() {
    let mut command = parlor(&["check", "--config", "tests/config/valid/empty.toml"]);
    let output = command.env("PARLOR_COLOUR", "red").output().unwrap();
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(err, "environment PARLOR_COLOUR: no such key, it does nothing\n");
    assert!(out.starts_with("[http]\n"), "{out}");
}

/// `serve` on ports that nobody has, with this data folder.
fn serve(data: &Path) -> Command {
    serve_with(Path::new("tests/config/valid/no-cameras.toml"), data)
}

fn serve_with(config: &Path, data: &Path) -> Command {
    let mut command = parlor(&["serve", "--listen", "127.0.0.1:0"]);
    command.arg("--config").arg(config).arg("--data").arg(data);
    command.env("PARLOR_TURN_LISTEN", "127.0.0.1:0");
    command.env("PARLOR_MEDIA_PORTS", support::free_ports(1).to_string());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn a_data_folder_that_cannot_be_used_ends_it() {
    let folder = Folder::new();
    let cases = [
        (folder.file("a-file", "").join("data"), 73, "cannot be made"),
        (folder.file("version", "4\n").parent().unwrap().to_owned(), 65, "by a newer parlor"),
    ];
    for (data, code, text) in cases {
        let output = serve(&data).output().unwrap();
        let (out, err) = texts(&output);
        assert_eq!(output.status.code(), Some(code), "{err}");
        assert!(err.contains(text) && err.lines().count() == 1, "{err}");
        assert_eq!(out, "");
    }
    assert_eq!(fs::read_to_string(folder.join("version")).unwrap(), "4\n");
    folder.file("version", "two");
    assert_eq!(serve(folder.0.path()).output().unwrap().status.code(), Some(65));
}

/// Ends the child even if the test fails before it does.
struct Running(Child);

impl Running {
    fn signal(&self, name: &str) {
        let line = format!("kill -{name} {}", self.0.id());
        assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success());
    }

    fn end(&mut self) -> (Option<i32>, String) {
        let mut stderr = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        (self.0.wait().unwrap().code(), stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What systemd would hear, until it has heard `wanted`.
fn hear(socket: &UnixDatagram, wanted: &str) -> String {
    let mut heard = String::new();
    let mut buffer = [0; 4096];
    while !heard.contains(wanted) {
        let n_bytes = socket.recv(&mut buffer).unwrap_or_else(|e| panic!("{e} after {heard:?}"));
        heard += std::str::from_utf8(&buffer[..n_bytes]).unwrap();
        heard.push('\n');
    }
    heard
}

#[test]
fn systemd_is_told_of_start_reload_life_and_end() {
    let folder = Folder::new();
    let socket = UnixDatagram::bind(folder.join("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let data = folder.join("state/parlor");
    let mut command = serve(&data);
    command.env("NOTIFY_SOCKET", folder.join("notify")).env("WATCHDOG_USEC", "200000");
    command.env("PARLOR_NETWORK_ANNOUNCE", "box.example").env("PARLOR_COLOUR", "red");
    let mut running = Running(command.spawn().unwrap());
    hear(&socket, "READY=1");
    hear(&socket, "WATCHDOG=1");
    hear(&socket, "WATCHDOG=1");
    running.signal("HUP");
    hear(&socket, "RELOADING=1");
    hear(&socket, "READY=1");
    running.signal("TERM");
    hear(&socket, "STOPPING=1");
    let (code, log) = running.end();
    assert_eq!(code, Some(0), "{log}");
    let dormant = "do nothing yet, in this release: network.announce = \"box.example\"";
    assert!(log.contains(dormant), "{log}");
    assert!(log.contains("PARLOR_COLOUR"), "{log}");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("version")), 0o600);
    assert_eq!(fs::read_to_string(data.join("version")).unwrap(), "3\n");
}

#[test]
fn a_broken_configuration_does_not_end_what_runs() {
    let folder = Folder::new();
    let socket = UnixDatagram::bind(folder.join("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let config = folder.file("parlor.toml", "camera = []\n");
    let mut command = serve_with(&config, &folder.join("data"));
    let mut running = Running(command.env("NOTIFY_SOCKET", folder.join("notify")).spawn().unwrap());
    hear(&socket, "READY=1");
    folder.file("parlor.toml", "camera = []\n[rooms]\ndefualt = \"b\"\n");
    running.signal("HUP");
    hear(&socket, "READY=1");
    running.signal("INT");
    let (code, log) = running.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("parlor.toml:3: rooms.defualt = \"b\": is not a known key"), "{log}");
}

#[test]
fn an_owner_who_forgot_gets_a_new_code_while_the_service_runs_or_not() {
    let folder = Folder::new();
    let data = folder.join("data");
    let reset = || {
        let path = data.to_str().unwrap();
        let output = parlor(&["owner", "reset", "--data", path]).output().unwrap();
        let (out, err) = texts(&output);
        assert_eq!((output.status.code(), err.as_str()), (Some(0), ""), "{out}");
        let code = out.strip_prefix("set-up code: ").unwrap().trim_end().to_owned();
        assert_eq!((code.len(), code.as_bytes()[4]), (9, b'-'), "{code}");
        code
    };
    let first = reset();
    let socket = UnixDatagram::bind(folder.join("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut command = serve(&data);
    let mut running = Running(command.env("NOTIFY_SOCKET", folder.join("notify")).spawn().unwrap());
    hear(&socket, "READY=1");
    let second = reset();
    assert_ne!(first, second);
    running.signal("TERM");
    let (code, log) = running.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains(&format!("set-up code: {first}")) && !log.contains(&second), "{log}");
    assert!(log.contains("/#local="), "{log}");
}

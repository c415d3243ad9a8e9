//! A real box for tests: the binary itself, on free ports of loopback, and clients that speak to it.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::{
    io::{BufRead, BufReader},
    net::{Ipv4Addr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

/// Longest wait for anything; reached only when something is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A folder that is gone with the test.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("the folder for temporary files is writable")
}

/// The first of `n_ports` ports in a row that nobody has, by UDP and TCP, each given out once. They
/// lie below the range that the system gives to clients (`ip_local_port_range`, from 32768), so that
/// no connection of another test takes one before the box does.
pub(crate) fn free_ports(n_ports: u16) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 10_000).expect("below 10000");
    let free = |port| {
        let address = (Ipv4Addr::LOCALHOST, port);
        TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
    };
    loop {
        let offset = NEXT.fetch_add(n_ports, Ordering::Relaxed);
        let first = 20_000 + (start + offset % 10_000) % 10_000;
        if (first..first + n_ports).all(free) {
            return first;
        }
    }
}

/// A running `parlor serve`.
pub(crate) struct TheBox {
    pub(crate) port: u16,
    pub(crate) media_port: u16,
    pub(crate) data: PathBuf,
    child: Child,
    log: mpsc::Receiver<String>,
    pub(crate) lines: Vec<String>,
}

impl TheBox {
    /// Starts one with these extra arguments and environment; returns when it is ready.
    pub(crate) fn start(data: &Path, args: &[&str], env: &[(&str, &str)]) -> Self {
        let (port, media_port, turn_port) = (free_ports(1), free_ports(1), free_ports(1));
        let mut child = Command::new(env!("CARGO_BIN_EXE_parlor"))
            .arg("serve")
            .args(["--data", data.to_str().expect("a UTF-8 path")])
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .args(args)
            .env("PARLOR_MEDIA_PORTS", format!("{media_port}-{media_port}"))
            // The tests come from this machine.
            .env("PARLOR_ACCESS_LOOPBACK", "guest")
            .env("PARLOR_TURN_LISTEN", format!("127.0.0.1:{turn_port}"))
            .envs(env.iter().copied())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .stdin(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let (sender, log) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let data = data.to_owned();
        let mut the_box = Self { port, media_port, data, child, log, lines: Vec::new() };
        the_box.wait_for_line(|line| line.contains(&format!("https://127.0.0.1:{port}")));
        the_box
    }

    /// Reads the log until a line is as wanted.
    pub(crate) fn wait_for_line(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.log.recv_timeout(left) {
                Ok(line) => {
                    self.lines.push(line.clone());
                    if wanted(&line) {
                        return line;
                    }
                }
                Err(_) => panic!("the line did not come; the log:\n{}", self.lines.join("\n")),
            }
        }
    }

    /// Sends a signal by its `kill` name.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status()
            .expect("kill is there");
        assert!(status.success());
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status;
            }
            assert!(Instant::now() < deadline, "it did not end");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    fn tls(&self, protocols: &[&str]) -> TlsConnector {
        let ca = std::fs::read_dir(&self.data).expect("a data folder");
        let mut roots = rustls::RootCertStore::empty();
        for path in ca.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.file_name().is_some_and(|name| name.to_string_lossy().contains("ca"))
                && path.extension().is_some_and(|ext| ext == "crt" || ext == "pem")
                && let Ok(certificate) = CertificateDer::from_pem_file(&path)
            {
                let _ = roots.add(certificate);
            }
        }
        assert!(!roots.is_empty(), "no CA certificate in {}", self.data.display());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }

    pub(crate) async fn connect(&self) -> TlsStream<TcpStream> {
        self.connect_with(&[]).await
    }

    /// With these names in ALPN.
    pub(crate) async fn connect_with(&self, protocols: &[&str]) -> TlsStream<TcpStream> {
        self.connect_at(self.port, protocols).await
    }

    /// At another port of the box.
    pub(crate) async fn connect_at(&self, port: u16, protocols: &[&str]) -> TlsStream<TcpStream> {
        let tcp = TcpStream::connect(("127.0.0.1", port)).await.expect("the port is open");
        let name = ServerName::try_from("127.0.0.1").expect("an address");
        self.tls(protocols).connect(name, tcp).await.expect("the certificate is good for 127.0.0.1")
    }

    /// The body of a page, asked for over HTTP/1.1.
    pub(crate) async fn get(&self, path: &str) -> String {
        let mut stream = self.connect().await;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n",
            self.port
        );
        stream.write_all(request.as_bytes()).await.expect("the box takes a request");
        let mut answer = Vec::new();
        // The end may come without TLS's goodbye.
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).expect("text");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        body.to_owned()
    }

    /// A request over HTTP/1.1 with these header fields.
    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut stream = self.connect().await;
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\
             Content-Length: {}\r\n",
            self.port,
            body.len()
        );
        for (name, value) in fields {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        request.push_str(body);
        // A box that refuses a large body may close before it has all of it.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        Answer(String::from_utf8(answer).expect("text"))
    }

    /// A signaling socket that has said nothing yet.
    pub(crate) async fn socket(&self) -> Client {
        let url = format!("wss://127.0.0.1:{}/api/v1/signal", self.port);
        let (socket, _) = tokio_tungstenite::client_async(url, self.connect().await)
            .await
            .expect("the socket is accepted");
        Client { socket, next_id: 1, events: Vec::new() }
    }

    /// A member of a room.
    pub(crate) async fn join(&self, room: &str, name: &str) -> (Client, Value) {
        let mut client = self.socket().await;
        client.hello().await;
        let joined = client.ask(json!({"type": "join", "room": room, "name": name})).await;
        assert_eq!(joined["type"], "joined", "{joined}");
        (client, joined)
    }
}

impl Drop for TheBox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer to a request, as it came.
#[derive(Debug)]
pub(crate) struct Answer(String);

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        let status = self.0.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("no status in {:?}", self.0))
    }

    pub(crate) fn body(&self) -> &str {
        self.0.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    /// A header field's value; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers(name).first().copied().unwrap_or_default()
    }

    /// The values of all header fields of a name.
    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        let head = self.0.split("\r\n\r\n").next().unwrap_or_default();
        let fields = head.lines().filter_map(|line| line.split_once(':'));
        let found = fields.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim()).collect()
    }

    /// The problem's stable code; empty where it is no problem.
    pub(crate) fn code(&self) -> String {
        if self.header("content-type") != "application/problem+json" {
            return String::new();
        }
        let problem: Value = serde_json::from_str(self.body()).expect("JSON");
        problem["code"].as_str().expect("a code").to_owned()
    }
}

/// One signaling socket.
pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<TlsStream<TcpStream>>,
    next_id: u64,
    /// Events that came while an answer was waited for.
    pub(crate) events: Vec<Value>,
}

impl Client {
    /// Sends text as it is.
    pub(crate) async fn send_text(&mut self, text: impl Into<String>) {
        let text: String = text.into();
        self.socket.send(Message::text(text)).await.expect("the socket is open");
    }

    /// The next message, or nothing when the socket is closed.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.next())
                .await
                .expect("something comes in time")?;
            match message {
                Ok(Message::Text(text)) => {
                    return Some(serde_json::from_str(&text).expect("the box speaks JSON"));
                }
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Asks and waits for the answer; events that come before it are kept.
    pub(crate) async fn ask(&mut self, mut request: Value) -> Value {
        let id = self.next_id;
        self.next_id += 1;
        request["id"] = json!(id);
        self.send_text(request.to_string()).await;
        loop {
            let message = self.next().await.expect("an answer before the socket is closed");
            if message["re"] == json!(id) {
                return message;
            }
            self.events.push(message);
        }
    }

    /// Says `hello`.
    pub(crate) async fn hello(&mut self) {
        let welcome = self.ask(json!({"type": "hello", "version": 1})).await;
        assert_eq!(welcome["type"], "welcome", "{welcome}");
    }

    /// The next event of a type, kept ones first.
    pub(crate) async fn event(&mut self, kind: &str) -> Value {
        if let Some(at) = self.events.iter().position(|event| event["type"] == kind) {
            return self.events.remove(at);
        }
        loop {
            let message = self.next().await.unwrap_or_else(|| panic!("closed before {kind}"));
            if message["type"] == kind {
                return message;
            }
            self.events.push(message);
        }
    }
}

//! A house to knock at: the real server on a free port of loopback, with real rooms behind it, and
//! clients that trust its authority and nothing else.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use parlor::{
    access::{Access, Keys},
    config::{Loopback, NoFiles, Settings, Sources},
    doctor::DoctorHandle,
    http::{Doors, HttpServer, Readiness},
    rooms::RoomsHandle,
    seams::{
        Addresses,
        cameras::{CameraMap, Cameras},
        desk::Desk,
        turn::TurnDoor,
    },
    sfu::SfuHandle,
    store::StoreHandle,
    trust::{Keeper, TrustHandle},
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, ServerName},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{oneshot, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Longer than anything here takes; it only ends a test that has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running server and what it hangs on.
pub(crate) struct House {
    pub(crate) address: SocketAddr,
    pub(crate) addresses: watch::Sender<Arc<Addresses>>,
    pub(crate) readiness: watch::Sender<Readiness>,
    pub(crate) settings: watch::Sender<Arc<Settings>>,
    pub(crate) trust: TrustHandle,
    pub(crate) access: Arc<Access>,
    pub(crate) cameras: watch::Sender<CameraMap>,
    stop: oneshot::Sender<()>,
    _data: TempDir,
    running: JoinHandle<()>,
}

/// An answer to a plain request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
        let head = String::from_utf8(bytes[..end].to_vec()).expect("a head is text");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let body = bytes[end + 4..].to_vec();
        Self { status: status.expect("a status line"), head, body }
    }

    /// A header's value; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = |line: &'_ str| {
            let (key, _) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(key.len() + 1)
        };
        let found = self.head.lines().find_map(|line| Some(&line[value(line)?..]));
        found.map_or("", str::trim)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The problem's stable code.
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        assert_eq!(self.json()["status"], self.status);
        self.json()["code"].as_str().expect("a code").to_owned()
    }
}

/// An empty folder that is gone with the test.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("the folder for temporary files is writable")
}

impl House {
    /// A house with default settings, but for its port and for what `change` changes.
    pub(crate) async fn open(change: impl FnOnce(&mut Settings)) -> Self {
        Self::open_with(None, change).await
    }

    /// The same, and streams that speak TURN go there.
    pub(crate) async fn open_with(
        turn: Option<Arc<dyn TurnDoor>>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let data = folder();
        let sources = Sources { data: Some(data.path().to_owned()), ..Sources::default() };
        let mut settings = sources.understand([], &NoFiles).expect("defaults are right").settings;
        settings.http.listen = vec!["127.0.0.1:0".parse().expect("an address")];
        settings.media.ports = 0..=0;
        // The tests come from this machine.
        settings.access.loopback = Loopback::Guest;
        change(&mut settings);
        let (addresses, addresses_seen) = watch::channel(Arc::new(Addresses::loopback()));
        let sfu = SfuHandle::start(&settings.media, addresses_seen.clone()).expect("a free port");
        let first = addresses.borrow().clone();
        let (keeper, trust) =
            Keeper::open(&settings, &first, SystemTime::now()).expect("a certificate");
        tokio::spawn(keeper.run(addresses_seen.clone()));
        let (settings, settings_seen) = watch::channel(Arc::new(settings));
        let (readiness, readiness_seen) = watch::channel(Readiness::Ready);
        let store = StoreHandle::open(data.path()).expect("a store");
        let encoder = Arc::new(|| Ok(("an encoder".to_owned(), false)));
        let doctor = DoctorHandle::new(settings_seen.clone(), &[], encoder, sfu.clone());
        let rooms = RoomsHandle::start(settings_seen.clone(), sfu, Some(store.clone()));
        let access = Arc::new(Access::new(store, Keys::new(trust.tokens().derive("access"))));
        let (cameras, cameras_seen) = watch::channel(CameraMap::default());
        let doors = Doors {
            settings: settings_seen,
            rooms,
            access: access.clone(),
            desk: Desk::new().0,
            cameras: Cameras::new(cameras_seen),
            trust: trust.clone(),
            addresses: addresses_seen,
            readiness: readiness_seen,
            turn,
            doctor: Some(doctor.clone()),
            max_connections: usize::MAX,
        };
        let server = HttpServer::bind(doors).expect("port 0 is free");
        let address = server.local_addrs()[0];
        doctor.served_at(server.local_addrs());
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self {
            access,
            address,
            addresses,
            cameras,
            readiness,
            settings,
            trust,
            stop,
            running,
            _data: data,
        }
    }

    /// Stops the server and waits for it.
    pub(crate) async fn close(self) {
        let _ = self.stop.send(());
        self.running.await.expect("the server has not panicked");
    }

    /// `localhost:PORT`
    pub(crate) fn host(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    pub(crate) async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("the server listens")
    }

    /// A connection that trusts the box's authority alone, with one application protocol.
    pub(crate) async fn tls(&self, alpn: &str) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        let identity = self.trust.identity().borrow().clone();
        let authority = match &identity.authority {
            Some(authority) => CertificateDer::from(authority.to_vec()),
            None => identity.certificate.cert[0].clone(),
        };
        roots.add(authority).expect("a certificate");
        let mut config = ClientConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()
            .expect("the provider has them")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        let name = ServerName::try_from("localhost").expect("a name");
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, self.tcp().await).await.expect("a trusted handshake")
    }

    /// Sends a request of HTTP/1.1 by TLS; `head` ends without the empty line. The answer comes whole.
    pub(crate) async fn send(&self, head: &str, body: &str) -> Answer {
        let stream = self.tls("http/1.1").await;
        exchange(stream, head, body).await
    }

    /// GETs a path as a browser on this machine would.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: {}", self.host()), "").await
    }
}

/// Writes a request and reads until the server closes.
pub(crate) async fn exchange(
    mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin,
    head: &str,
    body: &str,
) -> Answer {
    let length = match body.len() {
        0 => String::new(),
        length => format!("Content-Length: {length}\r\n"),
    };
    let request = format!("{head}\r\nConnection: close\r\n{length}\r\n{body}");
    // A server that has refused it already may not take all of it.
    let _ = stream.write_all(request.as_bytes()).await;
    Answer::parse(&read_all(stream).await)
}

/// All that comes until the other side closes.
pub(crate) async fn read_all(mut stream: impl AsyncReadExt + Unpin) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A server that closes without TLS's farewell is an error to rustls; what came is there.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the server closes");
    bytes
}

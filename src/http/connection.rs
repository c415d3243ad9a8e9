//! One connection: what it speaks, TLS, HTTP/1.1 or 2, and when it is to end.
//!
//! Each step has its time: the first byte and the handshake `http.slow_timeout`, so has each request's
//! head; between requests a connection may idle for `http.idle_timeout`. An answer of ours is short, so
//! a client that does not take it within the same time is not reading. When all places are taken, one
//! that does nothing makes room at once.

use std::{convert::Infallible, future::Future, pin::pin, sync::Arc, time::Duration};

use hyper::{
    Request, body::Incoming, header::HeaderValue, server::conn::http1, service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::{io::AsyncBufReadExt as _, net::TcpStream, sync::watch, time::timeout};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tracing::debug;

use super::{
    Visit,
    activity::{Activity, Watched},
    demux::{Speech, by_first_byte},
    handler,
};
use crate::{
    config::HttpSettings,
    seams::turn::{self, Wire},
    telemetry::metrics::metrics,
    trust::Identity,
};

/// hyper reads at least this much at once.
const MIN_BUFFER: usize = 8 * 1024;

/// Requests of one HTTP/2 connection that are answered at once. A page has some forty files.
const MAX_STREAMS: u32 = 64;

/// The certificate in force at the time of the handshake.
#[derive(Debug)]
struct Current(watch::Receiver<Identity>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.borrow().certificate.clone())
    }
}

/// TLS 1.2 and 1.3 with HTTP/2 and HTTP/1.1.
pub(super) fn tls_config(identity: watch::Receiver<Identity>, with_turn: bool) -> ServerConfig {
    let mut config = bare_config(identity);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if with_turn {
        // First: whoever speaks TURN may offer HTTP as well, to get past proxies.
        config.alpn_protocols.insert(0, turn::ALPN.to_vec());
    }
    config
}

fn bare_config(identity: watch::Receiver<Identity>) -> ServerConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Current(identity)))
}

/// TLS where TURN alone is spoken, with the certificate of https.
#[derive(Clone)]
pub struct TurnTls(TlsAcceptor);

impl TurnTls {
    /// With the certificate that is in force at each handshake.
    pub fn new(identity: watch::Receiver<Identity>) -> Self {
        let mut config = bare_config(identity);
        config.alpn_protocols = vec![turn::ALPN.to_vec()];
        Self(TlsAcceptor::from(Arc::new(config)))
    }
}

impl std::fmt::Debug for TurnTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TurnTls")
    }
}

impl turn::TlsDoor for TurnTls {
    fn open(&self, stream: TcpStream) -> turn::Handshake {
        let handshake = self.0.accept(stream);
        Box::pin(async move { Ok(Box::new(handshake.await?) as Box<dyn turn::ByteStream>) })
    }
}

/// Serves a connection to its end, or until it has to make room.
pub(super) async fn serve(stream: TcpStream, visit: Arc<Visit>) {
    let place = visit.clone();
    tokio::select! {
        () = Box::pin(serve_on(stream, visit)) => {}
        () = place.slot.made_room() => debug!(peer = %place.peer, "made room for another"),
    }
}

async fn serve_on(stream: TcpStream, visit: Arc<Visit>) {
    let http = visit.house.settings().http.clone();
    // Signaling is small messages that somebody waits for.
    let _ = stream.set_nodelay(true);
    let mut first = [0];
    let mut stopping = visit.house.stopping.clone();
    let peeked = tokio::select! {
        peeked = timeout(http.slow_timeout, stream.peek(&mut first)) => peeked,
        _ = stopping.wait_for(|stopping| *stopping) => return,
    };
    let speech = match peeked {
        Ok(Ok(1)) => by_first_byte(first[0]),
        // It came and went, as port scanners and health checks do.
        Ok(_) => return,
        Err(_) => Speech::Unknown,
    };
    match speech {
        Speech::Tls => {
            let handshake = TlsAcceptor::from(visit.house.tls.clone()).accept(stream);
            match timeout(http.slow_timeout, handshake).await {
                Ok(Ok(stream)) => {
                    let https = not_turn(stream, &visit, http.slow_timeout);
                    if let Some(stream) = Box::pin(https).await {
                        serve_https(stream, visit, &http).await;
                    }
                }
                // A browser that does not trust us yet ends the handshake by an alert.
                Ok(Err(error)) => debug!(peer = %visit.peer, %error, "no TLS handshake"),
                Err(_) => drop(metrics().connections_bad.inc()),
            }
        }
        Speech::Http => serve_plain(stream, visit, &http).await,
        Speech::Stun => hand_over(stream, &visit),
        Speech::Unknown => drop(metrics().connections_bad.inc()),
    }
}

/// A stream that speaks TURN is the TURN server's from here on, and none of `http`'s limits holds it.
fn hand_over(stream: TcpStream, visit: &Visit) {
    match (&visit.house.turn, stream.peer_addr(), stream.local_addr()) {
        (Some(turn), Ok(remote), Ok(local)) => {
            turn.enter(Box::new(stream), Wire::Plain, remote, local);
        }
        _ => drop(metrics().connections_bad.inc()),
    }
}

/// The stream, if it is not one that speaks TURN: by its protocol (RFC 7443), or, where that is none or
/// HTTP/1.1, by the first byte of what it says. (coturn's client names HTTP first.)
async fn not_turn(
    mut stream: TlsStream<TcpStream>,
    visit: &Visit,
    limit: Duration,
) -> Option<TlsStream<TcpStream>> {
    let Some(door) = &visit.house.turn else { return Some(stream) };
    let speaks_turn = match stream.get_ref().1.alpn_protocol() {
        Some(protocol) if protocol == turn::ALPN => true,
        Some(b"h2") => false,
        _ => match timeout(limit, stream.fill_buf()).await {
            Ok(Ok(said)) => said.first().is_some_and(|first| turn::is_first_byte(*first)),
            // What is to be said of it, HTTP says.
            _ => false,
        },
    };
    let socket = stream.get_ref().0;
    match (socket.peer_addr(), socket.local_addr()) {
        (Ok(remote), Ok(local)) if speaks_turn => {
            door.enter(Box::new(stream), Wire::Tls, remote, local);
            None
        }
        _ => Some(stream),
    }
}

async fn serve_https(stream: TlsStream<TcpStream>, visit: Arc<Visit>, http: &HttpSettings) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // hyper's clock runs between requests, too.
        .header_read_timeout(http.idle_timeout)
        .max_buf_size(http.max_header.max(MIN_BUFFER));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(http.max_header).unwrap_or(u32::MAX));
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let builder = if is_http2 { builder.http2_only() } else { builder.http1_only() };
    let activity = Arc::new(Activity::new());
    let stream = Watched { stream, activity: (!is_http2).then(|| activity.clone()) };
    let mut stopping = visit.house.stopping.clone();
    let service = service_fn(|request: Request<Incoming>| {
        let (visit, busy) = (visit.clone(), (activity.begin(), visit.slot.busy()));
        async move {
            let mut reply = Box::pin(handler::answer(&visit, request)).await;
            // One that flows is busy until it has ended.
            reply.body_mut().hold(busy);
            Ok::<_, Infallible>(reply)
        }
    });
    let mut connection =
        pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    tokio::select! {
        ended = connection.as_mut() => return log_end(&visit, ended),
        () = activity.overdue(http) => {}
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
    if activity.head_has_begun() {
        // There is nobody to be answered: what was asked is not known.
        metrics().connections_bad.inc();
        return;
    }
    connection.as_mut().graceful_shutdown();
    if let Ok(ended) = timeout(http.slow_timeout, connection).await {
        log_end(&visit, ended);
    }
}

fn log_end<E: std::fmt::Display>(visit: &Visit, ended: Result<(), E>) {
    if let Err(error) = ended {
        debug!(peer = %visit.peer, %error, "connection ended");
    }
}

/// Plain HTTP: leads to https on the same port. `/trust` and the CA are given out, for without it https
/// is what the browser warns of.
async fn serve_plain(stream: TcpStream, visit: Arc<Visit>, http: &HttpSettings) {
    let service = service_fn(|request: Request<Incoming>| {
        let visit = visit.clone();
        async move {
            let mut reply = Box::pin(handler::answer_plain(&visit, &request)).await;
            let close = HeaderValue::from_static("close");
            reply.headers_mut().insert(hyper::header::CONNECTION, close);
            Ok::<_, Infallible>(reply)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(http.slow_timeout)
        .max_buf_size(http.max_header.max(MIN_BUFFER))
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    within(http.slow_timeout.saturating_mul(2), connection).await;
}

async fn within<E: std::fmt::Display>(
    limit: Duration,
    connection: impl Future<Output = Result<(), E>>,
) {
    if timeout(limit, connection).await.is_err() {
        metrics().connections_bad.inc();
    }
}

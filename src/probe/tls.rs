//! TLS to any parlor. A box vouches for itself, so that no certificate is refused: what was shown, and
//! whether this system would have trusted it, is told beside the stream.

use std::{
    io,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use pem::parse_many;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::link::Fault;

/// Where systems keep the authorities that they trust: Debian and its like, Fedora, others.
const ROOTS: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// What a server has shown.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// Its certificate (DER).
    pub leaf: Vec<u8>,
    /// Why this system does not trust it; `None`: it does.
    pub distrust: Option<String>,
}

/// The authorities of this system, read once.
static SYSTEM: LazyLock<Option<Arc<WebPkiServerVerifier>>> = LazyLock::new(|| {
    let text = ROOTS.iter().find_map(|path| std::fs::read(path).ok())?;
    let mut roots = RootCertStore::empty();
    let found = parse_many(text).ok()?.into_iter();
    roots.add_parsable_certificates(found.map(|pem| CertificateDer::from(pem.into_contents())));
    let provider = Arc::new(aws_lc_rs::default_provider());
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().ok()
});

/// Lets every certificate pass and writes down what it was. Signatures are verified: whoever shows a
/// certificate has its key.
#[derive(Debug)]
struct Witness {
    shown: Mutex<Shown>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let distrust = match SYSTEM.as_ref() {
            None => Some("this system has no list of authorities".into()),
            Some(system) => system
                .verify_server_cert(leaf, rest, name, ocsp, now)
                .err()
                .map(|why| why.to_string()),
        };
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        *shown = Shown { leaf: leaf.to_vec(), distrust };
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, leaf, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, leaf, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A stream to whoever listens there as `host`, with one of these protocols in ALPN (none: not asked).
pub(super) async fn connect(
    stream: TcpStream,
    host: &str,
    alpn: &[&[u8]],
    patience: Duration,
) -> Result<(TlsStream<TcpStream>, Shown), Fault> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let witness = Arc::new(Witness { shown: Mutex::default(), provider: provider.clone() });
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = config
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(witness.clone())
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Fault::Strange("the host has no name that TLS can carry"))?;
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let stream = timeout(patience, connecting).await.map_err(|_| Fault::Silent(patience))??;
    let shown = witness.shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok((stream, shown))
}

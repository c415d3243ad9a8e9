//! Who this box is, and what it has promised: its certificate, and tokens that only it can make.
//!
//! Owns the keys in the data folder (mode 0600): the box's own certificate authority, the leaf
//! certificate of its names and addresses, the key of resume tokens. It does not listen, and knows
//! nothing of requests: `http` takes the certificate from [`TrustHandle::identity`] at each handshake.
//!
//! ```text
//!  watch<Addresses> --> Keeper (task) --> watch<Identity> --> TLS handshakes
//!  SIGHUP ------------> reload ----^         files: authority.pem, leaf.pem, ca.crt, token.key, turn.key
//!  the clock ----------------------'
//! ```
//!
//! Accounts, invites and ACME come here later. RFC 5280 (4.2.1.10: name constraints).

mod about;
mod authority;
mod files;
mod keeper;
mod names;
mod profile;
mod token;

use std::{io, path::PathBuf, sync::Arc};

use rustls::sign::CertifiedKey;
use tokio::sync::{mpsc, oneshot, watch};

pub use about::CertificateFacts;
pub use keeper::Keeper;
pub use profile::profile;
pub use token::{
    PlaceClaims, RETURN_LIFE, TOKEN_LIFE, TokenError, TokenKey, turn_secret, turn_secret_of,
};

/// PEM files of a given certificate: the chain, leaf first, and its key.
pub type CertificateFiles = (PathBuf, PathBuf);

/// Why there is no certificate or no key.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file of ours could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A given certificate or key is not what it should be.
    #[error("{path}: {fault}")]
    Given {
        /// Which file.
        path: PathBuf,
        /// What is wrong and what would be right.
        fault: String,
    },
    /// A key or certificate could not be made; a fault of ours.
    #[error("a certificate could not be made: {0}")]
    Making(String),
    /// The keeper has ended.
    #[error("the box is stopping")]
    Stopping,
}

/// The certificate this box shows, and the authority that vouches for it.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Chain and key, as TLS wants them.
    pub certificate: Arc<CertifiedKey>,
    /// The box's own authority (DER), to be trusted by people; none with a given certificate.
    pub authority: Option<Arc<[u8]>>,
    /// DNS names of the certificate; they may begin with `*.`.
    pub hosts: Arc<[String]>,
}

/// What others see of the box's trust. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TrustHandle {
    identity: watch::Receiver<Identity>,
    tokens: Arc<TokenKey>,
    reloads: mpsc::Sender<Reload>,
}

/// Show this certificate from now on (none is the box's own), or say why that cannot be.
#[derive(Debug)]
struct Reload {
    given: Option<CertificateFiles>,
    reply: oneshot::Sender<Result<(), TrustError>>,
}

impl TrustHandle {
    /// The certificate in force.
    pub fn identity(&self) -> watch::Receiver<Identity> {
        self.identity.clone()
    }

    /// Names by which the certificate in force knows this box.
    pub fn hosts(&self) -> Arc<[String]> {
        self.identity.borrow().hosts.clone()
    }

    /// What people are told of the certificate in force.
    pub fn facts(&self) -> CertificateFacts {
        CertificateFacts::from(&*self.identity.borrow())
    }

    /// Makes and verifies resume tokens.
    pub fn tokens(&self) -> &TokenKey {
        &self.tokens
    }

    /// Reads the certificate files again (SIGHUP), or goes over to others.
    ///
    /// # Errors
    /// They are not usable; the certificate in force stays.
    pub async fn reload(&self, given: Option<CertificateFiles>) -> Result<(), TrustError> {
        let (reply, answer) = oneshot::channel();
        let reload = Reload { given, reply };
        // overflow: awaited; the operator may wait for the reload before.
        self.reloads.send(reload).await.map_err(|_| TrustError::Stopping)?;
        answer.await.map_err(|_| TrustError::Stopping)?
    }
}

#[cfg(test)]
mod tests;

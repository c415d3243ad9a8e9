//! What people are told of a certificate: for whom it is, until when, and by what it is recognized.

use aws_lc_rs::digest;
use serde::Serialize;
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use super::{Identity, authority::names_of};

/// The certificate in force, in words. All of it is public: each handshake shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateFacts {
    /// Whether the box's own authority vouches for it, and not one that browsers know already.
    pub own: bool,
    /// Names and addresses for which it is good.
    pub names: Vec<String>,
    /// Since when it is good, in seconds since 1970.
    pub from: i64,
    /// Until when it is good, in seconds since 1970.
    pub until: i64,
    /// SHA-256 of the certificate, as browsers show it: `AB:CD:…`.
    pub fingerprint: String,
    /// SHA-256 of the box's authority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority_fingerprint: Option<String>,
    /// What the authority is called in a system's list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority_name: Option<String>,
}

impl From<&Identity> for CertificateFacts {
    fn from(identity: &Identity) -> Self {
        let leaf = identity.certificate.cert.first().map(AsRef::as_ref).unwrap_or_default();
        let authority = identity.authority.as_deref();
        Self {
            own: authority.is_some(),
            authority_fingerprint: authority.map(fingerprint),
            authority_name: authority.and_then(common_name),
            ..Self::of_leaf(leaf)
        }
    }
}

impl CertificateFacts {
    /// What a certificate (DER) says by itself, as if it were given.
    pub fn of_leaf(leaf: &[u8]) -> Self {
        let named = names_of(leaf);
        let names = named.hosts.into_iter().chain(named.ips.iter().map(ToString::to_string));
        let validity = X509Certificate::from_der(leaf).map(|(_, leaf)| leaf.validity().clone());
        let (from, until) = validity.map_or((0, 0), |validity| {
            (validity.not_before.timestamp(), validity.not_after.timestamp())
        });
        Self {
            own: false,
            names: names.collect(),
            from,
            until,
            fingerprint: fingerprint(leaf),
            authority_fingerprint: None,
            authority_name: None,
        }
    }
}

fn fingerprint(der: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, der);
    let bytes: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(":")
}

fn common_name(der: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let name = certificate.subject().iter_common_name().next()?;
    Some(name.as_str().ok()?.to_owned())
}

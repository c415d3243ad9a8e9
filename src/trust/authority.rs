//! The box's own certificate authority, and the leaves that it signs.
//!
//! The authority is made once and never changed by itself: each change would have to be trusted anew
//! on every device in the house. It lies in `authority.pem` (certificate and key in one file, so that
//! no power cut can part them); `ca.crt` beside it is the certificate alone, to be copied.

use std::{path::Path, time::SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints, SanType,
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use time::{Duration, OffsetDateTime, macros::datetime};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

use super::{
    TrustError,
    files::{self, PUBLIC, SECRET},
    names::{DOMAINS, LeafNames, RANGES, label},
};

/// How long an authority lives: as long as the box, and then some.
const AUTHORITY_LIFE: Duration = Duration::days(20 * 365);

/// How long a leaf lives. Apple's systems refuse server certificates of more than 398 days.
pub(super) const LEAF_LIFE: Duration = Duration::days(397);

/// Boxes without a clock battery start in the past; before this day no parlor ran.
const FLOOR: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

/// A leaf begins a day before it is made: clocks in a house differ.
const CLOCK_SLACK: Duration = Duration::days(1);

/// The authority as it lies in the data folder.
pub(super) struct Authority {
    /// Its certificate (DER).
    pub(super) der: CertificateDer<'static>,
    /// Which domains its constraints permit.
    pub(super) domains: Vec<String>,
    issuer: Issuer<'static, KeyPair>,
}

/// The time by which certificates are made and judged.
pub(super) fn clock(now: SystemTime) -> OffsetDateTime {
    OffsetDateTime::from(now).max(FLOOR)
}

fn making(error: impl std::fmt::Display) -> TrustError {
    TrustError::Making(error.to_string())
}

impl Authority {
    /// The authority in the data folder; a new one where there is none that can be used at `now`.
    pub(super) fn open(
        data_dir: &Path,
        hostname: &str,
        now: OffsetDateTime,
    ) -> Result<Self, TrustError> {
        let path = data_dir.join("authority.pem");
        let authority = match files::read(&path)? {
            Some(pem) => match Self::parse(&pem, now) {
                Ok(authority) => authority,
                Err(fault) => {
                    tracing::warn!(
                        path = %path.display(),
                        "the box's authority cannot be used ({fault}): a new one is made, \
                         and every device has to trust it anew"
                    );
                    Self::make(&path, hostname, now)?
                }
            },
            None => Self::make(&path, hostname, now)?,
        };
        let public = data_dir.join("ca.crt");
        let pem = pem_of(&authority.der);
        if files::read(&public)?.as_deref() != Some(pem.as_bytes()) {
            files::write(&public, PUBLIC, pem.as_bytes())?;
        }
        Ok(authority)
    }

    fn parse(pem: &[u8], now: OffsetDateTime) -> Result<Self, String> {
        let der = CertificateDer::from_pem_slice(pem).map_err(|error| error.to_string())?;
        let text = std::str::from_utf8(pem).map_err(|error| error.to_string())?;
        let key = text.find("-----BEGIN PRIVATE KEY-----").ok_or("it holds no key")?;
        let key = KeyPair::from_pem(&text[key..]).map_err(|error| error.to_string())?;
        let (_, certificate) =
            X509Certificate::from_der(&der).map_err(|error| error.to_string())?;
        if certificate.validity().not_after.to_datetime() <= now {
            return Err("it has expired".into());
        }
        if certificate.public_key().subject_public_key.data != key.public_key_raw() {
            return Err("its key is not its certificate's".into());
        }
        let domains = permitted_domains(&certificate);
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(|error| error.to_string())?;
        Ok(Self { der, domains, issuer })
    }

    fn make(path: &Path, hostname: &str, now: OffsetDateTime) -> Result<Self, TrustError> {
        let key = KeyPair::generate().map_err(making)?;
        let mut domains: Vec<String> = DOMAINS.map(str::to_owned).to_vec();
        domains.extend(label(hostname).filter(|label| label != "localhost"));
        let ranges = RANGES.map(|(network, prefix_len)| {
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(network, prefix_len))
        });
        let permitted = domains.iter().cloned().map(GeneralSubtree::DnsName).chain(ranges);

        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(&format!("parlor on {}", shown(hostname)));
        params.not_before = FLOOR - CLOCK_SLACK;
        params.not_after = now + AUTHORITY_LIFE;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: permitted.collect(),
            excluded_subtrees: Vec::new(),
        });
        let certificate = params.self_signed(&key).map_err(making)?;
        let pem = format!("{}{}", certificate.pem(), key.serialize_pem());
        files::write(path, SECRET, pem.as_bytes())?;
        tracing::info!(path = %path.display(), "the box has a new certificate authority");
        let der = certificate.der().clone();
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(making)?;
        Ok(Self { der, domains, issuer })
    }

    /// Signs a new leaf with a new key: both as PEM.
    pub(super) fn sign(
        &self,
        names: &LeafNames,
        hostname: &str,
        now: OffsetDateTime,
    ) -> Result<String, TrustError> {
        let key = KeyPair::generate().map_err(making)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(shown(hostname));
        params.not_before = now - CLOCK_SLACK;
        params.not_after = params.not_before + LEAF_LIFE;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        for host in &names.hosts {
            let host = host.as_str().try_into().map_err(making)?;
            params.subject_alt_names.push(SanType::DnsName(host));
        }
        params.subject_alt_names.extend(names.ips.iter().copied().map(SanType::IpAddress));
        let certificate = params.signed_by(&key, &self.issuer).map_err(making)?;
        Ok(format!("{}{}", certificate.pem(), key.serialize_pem()))
    }

    /// Until when a leaf is good and what it carries; `None` if this authority did not sign it.
    pub(super) fn judge(&self, leaf: &[u8]) -> Option<(OffsetDateTime, LeafNames)> {
        let (_, leaf) = X509Certificate::from_der(leaf).ok()?;
        let (_, authority) = X509Certificate::from_der(&self.der).ok()?;
        let signer =
            leaf.extensions().iter().find_map(|extension| match extension.parsed_extension() {
                x509_parser::extensions::ParsedExtension::AuthorityKeyIdentifier(signer) => {
                    signer.key_identifier.as_ref()
                }
                _ => None,
            })?;
        let own = authority.extensions().iter().find_map(|extension| {
            match extension.parsed_extension() {
                x509_parser::extensions::ParsedExtension::SubjectKeyIdentifier(own) => Some(own),
                _ => None,
            }
        })?;
        if signer.0 != own.0 {
            return None;
        }
        Some((leaf.validity().not_after.to_datetime(), alternative_names(&leaf)))
    }
}

/// Names and addresses of any certificate (DER), in their order; none where it cannot be read.
pub(super) fn names_of(certificate: &[u8]) -> LeafNames {
    let parsed = X509Certificate::from_der(certificate);
    parsed.map(|(_, certificate)| alternative_names(&certificate)).unwrap_or_default()
}

fn alternative_names(certificate: &X509Certificate<'_>) -> LeafNames {
    let mut names = LeafNames::default();
    let Ok(Some(found)) = certificate.subject_alternative_name() else { return names };
    for name in &found.value.general_names {
        match name {
            GeneralName::DNSName(host) => names.hosts.push((*host).to_owned()),
            GeneralName::IPAddress(bytes) => names.ips.extend(address(bytes)),
            _ => {}
        }
    }
    names
}

fn address(bytes: &[u8]) -> Option<std::net::IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(Into::into);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(Into::into)).ok()
}

fn permitted_domains(certificate: &X509Certificate<'_>) -> Vec<String> {
    let constraints = certificate.name_constraints().ok().flatten();
    let permitted = constraints.and_then(|found| found.value.permitted_subtrees.as_ref());
    let subtrees = permitted.map(Vec::as_slice).unwrap_or_default();
    let domains = subtrees.iter().filter_map(|subtree| match &subtree.base {
        GeneralName::DNSName(domain) => Some((*domain).to_owned()),
        _ => None,
    });
    domains.collect()
}

fn shown(hostname: &str) -> &str {
    if hostname.is_empty() { "parlor" } else { hostname }
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    // RFC 5280, appendix A: a common name has at most 64 characters.
    distinguished.push(DnType::CommonName, name.chars().take(64).collect::<String>());
    distinguished
}

fn pem_of(der: &[u8]) -> String {
    let lines = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new("CERTIFICATE", der), lines)
}

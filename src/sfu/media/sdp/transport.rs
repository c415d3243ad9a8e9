//! PURE. The other end of ICE and DTLS (RFC 8839, RFC 8122, RFC 8842).

use super::{Part, unacceptable};
use crate::{
    seams::media::SfuError,
    sfu::link::{credentials::IceCredentials, dtls::Setup, transport::Remote},
};

/// The client's end of ICE and DTLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transport {
    pub(crate) ufrag: String,
    pub(crate) pwd: String,
    /// SHA-256 of the client's certificate.
    pub(crate) fingerprint: [u8; 32],
    pub(crate) setup: Setup,
}

impl Transport {
    /// As the connection's transport has it.
    pub(crate) fn remote(&self) -> Remote {
        let (ufrag, pwd) = (self.ufrag.as_str().into(), self.pwd.as_str().into());
        let credentials = IceCredentials { ufrag, pwd };
        Remote { credentials, fingerprint: self.fingerprint, setup: self.setup }
    }

    /// The same user fragment and password: no ICE restart.
    pub(crate) fn has_credentials_of(&self, other: &Self) -> bool {
        (&self.ufrag, &self.pwd) == (&other.ufrag, &other.pwd)
    }
}

fn read_setup(value: Option<&str>) -> Result<Setup, SfuError> {
    match value.map(str::trim) {
        None | Some("active") => Ok(Setup::Active),
        Some("passive") => Ok(Setup::Passive),
        Some("actpass") => Ok(Setup::Either),
        Some(other) => {
            let shown: String = other.chars().take(20).collect();
            let wanted = "actpass, active or passive is needed";
            Err(unacceptable(format!("a=setup:{shown} is offered; {wanted}")))
        }
    }
}

/// Attributes of the transport stand in the section or before all of them.
pub(super) fn read(part: &Part<'_>, session: &Part<'_>) -> Result<Transport, SfuError> {
    let find = |name| part.value(name).or_else(|| session.value(name));
    if session.has("ice-lite") || part.has("ice-lite") {
        return Err(unacceptable(
            "a=ice-lite is offered; parlor is a lite agent too, and one of both has to send checks",
        ));
    }
    Ok(Transport {
        setup: read_setup(find("setup"))?,
        ufrag: credential(find("ice-ufrag"), "a=ice-ufrag", 4)?,
        pwd: credential(find("ice-pwd"), "a=ice-pwd", 22)?,
        fingerprint: fingerprint(part.values("fingerprint"), session.values("fingerprint"))?,
    })
}

fn credential(value: Option<&str>, name: &str, least: usize) -> Result<String, SfuError> {
    let value = value.ok_or_else(|| unacceptable(format!("{name} is missing")))?;
    // Browsers keep to ice-char (letters, digits, + and /); some libraries use other signs too.
    let fits = (least..=256).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_graphic());
    let text = || unacceptable(format!("{name} is not {least} to 256 characters of ICE"));
    fits.then(|| value.to_owned()).ok_or_else(text)
}

fn fingerprint<'a>(
    section: impl Iterator<Item = &'a str>,
    session: impl Iterator<Item = &'a str>,
) -> Result<[u8; 32], SfuError> {
    let mut any = false;
    for value in section.chain(session) {
        any = true;
        if let Some(fingerprint) = read_fingerprint(value) {
            return Ok(fingerprint);
        }
    }
    let message = if any {
        "none of its a=fingerprint lines is a whole sha-256"
    } else {
        "a=fingerprint is missing; one with sha-256 is needed"
    };
    Err(unacceptable(message))
}

/// `sha-256 AB:CD:…` (RFC 8122 5).
fn read_fingerprint(value: &str) -> Option<[u8; 32]> {
    let (hash, digits) = value.trim().split_once(' ')?;
    if !hash.eq_ignore_ascii_case("sha-256") {
        return None;
    }
    let mut fingerprint = [0; 32];
    let mut pairs = digits.trim().split(':');
    for byte in &mut fingerprint {
        let is_hex = |pair: &&str| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
        *byte = u8::from_str_radix(pairs.next().filter(is_hex)?, 16).ok()?;
    }
    pairs.next().is_none().then_some(fingerprint)
}

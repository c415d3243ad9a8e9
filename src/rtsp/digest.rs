//! PURE. Digest credentials (RFC 2617 as RTSP players know it: MD5, without or with `qop=auth`).

use aws_lc_rs::constant_time;
use md5::{Digest as _, Md5};

/// What an `Authorization: Digest …` says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said<'a> {
    username: &'a str,
    realm: &'a str,
    nonce: &'a str,
    uri: &'a str,
    response: &'a str,
    qop: Option<&'a str>,
    nc: &'a str,
    cnonce: &'a str,
}

fn hex(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Name and value pairs between commas; values may stand between quotes, in which commas count for
/// nothing.
fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut is_quoted = false;
    let parts = text.split(move |c: char| {
        is_quoted ^= c == '"';
        c == ',' && !is_quoted
    });
    parts.filter_map(|part| {
        let (name, value) = part.split_once('=')?;
        Some((name.trim(), value.trim().trim_matches('"')))
    })
}

fn said(authorization: &str) -> Option<Said<'_>> {
    let (scheme, rest) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("digest") {
        return None;
    }
    let mut said = Said::default();
    for (name, value) in pairs(rest) {
        match name {
            "username" => said.username = value,
            "realm" => said.realm = value,
            "nonce" => said.nonce = value,
            "uri" => said.uri = value,
            "response" => said.response = value,
            "qop" => said.qop = Some(value),
            "nc" => said.nc = value,
            "cnonce" => said.cnonce = value,
            "algorithm" if !value.eq_ignore_ascii_case("md5") => return None,
            _ => {}
        }
    }
    Some(said)
}

/// The challenge for whoever has said nothing, or nothing right.
pub(super) fn challenge(realm: &str, nonce: &str) -> String {
    format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm=MD5")
}

/// The name of whoever has proven to know a password. `password` gives that of a name.
///
/// The nonce is one of this connection, so that what was overheard is good on no other. The URI is what
/// the client says it asks for: players differ in how they write it, and all that is asked for is on
/// this connection.
pub(super) fn name(
    authorization: &str,
    method: &str,
    (realm, nonce): (&str, &str),
    password: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let said = said(authorization)?;
    if said.realm != realm || said.nonce != nonce {
        return None;
    }
    let known = password(said.username);
    // Names that nobody has take as long.
    let secret = known.clone().unwrap_or_default();
    let ours = hex(&format!("{}:{realm}:{secret}", said.username));
    let asked = hex(&format!("{method}:{}", said.uri));
    let proof = match said.qop {
        Some(qop) => hex(&format!("{ours}:{nonce}:{}:{}:{qop}:{asked}", said.nc, said.cnonce)),
        None => hex(&format!("{ours}:{nonce}:{asked}")),
    };
    let given = said.response.to_ascii_lowercase();
    let fits = constant_time::verify_slices_are_equal(proof.as_bytes(), given.as_bytes()).is_ok();
    (fits && known.is_some()).then(|| said.username.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REALM: &str = "testrealm@host.com";
    const NONCE: &str = "dcd98b7102dd2f0e8b11d0f600bfb0c093";

    fn who(authorization: &str) -> Option<String> {
        let password = |name: &str| (name == "Mufasa").then(|| "Circle Of Life".to_owned());
        name(authorization, "GET", (REALM, NONCE), password)
    }

    /// RFC 2617, 3.5.
    fn of_the_rfc() -> String {
        format!(
            "Digest username=\"Mufasa\", realm=\"{REALM}\", nonce=\"{NONCE}\", \
             uri=\"/dir/index.html\", qop=auth, nc=00000001, cnonce=\"0a4f113b\", \
             response=\"6629fae49393a05397450978507c4ef1\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""
        )
    }

    #[test]
    fn who_knows_the_password_is_known() {
        assert_eq!(who(&of_the_rfc()).as_deref(), Some("Mufasa"));
        // Without qop, as ffmpeg and VLC write it for us; RFC 2069's example corrected by its errata.
        let ours = hex(&format!("Mufasa:{REALM}:Circle Of Life"));
        let proof = hex(&format!("{ours}:{NONCE}:{}", hex("GET:rtsp://box/door")));
        let plain = format!(
            "Digest username=\"Mufasa\", realm=\"{REALM}\", nonce=\"{NONCE}\", \
             uri=\"rtsp://box/door\", response=\"{proof}\""
        );
        assert_eq!(who(&plain).as_deref(), Some("Mufasa"));
    }

    #[test]
    fn whoever_does_not_is_not() {
        let right = of_the_rfc();
        let wrong = [
            right.replace("6629", "6628"),
            right.replace(NONCE, "another"),
            right.replace(REALM, "another"),
            right.replace("Mufasa", "Scar"),
            right.replace("Digest ", "Basic "),
            right.replace("qop=auth", "qop=auth, algorithm=SHA-256"),
            right.replace("index.html", "other.html"),
            "Digest".to_owned(),
            "Digest username=\"Mufasa".to_owned(),
            String::new(),
        ];
        for authorization in wrong {
            assert_eq!(who(&authorization), None, "{authorization}");
        }
    }
}

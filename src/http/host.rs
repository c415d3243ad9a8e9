//! PURE. The host that a request names, and the origin that it comes from (RFC 9110, 7.2; RFC 6454).

use std::net::{IpAddr, Ipv6Addr};

/// A host and perhaps a port, as in `Host` or `:authority`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authority {
    /// Lower case, without brackets and without the root's point.
    pub(super) host: String,
    /// Where one is written.
    pub(super) port: Option<u16>,
}

impl Authority {
    /// Parses `HOST[:PORT]`; user names and what no host has are refused.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, rest) = match text.strip_prefix('[') {
            Some(bracketed) => {
                let (host, rest) = bracketed.split_once(']')?;
                host.parse::<Ipv6Addr>().ok()?;
                (host, rest)
            }
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let port = match rest.strip_prefix(':') {
            Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => Some(port.parse().ok()?),
            Some(_) => return None,
            None if rest.is_empty() => None,
            None => return None,
        };
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
        let fits = (1..=253).contains(&host.len()) && host.bytes().all(allowed);
        fits.then_some(Self { host, port })
    }

    /// True if the host means the machine itself.
    pub(super) fn is_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(ip) => ip.to_canonical().is_loopback(),
            // RFC 6761, 6.3
            Err(_) => self.host == "localhost" || self.host.ends_with(".localhost"),
        }
    }
}

impl std::fmt::Display for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]", self.host)?,
            false => f.write_str(&self.host)?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Whether a socket or a change may come from a page of this origin.
///
/// A browser always sends one with these; whoever sends none is a program, and no page can make it.
pub(super) fn origin_allowed(
    origin: Option<&str>,
    host: Option<&Authority>,
    origins: &[String],
) -> bool {
    let Some(origin) = origin else { return true };
    let same = |allowed: &String| allowed.trim_end_matches('/').eq_ignore_ascii_case(origin);
    if origins.iter().any(same) {
        return true;
    }
    // Our own pages come by https alone.
    let page = origin.strip_prefix("https://").and_then(Authority::parse);
    let (Some(page), Some(host)) = (page, host) else { return false };
    page.host == host.host && page.port.unwrap_or(443) == host.port.unwrap_or(443)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_as_browsers_write_them() {
        let cases = [
            ("Localhost:8172", Some(("localhost", Some(8172)))),
            ("attic.local.", Some(("attic.local", None))),
            ("[::1]:8172", Some(("::1", Some(8172)))),
            ("[fe80::1]", Some(("fe80::1", None))),
            ("192.168.1.5", Some(("192.168.1.5", None))),
            ("my_box", Some(("my_box", None))),
            ("", None),
            (":8172", None),
            ("a:b", None),
            ("a:99999", None),
            ("a:1:2", None),
            ("[a]:1", None),
            ("[::1", None),
            ("[::1]x", None),
            ("user@a", None),
            ("a/b", None),
            ("a b", None),
            ("\u{e9}", None),
        ];
        for (text, expected) in cases {
            let parsed = Authority::parse(text);
            let parsed = parsed.as_ref().map(|found| (found.host.as_str(), found.port));
            assert_eq!(parsed, expected, "{text:?}");
        }
        for text in ["localhost:8172", "[::1]:8172", "attic"] {
            assert_eq!(
                Authority::parse(text).map(|found| found.to_string()).as_deref(),
                Some(text)
            );
        }
    }

    #[test]
    fn a_page_of_another_house_may_not_use_this_one() {
        let origins = vec!["https://parlor.example.com/".to_owned()];
        let cases = [
            (None, "attic:8172", true),
            (Some("https://attic:8172"), "attic:8172", true),
            (Some("https://ATTIC:8172"), "Attic:8172", true),
            (Some("https://attic"), "attic:443", true),
            (Some("https://[::1]:8172"), "[::1]:8172", true),
            (Some("https://parlor.example.com"), "attic:8172", true),
            (Some("http://attic:8172"), "attic:8172", false),
            (Some("https://attic:8173"), "attic:8172", false),
            (Some("https://attic"), "attic:8172", false),
            (Some("https://evil.example"), "attic:8172", false),
            (Some("https://attic:8172.evil.example"), "attic:8172", false),
            (Some("null"), "attic:8172", false),
            (Some(""), "attic:8172", false),
            (Some("https://attic"), "", false),
        ];
        for (origin, host, expected) in cases {
            let host = Authority::parse(host);
            assert_eq!(origin_allowed(origin, host.as_ref(), &origins), expected, "{origin:?}");
        }
    }
}

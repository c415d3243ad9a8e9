//! PURE. The host that a request names, and the origin that it comes from (RFC 9110, 7.2; RFC 6454).
//!
//! A request for a name that is not ours is not answered for: a web page elsewhere may let its own name
//! point here (DNS rebinding) and would then be of our origin.

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

/// Why it is not known which host a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoHost {
    /// RFC 9112, 3.2.
    #[error("the request names no host; exactly one was expected")]
    Missing,
    /// RFC 9112, 3.2: proxies before us may have meant either.
    #[error("the request names several hosts; exactly one was expected")]
    Several,
    /// Neither a name nor an address.
    #[error(
        "the host that the request names is neither a name nor an address, with a port or without"
    )]
    Malformed,
    /// RFC 9113, 8.3.1.
    #[error("the request has a Host that is not its :authority")]
    Differs,
}

/// The host that a request names: `target` is its `:authority` in HTTP/2, the one of a target in
/// absolute form before (RFC 9112, 3.2.2: Host is then to be ignored); `fields` are its Host fields.
pub(super) fn named<'a>(
    target: Option<&str>,
    fields: impl IntoIterator<Item = Option<&'a str>>,
    is_http2: bool,
) -> Result<Authority, NoHost> {
    let mut fields = fields.into_iter();
    let field = fields.next();
    if fields.next().is_some() {
        return Err(NoHost::Several);
    }
    let parse = |text: Option<&str>| text.and_then(Authority::parse).ok_or(NoHost::Malformed);
    let field = field.map(parse).transpose()?;
    match (target, field) {
        (None, field) => field.ok_or(NoHost::Missing),
        (Some(target), field) => {
            let target = parse(Some(target))?;
            let differs = is_http2 && field.is_some_and(|field| field != target);
            if differs { Err(NoHost::Differs) } else { Ok(target) }
        }
    }
}

impl Authority {
    /// Whether we are who is meant: by an address, as this machine itself, by one of the
    /// certificate's names (which may begin with `*.`), or by one that the owner has allowed.
    pub(super) fn is_ours(&self, certificate: &[String], hosts: &[String]) -> bool {
        let covers = |name: &String| match name.strip_prefix("*.") {
            // RFC 6125, 6.4.3: one label.
            Some(domain) => self.host.split_once('.').is_some_and(|(label, rest)| {
                !label.is_empty() && rest.eq_ignore_ascii_case(domain)
            }),
            None => name.eq_ignore_ascii_case(&self.host),
        };
        self.host.parse::<IpAddr>().is_ok()
            || self.is_loopback()
            || certificate.iter().any(covers)
            || hosts.contains(&self.host)
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
pub(super) fn origin_allowed(origin: Option<&str>, host: &Authority, origins: &[String]) -> bool {
    let Some(origin) = origin else { return true };
    let same = |allowed: &String| allowed.trim_end_matches('/').eq_ignore_ascii_case(origin);
    if origins.iter().any(same) {
        return true;
    }
    // Our own pages come by https alone.
    let page = origin.strip_prefix("https://").and_then(Authority::parse);
    let Some(page) = page else { return false };
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
        ];
        for (origin, host, expected) in cases {
            let host = Authority::parse(host).expect("a host");
            assert_eq!(origin_allowed(origin, &host, &origins), expected, "{origin:?}");
        }
    }

    #[test]
    fn one_host_is_named_or_nobody_knows_which() {
        type Case<'a> = (Option<&'a str>, &'a [Option<&'a str>], Result<&'a str, NoHost>);
        let cases: [Case<'_>; 11] = [
            (None, &[Some("attic:8172")], Ok("attic:8172")),
            (Some("attic:8172"), &[], Ok("attic:8172")),
            (Some("attic:8172"), &[Some("Attic.:8172")], Ok("attic:8172")),
            (Some("attic:8172"), &[Some("evil.example")], Err(NoHost::Differs)),
            (Some("attic:8172"), &[Some("attic")], Err(NoHost::Differs)),
            (None, &[], Err(NoHost::Missing)),
            (None, &[Some("attic"), Some("attic")], Err(NoHost::Several)),
            (None, &[Some("attic"), Some("evil.example")], Err(NoHost::Several)),
            (None, &[Some("")], Err(NoHost::Malformed)),
            (None, &[None], Err(NoHost::Malformed)),
            (Some("me@attic"), &[], Err(NoHost::Malformed)),
        ];
        for (target, fields, expected) in cases {
            let found = named(target, fields.iter().copied(), true).map(|found| found.to_string());
            assert_eq!(found, expected.map(str::to_owned), "{target:?} {fields:?}");
        }
        let absolute = named(Some("attic:8172"), [Some("evil.example")], false);
        assert_eq!(absolute, Ok(Authority { host: "attic".into(), port: Some(8172) }));
    }

    #[test]
    fn a_name_of_others_is_not_ours() {
        let certificate = ["attic".to_owned(), "Attic.local".into(), "*.attic.example".into()];
        let hosts = ["parlor.example".to_owned()];
        let cases = [
            ("attic:8172", true),
            ("attic.local", true),
            ("parlor.example", true),
            ("door.attic.example", true),
            ("192.0.2.7:1", true),
            ("[2001:db8::7]", true),
            ("localhost:8172", true),
            ("parlor.localhost", true),
            ("attic.example", false),
            ("a.door.attic.example", false),
            ("evil.example", false),
            ("attic.local.evil.example", false),
            ("localhost.evil.example", false),
            ("sub.parlor.example", false),
        ];
        for (host, expected) in cases {
            let host = Authority::parse(host).expect("a host");
            assert_eq!(host.is_ours(&certificate, &hosts), expected, "{host}");
        }
    }
}

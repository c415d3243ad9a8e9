//! Where a parlor is: an `https:` URL, as people have it from an invite, a browser or the log.
//!
//! PURE.

/// What the URL's fragment opens (`#invite=TOKEN`, `#local=TOKEN`).
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// `invite` or `local`.
    pub kind: &'static str,
    /// The secret.
    pub secret: String,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token({} ***)", self.kind)
    }
}

/// Where a parlor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What its fragment opens.
    pub token: Option<Token>,
}

/// What was written is no such URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write a URL such as https://box.example:8172")]
pub struct NoUrl;

impl std::str::FromStr for Url {
    type Err = NoUrl;

    /// `https://` may be left out. Paths and queries are passed over.
    fn from_str(text: &str) -> Result<Self, NoUrl> {
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => rest,
            Some(_) => return Err(NoUrl),
            None => text,
        };
        let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or(NoUrl)?;
                host.parse::<std::net::Ipv6Addr>().map_err(|_| NoUrl)?;
                (host, port.strip_prefix(':').or(port.is_empty().then_some("")).ok_or(NoUrl)?)
            }
            None => authority.split_once(':').unwrap_or((authority, "")),
        };
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || !host.chars().all(is_part) {
            return Err(NoUrl);
        }
        let port = if port.is_empty() { 443 } else { port.parse().map_err(|_| NoUrl)? };
        let token = ["invite", "local"].into_iter().find_map(|kind| {
            let secret = fragment.split('&').find_map(|pair| pair.strip_prefix(kind))?;
            Some(Token { kind, secret: secret.strip_prefix('=')?.to_owned() })
        });
        Ok(Self { host: host.to_owned(), port, token })
    }
}

impl Url {
    /// Host and port, as they stand in a request.
    pub fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl std::fmt::Display for Url {
    /// Without its secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "https://{}", self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_as_people_have_it() {
        let cases = [
            ("https://box.example", Some("https://box.example:443")),
            ("HTTPS://box.local:8172/r/home?x=1", Some("https://box.local:8172")),
            ("192.168.1.2:8172", Some("https://192.168.1.2:8172")),
            ("https://[fd00::5]:8172/", Some("https://[fd00::5]:8172")),
            ("https://[fd00::5]", Some("https://[fd00::5]:443")),
            ("http://box.example", None),
            ("https://", None),
            ("https://[nonsense]:1", None),
            ("https://a:99999", None),
            ("https://a b", None),
            ("https://user@box", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let url = text.parse::<Url>().ok().map(|url| url.to_string());
            assert_eq!(url.as_deref(), expected, "{text}");
        }
        let url: Url = "https://a/r/home#invite=SECRET".parse().expect("a URL");
        assert_eq!(url.token, Some(Token { kind: "invite", secret: "SECRET".into() }));
        assert!(!format!("{url:?} {url}").contains("SECRET"));
    }
}

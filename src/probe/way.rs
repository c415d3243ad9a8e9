//! By what a STUN or TURN server is reached.

use std::{fmt, net::SocketAddr, time::Duration};

use tokio::net::lookup_host;

use super::{
    https::Client,
    link::{Fault, Framing, Link},
    url::Url,
};

/// By what, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Datagrams.
    Udp(SocketAddr),
    /// A stream.
    Tcp(SocketAddr),
    /// TLS, by this name.
    Tls(SocketAddr, String),
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(at) => write!(f, "udp {at}"),
            Self::Tcp(at) => write!(f, "tcp {at}"),
            Self::Tls(at, _) => write!(f, "tls {at}"),
        }
    }
}

impl Way {
    /// TLS to an address that is its own name.
    pub fn tls(at: SocketAddr) -> Self {
        Self::Tls(at, at.ip().to_string())
    }

    /// What an `RTCIceServer`'s URL means (RFC 7064, 7065).
    ///
    /// # Errors
    /// It is none, or its name means no address.
    pub async fn of_url(url: &str) -> Result<Self, Fault> {
        let written = ice_url(url).ok_or(Fault::Strange("a URL that is not understood"))?;
        let Written { is_tls, host, port, by_tcp } = written;
        let mut found = lookup_host((host, port)).await?;
        let at = found.next().ok_or(Fault::Strange("the name means no address"))?;
        Ok(match (is_tls, by_tcp) {
            (true, _) => Self::Tls(at, host.to_owned()),
            (false, true) => Self::Tcp(at),
            (false, false) => Self::Udp(at),
        })
    }

    /// Goes there.
    ///
    /// # Errors
    /// No connection.
    pub async fn link(&self, patience: Duration) -> Result<Link, Fault> {
        match self {
            Self::Udp(at) => Ok(Link::udp(*at).await?),
            Self::Tcp(at) => Link::tcp(*at, Framing::Stun, patience).await,
            Self::Tls(at, host) => {
                let url = Url { host: host.clone(), port: at.port(), token: None };
                let mut client = Client::new(url, patience);
                client.at = Some(*at);
                client.turn_link().await
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Written<'a> {
    is_tls: bool,
    host: &'a str,
    port: u16,
    by_tcp: bool,
}

fn ice_url(url: &str) -> Option<Written<'_>> {
    let (scheme, rest) = url.split_once(':')?;
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let is_tls = scheme.ends_with('s');
    let default = if is_tls { 5349 } else { 3478 };
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, port.strip_prefix(':'))
        }
        None => place.rsplit_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Ok(default), str::parse).ok()?;
    Some(Written { is_tls, host, port, by_tcp: query.contains("transport=tcp") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_found_as_they_are_written() {
        let cases = [
            ("stun:a.example", Some((false, "a.example", 3478, false))),
            ("turn:a.example:99?transport=tcp", Some((false, "a.example", 99, true))),
            ("turns:[2001:db8::1]", Some((true, "2001:db8::1", 5349, false))),
            ("turns:[2001:db8::1]:443", Some((true, "2001:db8::1", 443, false))),
            ("turn:a.example:x", None),
            ("nonsense", None),
        ];
        for (url, expected) in cases {
            let expected =
                expected.map(|(is_tls, host, port, by_tcp)| Written { is_tls, host, port, by_tcp });
            assert_eq!(ice_url(url), expected, "{url}");
        }
    }
}

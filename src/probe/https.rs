//! Requests to a parlor, one a connection: HTTP/1.1 (RFC 9112) as far as parlor's answers need it.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, lookup_host},
    time::timeout,
};

use super::{
    link::{Fault, Framing, Link},
    tls::{self, Shown},
    url::Url,
};
use crate::seams::turn::ALPN;

/// No answer that is asked for here is longer.
const MAX_ANSWER: u64 = 1 << 20;

/// An answer.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// What TLS has shown.
    pub shown: Shown,
    /// From the first packet to the last.
    pub took: Duration,
}

impl Answer {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Somebody who asks one parlor, and has its cookie as soon as it gives one.
#[derive(Debug, Clone)]
pub struct Client {
    /// Where.
    pub url: Url,
    /// The address to ask at, whatever the name means; `None`: what the name means.
    pub at: Option<SocketAddr>,
    /// For each step.
    pub patience: Duration,
    cookie: Option<String>,
}

impl Client {
    /// Nothing is asked yet.
    pub fn new(url: Url, patience: Duration) -> Self {
        Self { url, at: None, patience, cookie: None }
    }

    /// The addresses that the URL's name means.
    ///
    /// # Errors
    /// It means none.
    pub async fn addresses(&self) -> Result<Vec<SocketAddr>, Fault> {
        if let Some(at) = self.at {
            return Ok(vec![at]);
        }
        let looking = lookup_host((self.url.host.as_str(), self.url.port));
        let found = timeout(self.patience, looking).await;
        Ok(found.map_err(|_| Fault::Silent(self.patience))??.collect())
    }

    /// TCP to the first of these addresses that takes it.
    pub(super) async fn tcp(&self) -> Result<TcpStream, Fault> {
        let addresses = self.addresses().await?;
        let mut last = Fault::Strange("the name means no address");
        for address in addresses {
            match timeout(self.patience, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error.into(),
                Err(_) => last = Fault::Silent(self.patience),
            }
        }
        Err(last)
    }

    /// TLS, for HTTP/1.1.
    pub(super) async fn tls(
        &self,
    ) -> Result<(tokio_rustls::client::TlsStream<TcpStream>, Shown), Fault> {
        tls::connect(self.tcp().await?, &self.url.host, &[b"http/1.1"], self.patience).await
    }

    /// The way for TURN over TLS on the port of https (RFC 7443).
    ///
    /// # Errors
    /// No connection.
    pub async fn turn_link(&self) -> Result<Link, Fault> {
        let (stream, _) =
            tls::connect(self.tcp().await?, &self.url.host, &[ALPN], self.patience).await?;
        Ok(Link::over(Box::new(stream), Framing::Stun))
    }

    /// What the box has given to know us by.
    pub(super) fn cookie(&self) -> Option<String> {
        self.cookie.clone()
    }

    /// Asks for a path.
    ///
    /// # Errors
    /// No answer, or none that is HTTP.
    pub async fn get(&mut self, path: &str) -> Result<Answer, Fault> {
        self.ask("GET", path, ("application/json", "")).await
    }

    /// Posts a body of a type.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post(&mut self, path: &str, body: (&str, &str)) -> Result<Answer, Fault> {
        self.ask("POST", path, body).await
    }

    async fn ask(&mut self, method: &str, path: &str, body: (&str, &str)) -> Result<Answer, Fault> {
        let started = Instant::now();
        let (mut stream, shown) = self.tls().await?;
        let (content_type, body) = body;
        let host = self.url.authority();
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             User-Agent: parlor-probe\r\nContent-Length: {}\r\n",
            body.len()
        );
        if !body.is_empty() {
            request
                .push_str(&format!("Content-Type: {content_type}\r\nOrigin: https://{host}\r\n"));
        }
        if let Some(cookie) = &self.cookie {
            request.push_str(&format!("Cookie: {cookie}\r\n"));
        }
        let talking = async {
            stream.write_all(format!("{request}\r\n{body}").as_bytes()).await?;
            let mut bytes = Vec::new();
            // A proxy may close without TLS's goodbye; what has come is judged by itself.
            let _ = (&mut stream).take(MAX_ANSWER).read_to_end(&mut bytes).await;
            Ok::<_, Fault>(bytes)
        };
        let bytes =
            timeout(self.patience, talking).await.map_err(|_| Fault::Silent(self.patience))??;
        let mut answer = read(&bytes).ok_or(Fault::Strange("what came is no HTTP"))?;
        let given = answer.header("set-cookie").and_then(|cookie| cookie.split(';').next());
        if let Some(cookie) = given {
            self.cookie = Some(cookie.to_owned());
        }
        (answer.shown, answer.took) = (shown, started.elapsed());
        Ok(answer)
    }
}

/// A whole answer.
fn read(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    let status = words.next()?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let body = &bytes[end + 4..];
    let is_chunked = headers.iter().any(|(name, value)| {
        name == "transfer-encoding" && value.to_ascii_lowercase().ends_with("chunked")
    });
    let body = if is_chunked { unchunked(body)? } else { body.to_vec() };
    Some(Answer { status, headers, body, ..Answer::default() })
}

/// RFC 9112, 7.1, as proxies send it.
fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let line = std::str::from_utf8(&rest[..end]).ok()?;
        let len = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        if len == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(end + 2..end.checked_add(2)?.checked_add(len)?)?);
        rest = rest.get(end + 4 + len..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_whole_or_not_at_all() {
        let answer =
            read(b"HTTP/1.1 201 Created\r\nSet-Cookie: a=b; Secure\r\n\r\nhello").expect("one");
        assert_eq!((answer.status, answer.text().as_str()), (201, "hello"));
        assert_eq!(answer.header("set-cookie"), Some("a=b; Secure"));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x\r\nlo\r\n0\r\n\r\n";
        assert_eq!(read(chunked).expect("one").text(), "hello");
        for bad in [
            &b""[..],
            b"HTTP/1.1 200 OK\r\n",
            b"SSH-2.0\r\n\r\n",
            b"HTTP/1.1 x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
        ] {
            assert!(read(bad).is_none(), "{bad:?}");
        }
    }
}

//! PURE. RTSP messages (RFC 2326): bytes in, requests out; answers written.

/// A head longer than this is none.
pub(super) const MAX_HEAD: usize = 8 * 1024;
/// A body (of `GET_PARAMETER`, which players use as a sign of life) longer than this is none.
const MAX_BODY: usize = 4 * 1024;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) url: String,
    fields: Vec<(String, String)>,
}

/// What the bytes at hand are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// A request, and how many bytes it took.
    Request(Request, usize),
    /// Something that came between requests (RTCP in `$` frames), of so many bytes.
    Interleaved(usize),
    /// More has to come.
    Partial,
    /// It is no RTSP.
    Bad(&'static str),
}

impl Request {
    /// The value of a header field.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The path of its URL, without the slash before it.
    pub(super) fn path(&self) -> &str {
        let rest = self.url.strip_prefix("rtsp://").or_else(|| self.url.strip_prefix("rtspu://"));
        let path = match rest {
            Some(rest) => rest.split_once('/').map_or("", |(_, path)| path),
            None => self.url.trim_start_matches('/'),
        };
        path.split('?').next().unwrap_or_default().trim_end_matches('/')
    }
}

/// Reads what has come so far.
pub(super) fn read(bytes: &[u8]) -> Read {
    if bytes.first() == Some(&b'$') {
        let Some(length) = bytes.get(2..4) else { return Read::Partial };
        let whole = 4 + usize::from(u16::from_be_bytes([length[0], length[1]]));
        return if bytes.len() < whole { Read::Partial } else { Read::Interleaved(whole) };
    }
    // Some players put an empty line between messages.
    let n_empty = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    if n_empty > 0 && n_empty <= 4 {
        return Read::Interleaved(n_empty);
    }
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let Some(end) = end else {
        return if bytes.len() > MAX_HEAD {
            Read::Bad("its head is too long")
        } else {
            Read::Partial
        };
    };
    if end > MAX_HEAD {
        return Read::Bad("its head is too long");
    }
    let Ok(head) = std::str::from_utf8(&bytes[..end]) else { return Read::Bad("it is no text") };
    let Some(request) = request(head) else { return Read::Bad("it is no request of RTSP/1.0") };
    let length = match request.field("Content-Length").map(|length| length.trim().parse::<usize>())
    {
        None => 0,
        Some(Ok(length)) if length <= MAX_BODY => length,
        Some(_) => return Read::Bad("its body is too long"),
    };
    let whole = end + 4 + length;
    if bytes.len() < whole { Read::Partial } else { Read::Request(request, whole) }
}

fn request(head: &str) -> Option<Request> {
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, url, version) = (first.next()?, first.next()?, first.next()?);
    let is_method =
        !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    if !is_method || version != "RTSP/1.0" || first.next().is_some() {
        return None;
    }
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    };
    let fields = lines.map(field).collect::<Option<Vec<_>>>()?;
    Some(Request { method: method.to_owned(), url: url.to_owned(), fields })
}

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    status: u16,
    fields: Vec<(&'static str, String)>,
    body: String,
}

impl Answer {
    pub(super) fn new(status: u16) -> Self {
        Self { status, fields: Vec::new(), body: String::new() }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    pub(super) fn body(mut self, content_type: &str, body: String) -> Self {
        self.fields.push(("Content-Type", content_type.to_owned()));
        self.body = body;
        self
    }

    /// As it goes out; `sequence` is the request's `CSeq`, which comes from outside.
    pub(super) fn write(&self, sequence: Option<&str>) -> String {
        let reason = match self.status {
            200 => "OK",
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            453 => "Not Enough Bandwidth",
            454 => "Session Not Found",
            455 => "Method Not Valid in This State",
            461 => "Unsupported Transport",
            503 => "Service Unavailable",
            _ => "Error",
        };
        let mut text = format!("RTSP/1.0 {} {reason}\r\n", self.status);
        let number = sequence.filter(|number| number.bytes().all(|b| b.is_ascii_digit()));
        if let Some(number) = number {
            text.push_str(&format!("CSeq: {number}\r\n"));
        }
        text.push_str("Server: parlor\r\n");
        for (name, value) in &self.fields {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() {
            text.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        text.push_str("\r\n");
        text.push_str(&self.body);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETUP: &str = "SETUP rtsp://box:8554/door/trackID=0 RTSP/1.0\r\nCSeq: 3\r\n\
                         Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n";

    #[test]
    fn requests_are_read_whole_and_however_they_are_cut() {
        let Read::Request(request, taken) = read(SETUP.as_bytes()) else { panic!("a request") };
        assert_eq!((request.method.as_str(), request.path()), ("SETUP", "door/trackID=0"));
        assert_eq!(request.field("transport"), Some("RTP/AVP/TCP;unicast;interleaved=0-1"));
        assert_eq!(taken, SETUP.len());
        for end in 0..SETUP.len() {
            assert_eq!(read(&SETUP.as_bytes()[..end]), Read::Partial, "{end}");
        }
    }

    #[test]
    fn what_is_no_request_is_told_from_what_is_not_there_yet() {
        let long = format!("OPTIONS * RTSP/1.0\r\nX: {}\r\n\r\n", "x".repeat(MAX_HEAD));
        let cases = [
            ("$\u{0}\u{0}\u{2}ab", Read::Interleaved(6)),
            ("$\u{0}\u{0}\u{2}a", Read::Partial),
            ("\r\nOPTIONS", Read::Interleaved(2)),
            ("GET / HTTP/1.1\r\n\r\n", Read::Bad("it is no request of RTSP/1.0")),
            ("OPTIONS *\r\n\r\n", Read::Bad("it is no request of RTSP/1.0")),
            ("OPTIONS * RTSP/1.0\r\nnonsense\r\n\r\n", Read::Bad("it is no request of RTSP/1.0")),
            ("X * RTSP/1.0\r\nContent-Length: 99999\r\n\r\n", Read::Bad("its body is too long")),
            ("X * RTSP/1.0\r\nContent-Length: -1\r\n\r\n", Read::Bad("its body is too long")),
            (long.as_str(), Read::Bad("its head is too long")),
        ];
        for (bytes, expected) in cases {
            assert_eq!(read(bytes.as_bytes()), expected, "{bytes:?}");
        }
    }

    #[test]
    fn an_answer_repeats_a_number_and_nothing_else_of_what_was_sent() {
        let answer = Answer::new(200).with("Public", "OPTIONS");
        assert_eq!(
            answer.write(Some("7")),
            "RTSP/1.0 200 OK\r\nCSeq: 7\r\nServer: parlor\r\nPublic: OPTIONS\r\n\r\n"
        );
        assert!(!answer.write(Some("7 X")).contains("CSeq"));
        let answer = answer.body("application/sdp", "v=0\r\n".into()).write(None);
        assert!(answer.ends_with("Content-Length: 5\r\n\r\nv=0\r\n"), "{answer}");
    }
}

//! Shapes that are parlor's own: addresses, names, camera sources, coturn's words.
//!
//! PURE. Each returns what the text means or a [`Problem`] that says what would be right.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use toml::Value;

use super::{
    fault::Problem,
    settings::{Announce, AudioSource, IpRange, Secret, VideoSource},
    shape::{Meant, string},
};
use crate::ids::{CameraId, Nickname, RoomName};

/// What stands in the place of a secret.
pub(super) const MASK: &str = "***";

/// `ADDR:PORT`, port 0 included (the system chooses; for tests).
pub(super) fn listen(text: &str) -> Meant<SocketAddr> {
    const EXAMPLE: &str =
        "write ADDR:PORT, such as \"[::]:443\" (all addresses) or \"192.168.1.5:443\"";
    text.parse().map_err(|_| {
        let problem = if text.parse::<IpAddr>().is_ok() {
            "has no port"
        } else if text.trim_start_matches(':').parse::<u16>().is_ok() {
            "has no address"
        } else {
            "is no address with a port"
        };
        Problem::new(problem, EXAMPLE)
    })
}

/// An address, an address with a port, or a DNS name.
pub(super) fn announce(text: &str) -> Meant<Announce> {
    let wrong = |problem: &str| {
        Problem::new(problem, "write an address, ADDRESS:PORT or a DNS name that clients can reach")
    };
    let usable = |ip: IpAddr| {
        if ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) {
            return Err(wrong("is no address that a client can connect to"));
        }
        Ok(())
    };
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return usable(ip).map(|()| Announce::Ip(ip));
    }
    if let Ok(socket) = text.parse::<SocketAddr>() {
        if socket.port() == 0 {
            return Err(wrong("has port 0"));
        }
        return usable(socket.ip()).map(|()| Announce::Socket(socket));
    }
    if is_dns_name(text) {
        Ok(Announce::Name(text.to_owned()))
    } else {
        Err(wrong("is no address"))
    }
}

/// RFC 1123, 2.1, with a last label that is no number (or `1.2.3.400` would be a name).
pub(super) fn is_dns_name(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= 253 && text.split('.').all(label) && !last.bytes().all(|b| b.is_ascii_digit())
}

/// A glob of interface names: `*` and `?` stand for anything.
pub(super) fn interface_glob(text: &str) -> Meant<String> {
    // IFNAMSIZ is 16 with its zero; a name has neither white space nor `/`.
    if (1..=32).contains(&text.len()) && !text.contains(|c: char| c.is_whitespace() || c == '/') {
        return Ok(text.to_owned());
    }
    Err(Problem::new("is no interface name", "write one such as \"eth0\", or a glob: \"docker*\""))
}

/// An origin (RFC 6454): scheme, host, port if unusual; no path.
pub(super) fn origin(text: &str) -> Meant<String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let visible = |host: &str| {
        !host.is_empty()
            && host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@".contains(&byte))
    };
    if host.is_some_and(visible) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Problem::new("is no origin", "write SCHEME://HOST[:PORT], such as \"https://my.example\""))
}

/// A CSP source (CSP level 3, 2.3.1): it must not end the directive it stands in.
pub(super) fn csp_source(text: &str) -> Meant<String> {
    let forbidden = |byte: u8| !byte.is_ascii_graphic() || b";,\"".contains(&byte);
    let bare_keyword = matches!(text, "self" | "none");
    if text.is_empty() || text.bytes().any(forbidden) || bare_keyword {
        let remedy = "write \"'self'\", \"'none'\" or an origin such as \"https://my.example\"";
        return Err(Problem::new("is no source of a content security policy", remedy));
    }
    Ok(text.to_owned())
}

/// [`RoomName`]
pub(super) fn room(value: &Value) -> Meant<RoomName> {
    let text = string(value, "a room's name")?;
    RoomName::parse(text).map_err(|error| {
        Problem::new(
            format!("is no room name: {}", plain_reason(&error.to_string())),
            "write 1 to 64 characters without / and control characters",
        )
    })
}

/// [`CameraId`]
pub(super) fn camera_id(value: &Value) -> Meant<CameraId> {
    string(value, "a camera's id")?
        .parse()
        .map_err(|_| Problem::new("is no camera id", "write 1 to 64 letters, digits or -"))
}

/// [`Nickname`]; nothing for the empty text.
pub(super) fn nickname(value: &Value) -> Meant<Option<Nickname>> {
    let text = string(value, "a name")?;
    if text.is_empty() {
        return Ok(None);
    }
    Nickname::parse(text).map(Some).map_err(|error| {
        let problem = format!("is no name: {}", plain_reason(&error.to_string()));
        Problem::new(problem, "write 1 to 64 characters without control characters")
    })
}

/// The first half of a sentence with a semicolon: a fault has a remedy of its own.
fn plain_reason(sentence: &str) -> &str {
    sentence.split(';').next().unwrap_or(sentence)
}

/// `camera.source`
pub(super) fn video_source(value: &Value) -> Meant<VideoSource> {
    const FORMS: &str = "\"test\", \"v4l2:/dev/video0\", \"libcamera\" or \"rtsp://…\"";
    let text = string(value, FORMS)?;
    let rtsp = |rest: &str| !rest.is_empty() && !rest.contains(|c: char| c.is_whitespace());
    match text {
        "test" => return Ok(VideoSource::Test),
        "libcamera" => return Ok(VideoSource::Libcamera),
        _ => {}
    }
    if let Some(device) = text.strip_prefix("v4l2:") {
        if device.starts_with("/dev/") && device.len() > "/dev/".len() {
            return Ok(VideoSource::V4l2(device.into()));
        }
        return Err(Problem::new(
            "names no device",
            "write \"v4l2:/dev/video0\" or another device",
        ));
    }
    if text.starts_with("/dev/") {
        return Err(Problem::new("does not say what it is", format!("write \"v4l2:{text}\"")));
    }
    if text.strip_prefix("rtsp://").or_else(|| text.strip_prefix("rtsps://")).is_some_and(rtsp) {
        not_masked(text)?;
        return Ok(VideoSource::Rtsp(Secret::new(text)));
    }
    Err(Problem::new("is no source of pictures", format!("write {FORMS}")))
}

/// A source as it may be shown: without the password of an RTSP URL, which stands before the host
/// or, with cameras that know no better, somewhere in the path.
pub(super) fn show_source(value: &Value) -> Value {
    let Some((scheme, rest)) = value.as_str().and_then(|text| text.split_once("://")) else {
        return value.clone();
    };
    // Up to the last @ of all: a password with / or @ in it is not shown either.
    let (user, host) = rest.rsplit_once('@').map_or(("", rest), |(user, host)| (user, host));
    let user = match user.split_once(':') {
        Some((name, _)) => format!("{name}:{MASK}@"),
        None if user.is_empty() => String::new(),
        None => format!("{user}@"),
    };
    let (host, path) = host.split_at(host.find('/').unwrap_or(host.len()));
    let lower = path.to_lowercase();
    let tells = ["pass", "pwd"].iter().any(|word| lower.contains(word));
    let path = if tells { format!("/{MASK}") } else { path.to_owned() };
    Value::String(format!("{scheme}://{user}{host}{path}"))
}

/// `camera.audio`
pub(super) fn audio_source(value: &Value) -> Meant<Option<AudioSource>> {
    const FORMS: &str =
        "\"test\", \"alsa:DEVICE\" (such as \"alsa:default\"), \"pipewire\" or \"\"";
    let text = string(value, FORMS)?;
    match text {
        "" => Ok(None),
        "test" => Ok(Some(AudioSource::Test)),
        "pipewire" => Ok(Some(AudioSource::Pipewire)),
        _ => match text.strip_prefix("alsa:") {
            Some(device) if !device.is_empty() && !device.contains(char::is_control) => {
                Ok(Some(AudioSource::Alsa(device.to_owned())))
            }
            _ => Err(Problem::new("is no source of sound", format!("write {FORMS}"))),
        },
    }
}

/// `camera.size`: `WIDTHxHEIGHT`, both even, since encoders take 4:2:0.
pub(super) fn size(value: &Value) -> Meant<(u32, u32)> {
    let text = string(value, "WIDTHxHEIGHT, such as \"1280x720\"")?;
    let number = |text: &str| text.trim().parse::<u32>().ok();
    let (width, height) = text.split_once(['x', 'X', '×']).unwrap_or((text, ""));
    let (Some(width), Some(height)) = (number(width), number(height)) else {
        return Err(Problem::new("is no size", "write WIDTHxHEIGHT, such as \"1280x720\""));
    };
    if !(64..=7680).contains(&width) || !(64..=4320).contains(&height) {
        return Err(Problem::new("is out of range", "write 64x64 to 7680x4320 pixels"));
    }
    if width % 2 == 1 || height % 2 == 1 {
        return Err(Problem::new("has an odd side", "write even numbers, as encoders need them"));
    }
    Ok((width, height))
}

/// `camera.encoder`: the name of a GStreamer element; nothing for the empty text.
pub(super) fn encoder(value: &Value) -> Meant<Option<String>> {
    let text = string(value, "the name of a GStreamer encoder, such as \"x264enc\"")?;
    let element = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match text {
        "" => Ok(None),
        name if name.len() <= 64 && name.chars().all(element) => Ok(Some(name.to_owned())),
        _ => Err(Problem::new("is no element's name", "write one such as \"x264enc\"")),
    }
}

/// A secret; nothing for the empty text.
pub(super) fn secret(value: &Value) -> Meant<Option<Secret>> {
    let text = string(value, "text between quotes")?;
    if text.is_empty() {
        return Ok(None);
    }
    not_masked(text)?;
    Ok(Some(Secret::new(text)))
}

/// `***` is what `parlor check` prints; who pastes that back has lost the secret.
fn not_masked(text: &str) -> Meant<()> {
    if text == MASK || text.contains(":***") || text.contains("/***") {
        let remedy = "write the secret itself, which `parlor check` does not print";
        return Err(Problem::new("is what stands for a secret", remedy));
    }
    Ok(())
}

/// Shows no secret.
pub(super) fn show_secret(value: &Value) -> Value {
    if value.as_str() == Some("") { value.clone() } else { Value::from(MASK) }
}

/// coturn's `user`: `name:password`.
pub(super) fn user(text: &str) -> Meant<(String, Secret)> {
    match text.split_once(':') {
        Some((name, password)) if !name.is_empty() && !password.is_empty() => {
            not_masked(text)?;
            Ok((name.to_owned(), Secret::new(password)))
        }
        _ => Err(Problem::new("is no user with a password", "write \"name:password\"")),
    }
}

/// Users without their passwords, one or a list of them.
pub(super) fn show_users(value: &Value) -> Value {
    match value {
        Value::String(text) => match text.split_once(':') {
            Some((name, _)) => Value::String(format!("{name}:{MASK}")),
            None => Value::from(MASK),
        },
        Value::Array(users) => Value::Array(users.iter().map(show_users).collect()),
        _ => Value::from(MASK),
    }
}

/// coturn's `external-ip`: `PUBLIC` or `PUBLIC/PRIVATE`.
pub(super) fn external_ip(text: &str) -> Meant<(IpAddr, Option<IpAddr>)> {
    let wrong = || Problem::new("is no address", "write the public address, or \"PUBLIC/PRIVATE\"");
    let (public, private) = match text.split_once('/') {
        Some((public, private)) => (public, Some(private)),
        None => (text, None),
    };
    let public: IpAddr = public.parse().map_err(|_| wrong())?;
    let private = private.map(|ip| ip.parse().map_err(|_| wrong())).transpose()?;
    if private.is_some_and(|private: IpAddr| private.is_ipv4() != public.is_ipv4()) {
        return Err(Problem::new("mixes IPv4 and IPv6", "write two addresses of one family"));
    }
    Ok((public, private))
}

/// coturn's `allowed-peer-ip` and `denied-peer-ip`: one address, `FIRST-LAST`, or a prefix.
pub(super) fn ip_range(text: &str) -> Meant<IpRange> {
    let wrong = |problem: &str| {
        Problem::new(problem, "write \"10.0.0.1\", \"10.0.0.0-10.0.0.255\" or \"10.0.0.0/8\"")
    };
    let ip = |text: &str| text.trim().parse::<IpAddr>().map_err(|_| wrong("is no address"));
    if let Some((network, bits)) = text.split_once('/') {
        let network = ip(network)?;
        let bits: u8 = bits.trim().parse().map_err(|_| wrong("has no prefix length"))?;
        return prefix(network, bits).ok_or_else(|| wrong("has too long a prefix"));
    }
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (ip(first)?, ip(last)?),
        None => (ip(text)?, ip(text)?),
    };
    if first.is_ipv4() != last.is_ipv4() {
        return Err(wrong("mixes IPv4 and IPv6"));
    }
    if first > last {
        return Err(wrong("ends before it begins"));
    }
    Ok(IpRange { first, last })
}

fn prefix(network: IpAddr, bits: u8) -> Option<IpRange> {
    let net = IpNet::new(network, bits).ok()?;
    Some(IpRange { first: net.network(), last: net.broadcast() })
}

/// `http.trusted_proxies`: an address or a prefix.
pub(super) fn network(text: &str) -> Meant<IpNet> {
    let host = text.parse::<IpAddr>().map(IpNet::from);
    let net = host.or_else(|_| text.parse::<IpNet>());
    net.map(|net| net.trunc()).map_err(|_| {
        Problem::new("is no address", "write \"172.18.0.2\", or a prefix such as \"172.18.0.0/16\"")
    })
}

/// `http.hosts`: a name, lower case, without the root's point.
pub(super) fn host(text: &str) -> Meant<String> {
    let wrong = |problem: &str| {
        Problem::new(problem, "write a name such as \"parlor.example\", without scheme and port")
    };
    if text.parse::<IpAddr>().is_ok() {
        return Err(wrong("is an address, and addresses are allowed without this"));
    }
    if is_dns_name(text) {
        return Ok(text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase());
    }
    Err(wrong("is no name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_shown_without_its_password() {
        let cases = [
            ("test", "test"),
            ("v4l2:/dev/video0", "v4l2:/dev/video0"),
            // Rather hidden than told, where it cannot be known.
            ("rtsp://cam.example:554/live@1", "rtsp://cam.example:***@1"),
            ("rtsp://cam.example/live", "rtsp://cam.example/live"),
            ("rtsp://me@cam.example/live", "rtsp://me@cam.example/live"),
            ("rtsp://me:pw@cam.example/live", "rtsp://me:***@cam.example/live"),
            ("rtsp://me:p/w@d@cam.example/", "rtsp://me:***@cam.example/"),
            ("rtsp://cam.example/user=me&Password=pw", "rtsp://cam.example/***"),
        ];
        for (written, expected) in cases {
            let shown = show_source(&Value::from(written));
            assert_eq!(shown, Value::from(expected), "{written}");
            let comes_back = video_source(&shown).is_ok();
            assert_eq!(comes_back, !expected.contains(MASK), "{expected}");
        }
    }

    #[test]
    fn prefixes_are_ranges() {
        let cases = [
            ("10.1.2.3/8", Some(("10.0.0.0", "10.255.255.255"))),
            ("0.0.0.0/0", Some(("0.0.0.0", "255.255.255.255"))),
            ("192.0.2.1/32", Some(("192.0.2.1", "192.0.2.1"))),
            ("::/0", Some(("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"))),
            ("2001:db8::/32", Some(("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"))),
            ("10.0.0.1 - 10.0.0.9", Some(("10.0.0.1", "10.0.0.9"))),
            ("10.0.0.0/33", None),
            ("::/129", None),
            ("10.0.0.0/-1", None),
            ("10.0.0.0/", None),
        ];
        for (written, expected) in cases {
            let expected = expected.map(|(first, last): (&str, &str)| IpRange {
                first: first.parse().unwrap(),
                last: last.parse().unwrap(),
            });
            assert_eq!(ip_range(written).ok(), expected, "{written}");
        }
    }
}

//! What to open in a browser: a line for each URL.

use std::net::SocketAddr;

use crate::seams::Addresses;

/// One line a URL: each announced address where a socket listens on all, else the address itself. The
/// token is for a browser on the box, which is nobody without it; none where it is a guest.
pub(super) fn open_lines(
    listening: &[SocketAddr],
    addresses: &Addresses,
    local_token: Option<&str>,
) -> Vec<String> {
    let local = local_token.map(|token| format!("/#local={token}")).unwrap_or_default();
    let mut lines = Vec::new();
    for socket in listening {
        let port = socket.port();
        if socket.ip().is_loopback() {
            lines.push(format!("open https://{socket}{local}"));
            continue;
        }
        if !socket.ip().is_unspecified() {
            lines.push(format!("open https://{socket}"));
            continue;
        }
        for ip in addresses.ips().filter(|ip| ip.is_ipv4() || socket.is_ipv6()) {
            lines.push(format!("open https://{}", SocketAddr::new(ip, port)));
        }
        lines.push(format!("open https://localhost:{port}{local} on this machine"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_that_answers_is_told_and_no_other() {
        let loopback = Addresses::loopback();
        let cases = [
            ("127.0.0.1:1", vec!["open https://127.0.0.1:1/#local=T"]),
            ("[::1]:2", vec!["open https://[::1]:2/#local=T"]),
            (
                "[::]:8172",
                vec![
                    "open https://127.0.0.1:8172",
                    "open https://localhost:8172/#local=T on this machine",
                ],
            ),
        ];
        for (listen, expected) in cases {
            let listen = listen.parse().expect("an address");
            assert_eq!(open_lines(&[listen], &loopback, Some("T")), expected);
            let plain: Vec<String> =
                expected.iter().map(|line| line.replace("/#local=T", "")).collect();
            assert_eq!(open_lines(&[listen], &loopback, None), plain);
        }
    }
}

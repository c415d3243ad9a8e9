//! What to open in a browser: a line for each URL.

use std::net::SocketAddr;

use crate::seams::Addresses;

/// One line a URL: each announced address where a socket listens on all, else the address itself.
pub(super) fn open_lines(listening: &[SocketAddr], addresses: &Addresses) -> Vec<String> {
    let mut lines = Vec::new();
    for socket in listening {
        let port = socket.port();
        if !socket.ip().is_unspecified() {
            lines.push(format!("open https://{socket}"));
            continue;
        }
        for ip in addresses.ips().filter(|ip| ip.is_ipv4() || socket.is_ipv6()) {
            lines.push(format!("open https://{}", SocketAddr::new(ip, port)));
        }
        lines.push(format!("open https://localhost:{port} on this machine"));
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
            ("127.0.0.1:1", vec!["open https://127.0.0.1:1"]),
            ("[::1]:2", vec!["open https://[::1]:2"]),
            (
                "[::]:8172",
                vec!["open https://127.0.0.1:8172", "open https://localhost:8172 on this machine"],
            ),
        ];
        for (listen, expected) in cases {
            let listen = listen.parse().expect("an address");
            assert_eq!(open_lines(&[listen], &loopback), expected);
        }
    }
}

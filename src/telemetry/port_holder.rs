//! Who has a port: the name and id of the process, for the one message that an address is in use.
//!
//! Reads Linux' `/proc`, once, when something has already failed. Other users' processes are seen
//! only by root, and `ProtectProc=invisible` hides them too: then nobody is named.

use procfs::{
    net::TcpState,
    process::{FDTarget, all_processes},
};

/// The process that holds this port on any address, as `nginx (process 812)`; `None` where the
/// system does not tell. `protocol` is `tcp` or `udp`.
pub fn port_holder(protocol: &str, port: u16) -> Option<String> {
    let inodes = socket_inodes(protocol, port);
    if inodes.is_empty() {
        return None;
    }
    all_processes().ok()?.flatten().find_map(|process| {
        let mut held = process.fd().ok()?.flatten();
        let is_it = |target| matches!(target, FDTarget::Socket(inode) if inodes.contains(&inode));
        held.any(|file| is_it(file.target)).then_some(())?;
        Some(format!("{} (process {})", process.stat().ok()?.comm, process.pid))
    })
}

/// Inodes of the sockets on a port: for TCP only those that listen.
fn socket_inodes(protocol: &str, port: u16) -> Vec<u64> {
    if protocol == "udp" {
        let entries = [procfs::net::udp(), procfs::net::udp6()].into_iter().flatten().flatten();
        let here = entries.filter(|entry| entry.local_address.port() == port);
        return here.map(|entry| entry.inode).collect();
    }
    let entries = [procfs::net::tcp(), procfs::net::tcp6()].into_iter().flatten().flatten();
    let waits = |entry: &procfs::net::TcpNetEntry| {
        entry.local_address.port() == port && entry.state == TcpState::Listen
    };
    entries.filter(waits).map(|entry| entry.inode).collect()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;

    #[test]
    fn whoever_has_a_port_is_named() {
        let ours = format!("(process {})", std::process::id());
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let tcp = TcpListener::bind(address).unwrap();
            let udp = UdpSocket::bind(address).unwrap();
            let tcp_port = tcp.local_addr().unwrap().port();
            let udp_port = udp.local_addr().unwrap().port();
            for (protocol, port) in [("tcp", tcp_port), ("udp", udp_port)] {
                let holder = port_holder(protocol, port).unwrap();
                assert!(holder.ends_with(&ours), "{protocol} {port}: {holder}");
            }
            // A connection does not hold the port that it was made from.
            let client = TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
            assert_eq!(port_holder("tcp", client.local_addr().unwrap().port()), None);
            drop(tcp);
            drop(client);
            assert_eq!(port_holder("tcp", tcp_port), None);
        }
    }
}

//! Who has a port: the name and id of the process, for the one message that an address is in use.
//!
//! Reads Linux' `/proc`, once, when something has already failed. Other users' processes are seen
//! only by root, and `ProtectProc=invisible` hides them too: then nobody is named.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

/// The process that holds this port on any address, as `nginx (process 812)`; `None` where the
/// system does not tell. `protocol` is `tcp` or `udp`.
pub fn port_holder(protocol: &str, port: u16) -> Option<String> {
    let inodes: Vec<u64> = [protocol.to_owned(), format!("{protocol}6")]
        .iter()
        .filter_map(|table| fs::read_to_string(Path::new("/proc/self/net").join(table)).ok())
        .flat_map(|text| socket_inodes(&text, port, protocol == "tcp"))
        .collect();
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes
        .filter(|process| !inodes.is_empty() && process.file_name().to_str().is_some())
        .find_map(|process| {
            let id: u32 = process.file_name().to_str()?.parse().ok()?;
            let files = fs::read_dir(process.path().join("fd")).ok()?.flatten();
            // The link's target is the socket itself, so its inode is the table's.
            let mut inodes_held =
                files.filter_map(|file| Some(fs::metadata(file.path()).ok()?.ino()));
            inodes_held.any(|inode| inodes.contains(&inode)).then_some(())?;
            let name = fs::read_to_string(process.path().join("comm")).ok()?;
            Some(format!("{} (process {id})", name.trim()))
        })
}

/// Inodes of the sockets of `/proc/net/{tcp,udp}` on a port (proc(5)): for TCP only those that
/// listen.
fn socket_inodes(table: &str, port: u16, tcp: bool) -> Vec<u64> {
    const LISTEN: &str = "0A";
    let lines = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .filter_map(|fields| {
            let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
            let here = u16::from_str_radix(local_port, 16).ok()? == port;
            let waits = !tcp || *fields.get(3)? == LISTEN;
            let inode = fields.get(9)?.parse().ok()?;
            (here && waits).then_some(inode)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1FEC 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3141 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1FEC 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 2718 1 0000000000000000 20 4 30 10 -1
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1618 1 0000000000000000 100 0 0 10 0
   3: broken";

    #[test]
    fn only_sockets_that_take_the_port_count() {
        assert_eq!(socket_inodes(TABLE, 8172, true), [3141]);
        assert_eq!(socket_inodes(TABLE, 8172, false), [3141, 2718]);
        assert!(socket_inodes(TABLE, 1, true).is_empty());
        assert!(socket_inodes("", 8172, true).is_empty());
    }

    #[test]
    fn this_process_is_found() {
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = std::net::UdpSocket::bind("[::1]:0").or(std::net::UdpSocket::bind("127.0.0.1:0"));
        let me = format!("(process {})", std::process::id());
        for (protocol, port) in [
            ("tcp", tcp.local_addr().unwrap().port()),
            ("udp", udp.unwrap().local_addr().unwrap().port()),
        ] {
            let holder = port_holder(protocol, port);
            assert!(holder.as_ref().is_some_and(|holder| holder.ends_with(&me)), "{holder:?}");
        }
    }
}

//! Which process listens on a TCP port, where `/proc` tells (proc(5)): for the line that an operator
//! reads when the port is taken. A process of somebody else tells its inodes to root alone.

use std::{fs, path::Path};

/// `NAME (pid N)` of a process that listens on `port`, as far as the system tells.
pub(super) fn of_port(port: u16) -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let inodes: Vec<u64> = tables
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let processes = fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    processes
        .filter(|entry| entry.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()))
        .find(|entry| holds_any(&entry.path(), &inodes))
        .map(|entry| {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            format!("{} (pid {})", name.trim(), entry.file_name().to_string_lossy())
        })
}

fn holds_any(process: &Path, inodes: &[u64]) -> bool {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else { return false };
    descriptors.filter_map(Result::ok).any(|descriptor| {
        let target = fs::read_link(descriptor.path()).unwrap_or_default();
        let target = target.to_string_lossy();
        let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        inode.and_then(|inode| inode.parse().ok()).is_some_and(|inode| inodes.contains(&inode))
    })
}

/// PURE. The inodes of sockets in state LISTEN (0A) on `port`, from `/proc/net/tcp`.
fn listening_inodes(table: &str, port: u16) -> Vec<u64> {
    let inode = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
        let is_ours = u16::from_str_radix(local_port, 16).ok()? == port && *fields.get(3)? == "0A";
        is_ours.then(|| fields.get(9)?.parse().ok())?
    };
    table.lines().skip(1).filter_map(inode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1FEC 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 00
   1: 0100007F:1FEC 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 00
   2: 0100007F:1FED 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 00
 garbage
   3: x:y z 0A
";

    #[test]
    fn listeners_are_told_from_connections_and_garbage() {
        assert_eq!(listening_inodes(TABLE, 0x1fec), [4711]);
        assert_eq!(listening_inodes(TABLE, 0x1fed), [4713]);
        assert!(listening_inodes(TABLE, 80).is_empty());
        assert!(listening_inodes("", 80).is_empty());
    }

    #[test]
    fn our_own_listener_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let holder = of_port(port).expect("our own descriptors can be read");
        assert!(holder.contains(&format!("(pid {})", std::process::id())), "{holder}");
    }
}

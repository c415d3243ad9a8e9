//! Two network namespaces and a veth pair between them: packets cross a device, as they do on a real
//! network, and are not handed over within one stack.

use std::{path::Path, process::Command};

/// The server's end.
pub(crate) const SERVER_IP: &str = "10.78.0.1";
const CLIENTS_IP: &str = "10.78.0.2";

/// Both namespaces; they go when it is dropped.
pub(crate) struct Pair {
    server: String,
    clients: String,
}

fn ip(words: &str) {
    let status = Command::new("ip").args(words.split(' ')).status().expect("ip of iproute2");
    assert!(status.success(), "ip {words}: needs root");
}

impl Pair {
    pub(crate) fn make() -> Self {
        let id = std::process::id();
        let pair = Self { server: format!("parlor-s{id}"), clients: format!("parlor-c{id}") };
        let Self { server, clients } = &pair;
        for namespace in [server, clients] {
            ip(&format!("netns add {namespace}"));
            ip(&format!("-n {namespace} link set lo up"));
        }
        ip(&format!("-n {server} link add v0 type veth peer name v1 netns {clients}"));
        for (namespace, device, address) in [(server, "v0", SERVER_IP), (clients, "v1", CLIENTS_IP)]
        {
            ip(&format!("-n {namespace} address add {address}/24 dev {device}"));
            ip(&format!("-n {namespace} link set {device} up"));
        }
        pair
    }

    pub(crate) fn clients(&self) -> &str {
        &self.clients
    }

    /// The program, started on the server's side.
    pub(crate) fn server(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.server]).arg(program);
        command
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for namespace in [&self.server, &self.clients] {
            let _ = Command::new("ip").args(["netns", "delete", namespace]).status();
        }
    }
}

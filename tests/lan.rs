//! Addresses that come and go, in a network namespace of our own.
//!
//! Needs root and ip(8); where either is missing each test prints its name as skipped.

#[path = "support/skipped.rs"]
mod skipped;

use std::{net::IpAddr, process::Command, sync::Arc, time::Duration};

use nix::sched::{CloneFlags, unshare};
use parlor::{
    config::{Announce, NetworkSettings},
    net,
    seams::Addresses,
};
use skipped::skipped;
use tokio::sync::watch::{self, Receiver};

/// Longer than anything here takes; it only ends a test that has failed.
const PATIENCE: Duration = Duration::from_secs(20);

fn settings() -> NetworkSettings {
    let exclude = ["docker*", "br-*", "veth*", "virbr*"].map(str::to_owned).to_vec();
    NetworkSettings { announce: Vec::new(), include: Vec::new(), exclude }
}

/// Runs the test on a thread that alone is in a new network namespace, with a runtime of its own:
/// whatever it opens is in there. The namespace goes with the thread.
fn in_namespace<F: Future<Output = ()>>(name: &'static str, test: impl FnOnce() -> F + Send) {
    std::thread::scope(|scope| {
        let run = move || {
            if Command::new("ip").arg("-V").output().is_err() {
                skipped(&format!("{name}: ip(8) is not here"));
                return;
            }
            if let Err(errno) = unshare(CloneFlags::CLONE_NEWNET) {
                skipped(&format!("{name}: no network namespace to be had: {errno}"));
                return;
            }
            // A current-thread runtime: no other thread, which would be in another namespace.
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime")
                .block_on(test());
        };
        scope.spawn(run).join().expect("the test's thread");
    });
}

/// Runs `ip ARGUMENTS`, in this thread's namespace.
fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().expect("ip(8) starts");
    assert!(status.success(), "ip {arguments}");
}

/// `eth0`, up and with a carrier, and no address yet.
fn ethernet() {
    ip("link add eth0 type veth peer name veth-other");
    ip("link set veth-other up");
    ip("link set eth0 up");
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Waits for the value that has all of `present` and none of `absent`.
async fn expect(addresses: &mut Receiver<Arc<Addresses>>, present: &[&str], absent: &[&str]) {
    let fits = |now: &Arc<Addresses>| {
        let has = |text: &&str| now.ips().any(|ip| ip == address(text));
        present.iter().all(has) && !absent.iter().any(has)
    };
    let outcome = tokio::time::timeout(PATIENCE, addresses.wait_for(fits)).await.map(|_| ());
    let now = addresses.borrow().clone();
    assert!(outcome.is_ok(), "wanted {present:?} without {absent:?}, have {now:?}");
}

#[test]
fn what_is_announced_follows_the_settings_while_it_runs() {
    in_namespace("what_is_announced_follows_the_settings_while_it_runs", || async {
        ethernet();
        ip("address add 192.168.77.2/24 dev eth0");
        let (sender, receiver) = watch::channel(settings());
        let mut addresses = net::start(receiver).await.expect("netlink answers").addresses;
        expect(&mut addresses, &["192.168.77.2"], &["203.0.113.7"]).await;
        sender.send_modify(|now| now.announce = vec![Announce::Ip(address("203.0.113.7"))]);
        expect(&mut addresses, &["192.168.77.2", "203.0.113.7"], &[]).await;
        sender.send_modify(|now| now.exclude = vec!["eth*".into()]);
        expect(&mut addresses, &["203.0.113.7"], &["192.168.77.2"]).await;
        // What the kernel tells still counts when nobody can change the settings any more.
        drop(sender);
        ip("link add eth1 type veth peer name veth-more");
        ip("link set veth-more up");
        ip("link set eth1 up");
        ip("address add 10.7.7.7/24 dev eth1");
        expect(&mut addresses, &["203.0.113.7"], &["10.7.7.7"]).await;
    });
}

#[test]
fn the_first_value_is_there_at_once() {
    in_namespace("the_first_value_is_there_at_once", || async {
        ethernet();
        ip("address add 192.168.77.2/24 dev eth0");
        let public = Announce::Ip(address("203.0.113.7"));
        let settings = NetworkSettings { announce: vec![public], ..settings() };
        let handle = net::start(watch::channel(settings).1).await.expect("netlink answers");
        let now = handle.addresses.borrow().clone();
        let expected = [address("192.168.77.2"), address("203.0.113.7")];
        assert_eq!(now.ips().collect::<Vec<_>>(), expected);
        assert_eq!(now.announced[0].prefix_len, 24);
        assert_eq!(now.announced[0].interface, "eth0");
        assert!(!now.hostname.is_empty() && !now.hostname.contains('.'), "{:?}", now.hostname);
    });
}

#[test]
fn addresses_come_and_go_by_notification() {
    in_namespace("addresses_come_and_go_by_notification", || async {
        ethernet();
        let mut addresses =
            net::start(watch::channel(settings()).1).await.expect("netlink answers").addresses;
        expect(&mut addresses, &[], &["192.168.77.2"]).await;

        ip("address add 192.168.77.2/24 dev eth0");
        expect(&mut addresses, &["192.168.77.2"], &[]).await;
        ip("address add 10.1.2.3/8 dev eth0");
        // Only after duplicate address detection, a second or two later.
        ip("-6 address add fd00:77::2/64 dev eth0");
        expect(&mut addresses, &["192.168.77.2", "10.1.2.3", "fd00:77::2"], &[]).await;

        ip("address del 192.168.77.2/24 dev eth0");
        expect(&mut addresses, &["10.1.2.3"], &["192.168.77.2"]).await;
        // The other end goes down: no carrier, so nobody can reach what is left.
        ip("link set veth-other down");
        expect(&mut addresses, &[], &["10.1.2.3", "fd00:77::2"]).await;
        ip("link set veth-other up");
        expect(&mut addresses, &["10.1.2.3"], &[]).await;
        ip("link delete eth0");
        expect(&mut addresses, &[], &["10.1.2.3"]).await;
    });
}

#[test]
fn a_container_bridge_is_no_address_of_the_house() {
    in_namespace("a_container_bridge_is_no_address_of_the_house", || async {
        ethernet();
        ip("address add 192.168.77.2/24 dev eth0");
        let mut addresses =
            net::start(watch::channel(settings()).1).await.expect("netlink answers").addresses;
        ip("link add docker0 type bridge");
        ip("address add 172.17.0.1/16 dev docker0");
        ip("link add veth-port type veth peer name veth-inside");
        ip("link set veth-port master docker0");
        ip("link set veth-port up");
        ip("link set veth-inside up");
        ip("link set docker0 up");
        let known = |now: &Arc<Addresses>| {
            let mut containers = now.networks.containers.iter();
            containers.any(|found| found.prefix.contains(&address("172.17.0.2")))
        };
        let outcome = tokio::time::timeout(PATIENCE, addresses.wait_for(known)).await.map(|_| ());
        assert!(outcome.is_ok(), "the bridge is known as one: {:?}", addresses.borrow());
        expect(&mut addresses, &["192.168.77.2"], &["172.17.0.1"]).await;
        // Taking a port out of the bridge does not take the port's interface away.
        ip("link set eth0 master docker0");
        ip("link set eth0 nomaster");
        ip("address add 192.168.77.3/24 dev eth0");
        expect(&mut addresses, &["192.168.77.2", "192.168.77.3"], &["172.17.0.1"]).await;
    });
}

#[test]
fn lost_notifications_are_made_good() {
    in_namespace("lost_notifications_are_made_good", || async {
        ethernet();
        let mut addresses =
            net::start(watch::channel(settings()).1).await.expect("netlink answers").addresses;
        // The runtime has one thread and `ip` blocks it, so nobody reads while these pile up, until
        // the socket's buffer (212992 bytes by default) overflows and the kernel says ENOBUFS.
        let n_addresses = 2_000;
        let lines = |verb: &str| -> String {
            let line =
                |n: u32| format!("address {verb} 10.7.{}.{}/32 dev eth0\n", n / 250, n % 250 + 1);
            (0..n_addresses).map(line).collect()
        };
        batch(&(lines("add") + &lines("del") + "address add 192.168.77.2/24 dev eth0\n"));
        let settled = |now: &Arc<Addresses>| now.ips().eq([address("192.168.77.2")]);
        let outcome = tokio::time::timeout(PATIENCE, addresses.wait_for(settled)).await.map(|_| ());
        assert!(outcome.is_ok(), "{} addresses are left", addresses.borrow().announced.len());
    });
}

/// `ip -batch` with these lines.
fn batch(lines: &str) {
    use std::io::Write;
    let mut child = Command::new("ip")
        .args(["-batch", "-"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("ip(8) starts");
    child.stdin.take().expect("its input").write_all(lines.as_bytes()).expect("it reads");
    assert!(child.wait().expect("it ends").success());
}

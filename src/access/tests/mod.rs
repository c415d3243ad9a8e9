//! Who × what × from where.

mod doors;

use super::*;
use crate::{
    config::{Guests, Loopback, Role},
    ids::RoomName,
    seams::{ContainerNetwork, Networks},
    store::{InviteId, PersonId},
};

fn networks() -> Networks {
    let ip = |text: &str| text.parse().expect("an address");
    let container = |prefix: &str, interface: &str| ContainerNetwork {
        prefix: prefix.parse().expect("a prefix"),
        interface: interface.into(),
    };
    Networks {
        own: vec![ip("192.168.1.5"), ip("2001:db8:1::5"), ip("203.0.113.5"), ip("fe80::5")],
        on_link: ["2001:db8:1::/64", "2001:db8:7::/60", "::/0"]
            .map(|prefix| prefix.parse().expect("a prefix"))
            .to_vec(),
        containers: vec![
            container("172.17.0.0/16", "docker0"),
            container("10.42.0.0/24", "cni0"),
            container("fd00:17::/64", "docker0"),
        ],
        forwarders: vec![ip("10.0.2.2"), ip("169.254.1.2")],
        container_scopes: vec![7],
        ..Networks::default()
    }
}

fn rules() -> Rules {
    Rules { guests: Guests::Lan, loopback: Loopback::Token, trusted_proxies: Vec::new() }
}

/// Where from, by a word, and whether a guest.
fn judged(peer: &str, scope: u32, forwarded: &[&str], rules: &Rules) -> String {
    let peer = peer.parse().expect("an address");
    let whence = whence(peer, scope, forwarded.iter().copied(), &networks(), rules);
    let word = whence.word();
    match whence.guest(rules) {
        Ok(()) => format!("{word} guest"),
        Err(refusal) => {
            assert!(refusal.to_string().contains("invite"), "a way on: {refusal}");
            word.to_owned()
        }
    }
}

#[test]
fn the_lan_is_what_the_contract_says_and_nothing_else_is() {
    let cases = [
        ("10.1.2.3", 0, "lan guest"),
        ("172.31.0.1", 0, "lan guest"),
        ("172.32.0.1", 0, "outside"),
        ("192.168.77.1", 0, "lan guest"),
        ("169.254.3.4", 0, "lan guest"),
        ("fe80::1", 2, "lan guest"),
        ("fe80::1", 7, "container"),
        ("fe80::5", 2, "machine"),
        ("fd12::1", 0, "lan guest"),
        ("100.64.0.1", 0, "outside"),
        ("8.8.8.8", 0, "outside"),
        ("203.0.113.77", 0, "outside"),
        ("2001:db8:1::77", 0, "lan guest"),
        ("2001:db8:1:1::77", 0, "outside"),
        ("2001:db8:7:8::1", 0, "lan guest"),
        ("2001:db8:7:10::1", 0, "outside"),
        ("2a00::1", 0, "outside"),
        ("::ffff:192.168.1.9", 0, "lan guest"),
        ("::ffff:8.8.8.8", 0, "outside"),
        ("127.0.0.1", 0, "machine"),
        ("127.9.9.9", 0, "machine"),
        ("::1", 0, "machine"),
        ("::ffff:127.0.0.1", 0, "machine"),
        ("192.168.1.5", 0, "machine"),
        ("::ffff:192.168.1.5", 0, "machine"),
        ("2001:db8:1::5", 0, "machine"),
        ("203.0.113.5", 0, "machine"),
        ("172.17.0.1", 0, "container"),
        ("172.17.0.2", 0, "container"),
        ("::ffff:172.17.255.2", 0, "container"),
        ("10.42.0.9", 0, "container"),
        ("10.42.1.9", 0, "lan guest"),
        ("fd00:17::2", 0, "container"),
        ("10.0.2.2", 0, "forwarder"),
        ("169.254.1.2", 0, "forwarder"),
    ];
    for (peer, scope, expected) in cases {
        // What anybody may write is not looked at.
        for forwarded in [&[][..], &["192.168.1.9"]] {
            assert_eq!(judged(peer, scope, forwarded, &rules()), expected, "{peer}%{scope}");
        }
    }
}

#[test]
fn no_guests_is_nobody_and_loopback_may_be_one() {
    let closed = Rules { guests: Guests::None, ..rules() };
    for peer in ["127.0.0.1", "192.168.1.9", "8.8.8.8"] {
        assert!(!judged(peer, 0, &[], &closed).contains("guest"), "{peer}");
    }
    let demo = Rules { loopback: Loopback::Guest, ..rules() };
    for (peer, expected) in [
        ("::1", "machine guest"),
        ("192.168.1.5", "machine guest"),
        ("172.17.0.1", "container"),
        ("10.0.2.2", "forwarder"),
        ("8.8.8.8", "outside"),
    ] {
        assert_eq!(judged(peer, 0, &[], &demo), expected, "{peer}");
    }
}

#[test]
fn a_trusted_proxy_speaks_for_whom_it_names_and_for_nobody_else() {
    let trusted_proxies = ["127.0.0.1/32", "172.17.0.0/16"].map(|net| net.parse().expect("a net"));
    let behind = Rules { trusted_proxies: trusted_proxies.to_vec(), ..rules() };
    let cases: [(&str, &[&str], &str); 14] = [
        ("127.0.0.1", &["192.168.1.9"], "lan guest"),
        ("127.0.0.1", &["8.8.8.8"], "outside"),
        ("127.0.0.1", &["192.168.1.9, 8.8.8.8"], "outside"),
        ("127.0.0.1", &["8.8.8.8", "192.168.1.9"], "lan guest"),
        ("127.0.0.1", &["8.8.8.8, 192.168.1.9 , 172.17.0.9"], "lan guest"),
        ("127.0.0.1", &["192.168.1.9:4711"], "lan guest"),
        ("127.0.0.1", &["[2001:db8:1::9]:4711"], "lan guest"),
        ("127.0.0.1", &["[2001:db8:1::9]"], "lan guest"),
        ("127.0.0.1", &["unknown, 127.0.0.1"], "proxy"),
        ("127.0.0.1", &[""], "proxy"),
        ("127.0.0.1", &[], "proxy"),
        ("127.0.0.1", &["127.0.0.1"], "machine"),
        ("172.17.0.2", &["203.0.113.9"], "outside"),
        ("192.168.1.9", &["8.8.8.8"], "lan guest"),
    ];
    for (peer, forwarded, expected) in cases {
        assert_eq!(judged(peer, 0, forwarded, &behind), expected, "{peer} {forwarded:?}");
    }
    let endless = "127.0.0.1,".repeat(10_000) + "192.168.1.9,127.0.0.1";
    assert_eq!(judged("127.0.0.1", 0, &[&endless], &behind), "lan guest");
}

#[test]
fn the_refusal_says_which_of_these_it_was() {
    let say = |peer: &str| {
        let peer = peer.parse().expect("an address");
        let whence = whence(peer, 0, [].into_iter(), &networks(), &rules());
        whence.guest(&rules()).expect_err("no guest").to_string()
    };
    for (peer, words) in [
        ("127.0.0.1", "this machine itself"),
        ("172.17.0.2", "container network on docker0"),
        ("10.0.2.2", "forwarder"),
        ("203.0.113.9", "not on this box's local network"),
    ] {
        let text = say(peer);
        assert!(text.contains(words) && text.contains(peer), "{text}");
    }
}

fn room(name: &str) -> RoomName {
    RoomName::parse(name).expect("a name")
}

fn principals() -> [(&'static str, Principal); 7] {
    let invited = |elsewhere| Principal::Invited {
        invite: InviteId::new(2),
        room: room("Kitchen"),
        role: InviteRole::Moderator,
        name: None,
        elsewhere,
    };
    let account = |role| Principal::Account { person: PersonId(1), name: "Ada".into(), role };
    let why = Refusal::NotLan("Outside.".into());
    [
        ("stranger", Principal::Stranger(why.clone())),
        ("guest", Principal::Guest),
        ("invited", invited(Some(why))),
        ("invited guest", invited(None)),
        ("user", account(Role::User)),
        ("owner", account(Role::Owner)),
        ("closed", Principal::Stranger(Refusal::NoGuests)),
    ]
}

#[test]
fn who_may_what() {
    let (kitchen, attic) = (room("kitchen"), room("attic"));
    let needs = [
        Need::Nothing,
        Need::Seat,
        Need::Room(&kitchen),
        Need::Room(&attic),
        Need::House,
        Need::Account,
        Need::Owner,
        Need::Metrics,
    ];
    // One letter a need, in their order.
    let expected = [
        ("stranger", "y-------"),
        ("guest", "yyyyy---"),
        ("invited", "yyy-----"),
        ("invited guest", "yyyyy---"),
        ("user", "yyyyyy--"),
        ("owner", "yyyyyyyy"),
        ("closed", "y-------"),
    ];
    for ((name, principal), (same, row)) in principals().into_iter().zip(expected) {
        assert_eq!(name, same);
        let may = |need: &Need<'_>| if principal.may(need).is_ok() { 'y' } else { '-' };
        assert_eq!(needs.iter().map(may).collect::<String>(), row, "{name}");
        let visitor = |is_machine| Visitor {
            principal: principal.clone(),
            whence: Whence::Machine([127, 0, 0, 1].into()),
            is_machine,
            by_bearer: false,
            by: None,
        };
        assert!(visitor(true).may(&Need::Metrics).is_ok(), "{name}");
        assert_eq!(visitor(false).may(&Need::Metrics).is_ok(), name == "owner", "{name}");
    }
}

#[test]
fn who_is_what_in_a_room() {
    let (kitchen, attic) = (room("kitchen"), room("attic"));
    let expected = [
        ("stranger", None, None, false),
        ("guest", Some(Role::Guest), Some(Role::Guest), false),
        ("invited", Some(Role::User), None, true),
        ("invited guest", Some(Role::User), Some(Role::Guest), true),
        ("user", Some(Role::User), Some(Role::User), false),
        ("owner", Some(Role::Owner), Some(Role::Owner), true),
        ("closed", None, None, false),
    ];
    for ((name, principal), row) in principals().into_iter().zip(expected) {
        let found = (
            name,
            principal.role_in(&kitchen).ok(),
            principal.role_in(&attic).ok(),
            principal.moderates(&kitchen),
        );
        assert_eq!(found, row);
        assert_eq!(principal.moderates(&attic), name == "owner");
    }
}

//! The keeper with real files; what it makes is judged as a browser would judge it.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use tempfile::TempDir;
use tokio::sync::watch;

use super::{Identity, Keeper, TrustError};
use crate::{
    config::{NoFiles, Settings, Sources},
    seams::{AddressOrigin, Addresses, LocalAddress},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// An empty folder that is gone with the test.
pub(super) fn folder() -> TempDir {
    tempfile::tempdir().expect("the folder for temporary files is writable")
}

fn settings(data: &TempDir) -> Settings {
    let sources = Sources { data: Some(data.path().to_owned()), ..Sources::default() };
    sources.understand([], &NoFiles).expect("defaults are right").settings
}

fn addresses(ips: &[&str]) -> Addresses {
    let local = |ip: &&str| LocalAddress {
        ip: ip.parse().expect("an address"),
        prefix_len: 24,
        interface: "eth0".into(),
        origin: AddressOrigin::Interface,
    };
    Addresses {
        announced: ips.iter().map(local).collect(),
        networks: Default::default(),
        hostname: "attic".into(),
    }
}

/// True if a browser that trusts the authority accepts the leaf for this name at this time.
fn accepted(identity: &Identity, name: &str, at: SystemTime) -> bool {
    let authority = identity.authority.as_ref().expect("the box's own authority");
    verified(authority, &identity.certificate.cert[0], name, at).is_ok()
}

/// Verifies a leaf as somebody does who trusts this authority alone.
fn verified(
    authority: &[u8],
    leaf: &CertificateDer<'_>,
    name: &str,
    at: SystemTime,
) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(authority.to_vec())).expect("a certificate");
    let verifier =
        WebPkiServerVerifier::builder_with_provider(roots.into(), default_provider().into())
            .build()
            .expect("a verifier");
    let name = match name.parse::<IpAddr>() {
        Ok(ip) => ServerName::from(ip),
        Err(_) => ServerName::try_from(name.to_owned()).expect("a name"),
    };
    let since = at.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let time = UnixTime::since_unix_epoch(since);
    verifier.verify_server_cert(leaf, &[], &name, &[], time).map(drop)
}

#[test]
fn a_first_start_makes_what_a_browser_accepts_and_the_next_start_keeps_it() {
    let data = folder();
    let settings = settings(&data);
    let now = SystemTime::now();
    let addresses = addresses(&["192.168.7.5", "fd00:7::5", "203.0.113.9"]);
    let (_keeper, trust) = Keeper::open(&settings, &addresses, now).expect("made");
    let identity = trust.identity().borrow().clone();
    let names = [
        "attic",
        "attic.local",
        "attic.lan",
        "localhost",
        "127.0.0.1",
        "::1",
        "192.168.7.5",
        "fd00:7::5",
    ];
    for name in names {
        assert!(accepted(&identity, name, now), "{name}");
        assert!(accepted(&identity, name, now + 395 * DAY), "{name} in 395 days");
        assert!(!accepted(&identity, name, now + 397 * DAY), "{name} in 397 days");
    }
    // The public address is outside: named by the leaf it would spoil all the others.
    for name in ["203.0.113.9", "attic.example.com", "cellar.local", "192.168.7.6"] {
        assert!(!accepted(&identity, name, now), "{name}");
    }

    let (_keeper, again) = Keeper::open(&settings, &addresses, now).expect("read");
    assert_eq!(again.identity().borrow().certificate.cert, identity.certificate.cert);
    let (_keeper, later) = Keeper::open(&settings, &addresses, now + 367 * DAY).expect("renewed");
    let renewed = later.identity().borrow().clone();
    assert_ne!(renewed.certificate.cert, identity.certificate.cert);
    assert_eq!(renewed.authority, identity.authority, "what people trust stays");
    assert!(accepted(&renewed, "attic.local", now + 700 * DAY));
}

#[test]
fn a_box_that_comes_back_shows_what_it_showed_there() {
    let data = folder();
    let settings = settings(&data);
    let now = SystemTime::now();
    let shown = |ips: &[&str], now: SystemTime| {
        let (_keeper, trust) = Keeper::open(&settings, &addresses(ips), now).expect("made");
        trust.identity().borrow().clone()
    };
    let (home, work) = (["192.168.7.5"], ["10.1.1.1"]);
    let first = shown(&home, now);
    let second = shown(&work, now + DAY);
    assert_ne!(second.certificate.cert, first.certificate.cert);
    assert!(accepted(&second, work[0], now + DAY) && accepted(&second, home[0], now + DAY));
    for (ips, days) in [(&home, 2), (&work, 3), (&home, 4)] {
        let again = shown(ips, now + days * DAY);
        assert_eq!(again.certificate.cert, second.certificate.cert, "day {days}");
    }
    // A new address each day does not make it grow for ever: the latest stay.
    let mut last = second;
    for day in 5..45_u32 {
        last = shown(&[&format!("10.2.0.{day}")], now + day * DAY);
    }
    let at = now + 44 * DAY;
    assert!(accepted(&last, "10.2.0.44", at) && accepted(&last, "10.2.0.33", at));
    assert!(!accepted(&last, "10.2.0.20", at) && !accepted(&last, home[0], at));
    // What has come to its end is forgotten with all that it carried.
    let renewed = shown(&["10.2.0.44"], now + 420 * DAY);
    assert!(!accepted(&renewed, "10.2.0.33", now + 420 * DAY));
}

#[test]
fn the_certificate_in_force_tells_its_names() {
    let data = folder();
    let mut settings = settings(&data);
    let open = |settings: &Settings| {
        let (_keeper, trust) =
            Keeper::open(settings, &addresses(&[]), SystemTime::now()).expect("made");
        trust.hosts().to_vec()
    };
    let own = ["attic", "attic.home.arpa", "attic.lan", "attic.local", "localhost"];
    assert_eq!(open(&settings), own);
    let names = vec!["parlor.example.com".to_owned(), "*.parlor.example.com".to_owned()];
    let certificate = rcgen::generate_simple_self_signed(names.clone()).expect("a certificate");
    let path = |name: &str, text: &str| {
        std::fs::write(data.path().join(name), text).expect("writable");
        data.path().join(name)
    };
    let chain = path("chain.pem", &certificate.cert.pem());
    let key = path("key.pem", &certificate.signing_key.serialize_pem());
    settings.http.certificate = Some((chain, key));
    assert_eq!(open(&settings), names);
}

#[test]
fn the_authority_cannot_vouch_for_the_internet() {
    use x509_parser::prelude::{FromDer, X509Certificate};
    let data = folder();
    let settings = settings(&data);
    let (_keeper, trust) =
        Keeper::open(&settings, &addresses(&[]), SystemTime::now()).expect("made");
    let authority = trust.identity().borrow().authority.clone().expect("its own");
    let (_, certificate) = X509Certificate::from_der(&authority).expect("a certificate");
    let constraints = certificate.name_constraints().expect("parsed").expect("there");
    assert!(constraints.critical);
    let permitted = constraints.value.permitted_subtrees.as_ref().expect("not empty");
    // Five domains and nine ranges; no range reaches further than 100.64.0.0/10 and fc00::/7.
    assert_eq!(permitted.len(), 14);
    assert!(certificate.is_ca());
    let public = std::fs::read_to_string(settings.data_dir.join("ca.crt")).expect("written");
    assert!(public.starts_with("-----BEGIN CERTIFICATE-----\n") && !public.contains("KEY"));
}

#[test]
fn a_leaf_for_a_site_of_the_internet_is_refused_though_the_authority_signed_it() {
    use super::{
        authority::{Authority, clock},
        names::LeafNames,
    };
    let data = folder();
    let now = SystemTime::now();
    let authority = Authority::open(data.path(), "attic", clock(now)).expect("made");
    let refused = |hosts: &[&str], ips: &[&str], name: &str| {
        let names = LeafNames {
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            ips: ips.iter().map(|ip| ip.parse().expect("an address")).collect(),
            left_out: Vec::new(),
        };
        let pem = authority.sign(&names, "attic", clock(now)).expect("signed");
        let leaf = CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
        verified(&authority.der, &leaf, name, now).err()
    };
    assert_eq!(refused(&["attic.local"], &["192.168.7.5"], "attic.local"), None);
    assert_eq!(refused(&["attic.lan"], &[], "attic.lan"), None);
    assert_eq!(refused(&["attic.home.arpa"], &[], "attic.home.arpa"), None);
    for (hosts, ips, name) in [
        (&["example.com"][..], &[][..], "example.com"),
        (&["local.example.com"], &[], "local.example.com"),
        (&["notlocal"], &[], "notlocal"),
        (&[], &["203.0.113.7"], "203.0.113.7"),
        (&[], &["8.8.8.8"], "8.8.8.8"),
        (&[], &["2001:db8::1"], "2001:db8::1"),
        // One name outside spoils all the others.
        (&["attic.local", "example.com"], &[], "attic.local"),
    ] {
        let why = refused(hosts, ips, name).map(|error| error.to_string()).unwrap_or_default();
        assert!(why.contains("NameConstraintViolation"), "{name}: {why:?}");
    }
}

#[test]
fn a_start_with_a_clock_of_1970_still_makes_an_authority_that_lasts() {
    let data = folder();
    let settings = settings(&data);
    let addresses = addresses(&["10.0.0.1"]);
    let (_keeper, early) =
        Keeper::open(&settings, &addresses, SystemTime::UNIX_EPOCH + DAY).expect("made");
    let early = early.identity().borrow().clone();
    let now = SystemTime::now() + 3000 * DAY;
    let (_keeper, right) = Keeper::open(&settings, &addresses, now).expect("renewed");
    let right = right.identity().borrow().clone();
    assert_eq!(right.authority, early.authority);
    assert!(accepted(&right, "10.0.0.1", now));
}

#[test]
fn a_spoiled_data_folder_is_made_good() {
    let data = folder();
    let settings = settings(&data);
    let addresses = addresses(&["10.0.0.1"]);
    let now = SystemTime::now();
    drop(Keeper::open(&settings, &addresses, now).expect("made"));
    for spoiled in ["leaf.pem", "authority.pem"] {
        std::fs::write(settings.data_dir.join(spoiled), "-----BEGIN").expect("writable");
        let (_keeper, trust) = Keeper::open(&settings, &addresses, now).expect("made anew");
        assert!(accepted(&trust.identity().borrow().clone(), "10.0.0.1", now), "{spoiled}");
    }
}

#[tokio::test]
async fn a_new_address_is_in_the_certificate_at_once_and_one_that_is_gone_changes_nothing() {
    let data = folder();
    let settings = settings(&data);
    let first = addresses(&["192.168.7.5"]);
    let (keeper, trust) = Keeper::open(&settings, &first, SystemTime::now()).expect("made");
    let (sender, receiver) = watch::channel(Arc::new(first));
    let running = tokio::spawn(keeper.run(receiver));
    let mut identity = trust.identity();
    identity.mark_unchanged();
    sender.send_replace(Arc::new(addresses(&[])));
    sender.send_replace(Arc::new(addresses(&["192.168.7.5", "10.1.1.1"])));
    identity.changed().await.expect("the keeper runs");
    let renewed = identity.borrow_and_update().clone();
    assert!(accepted(&renewed, "10.1.1.1", SystemTime::now()));

    sender.send_replace(Arc::new(addresses(&["10.1.1.1"])));
    // A reload passes the same loop, after the change of addresses or with it: the leaf stays.
    trust.reload(None).await.expect("nothing is wrong");
    assert_eq!(identity.borrow_and_update().certificate.cert, renewed.certificate.cert);
    drop(trust);
    running.await.expect("it ends with its last handle");
}

#[tokio::test]
async fn a_given_certificate_is_shown_and_a_bad_one_says_what_is_wrong() {
    let data = folder();
    let certificate = rcgen::generate_simple_self_signed(vec!["parlor.example.com".to_owned()])
        .expect("a certificate");
    let other = rcgen::KeyPair::generate().expect("a key");
    let path = |name: &str, text: &str| {
        std::fs::write(data.path().join(name), text).expect("writable");
        data.path().join(name)
    };
    let chain = path("chain.pem", &certificate.cert.pem());
    let right = path("right.key", &certificate.signing_key.serialize_pem());
    let wrong = path("wrong.key", &other.serialize_pem());
    let empty = path("empty.pem", "");

    let mut settings = settings(&data);
    settings.http.certificate = Some((chain.clone(), right.clone()));
    let addresses = addresses(&[]);
    let (keeper, trust) = Keeper::open(&settings, &addresses, SystemTime::now()).expect("read");
    let identity = trust.identity();
    assert_eq!(identity.borrow().certificate.cert[0], *certificate.cert.der());
    assert!(identity.borrow().authority.is_none());

    let (_sender, receiver) = watch::channel(Arc::new(addresses));
    let running = tokio::spawn(keeper.run(receiver));
    let cases = [
        (chain.clone(), wrong, "do not serve together"),
        (empty.clone(), right.clone(), "holds no certificate"),
        (chain.clone(), empty, "holds no PEM private key"),
        (data.path().join("none"), right.clone(), "is not there"),
    ];
    for (chain, key, expected) in cases {
        let fault = trust.reload(Some((chain, key))).await.expect_err(expected);
        assert!(matches!(fault, TrustError::Given { .. }));
        assert!(fault.to_string().contains(expected), "{fault}");
        assert_eq!(identity.borrow().certificate.cert[0], *certificate.cert.der());
    }
    trust.reload(Some((chain, right))).await.expect("the files are right");
    trust.reload(None).await.expect("the box has its own");
    assert!(identity.borrow().authority.is_some());
    drop(trust);
    running.await.expect("it ends with its last handle");
}

#[tokio::test]
async fn a_given_certificate_that_is_written_anew_is_shown_within_a_minute() {
    let data = folder();
    let make =
        || rcgen::generate_simple_self_signed(vec!["parlor.example.com".to_owned()]).expect("made");
    let (chain, key) = (data.path().join("chain.pem"), data.path().join("key.pem"));
    let put = |path: &std::path::Path, text: String| {
        // As programs that renew certificates do: another file takes the place of the former.
        let new = path.with_extension("new");
        std::fs::write(&new, text).expect("writable");
        std::fs::rename(new, path).expect("writable");
    };
    let write = |made: &rcgen::CertifiedKey<rcgen::KeyPair>| {
        put(&chain, made.cert.pem());
        put(&key, made.signing_key.serialize_pem());
    };
    let first = make();
    write(&first);
    let mut settings = settings(&data);
    settings.http.certificate = Some((chain.clone(), key.clone()));
    let addresses = addresses(&[]);
    let (keeper, trust) = Keeper::open(&settings, &addresses, SystemTime::now()).expect("read");
    let (_sender, receiver) = watch::channel(Arc::new(addresses));
    let running = tokio::spawn(keeper.run(receiver));
    let mut identity = trust.identity();
    // A chain whose key has not come yet, and a file that is gone, change nothing.
    let (torn, whole) = (make(), make());
    identity.mark_unchanged();
    put(&chain, torn.cert.pem());
    std::fs::remove_file(&key).expect("there");
    write(&whole);
    identity.changed().await.expect("the keeper runs");
    assert_eq!(identity.borrow().certificate.cert[0], *whole.cert.der());
    drop(trust);
    running.await.expect("it ends with its last handle");
}

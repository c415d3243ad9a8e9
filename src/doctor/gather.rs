//! Everything in its order: what is asked at once, and what each answer is called.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use futures_util::future::{join, join_all};

use super::{
    Ground, machine, services,
    verdicts::{self, Certificate, Https},
};
use crate::{
    config::Loopback,
    net::{self, Survey},
    probe::{Answer, Client, Link, Url, binding},
    seams::{
        AddressOrigin,
        report::{Check, Remedy, Verdict},
    },
    trust::CertificateFacts,
};

/// For each step with the box itself.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// For each step with another machine.
pub(super) const FAR: Duration = Duration::from_secs(4);
/// So many of a machine's addresses are asked; a node of containers has hundreds.
const MAX_ADDRESSES: usize = 8;

pub(super) async fn all(ground: &Ground) -> Vec<Check> {
    let started = Instant::now();
    let survey = net::survey(&ground.settings.network).await;
    let took = started.elapsed();
    let (survey, fault) = match survey {
        Ok(survey) => (survey, None),
        Err(error) => (Survey::default(), Some(error.to_string())),
    };
    let own = own_addresses(&survey);
    let (settings, encoder) = (Arc::clone(&ground.settings), Arc::clone(&ground.encoder));
    let looking = tokio::task::spawn_blocking(move || machine::look(&settings, &encoder));
    let services = services::all(ground, &own);
    let (https, hairpins) = (front(ground), hairpin(ground, &survey));
    let asked = join(join(https, services), hairpins);
    let (((mut checks, services), hairpins), machine) = join(asked, looking).await;
    checks.extend(services);
    checks.extend(network(ground, &survey, fault, took));
    checks.push(hairpins);
    // The look panicked, which is a fault of ours: what else was found is told all the same.
    checks.extend(machine.unwrap_or_default());
    checks
}

/// Loopback, and what is found on interfaces that count.
fn own_addresses(survey: &Survey) -> Vec<IpAddr> {
    let announced = survey.addresses.announced.iter();
    let found = announced.filter(|own| !matches!(own.origin, AddressOrigin::Configured(_)));
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    std::iter::once(loopback).chain(found.map(|own| own.ip)).take(MAX_ADDRESSES).collect()
}

/// https at the URL that people use, and the certificate that it shows.
async fn front(ground: &Ground) -> Vec<Check> {
    let started = Instant::now();
    let Some((url, at)) = url(ground) else { return Vec::new() };
    let patience = if ground.url.is_some() { FAR } else { PATIENCE };
    let mut client = Client::new(url.clone(), patience);
    client.at = at;
    let answer = match client.addresses().await {
        Ok(found) if found.is_empty() => Err(Https::NoAddress("it means no address".into())),
        Err(error) => Err(Https::NoAddress(error.to_string())),
        Ok(_) => client.get("/healthz").await.map_err(|error| Https::Failed(error.to_string())),
    };
    let outcome = match &answer {
        Ok(answer) => Https::Status(answer.status),
        Err(outcome) => outcome.clone(),
    };
    let told = verdicts::https(&url.to_string(), &outcome).named("https", started.elapsed());
    let certificate = answer.ok().map(|answer| certificate(ground, &url, &answer));
    std::iter::once(told).chain(certificate).collect()
}

/// Where https is asked: by the URL that was given, else by this machine's own name.
fn url(ground: &Ground) -> Option<(Url, Option<SocketAddr>)> {
    if let Some(url) = &ground.url {
        return Some((url.clone(), None));
    }
    let listening = ground.places.https.first()?;
    let ip = match listening.ip() {
        ip if ip.is_unspecified() => return Some(local_url(listening.port())),
        ip => ip.to_string(),
    };
    let url = Url { host: ip, port: listening.port(), token: None };
    Some((url, Some(*listening)))
}

fn local_url(port: u16) -> (Url, Option<SocketAddr>) {
    let url = Url { host: "localhost".into(), port, token: None };
    (url, Some((Ipv4Addr::LOCALHOST, port).into()))
}

fn certificate(ground: &Ground, url: &Url, answer: &Answer) -> Check {
    let shown = CertificateFacts::of_leaf(&answer.shown.leaf);
    let facts = Certificate {
        // Somebody's proxy may stand before the box, with another's certificate.
        is_own: ground.settings.http.certificate.is_none() && answer.shown.distrust.is_some(),
        names: shown.names,
        from: shown.from,
        until: shown.until,
        host: url.host.clone(),
        distrust: answer.shown.distrust.clone(),
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = now.as_secs().cast_signed();
    // A given certificate is for the name that people use, which only `--url` tells.
    let asked = ground.url.is_some() || facts.is_own;
    let facts = match asked {
        true => facts,
        false => Certificate { host: facts.names.first().cloned().unwrap_or_default(), ..facts },
    };
    verdicts::certificate(&facts, now).named("certificate", answer.took)
}

fn network(ground: &Ground, survey: &Survey, fault: Option<String>, took: Duration) -> Vec<Check> {
    if let Some(fault) = fault {
        let remedy = Remedy::new(
            "The kernel does not list this machine's addresses: let parlor use netlink \
             (AF_NETLINK in RestrictAddressFamilies).",
            "内核不列出本机地址：请允许 parlor 使用 netlink（RestrictAddressFamilies 里的 AF_NETLINK）。",
        );
        return vec![Verdict::fault(fault, remedy).named("announced", took)];
    }
    let settings = &ground.settings;
    let is_guest = settings.access.loopback == Loopback::Guest;
    let verdicts = [
        ("announced", verdicts::announced(survey)),
        ("container", verdicts::container(survey, &settings.network.announce)),
        ("ipv6", verdicts::ipv6(survey)),
        ("loopback-guests", verdicts::loopback_guests(is_guest)),
    ];
    verdicts.map(|(id, verdict)| verdict.named(id, took)).into()
}

/// Whether the box hears itself by the addresses that its owner has named.
async fn hairpin(ground: &Ground, survey: &Survey) -> Check {
    let started = Instant::now();
    let first = ground.places.media.first().copied();
    let named = survey.addresses.announced.iter().filter_map(|own| match own.origin {
        AddressOrigin::Configured(port) => Some(SocketAddr::new(own.ip, port.or(first)?)),
        AddressOrigin::Interface | AddressOrigin::Vpn => None,
    });
    let tried = join_all(named.take(MAX_ADDRESSES).map(|to| async move {
        let asked = async { binding(&mut Link::udp(to).await?, PATIENCE).await };
        (to, asked.await.map(|(_, took)| took).map_err(|error| error.to_string()))
    }));
    verdicts::hairpin(&tried.await).named("hairpin", started.elapsed())
}

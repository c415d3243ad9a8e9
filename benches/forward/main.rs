//! What forwarding costs: server CPU for each packet against the machine's floor, the delay it adds,
//! memory a viewer, and how soon a viewer sees something.
//!
//! Clients live in a process of their own (this program, started again), so that the server's memory
//! is its own; CPU is that of the worker's thread alone, by `/proc/self/task/*/schedstat`. They
//! connect as browsers do and tell of arrivals (transport-cc) as browsers do; NACK, RTX and sender
//! reports are on. The floor is measured between the runs, in the same way: AES-GCM of a packet and
//! `sendto`, and eight of them in one GSO send. Delays are from the publisher's sealing of a packet to
//! the kernel's time stamp at the viewer's socket. Server and clients have a processor each.
//!
//! `cargo bench --bench forward` prints the tables. Options: `--fan-out 1,10,50,200,500`,
//! `--rooms 4,8,16`, `--churn 1000` choose what is measured; `--veth` puts the clients into a network
//! namespace of their own behind a veth pair (as root). The ratio says more than the microseconds.

#![expect(clippy::disallowed_methods, reason = "pacing and pauses are what a load needs")]

use std::{
    io::{self, Write as _},
    process::{Command, Stdio},
};

use self::{
    clients::SERVER_ADDRESS,
    scenes::{Scene, Shown},
};

#[path = "../../src/sfu/testing/client.rs"]
#[allow(dead_code)]
mod client;
mod clients;
mod feedback;
mod floor;
mod publishers;
mod receive;
mod scenes;
mod server;
mod talk;
mod veth;
mod viewers;

/// Set in the process that plays the clients.
const CLIENTS: &str = "PARLOR_BENCH_CLIENTS";
/// Set in a process that serves them: the scene.
const SERVER: &str = "PARLOR_BENCH_SERVER";
/// The network namespace of the clients, where they have one.
const CLIENTS_NAMESPACE: &str = "PARLOR_BENCH_NAMESPACE";

fn main() {
    if std::env::var(CLIENTS).is_ok() {
        return clients::run();
    }
    if let Ok(scene) = std::env::var(SERVER) {
        server::pin(0);
        let scene = serde_json::from_str(&scene).expect("a scene");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        return talk::say(&runtime.block_on(scenes::play(scene)));
    }
    let options: Vec<String> = std::env::args().skip(1).collect();
    let chosen = |name: &str, usual: &[u64]| match options.iter().position(|option| option == name)
    {
        Some(at) => options
            .get(at + 1)
            .map(|list| list.split(',').filter_map(|number| number.parse().ok()).collect())
            .unwrap_or_default(),
        None if options
            .iter()
            .any(|o| ["--fan-out", "--rooms", "--churn"].contains(&o.as_str())) =>
        {
            vec![]
        }
        None => usual.to_vec(),
    };
    let veth = options.iter().any(|option| option == "--veth").then(veth::Pair::make);
    fan_out(&chosen("--fan-out", &[1, 10, 50, 200, 500]), veth.as_ref());
    rooms(&chosen("--rooms", &[4, 8, 16]), veth.as_ref());
    for n_joins in chosen("--churn", &[1000]) {
        churn(n_joins, veth.as_ref());
    }
}

fn print(line: &str) {
    let mut out = io::stdout();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Runs a scene in a process of its own: memory that others have freed would be used again.
fn run(scene: Scene, veth: Option<&veth::Pair>) -> Shown {
    let program = std::env::current_exe().expect("this program");
    let mut command = match veth {
        Some(pair) => pair.server(&program),
        None => Command::new(program),
    };
    if let Some(pair) = veth {
        command.env(SERVER_ADDRESS, veth::SERVER_IP).env(CLIENTS_NAMESPACE, pair.clients());
    }
    let output = command
        .env(SERVER, serde_json::to_string(&scene).expect("plain values"))
        .stderr(Stdio::inherit())
        .output()
        .expect("this program starts again");
    let text = String::from_utf8_lossy(&output.stdout);
    let shown = text.lines().next_back().and_then(|line| serde_json::from_str(line).ok());
    shown.unwrap_or_else(|| panic!("{scene:?} has failed"))
}

fn fan_out(counts: &[u64], veth: Option<&veth::Pair>) {
    if counts.is_empty() {
        return;
    }
    print(
        "| viewers | pattern | packets/s out | us a packet | floor us | x floor | added p50 / p99 ms | \
         dropped | missing (in clients' sockets) | KB a viewer | join: first packet p50, keyframe p50 / p99 ms | threads | files |",
    );
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for &n_viewers in counts {
        let shown = run(Scene::FanOut { n_viewers }, veth);
        let [packet, keyframe, last] = shown.joins_us.map(|us| f64::from(us) / 1e3);
        for row in &shown.rows {
            print(&format!(
                "| {n_viewers} | {} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} / {:.2} | {} | {} ({}) | {:.0} | \
                 {packet:.1}, {keyframe:.1} / {last:.1} | {} | {} |",
                row.pattern,
                row.rate,
                row.us_out,
                row.floor_us,
                row.us_out / row.floor_us,
                f64::from(row.p50_us) / 1e3,
                f64::from(row.p99_us) / 1e3,
                row.dropped,
                row.missing,
                row.overrun,
                shown.kb_a_viewer,
                shown.n_threads,
                shown.n_files,
            ));
        }
    }
    print("");
}

fn rooms(counts: &[u64], veth: Option<&veth::Pair>) {
    if counts.is_empty() {
        return;
    }
    print(
        "| members | who watches | us a packet in | us a packet out | packets/s out | CPU % a member | \
         added p50 / p99 ms | dropped | missing (in clients' sockets) |",
    );
    print("|---|---|---|---|---|---|---|---|---|");
    for &n_members in counts {
        for row in run(Scene::Room { n_members }, veth).rows {
            print(&format!(
                "| {n_members} | {} | {:.2} | {:.2} | {:.0} | {:.2} | {:.2} / {:.2} | {} | {} ({}) |",
                row.pattern,
                row.us_in,
                row.us_out,
                row.rate,
                100.0 * row.cpu / n_members as f64,
                f64::from(row.p50_us) / 1e3,
                f64::from(row.p99_us) / 1e3,
                row.dropped,
                row.missing,
                row.overrun,
            ));
        }
    }
    print("");
}

fn churn(n_joins: u64, veth: Option<&veth::Pair>) {
    let shown = run(Scene::Churn { n_joins }, veth);
    let [packet, keyframe, last] = shown.joins_us.map(|us| f64::from(us) / 1e3);
    print(&format!("{n_joins} joins and leaves, 20 at a time; resident KB after each tenth:"));
    let kb: Vec<String> = shown.resident_kb.iter().map(|kb| format!("{kb:.0}")).collect();
    print(&format!("{}; {} threads, {} open files", kb.join(" "), shown.n_threads, shown.n_files));
    print(&format!(
        "join: first packet p50 {packet:.1} ms, keyframe p50 {keyframe:.1}, p99 {last:.1}"
    ));
}

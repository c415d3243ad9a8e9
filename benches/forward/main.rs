//! What forwarding costs: server CPU for each packet that leaves, against the machine's floor.
//!
//! One publisher sends 1000 packets/s of 1200 B, in frames of 33 or one by one, to 20 and to 50
//! viewers over real UDP on loopback. Clients live in a process of their own (this program, started
//! again), so that the server's memory is its own; CPU is that of the worker's thread alone, by
//! `/proc/self/task/*/schedstat`. The floor is measured in the same run, in the same way: AES-GCM
//! of a packet and `sendto`, and eight of them in one GSO send.
//!
//! `cargo bench --bench forward` prints the table. The ratio says more than the microseconds.

#![expect(clippy::disallowed_methods, reason = "pacing and pauses are what a load needs")]

use std::{
    collections::BTreeSet,
    fs,
    io::{self, BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use parlor::{
    config::MediaSettings,
    ids::MemberId,
    ports::Addresses,
    protocol::{PublishTrack, TrackSource},
    sfu::{Desired, DownWant, SfuHandle, SfuRoom, UpWant},
    telemetry::metrics::metrics,
};
use tokio::sync::{mpsc, watch};

use self::floor::{Floor, measure_floor};

#[path = "../../src/sfu/tests/client.rs"]
#[allow(dead_code)]
mod client;
mod clients;
mod floor;

/// Set in the process that plays the clients: how many viewers.
const CLIENTS: &str = "PARLOR_BENCH_CLIENTS";
/// Set in a process that serves them: how many.
const SERVER: &str = "PARLOR_BENCH_SERVER";
const VIEWERS: [usize; 2] = [20, 50];
const PUBLISHER: MemberId = MemberId(1);
const RUNS: usize = 3;
const RUN_FOR: Duration = Duration::from_secs(3);

fn main() {
    if let Ok(n_viewers) = std::env::var(CLIENTS) {
        return clients::run(n_viewers.parse().expect("a number of viewers"));
    }
    let mut out = io::stdout();
    let mut print = |line: &str| {
        let _ = writeln!(out, "{line}");
    };
    if let Ok(n_viewers) = std::env::var(SERVER) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let measured = measure(n_viewers.parse().expect("a number of viewers"));
        return runtime.block_on(measured).iter().for_each(|line| print(line));
    }
    print("| viewers | pattern | us a packet | floor us | x floor | lost |");
    print("|---|---|---|---|---|---|");
    let mut grown = Vec::new();
    for n_viewers in VIEWERS {
        // A process of its own: memory that others have freed would be used again.
        let output = Command::new(std::env::current_exe().expect("this program"))
            .env(SERVER, n_viewers.to_string())
            .stderr(Stdio::inherit())
            .output()
            .expect("this program starts again");
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            match line.strip_prefix("KB ").and_then(|kb| kb.parse::<f64>().ok()) {
                Some(kb) => grown.push(kb),
                None => print(line),
            }
        }
    }
    if let [few, many] = grown[..] {
        let slope = (many - few) / (VIEWERS[1] - VIEWERS[0]) as f64;
        print(&format!("memory: {slope:.0} KB for each viewer more"));
    }
}

/// The middle of some measurements.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// On-CPU time of the worker's thread.
fn worker_cpu() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux");
    for task in tasks.flatten() {
        let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        if name.trim() == "sfu-0" {
            let stat = fs::read_to_string(task.path().join("schedstat")).expect("schedstat");
            let first = stat.split(' ').next().and_then(|ns| ns.parse().ok());
            return Duration::from_nanos(first.expect("nanoseconds on the CPU"));
        }
    }
    panic!("no worker thread");
}

fn resident_kb() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
    kb.expect("resident memory")
}

/// The process with publisher and viewers, and a line-wise talk with it.
struct Clients {
    child: Child,
    input: ChildStdin,
    lines: mpsc::Receiver<String>,
}

impl Clients {
    fn start(n_viewers: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .env_remove(SERVER)
            .env(CLIENTS, n_viewers.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts again");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = mpsc::channel(64);
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // overflow: awaited; the clients wait for us.
                if sender.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, input, lines }
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("the clients listen");
        self.input.flush().expect("the clients listen");
    }
}

/// `word number json`, as both processes write it.
fn parse(line: &str) -> (String, u64, String) {
    let mut words = line.splitn(3, ' ');
    let mut next = || words.next().unwrap_or_default().to_owned();
    let (word, number, json) = (next(), next(), next());
    let text = serde_json::from_str(&json).unwrap_or(json);
    (word, number.parse().unwrap_or(0), text)
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text")
}

/// The room's side of the clients' signaling.
struct Signaling {
    room: SfuRoom,
    wants: Vec<Desired>,
    answered: bool,
    offered: Vec<u32>,
}

impl Signaling {
    fn new(room: SfuRoom, n_viewers: usize) -> Self {
        let wants = vec![Desired::default(); n_viewers + 2];
        Self { room, wants, answered: false, offered: vec![0; n_viewers + 2] }
    }

    fn take_line(&mut self, line: &str) {
        let (word, number, text) = parse(line);
        let number = number as usize;
        let want = &mut self.wants[number];
        match word.as_str() {
            "publish" => {
                let mid = "0".parse().expect("a mid");
                let track = PublishTrack { mid, source: TrackSource::Camera };
                let tracks = Arc::new([track]);
                let offer = text.into();
                want.up = Some(UpWant { generation: 1, revision: 1, offer, tracks });
            }
            "watch" => {
                let watch = BTreeSet::from([PUBLISHER]);
                want.down = Some(DownWant {
                    generation: 1,
                    watch,
                    tiles: [].into(),
                    answer: None,
                    offer: None,
                });
            }
            "answer" => {
                let down = want.down.as_mut().expect("a viewer");
                down.answer = Some((self.offered[number], text.into()));
            }
            _ => return,
        }
        self.room.desire(MemberId(number as u64), want.clone());
    }

    /// What the clients are to be told.
    fn take_news(&mut self, news: Vec<(MemberId, parlor::sfu::Observed)>) -> Vec<String> {
        let mut lines = Vec::new();
        for (member, seen) in news {
            let number = member.0 as usize;
            if let Some(up) = seen.up
                && !std::mem::replace(&mut self.answered, true)
            {
                lines.push(format!("answer 1 {}", quoted(&up.answer.expect("an answer"))));
            }
            if let Some(down) = seen.down
                && let Some(offer) = down.offer
                && down.revision != self.offered[number]
            {
                assert_eq!(down.fault, None);
                self.offered[number] = down.revision;
                lines.push(format!("offer {number} {}", quoted(&offer)));
            }
        }
        lines
    }
}

async fn measure(n_viewers: usize) -> Vec<String> {
    let (_sender, addresses) = watch::channel(Arc::new(Addresses::loopback()));
    let settings = MediaSettings { ports: 0..=0, workers: 1 };
    let handle = SfuHandle::start(&settings, addresses).expect("a free port");
    let mut signaling = Signaling::new(handle.open_room(8), n_viewers);
    let mut clients = Clients::start(n_viewers);
    let before = wait_for(&mut clients, &mut signaling, "published").await;
    wait_for(&mut clients, &mut signaling, "connected").await;
    let mut lines = vec![format!("KB {}", resident_kb() - before)];
    let floor = measure_floor();
    for (pattern, per_burst) in [("frames of 33", 33), ("singly", 1)] {
        let mut costs = Vec::new();
        let mut lost = 0;
        for _ in 0..RUNS {
            let (cost, missing) = run(&mut clients, &mut signaling, per_burst).await;
            costs.push(cost);
            lost += missing;
        }
        let cost = median(costs);
        let Floor { gso_us, single_us } = floor;
        let floor_us = if per_burst > 1 { gso_us } else { single_us };
        lines.push(format!(
            "| {n_viewers} | {pattern} | {cost:.2} | {floor_us:.2} | {:.2} | {lost} |",
            cost / floor_us
        ));
    }
    clients.tell("end 0");
    let _ = clients.child.wait();
    handle.stop().await;
    lines
}

/// Serves signaling until the clients say `word`; the memory then, in KB.
async fn wait_for(clients: &mut Clients, signaling: &mut Signaling, word: &str) -> f64 {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        tokio::select! {
            line = clients.lines.recv() => {
                let line = line.expect("the clients live");
                if line.starts_with(word) {
                    return resident_kb();
                }
                signaling.take_line(&line);
            }
            news = signaling.room.changed() => {
                signaling.take_news(news.members).iter().for_each(|line| clients.tell(line));
            }
            () = tokio::time::sleep_until(deadline) => panic!("waited a minute for {word:?}"),
        }
    }
}

/// One run: CPU of the worker for each packet that left, in µs, and how many did not arrive.
async fn run(clients: &mut Clients, signaling: &mut Signaling, per_burst: usize) -> (f64, i64) {
    clients.tell(&format!("run {per_burst}"));
    wait_for(clients, signaling, "running").await;
    let received = ask_received(clients, signaling).await;
    let (cpu, sent) = (worker_cpu(), metrics().packets_out.get());
    let end = Instant::now() + RUN_FOR;
    tokio::time::sleep(end - Instant::now()).await;
    let (cpu, sent) = (worker_cpu() - cpu, metrics().packets_out.get() - sent);
    let received = ask_received(clients, signaling).await - received;
    let in_flight = 40 * (signaling.wants.len() as i64);
    let lost = (sent as i64 - received).max(0);
    (cpu.as_secs_f64() * 1e6 / sent as f64, if lost > in_flight { lost } else { 0 })
}

async fn ask_received(clients: &mut Clients, signaling: &mut Signaling) -> i64 {
    clients.tell("count 0");
    let deadline = Duration::from_secs(10);
    let answer = tokio::time::timeout(deadline, async {
        loop {
            let line = clients.lines.recv().await.expect("the clients live");
            let (word, number, _) = parse(&line);
            if word == "received" {
                return number as i64;
            }
            signaling.take_line(&line);
        }
    });
    answer.await.expect("the clients answer")
}

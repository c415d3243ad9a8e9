//! The server's process: the media plane alone, with a room task's part played here.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    io::{BufRead, BufReader, Write},
    net::IpAddr,
    process::{Child, ChildStdin, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use parlor::{
    config::MediaSettings,
    ids::MemberId,
    protocol::{PublishTrack, TrackSource},
    seams::Addresses,
    sfu::{Desired, DownWant, Observed, SfuHandle, SfuRoom, UpWant},
};
use tokio::sync::{mpsc, watch};

use super::{
    CLIENTS, CLIENTS_NAMESPACE, SERVER,
    clients::SERVER_ADDRESS,
    talk::{Counted, Order, Pattern, Report},
};

/// As many as are there: this measures forwarding.
const MAX_SPEAKERS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps this thread, and those that it starts, on one processor: clients, who are elsewhere in
/// reality, do not take the server's.
pub(crate) fn pin(processor: usize) {
    use nix::{
        sched::{CpuSet, sched_setaffinity},
        unistd::Pid,
    };
    let mut set = CpuSet::new();
    // A machine with one has no choice.
    let _ = set.set(processor).and_then(|()| sched_setaffinity(Pid::from_raw(0), &set));
}

/// On-CPU time of the worker's thread.
pub(crate) fn worker_cpu() -> Duration {
    for task in fs::read_dir("/proc/self/task").expect("Linux").flatten() {
        let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        if name.trim() == "sfu-0" {
            let stat = fs::read_to_string(task.path().join("schedstat")).expect("schedstat");
            let first = stat.split(' ').next().and_then(|ns| ns.parse().ok());
            return Duration::from_nanos(first.expect("nanoseconds on the CPU"));
        }
    }
    panic!("no worker thread");
}

/// What this process takes: resident memory, threads, open files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Footprint {
    pub(crate) resident_kb: f64,
    pub(crate) n_threads: usize,
    pub(crate) n_files: usize,
}

impl Footprint {
    pub(crate) fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").expect("Linux");
        let value = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok())
        };
        Self {
            resident_kb: value("VmRSS:").expect("resident memory"),
            n_threads: value("Threads:").expect("threads") as usize,
            n_files: fs::read_dir("/proc/self/fd").expect("Linux").count(),
        }
    }
}

/// The media plane, one room, and the process of its clients.
pub(crate) struct House {
    handle: SfuHandle,
    room: SfuRoom,
    child: Child,
    input: ChildStdin,
    lines: mpsc::Receiver<Report>,
    wants: HashMap<u64, Desired>,
    answered: BTreeSet<u64>,
    offered: HashMap<u64, u32>,
    n_published: usize,
    /// First packet and end of the first keyframe of each viewer, µs.
    pub(crate) joins: Vec<(u32, u32)>,
}

impl House {
    pub(crate) fn start() -> Self {
        let address = std::env::var(SERVER_ADDRESS).ok();
        let mut addresses = Addresses::loopback();
        if let Some(address) = &address {
            let address: IpAddr = address.parse().expect("an address");
            addresses.announced[0].ip = address;
        }
        // The sender may go: addresses never change here.
        let (_sender, addresses) = watch::channel(Arc::new(addresses));
        let settings =
            MediaSettings { ports: 0..=0, workers: 1, viewers_per_worker: 400, tcp: true };
        let handle = SfuHandle::start(&settings, addresses).expect("a free port");
        let room = handle.open_room(MAX_SPEAKERS);
        let program = std::env::current_exe().expect("this program");
        let mut command = match std::env::var(CLIENTS_NAMESPACE) {
            Ok(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", &namespace]).arg(program);
                command
            }
            Err(_) => Command::new(program),
        };
        let mut child = command
            .env_remove(SERVER)
            .env(CLIENTS, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts again");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = mpsc::channel(64);
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let report = serde_json::from_str(&line).expect("a report");
                // overflow: awaited; the clients wait for us.
                if sender.blocking_send(report).is_err() {
                    return;
                }
            }
        });
        Self {
            handle,
            room,
            child,
            input,
            lines,
            wants: HashMap::new(),
            answered: BTreeSet::new(),
            offered: HashMap::new(),
            n_published: 0,
            joins: Vec::new(),
        }
    }

    pub(crate) fn tell(&mut self, order: &Order) {
        let line = serde_json::to_string(order).expect("plain values");
        writeln!(self.input, "{line}").expect("the clients listen");
        self.input.flush().expect("the clients listen");
    }

    fn desire(&mut self, member: u64, change: impl FnOnce(&mut Desired)) {
        let want = self.wants.entry(member).or_default();
        change(want);
        self.room.desire(MemberId(member), want.clone());
    }

    fn take_report(&mut self, report: Report) -> Option<Counted> {
        match report {
            Report::Offer { member, sdp } => {
                let named = [("0", TrackSource::Camera), ("1", TrackSource::Microphone)];
                let tracks = named.map(|(mid, source)| {
                    let mid = mid.parse().expect("a mid");
                    PublishTrack { mid, source }
                });
                let (offer, tracks) = (sdp.into(), Arc::new(tracks));
                let up = UpWant { generation: 1, revision: 1, offer, tracks };
                self.desire(member, |want| want.up = Some(up));
            }
            Report::Answer { member, sdp } => {
                let revision = self.offered.get(&member).copied().unwrap_or(0);
                self.desire(member, |want| {
                    let down = want.down.as_mut().expect("a viewer");
                    down.answer = Some((revision, sdp.into()));
                });
            }
            Report::Published { .. } => self.n_published += 1,
            Report::Joined { packet_us, keyframe_us, .. } => {
                self.joins.push((packet_us as u32, keyframe_us as u32));
            }
            Report::Counted(counted) => return Some(counted),
        }
        None
    }

    fn take_news(&mut self, news: Vec<(MemberId, Observed)>) {
        for (MemberId(member), seen) in news {
            if let Some(up) = seen.up
                && self.answered.insert(member)
            {
                let sdp = up.answer.expect("an answer").to_string();
                self.tell(&Order::Answer { member, sdp });
            }
            if let Some(down) = seen.down
                && let Some(sdp) = down.offer
                && self.offered.get(&member) != Some(&down.revision)
            {
                assert_eq!(down.fault, None);
                self.offered.insert(member, down.revision);
                self.tell(&Order::Offer { member, sdp: sdp.to_string() });
            }
        }
    }

    /// Serves signaling until `until` says that it is enough; what was counted meanwhile.
    async fn serve(&mut self, until: impl Fn(&Self) -> bool, what: &str) -> Option<Counted> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !until(self) {
            tokio::select! {
                report = self.lines.recv() => {
                    let counted = self.take_report(report.expect("the clients live"));
                    if counted.is_some() {
                        return counted;
                    }
                }
                news = self.room.changed() => self.take_news(news.members),
                () = tokio::time::sleep_until(deadline) => panic!("waited a minute for {what}"),
            }
        }
        None
    }

    /// Serves signaling for so long.
    pub(crate) async fn pause(&mut self, time: Duration) {
        let end = Instant::now() + time;
        let never = self.serve(|_| false, "nothing");
        // Dropping what serves loses nothing: reports and news wait.
        let _ = tokio::time::timeout(end - Instant::now(), never).await;
    }

    /// These members publish; returns when all can send.
    pub(crate) async fn publish(&mut self, members: std::ops::Range<u64>, audio: bool) {
        let wanted = self.n_published + members.clone().count();
        for member in members {
            self.tell(&Order::Publish { member, audio });
        }
        self.serve(|house| house.n_published == wanted, "publishers").await;
    }

    /// This member watches all of these but itself.
    pub(crate) fn watch(&mut self, member: u64, publishers: std::ops::Range<u64>) {
        let watch = publishers.filter(|number| *number != member).map(MemberId).collect();
        let down = DownWant {
            generation: 1,
            watch,
            hear: None,
            tiles: [].into(),
            answer: None,
            offer: None,
        };
        self.tell(&Order::Watch { member });
        self.desire(member, |want| want.down = Some(down));
    }

    /// Returns when so many have seen a keyframe.
    pub(crate) async fn joined(&mut self, n: usize) {
        self.serve(|house| house.joins.len() >= n, "viewers' keyframes").await;
    }

    /// A viewer is gone without a word.
    pub(crate) fn leave(&mut self, member: u64) {
        self.wants.remove(&member);
        self.offered.remove(&member);
        self.room.remove(MemberId(member));
        self.tell(&Order::Leave { member });
    }

    /// What viewers got since the last time.
    pub(crate) async fn count(&mut self) -> Counted {
        self.tell(&Order::Count);
        loop {
            if let Some(counted) = self.serve(|_| false, "a count").await {
                return counted;
            }
        }
    }

    /// All publishers send this from now on; returns when it has set in.
    pub(crate) async fn send(&mut self, pattern: Pattern) {
        self.tell(&Order::Send(pattern));
        self.pause(Duration::from_millis(500)).await;
        self.count().await;
    }

    pub(crate) async fn stop(mut self) {
        self.tell(&Order::End);
        let _ = self.child.wait();
        self.handle.stop().await;
    }
}

//! What is measured: each scene runs in a server's process of its own and gives a row.

use std::time::Duration;

use parlor::telemetry::metrics::metrics;
use serde::{Deserialize, Serialize};

use super::{
    floor::{Floor, measure_floor},
    server::{Footprint, House, worker_cpu},
    talk::{Pattern, median, percentile},
};

const RUNS: usize = 3;
const RUN_FOR: Duration = Duration::from_secs(2);
/// 1000 packets a second in frames of 33, as the peers were measured.
const FRAMES: Pattern =
    Pattern { frame: 33, fps: 30, packet_len: 1200, keyframe: 33, keyframe_every: 300, audio: 0 };
/// The same packets one by one.
const SINGLY: Pattern =
    Pattern { frame: 1, fps: 1000, keyframe: 1, keyframe_every: 1000, ..FRAMES };
/// 1.5 Mbit/s as a camera sends it.
const CAMERA: Pattern = Pattern { frame: 5, keyframe: 30, ..FRAMES };
/// A tile of 360 lines, 500 kbit/s, with sound.
const TALK: Pattern = Pattern { frame: 2, packet_len: 1050, keyframe: 12, audio: 50, ..FRAMES };

/// What is to be measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Scene {
    /// One publisher, so many viewers.
    FanOut { n_viewers: u64 },
    /// So many members who all see and hear each other.
    Room { n_members: u64 },
    /// So many join and leave, twenty at a time, while one stays.
    Churn { n_joins: u64 },
}

/// One pattern of a scene.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) pattern: String,
    /// Worker's CPU for each packet that left, µs.
    pub(crate) us_out: f64,
    /// Worker's CPU for each packet that came in, µs.
    pub(crate) us_in: f64,
    /// Worker's CPU, share of a core.
    pub(crate) cpu: f64,
    /// Of the machine in the same run, µs a packet.
    pub(crate) floor_us: f64,
    /// Delay that the server has added, µs.
    pub(crate) p50_us: u32,
    pub(crate) p99_us: u32,
    /// Packets a second that left.
    pub(crate) rate: f64,
    /// Dropped by the server; not come; of these lost in the clients' full sockets.
    pub(crate) dropped: u64,
    pub(crate) missing: u64,
    pub(crate) overrun: u64,
}

/// What a scene has shown.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Shown {
    pub(crate) rows: Vec<Row>,
    /// Resident memory that each viewer has added, KB.
    pub(crate) kb_a_viewer: f64,
    /// First packet p50, end of the first keyframe p50 and p99, µs.
    pub(crate) joins_us: [u32; 3],
    pub(crate) n_threads: usize,
    pub(crate) n_files: usize,
    /// Resident memory after each tenth of the joins, KB.
    pub(crate) resident_kb: Vec<f64>,
}

pub(crate) async fn play(scene: Scene) -> Shown {
    match scene {
        Scene::FanOut { n_viewers } => fan_out(n_viewers).await,
        Scene::Room { n_members } => room(n_members).await,
        Scene::Churn { n_joins } => churn(n_joins).await,
    }
}

/// Fills the track's cache, which belongs to no viewer.
async fn warm_up(house: &mut House) {
    house.send(FRAMES).await;
    house.pause(Duration::from_millis(1500)).await;
    house.send(CAMERA).await;
}

fn joins_us(house: &House) -> [u32; 3] {
    let (mut packets, mut keyframes): (Vec<u32>, Vec<u32>) = house.joins.iter().copied().unzip();
    packets.sort_unstable();
    keyframes.sort_unstable();
    [percentile(&packets, 0.5), percentile(&keyframes, 0.5), percentile(&keyframes, 0.99)]
}

async fn fan_out(n_viewers: u64) -> Shown {
    let mut house = House::start();
    house.publish(1..2, false).await;
    warm_up(&mut house).await;
    let before = Footprint::now();
    // Fifty join within two seconds.
    let pause = Duration::from_millis(40).min(Duration::from_secs(8) / n_viewers as u32);
    for member in 2..n_viewers + 2 {
        house.watch(member, 1..2);
        house.pause(pause).await;
    }
    house.joined(n_viewers as usize).await;
    let after = Footprint::now();
    let mut shown = Shown {
        kb_a_viewer: (after.resident_kb - before.resident_kb) / n_viewers as f64,
        joins_us: joins_us(&house),
        n_threads: after.n_threads,
        n_files: after.n_files,
        ..Shown::default()
    };
    let slow = |pattern: Pattern| match n_viewers {
        // What the clients' one core can take in.
        0..=50 => pattern,
        _ => Pattern { fps: (pattern.fps * 100 / n_viewers as u32).max(1), ..pattern },
    };
    let patterns =
        [("frames of 33", slow(FRAMES)), ("singly", slow(SINGLY)), ("1.5 Mbit/s", CAMERA)];
    for (name, pattern) in patterns {
        shown.rows.push(measure(&mut house, name, pattern).await);
    }
    house.stop().await;
    shown
}

async fn room(n_members: u64) -> Shown {
    let mut house = House::start();
    let members = 1..n_members + 1;
    house.publish(members.clone(), true).await;
    let mut shown = Shown::default();
    shown.rows.push(measure(&mut house, "nobody watches", TALK).await);
    for member in members.clone() {
        house.watch(member, members.clone());
    }
    house.joined(n_members as usize).await;
    shown.joins_us = joins_us(&house);
    shown.rows.push(measure(&mut house, "all watch all", TALK).await);
    house.stop().await;
    shown
}

async fn churn(n_joins: u64) -> Shown {
    const AT_ONCE: u64 = 20;
    let mut house = House::start();
    house.publish(1..2, false).await;
    warm_up(&mut house).await;
    house.watch(2, 1..2);
    house.joined(1).await;
    let mut shown = Shown::default();
    let mut next = 3;
    while next < n_joins + 3 {
        let group = next..(next + AT_ONCE).min(n_joins + 3);
        let wanted = house.joins.len() + group.clone().count();
        group.clone().for_each(|member| house.watch(member, 1..2));
        house.joined(wanted).await;
        group.clone().for_each(|member| house.leave(member));
        next = group.end;
        if (next - 3).is_multiple_of((n_joins / 10).max(AT_ONCE)) {
            house.pause(Duration::from_millis(300)).await;
            let now = Footprint::now();
            shown.resident_kb.push(now.resident_kb);
            (shown.n_threads, shown.n_files) = (now.n_threads, now.n_files);
        }
    }
    shown.joins_us = joins_us(&house);
    shown.rows.push(measure(&mut house, "one is left", CAMERA).await);
    house.stop().await;
    shown
}

/// Medians of some runs, each beside a measurement of the floor.
async fn measure(house: &mut House, name: &str, pattern: Pattern) -> Row {
    let (mut outs, mut ins, mut shares, mut floors, mut rates) =
        (vec![], vec![], vec![], vec![], vec![]);
    let (mut delays_us, mut dropped, mut missing, mut overrun) = (Vec::new(), 0, 0, 0);
    house.send(pattern).await;
    for _ in 0..RUNS {
        let counters = || {
            let metrics = metrics();
            (metrics.packets_in.get(), metrics.packets_out.get(), metrics.packets_dropped.get())
        };
        let (cpu, before) = (worker_cpu(), counters());
        house.pause(RUN_FOR).await;
        let (cpu, after) = ((worker_cpu() - cpu).as_secs_f64(), counters());
        let mut counted = house.count().await;
        outs.push(cpu * 1e6 / (after.1 - before.1).max(1) as f64);
        ins.push(cpu * 1e6 / (after.0 - before.0).max(1) as f64);
        shares.push(cpu / RUN_FOR.as_secs_f64());
        rates.push((after.1 - before.1) as f64 / RUN_FOR.as_secs_f64());
        delays_us.append(&mut counted.delays_us);
        dropped += after.2 - before.2;
        missing += counted.missing;
        overrun += counted.overrun;
        let Floor { gso_us, single_us } = measure_floor();
        floors.push(if pattern.frame > 1 { gso_us } else { single_us });
    }
    delays_us.sort_unstable();
    Row {
        pattern: name.to_owned(),
        us_out: median(outs),
        us_in: median(ins),
        cpu: median(shares),
        floor_us: median(floors),
        p50_us: percentile(&delays_us, 0.5),
        p99_us: percentile(&delays_us, 0.99),
        rate: median(rates),
        dropped,
        missing,
        overrun,
    }
}

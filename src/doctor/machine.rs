//! What the machine tells of itself: clock, disk, devices, heat, limits. Files below `/proc` and `/sys`
//! and a few questions to the kernel; no judgement.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use super::{
    TryEncoder,
    verdicts::{self, Camera, Clock, Heat},
};
use crate::{
    config::{Settings, VideoSource},
    seams::report::Check,
};

/// Everything that needs no network. Blocks.
pub(super) fn look(settings: &Settings, encoder: &TryEncoder) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut add = |id: &str, verdict: &dyn Fn() -> Option<crate::seams::report::Verdict>| {
        let started = Instant::now();
        if let Some(verdict) = verdict() {
            checks.push(verdict.named(id, started.elapsed()));
        }
    };
    let cameras = cameras(settings);
    let needs_encoder = settings.demo
        || !cameras.is_empty()
        || settings.cameras.as_ref().is_some_and(|cameras| !cameras.is_empty());
    add("clock", &|| Some(verdicts::clock(clock())));
    add("encoder", &|| Some(verdicts::encoder(&encoder(), needs_encoder)));
    add("camera", &|| Some(verdicts::camera(&cameras)));
    add("disk", &|| {
        let (free, total) = room_on(&settings.data_dir)?;
        Some(verdicts::disk(&settings.data_dir.display().to_string(), free, total))
    });
    add("socket-buffers", &|| {
        let receive = number("/proc/sys/net/core/rmem_max")?;
        Some(verdicts::buffers(receive, number("/proc/sys/net/core/wmem_max")?))
    });
    add("descriptors", &|| {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        // The service raises its own limit to the hard one at its start.
        Some(verdicts::descriptors(limit.maximum.unwrap_or(u64::MAX)))
    });
    add("temperature", &|| {
        let sensors = sensors();
        (!sensors.is_empty()).then(|| verdicts::heat(&sensors))
    });
    add("throttling", &|| Some(verdicts::throttled(throttled()?)));
    checks
}

fn text(path: impl AsRef<Path>) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn number(path: &str) -> Option<u64> {
    text(path)?.parse().ok()
}

fn clock() -> Clock {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Clock { now: now.as_secs().cast_signed(), is_synchronized: is_synchronized() }
}

/// systemd-timesyncd's mark; else chrony's or ntpd's, which leave a file that they keep young.
fn is_synchronized() -> Option<bool> {
    if Path::new("/run/systemd/timesync/synchronized").exists() {
        return Some(true);
    }
    let keepers = ["/run/chrony/chronyd.pid", "/run/chronyd.pid", "/run/ntpd.pid"];
    if keepers.iter().any(|path| Path::new(path).exists()) {
        return Some(true);
    }
    // A machine with systemd that has neither has nobody.
    Path::new("/run/systemd/system").exists().then_some(false)
}

fn room_on(path: &Path) -> Option<(u64, u64)> {
    // A folder that is not there yet will be on the disk of the one above.
    let there = path.ancestors().find(|path| path.exists())?;
    let found = rustix::fs::statvfs(there).ok()?;
    Some((found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize))
}

/// Devices that are configured, and all that look like one.
fn cameras(settings: &Settings) -> Vec<Camera> {
    let configured = settings.cameras.iter().flatten().filter_map(|camera| match &camera.source {
        VideoSource::V4l2(path) => Some(path.clone()),
        VideoSource::Test | VideoSource::Libcamera | VideoSource::Rtsp(_) => None,
    });
    let mut paths: Vec<_> = configured.map(|path| (path, true)).collect();
    // `camera = []` is a wish to have none.
    let looks = settings.cameras.is_none();
    let entries = fs::read_dir("/dev").into_iter().flatten().flatten().filter(|_| looks);
    let mut found: Vec<_> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("video"))
        .map(|entry| (entry.path(), false))
        .collect();
    found.sort();
    paths.extend(found);
    let opened = |(path, is_configured): (std::path::PathBuf, bool)| {
        let fault = fs::File::open(&path).err().map(|error| error.kind());
        Camera { path, is_configured, fault }
    };
    paths.into_iter().map(opened).collect()
}

fn sensors() -> Vec<Heat> {
    let zones = fs::read_dir("/sys/class/thermal").into_iter().flatten().flatten();
    let mut found: Vec<Heat> = zones
        .filter(|zone| zone.file_name().to_string_lossy().starts_with("thermal_zone"))
        .filter_map(|zone| {
            let milli = text(zone.path().join("temp"))?.parse().ok()?;
            Some((text(zone.path().join("type"))?, milli))
        })
        .collect();
    found.sort();
    found
}

/// The Raspberry Pi's firmware: what has held the machine back, now and since its start.
fn throttled() -> Option<u32> {
    let found = text("/sys/devices/platform/soc/soc:firmware/get_throttled")?;
    u32::from_str_radix(found.trim_start_matches("0x"), 16).ok()
}

//! PURE. The machine: certificate, clock, devices, disk, heat.

use std::path::PathBuf;

use crate::seams::report::{Remedy, Verdict};

/// The certificate that https shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The box's own authority has signed it.
    pub is_own: bool,
    /// For whom it is.
    pub names: Vec<String>,
    /// Since when it is good, in seconds since 1970.
    pub from: i64,
    /// Until when it is good, in seconds since 1970.
    pub until: i64,
    /// The host that was asked for.
    pub host: String,
    /// Why this machine's system does not trust it; `None`: it does.
    pub distrust: Option<String>,
}

const DAY: i64 = 86_400;
/// ACME renews with a third of its 90 days left; what is left when that has failed for two weeks.
const SOON: i64 = 14 * DAY;

/// Whether browsers take the certificate, now and in the days to come.
pub fn certificate(facts: &Certificate, now: i64) -> Verdict {
    let Certificate { is_own, names, from, until, host, distrust } = facts;
    let days = (until - now) / DAY;
    let by = if *is_own { "the box's own authority" } else { "given" };
    let detail = format!("{by}, for {}, {days} days left", names.join(" "));
    let has_name = names.iter().any(|name| is_for(name, host));
    if now < *from {
        return Verdict::fault(
            detail,
            Remedy::new(
                "The certificate is not good yet: the clock of this machine is behind.",
                "证书还没有生效：这台机器的时钟慢了。",
            ),
        );
    }
    if days < 0 {
        return Verdict::fault(
            detail,
            Remedy::new(
                "The certificate has expired: renew the files of http.certificate, then reload.",
                "证书已过期：请更新 http.certificate 的文件，然后重新加载。",
            ),
        );
    }
    if !has_name {
        return Verdict::fault(
            detail,
            Remedy::new(
                format!(
                    "The certificate is not for {host}: browsers will warn; set http.certificate to one that is."
                ),
                format!(
                    "证书不是给 {host} 的，浏览器会警告：请把 http.certificate 换成适合它的证书。"
                ),
            ),
        );
    }
    if until - now < SOON && !is_own {
        return Verdict::unsure(
            detail,
            Remedy::new(
                format!("The certificate expires in {days} days: renew it, then reload parlor."),
                format!("证书还有 {days} 天到期：请更新它，然后重新加载 parlor。"),
            ),
        );
    }
    match distrust {
        None => Verdict::good(detail),
        Some(_) if *is_own => Verdict::good(format!("{detail}; each device trusts it by /trust")),
        Some(why) => Verdict::fault(
            format!("{detail}; {why}"),
            Remedy::new(
                "The given certificate is not trusted by this system: put the whole chain into \
                 http.certificate, the leaf first.",
                "系统不信任这张证书：请在 http.certificate 里放完整的证书链，叶证书在前。",
            ),
        ),
    }
}

/// RFC 9525: a wildcard is one label.
fn is_for(name: &str, host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match name.strip_prefix("*.") {
        Some(domain) => {
            host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(domain))
        }
        None => name.eq_ignore_ascii_case(host),
    }
}

/// What is known of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Seconds since 1970.
    pub now: i64,
    /// Whether the kernel says that somebody keeps it right; `None` where it does not tell.
    pub is_synchronized: Option<bool>,
}

/// This program is younger than that: 2026-01-01.
const YOUNGEST: i64 = 1_767_225_600;

/// Whether the clock can be right. Certificates and TURN's passwords live by it.
pub fn clock(facts: Clock) -> Verdict {
    if facts.now < YOUNGEST {
        return Verdict::fault(
            format!("{} s since 1970", facts.now),
            Remedy::new(
                "The clock is years behind, so certificates and TURN passwords fail: set it \
                 (timedatectl set-ntp true).",
                "时钟慢了好几年，证书和 TURN 密码会失效：请校准它（timedatectl set-ntp true）。",
            ),
        );
    }
    match facts.is_synchronized {
        Some(true) => Verdict::good("synchronized"),
        None => Verdict::good("the system does not say whether it is synchronized"),
        Some(false) => Verdict::unsure(
            "not synchronized",
            Remedy::new(
                "Nobody keeps the clock right; ten minutes off, and other TURN servers refuse the \
                 box's passwords: switch on time synchronization (timedatectl set-ntp true).",
                "没有程序校准时钟；差上十分钟，别的 TURN 服务器就会拒绝密码：请打开时间同步（timedatectl set-ntp true）。",
            ),
        ),
    }
}

/// Whether pictures can be encoded. `Ok` is the encoder's name and whether the CPU does it;
/// `has_camera`: somebody needs it.
pub fn encoder(chosen: &Result<(String, bool), String>, has_camera: bool) -> Verdict {
    match chosen {
        Ok((name, false)) => Verdict::good(format!("{name}, hardware")),
        Ok((name, true)) if name == "vp8enc" => Verdict::unsure(
            format!("{name}, by the CPU"),
            Remedy::new(
                "Only VP8 by the CPU works, ten times as dear as H.264: install \
                 gstreamer1.0-plugins-ugly (x264).",
                "只有 CPU 的 VP8 编码可用，开销是 H.264 的十倍：请安装 gstreamer1.0-plugins-ugly（x264）。",
            ),
        ),
        Ok((name, true)) => Verdict::good(format!("{name}, by the CPU")),
        Err(why) if !has_camera => Verdict::skipped(format!("{why}; no camera needs one")),
        Err(why) => Verdict::fault(
            why.clone(),
            Remedy::new(
                "No encoder works, so cameras show nothing: install gstreamer1.0-plugins-ugly \
                 (x264), or take `encoder` out of [[camera]].",
                "没有可用的编码器，摄像头没有画面：请安装 gstreamer1.0-plugins-ugly（x264），或去掉 [[camera]] 里的 encoder。",
            ),
        ),
    }
}

/// A camera's device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Camera {
    /// Its node.
    pub path: PathBuf,
    /// A `[[camera]]` names it.
    pub is_configured: bool,
    /// Why it could not be opened; `None`: it could.
    pub fault: Option<std::io::ErrorKind>,
}

/// Whether the devices of cameras can be opened.
pub fn camera(devices: &[Camera]) -> Verdict {
    use std::io::ErrorKind::{NotFound, PermissionDenied};
    let shown = |one: &Camera| match one.fault {
        None => one.path.display().to_string(),
        Some(fault) => format!("{} ({fault})", one.path.display()),
    };
    let detail = devices.iter().map(shown).collect::<Vec<_>>().join(", ");
    let with = |fault| devices.iter().find(|one| one.fault == Some(fault));
    if devices.is_empty() {
        return Verdict::good("no camera is plugged in, and none is configured");
    }
    if let Some(one) = devices.iter().find(|one| one.is_configured && one.fault == Some(NotFound)) {
        let path = one.path.display();
        return Verdict::fault(
            detail,
            Remedy::new(
                format!(
                    "The camera {path} is configured and not there: plug it in, or see `source` in [[camera]]."
                ),
                format!("配置了摄像头 {path}，但它不在：请插上它，或检查 [[camera]] 的 source。"),
            ),
        );
    }
    if with(PermissionDenied).is_some() {
        return Verdict::fault(
            detail,
            Remedy::new(
                "The camera may not be opened: put the user that parlor runs as into the group video.",
                "没有打开摄像头的权限：请把运行 parlor 的用户加入 video 组。",
            ),
        );
    }
    Verdict::good(detail)
}

/// Whether the data folder's disk has room: bytes free and in all.
pub fn disk(path: &str, free: u64, total: u64) -> Verdict {
    let mib = |bytes: u64| bytes >> 20;
    let detail = format!("{path}: {} of {} MiB free", mib(free), mib(total));
    let remedy = Remedy::new(
        "The disk of the data folder is nearly full: make room, or chat and settings are no longer kept.",
        "数据文件夹所在的磁盘快满了：请腾出空间，否则聊天和设置无法保存。",
    );
    match mib(free) {
        0..32 => Verdict::fault(detail, remedy),
        32..256 => Verdict::unsure(detail, remedy),
        _ => Verdict::good(detail),
    }
}

/// Whether a burst of pictures fits into the system's UDP buffers: `net.core.rmem_max`, `wmem_max`.
pub fn buffers(receive: u64, send: u64) -> Verdict {
    const WANTED: u64 = 4_194_304;
    let detail = format!("rmem_max {receive}, wmem_max {send}");
    if receive >= WANTED && send >= WANTED {
        return Verdict::good(detail);
    }
    Verdict::unsure(
        detail,
        Remedy::new(
            "With many viewers bursts of pictures may be dropped: sysctl -w \
             net.core.rmem_max=4194304 net.core.wmem_max=4194304.",
            "观看的人多时可能丢画面：请执行 sysctl -w net.core.rmem_max=4194304 net.core.wmem_max=4194304。",
        ),
    )
}

/// Whether there can be enough connections.
pub fn descriptors(limit: u64) -> Verdict {
    let detail = format!("{limit} open files");
    if limit >= 4_096 {
        return Verdict::good(detail);
    }
    Verdict::unsure(
        detail,
        Remedy::new(
            "Few files may be open, so few people can come: raise LimitNOFILE in the service.",
            "能打开的文件太少，能来的人就少：请在服务里调大 LimitNOFILE。",
        ),
    )
}

/// A sensor: its name and thousandths of a degree Celsius.
pub type Heat = (String, i64);

/// Whether the machine is too hot.
pub fn heat(sensors: &[Heat]) -> Verdict {
    let shown = |(name, milli): &Heat| format!("{name} {} °C", milli / 1000);
    let detail = sensors.iter().map(shown).collect::<Vec<_>>().join(", ");
    let remedy = Remedy::new(
        "The machine is hot and slows itself down: give it air, a heat sink or a fan.",
        "机器过热并在自动降速：请改善散热，加散热片或风扇。",
    );
    match sensors.iter().map(|(_, milli)| milli / 1000).max() {
        None => Verdict::skipped("the kernel tells of no sensor"),
        Some(85..) => Verdict::fault(detail, remedy),
        Some(80..85) => Verdict::unsure(detail, remedy),
        Some(_) => Verdict::good(detail),
    }
}

/// Whether power or heat slows the machine down: the bits of the Raspberry Pi's `get_throttled`.
pub fn throttled(bits: u32) -> Verdict {
    const POWER_NOW: u32 = 1;
    const SLOWED_NOW: u32 = 0b1110;
    const POWER_ONCE: u32 = 1 << 16;
    let detail = format!("get_throttled {bits:#x}");
    let power = Remedy::new(
        "The power supply is too weak: use the one made for this board, and a short cable.",
        "供电不足：请用这块板子的原装电源和短的线。",
    );
    if bits & POWER_NOW != 0 {
        return Verdict::fault(detail, power);
    }
    if bits & SLOWED_NOW != 0 {
        return Verdict::fault(
            detail,
            Remedy::new(
                "The machine slows itself down because of heat: give it air or a fan.",
                "机器因过热而降速：请改善散热或加风扇。",
            ),
        );
    }
    if bits & POWER_ONCE != 0 {
        return Verdict::unsure(detail, power);
    }
    Verdict::good(detail)
}

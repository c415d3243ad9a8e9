//! PURE. Ports, and whether what should answer there does.

use std::{net::SocketAddr, time::Duration};

use crate::seams::report::{Remedy, Verdict};

/// Something that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// The key that says where.
    pub key: &'static str,
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// The port.
    pub port: u16,
}

impl Service {
    fn name(&self) -> String {
        format!("{} {}", self.protocol, self.port)
    }
}

/// Who has a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// It is free.
    Nobody,
    /// This box, by this process.
    Ours(String),
    /// Another program, as `nginx (process 7)`.
    Other(String),
    /// Somebody whom the system does not name.
    Unnamed,
}

/// Whether a port is the box's.
pub fn port(service: Service, holder: &Holder) -> Verdict {
    let (name, key) = (service.name(), service.key);
    match holder {
        Holder::Ours(who) => Verdict::good(format!("{name}: {who}")),
        Holder::Nobody => Verdict::fault(
            format!("{name}: nobody listens"),
            Remedy::new(
                format!("Nothing listens on {name}: start parlor (systemctl start parlor)."),
                format!("{name} 没有程序在监听：请启动 parlor（systemctl start parlor）。"),
            ),
        ),
        Holder::Other(who) => Verdict::fault(
            format!("{name}: {who}"),
            Remedy::new(
                format!("{name} is held by {who}: stop that, or set {key} to another port."),
                format!("{name} 被 {who} 占用：请停掉它，或把 {key} 改成别的端口。"),
            ),
        ),
        Holder::Unnamed => Verdict::unsure(
            format!("{name}: held, by whom the system does not say"),
            Remedy::new(
                format!("To see who holds {name}, run this as root."),
                format!("要看是谁占用 {name}，请以 root 身份运行。"),
            ),
        ),
    }
}

/// One address that was asked, and how long the answer took; `Err` is why there was none.
pub type Tried = (SocketAddr, Result<Duration, String>);

/// Whether a service answers at each address of the box, asked from the box.
pub fn answers(service: Service, tried: &[Tried]) -> Verdict {
    let shown = |(address, outcome): &Tried| match outcome {
        Ok(took) => format!("{address} in {} ms", took.as_millis()),
        Err(why) => format!("{address} {why}"),
    };
    let detail = tried.iter().map(shown).collect::<Vec<_>>().join(", ");
    let silent: Vec<String> = tried
        .iter()
        .filter(|(_, outcome)| outcome.is_err())
        .map(|(address, _)| address.ip().to_string())
        .collect();
    let (name, key) = (service.name(), service.key);
    match silent.len() {
        _ if tried.is_empty() => Verdict::skipped(format!("{name}: no address to ask")),
        0 => Verdict::good(detail),
        n if n == tried.len() => Verdict::fault(
            detail,
            Remedy::new(
                format!(
                    "Nothing answers on {name}: see that parlor runs, that {key} names this port, \
                     and that the machine's firewall lets it through."
                ),
                format!(
                    "{name} 没有应答：请确认 parlor 在运行、{key} 是这个端口，并且本机防火墙放行。"
                ),
            ),
        ),
        _ => Verdict::fault(
            detail,
            Remedy::new(
                format!(
                    "{name} does not answer at {}: let it through the machine's firewall, or see \
                     that {key} listens there.",
                    silent.join(", ")
                ),
                format!(
                    "{name} 在 {} 上没有应答：请在本机防火墙放行，或确认 {key} 在那里监听。",
                    silent.join("、")
                ),
            ),
        ),
    }
}

/// How https was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Https {
    /// The status of `/healthz`.
    Status(u16),
    /// No connection, or no TLS.
    Failed(String),
    /// The name means no address.
    NoAddress(String),
}

/// Whether https answers at a URL.
pub fn https(url: &str, outcome: &Https) -> Verdict {
    match outcome {
        Https::Status(200) => Verdict::good(format!("{url}: 200")),
        Https::Status(421) => Verdict::fault(
            format!("{url}: 421"),
            Remedy::new(
                "The box does not know itself by this name: add it to http.hosts.",
                "主机不认识这个名字：请把它加进 http.hosts。",
            ),
        ),
        Https::Status(status) => Verdict::fault(
            format!("{url}: {status}"),
            Remedy::new(
                "Something else answers there, or the box is not ready: see what the URL and the \
                 port lead to, and the log of parlor.",
                "那里应答的是别的程序，或主机没有准备好：请检查这个网址和端口通向哪里，并看 parlor 的日志。",
            ),
        ),
        Https::Failed(why) => Verdict::fault(
            format!("{url}: {why}"),
            Remedy::new(
                "https does not answer there: see that parlor runs, and that the router forwards \
                 this TCP port to the box.",
                "那里的 https 没有应答：请确认 parlor 在运行，并且路由器把这个 TCP 端口转发到主机。",
            ),
        ),
        Https::NoAddress(why) => Verdict::fault(
            format!("{url}: {why}"),
            Remedy::new(
                "The name in the URL leads to no address: see how it is written, and its DNS entry.",
                "网址里的名字没有对应的地址：请检查写法和 DNS 记录。",
            ),
        ),
    }
}

/// How a TURN server has treated somebody who wants a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relay {
    /// What was sent through two of its relays came back after so long.
    Loops(SocketAddr, Duration),
    /// A relay was given; nothing was sent through it.
    Given(SocketAddr, Duration),
    /// It was refused, with this code of STUN.
    Refused(u16),
    /// A relay was given, and what was sent through it did not come.
    Lost(SocketAddr),
    /// No answer.
    Failed(String),
}

/// Whether a TURN server relays. `is_own`: it is the box's.
pub fn relay(at: &str, outcome: &Relay, is_own: bool) -> Verdict {
    match outcome {
        Relay::Loops(relay, took) => {
            Verdict::good(format!("{at}: by {relay} and back in {} ms", took.as_millis()))
        }
        Relay::Given(relay, took) => {
            Verdict::good(format!("{at}: relay {relay} in {} ms", took.as_millis()))
        }
        Relay::Refused(401 | 438) if is_own => Verdict::fault(
            format!("{at}: 401"),
            Remedy::new(
                "The server does not take the password that was minted: the running parlor has \
                 another static-auth-secret or data folder than this command; or the clock jumped.",
                "服务器不接受刚生成的密码：正在运行的 parlor 的 static-auth-secret 或数据文件夹与这条命令不同，或者时钟跳变了。",
            ),
        ),
        Relay::Refused(401 | 438) => Verdict::fault(
            format!("{at}: 401"),
            Remedy::new(
                "That server refuses the password: its secret is not the one in [[ice.servers]], or \
                 the two clocks differ.",
                "那台服务器拒绝了密码：它的密钥与 [[ice.servers]] 里的不同，或两边的时钟不一致。",
            ),
        ),
        Relay::Refused(486) => Verdict::fault(
            format!("{at}: 486"),
            Remedy::new(
                "The TURN server's quota is used up: raise turn.user-quota and turn.total-quota.",
                "TURN 服务器的配额用完了：请调大 turn.user-quota 和 turn.total-quota。",
            ),
        ),
        Relay::Refused(508) => Verdict::fault(
            format!("{at}: 508"),
            Remedy::new(
                "No relay port is free: give turn.relay_ports more of them.",
                "没有空闲的中继端口：请给 turn.relay_ports 更多端口。",
            ),
        ),
        Relay::Refused(code) => Verdict::fault(
            format!("{at}: refused with {code}"),
            Remedy::new(
                format!("The TURN server refuses a relay with {code}: see its log."),
                format!("TURN 服务器以 {code} 拒绝了中继：请看它的日志。"),
            ),
        ),
        Relay::Lost(relay) => Verdict::fault(
            format!("{at}: relay {relay}, and nothing comes through it"),
            Remedy::new(
                "A relay is given and nothing comes through: let turn.relay_ports through the \
                 firewall, and see that turn.external-ip is this box's.",
                "拿到了中继却没有数据通过：请在防火墙放行 turn.relay_ports，并确认 turn.external-ip 属于这台主机。",
            ),
        ),
        Relay::Failed(why) => Verdict::fault(
            format!("{at}: {why}"),
            Remedy::new(
                format!(
                    "No TURN server answers at {at}: see that it runs and that firewalls let it through."
                ),
                format!("{at} 没有 TURN 服务器应答：请确认它在运行，并且防火墙放行。"),
            ),
        ),
    }
}

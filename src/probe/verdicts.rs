//! PURE. What a probe's facts mean.

use std::time::Duration;

use super::media::Trial;
use crate::seams::report::{Remedy, Verdict};

fn ms(took: Duration) -> u128 {
    took.as_millis()
}

/// https: the status of `/healthz`, or why there is none.
pub(super) fn https(outcome: Result<u16, String>) -> Verdict {
    match outcome {
        Ok(200) => Verdict::good("200"),
        Ok(421) => Verdict::fault(
            "421",
            Remedy::new(
                "The box does not know itself by this name: add it to http.hosts there.",
                "主机不认识这个名字：请在那边把它加进 http.hosts。",
            ),
        ),
        Ok(status) => Verdict::fault(
            status.to_string(),
            Remedy::new(
                "What answers there is no parlor that is well: see what the URL leads to.",
                "那里应答的不是正常的 parlor：请检查这个网址通向哪里。",
            ),
        ),
        Err(why) => Verdict::fault(
            why,
            Remedy::new(
                "No https there: see that parlor runs, that the name is right, and that the router \
                 forwards this TCP port to the box.",
                "那里没有 https：请确认 parlor 在运行、名字写对了，并且路由器把这个 TCP 端口转发到主机。",
            ),
        ),
    }
}

/// Whether this system trusts the certificate.
pub(super) fn certificate(distrust: Option<&str>) -> Verdict {
    match distrust {
        None => Verdict::good("trusted by this system"),
        Some(why) => Verdict::unsure(
            why,
            Remedy::new(
                "This system does not trust the certificate; browsers here will warn: open /trust \
                 of the box.",
                "本机系统不信任这张证书，浏览器会警告：请打开主机的 /trust。",
            ),
        ),
    }
}

/// Who one is there.
pub(super) fn session(who: &str) -> Verdict {
    match who {
        "stranger" => Verdict::unsure(
            who,
            Remedy::new(
                "The box lets nobody in from here, so signaling and media cannot be tried: give the \
                 URL of an invite, in quotes.",
                "主机不让这里的人进入，信令和媒体无法测试：请用邀请链接，并加上引号。",
            ),
        ),
        who => Verdict::good(who),
    }
}

/// The signaling socket.
pub(super) fn socket(outcome: Result<(), String>) -> Verdict {
    match outcome {
        Ok(()) => Verdict::good("welcome"),
        Err(why) => Verdict::fault(
            why,
            Remedy::new(
                "The signaling socket does not open: let proxies pass WebSockets to /api/v1/signal.",
                "信令连接打不开：请让代理放行到 /api/v1/signal 的 WebSocket。",
            ),
        ),
    }
}

/// One way to the box's relay: whether what is sent through two relays arrives.
pub(super) fn relay(url: &str, outcome: Result<Option<bool>, String>) -> Verdict {
    match outcome {
        Ok(Some(false)) => Verdict::fault(
            format!("{url}: nothing comes through"),
            Remedy::new(
                "A relay is given and carries nothing: see parlor doctor on the box.",
                "拿到了中继却没有数据通过：请在主机上运行 parlor doctor。",
            ),
        ),
        Ok(_) => Verdict::good(url),
        Err(why) => Verdict::unsure(
            format!("{url}: {why}"),
            Remedy::new(
                format!(
                    "The relay does not answer at {url}: forward this port to the box; it is needed only where the media port is closed."
                ),
                format!(
                    "{url} 的中继没有应答：请把这个端口转发到主机；只有媒体端口不通时才需要它。"
                ),
            ),
        ),
    }
}

/// The ways of media by UDP, TCP and through the relay, judged together: one that is open is enough.
pub(super) fn media(
    trials: &[(&'static str, Result<Trial, String>)],
) -> Vec<(&'static str, Verdict)> {
    let stands = |outcome: &Result<Trial, String>| {
        outcome.as_ref().is_ok_and(|trial| trial.connected.is_some())
    };
    let any = trials.iter().any(|(_, outcome)| stands(outcome));
    trials.iter().map(|(id, outcome)| (*id, one(id, outcome, any))).collect()
}

fn one(id: &str, outcome: &Result<Trial, String>, any: bool) -> Verdict {
    let trial = match outcome {
        Ok(trial) => trial,
        Err(why) => {
            let remedy = Remedy::new(
                format!("Media could not be tried: {why}."),
                format!("没能测试媒体：{why}。"),
            );
            return Verdict::unsure(why.clone(), remedy);
        }
    };
    let tried = trial.tried.join(" ");
    if let Some(took) = trial.connected {
        let n_sent = trial.n_sent;
        return Verdict::good(format!(
            "connected in {} ms, {n_sent} packets sent, {tried}",
            ms(took)
        ));
    }
    let port = trial.tried.first().and_then(|at| at.rsplit(':').next()).unwrap_or("10000");
    let remedy = match id {
        "media-relay" => Remedy::new(
            "No media comes through the relay: see parlor doctor on the box.",
            "没有媒体经过中继到达：请在主机上运行 parlor doctor。",
        ),
        _ if trial.tried.is_empty() => Remedy::new(
            "The box offers no address by this: see network.announce and media.tcp there.",
            "主机没有提供这种方式的地址：请检查那边的 network.announce 和 media.tcp。",
        ),
        "media-tcp" => Remedy::new(
            format!(
                "TCP does not reach the media port: forward TCP port {port} on the router to the box. Tried: {tried}."
            ),
            format!(
                "TCP 到不了媒体端口：请在路由器上把 TCP 端口 {port} 转发到主机。试过：{tried}。"
            ),
        ),
        _ => Remedy::new(
            format!(
                "UDP does not reach the media port: forward UDP port {port} on the router to the box. Tried: {tried}."
            ),
            format!(
                "UDP 到不了媒体端口：请在路由器上把 UDP 端口 {port} 转发到主机。试过：{tried}。"
            ),
        ),
    };
    let detail = format!("no connection: {tried}");
    if any { Verdict::unsure(detail, remedy) } else { Verdict::fault(detail, remedy) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(trials: &[(&'static str, Result<Trial, String>)]) -> String {
        let mark = |verdict: &Verdict| match verdict.ok {
            Some(true) => '+',
            Some(false) => '-',
            None => '?',
        };
        media(trials).iter().map(|(_, verdict)| mark(verdict)).collect()
    }

    #[test]
    fn one_open_way_is_enough_and_the_others_say_what_to_do() {
        let tried = vec!["10.0.0.2:10000".to_owned()];
        let shut = || Ok(Trial { tried: tried.clone(), ..Trial::default() });
        let open =
            || Ok(Trial { connected: Some(Duration::ZERO), tried: tried.clone(), n_sent: 25 });
        let none = || Err("refused with 403".to_owned());
        let all =
            |udp, tcp, relay| [("media-udp", udp), ("media-tcp", tcp), ("media-relay", relay)];
        for (trials, expected) in [
            (all(open(), open(), open()), "+++"),
            (all(shut(), open(), open()), "?++"),
            (all(shut(), shut(), open()), "??+"),
            (all(shut(), shut(), shut()), "---"),
            (all(Ok(Trial::default()), shut(), shut()), "---"),
            (all(none(), none(), none()), "???"),
        ] {
            assert_eq!(marks(&trials), expected, "{trials:?}");
        }
        let told = media(&all(shut(), shut(), shut()));
        let remedy = told[0].1.remedy.as_ref().expect("what to do");
        assert!(
            remedy.en.contains("forward UDP port 10000") && remedy.zh.contains("UDP 端口 10000")
        );
    }

    #[test]
    fn each_refusal_has_its_sentence() {
        let cases = [
            (https(Ok(200)), Some(true), ""),
            (https(Ok(421)), Some(false), "http.hosts"),
            (https(Ok(502)), Some(false), "URL"),
            (https(Err("refused".into())), Some(false), "TCP port"),
            (certificate(None), Some(true), ""),
            (certificate(Some("unknown issuer")), None, "/trust"),
            (session("guest"), Some(true), ""),
            (session("stranger"), None, "invite"),
            (socket(Ok(())), Some(true), ""),
            (socket(Err("refused with 502".into())), Some(false), "/api/v1/signal"),
            (relay("turn:a", Ok(Some(true))), Some(true), ""),
            (relay("turn:a", Ok(Some(false))), Some(false), "parlor doctor"),
            (relay("turn:a", Err("no answer".into())), None, "turn:a"),
        ];
        for (verdict, ok, word) in cases {
            assert_eq!(verdict.ok, ok, "{verdict:?}");
            let said = verdict.remedy.as_ref().map(|remedy| remedy.en.clone()).unwrap_or_default();
            assert!(said.contains(word) && said.is_empty() == word.is_empty(), "{verdict:?}");
        }
    }
}

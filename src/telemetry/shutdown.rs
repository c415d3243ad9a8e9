//! Signals of the operator as values: stop, or load the configuration again.
//!
//! ```text
//!  SIGTERM, SIGINT  --> Stop     another one, 1 s later or more, ends the process at once
//!  SIGHUP           --> Reload
//! ```

use std::{
    io, process,
    time::{Duration, Instant},
};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};
use tracing::warn;

/// `timeout` and shells signal the process and then its whole group: two signals, one wish.
const ECHO: Duration = Duration::from_secs(1);

fn is_echo(stopped_at: Option<Instant>, now: Instant, within: Duration) -> bool {
    stopped_at.is_some_and(|at| now.duration_since(at) < within)
}

/// What the operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Drain and end.
    Stop,
    /// Load configuration and certificate again; calls go on.
    Reload,
}

/// The operator's signals, in order.
#[derive(Debug)]
pub struct Signals {
    received: mpsc::Receiver<Signal>,
}

impl Signals {
    /// Takes the signals over from the system's defaults. To be called inside a runtime, once.
    ///
    /// # Errors
    /// The system refuses a handler.
    pub fn listen() -> io::Result<Self> {
        Self::listen_with(ECHO)
    }

    fn listen_with(echo: Duration) -> io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let (sender, received) = mpsc::channel(4);
        // A place that is kept for the one stop, so that reloads nobody takes cannot hold it up.
        let mut stop_place = sender.clone().try_reserve_owned().ok();
        let mut stopped_at = None;
        tokio::spawn(async move {
            loop {
                let (wanted, number) = tokio::select! {
                    Some(()) = terminate.recv() => (Signal::Stop, SignalKind::terminate()),
                    Some(()) = interrupt.recv() => (Signal::Stop, SignalKind::interrupt()),
                    Some(()) = hang_up.recv() => (Signal::Reload, SignalKind::hangup()),
                    else => return,
                };
                match (wanted, stop_place.take()) {
                    (Signal::Stop, Some(place)) => {
                        stopped_at = Some(Instant::now());
                        // overflow: none, because the place is reserved.
                        drop(place.send(wanted));
                    }
                    (Signal::Stop, None) if is_echo(stopped_at, Instant::now(), echo) => {}
                    (Signal::Stop, None) => {
                        warn!("stopped a second time: ending at once");
                        // As a shell tells of a process that a signal has ended.
                        process::exit(128 + number.as_raw_value());
                    }
                    (Signal::Reload, place) => {
                        stop_place = place;
                        // overflow: DROPS; a full channel holds reloads that are still to come.
                        let _ = sender.try_send(wanted);
                    }
                }
            }
        });
        Ok(Self { received })
    }

    /// The next signal. Safe to be dropped while it waits, as in `select!`.
    pub async fn next(&mut self) -> Signal {
        // The sending task ends only with the runtime; until then nobody signals.
        match self.received.recv().await {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader},
        process::{Command, Stdio},
    };

    use super::*;

    const CHILD: &str = "PARLOR_TEST_SIGNALS_CHILD";

    /// In the child of the test below: tells each signal and never ends by itself.
    #[test]
    fn child_tells_what_it_hears() {
        if std::env::var_os(CHILD).is_none() {
            return;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut signals = Signals::listen_with(Duration::ZERO).unwrap();
            eprintln!("listening");
            loop {
                eprintln!("{:?}", signals.next().await);
            }
        });
    }

    #[test]
    fn the_second_stop_ends_the_process_at_once() {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "telemetry::shutdown::tests::child_tells_what_it_hears",
            ])
            .env(CHILD, "1")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let id = child.id();
        let signal = |name: &str| {
            let line = format!("kill -{name} {id}");
            assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success());
        };
        let mut heard = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut hear = |wanted: &str| {
            assert!(heard.any(|line| line.unwrap().contains(wanted)), "never heard {wanted}");
        };
        hear("listening");
        signal("HUP");
        hear("Reload");
        signal("INT");
        hear("Stop");
        signal("HUP");
        hear("Reload");
        signal("TERM");
        assert_eq!(child.wait().unwrap().code(), Some(143));
    }
}

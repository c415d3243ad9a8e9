//! Signals of the operator as values: stop, or load the configuration again.
//!
//! ```text
//!  SIGTERM, SIGINT  --> Stop     another one, 1 s later or more, ends the process at once
//!  SIGHUP           --> Reload
//! ```
//!
//! From the first Stop on the process has 5 s (product contract, section 2), whatever a device, a
//! library's thread or a system call that hangs in the kernel is doing.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};
use tracing::warn;

/// `timeout` and shells signal the process and then its whole group: two signals, one wish.
const ECHO: Duration = Duration::from_secs(1);

/// After the first stop: the contract's 5 s, less what the system takes to end a process.
const LAST_RESORT: Duration = Duration::from_millis(4_900);

/// Ends the process without asking anybody: no destructor of a library, no thread is waited for.
fn end_at_once(code: i32) -> ! {
    // SAFETY: `_exit` takes any number, touches nothing of this process and does not return.
    unsafe { libc::_exit(code) }
}

/// Ends the process after `limit`, unless it has ended by then.
fn end_within(limit: Duration) {
    let waits = move || {
        let until = Instant::now() + limit;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            // Whoever wakes it does not end it.
            thread::park_timeout(left.max(Duration::from_millis(1)));
        }
        warn!("not everything ended within {limit:?}; ending all the same");
        end_at_once(0);
    };
    // A thread of its own: the runtime may be what hangs.
    if let Err(error) = thread::Builder::new().name("last-resort".into()).spawn(waits) {
        warn!(%error, "nothing will end this process if a device hangs");
    }
}

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
        Self::listen_with(ECHO, LAST_RESORT)
    }

    fn listen_with(echo: Duration, last_resort: Duration) -> io::Result<Self> {
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
                        end_within(last_resort);
                        // overflow: none, because the place is reserved.
                        drop(place.send(wanted));
                    }
                    (Signal::Stop, None) if is_echo(stopped_at, Instant::now(), echo) => {}
                    (Signal::Stop, None) => {
                        warn!("stopped a second time: ending at once");
                        // As a shell tells of a process that a signal has ended.
                        end_at_once(128 + number.as_raw_value());
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
        process::{Child, Command, Stdio},
    };

    use super::*;

    /// In milliseconds, how long the child has after its first stop.
    const CHILD: &str = "PARLOR_TEST_SIGNALS_CHILD";

    /// In the child of the tests below: tells each signal and never ends by itself.
    #[test]
    fn child_tells_what_it_hears() {
        let Some(limit) = std::env::var(CHILD).ok().and_then(|ms| ms.parse().ok()) else { return };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut signals =
                Signals::listen_with(Duration::ZERO, Duration::from_millis(limit)).unwrap();
            eprintln!("listening");
            loop {
                eprintln!("{:?}", signals.next().await);
            }
        });
    }

    fn child(limit_ms: &str) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "telemetry::shutdown::tests::child_tells_what_it_hears",
            ])
            .env(CHILD, limit_ms)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn signal(child: &Child, name: &str) {
        let line = format!("kill -{name} {}", child.id());
        assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success());
    }

    #[test]
    fn a_stop_ends_the_process_in_time_whatever_it_is_doing() {
        let mut child = child("50");
        let mut heard = BufReader::new(child.stderr.take().unwrap()).lines();
        assert!(heard.any(|line| line.unwrap().contains("listening")));
        signal(&child, "TERM");
        // It waits for its next signal for ever.
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }

    #[test]
    fn the_second_stop_ends_the_process_at_once() {
        let mut child = child("600000");
        let mut heard = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut hear = |wanted: &str| {
            assert!(heard.any(|line| line.unwrap().contains(wanted)), "never heard {wanted}");
        };
        hear("listening");
        signal(&child, "HUP");
        hear("Reload");
        signal(&child, "INT");
        hear("Stop");
        signal(&child, "HUP");
        hear("Reload");
        signal(&child, "TERM");
        assert_eq!(child.wait().unwrap().code(), Some(143));
    }
}

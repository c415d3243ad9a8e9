//! Signals of the operator as values: stop, or load the configuration again.
//!
//! ```text
//!  SIGTERM, SIGINT  --> Stop     the second one ends the process at once
//!  SIGHUP           --> Reload
//! ```

use std::{io, process};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};
use tracing::warn;

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
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let (sender, received) = mpsc::channel(4);
        // A place that is kept for the one stop, so that reloads nobody takes cannot hold it up.
        let mut stop_place = sender.clone().try_reserve_owned().ok();
        tokio::spawn(async move {
            loop {
                let (wanted, number) = tokio::select! {
                    Some(()) = terminate.recv() => (Signal::Stop, SignalKind::terminate()),
                    Some(()) = interrupt.recv() => (Signal::Stop, SignalKind::interrupt()),
                    Some(()) = hang_up.recv() => (Signal::Reload, SignalKind::hangup()),
                    else => return,
                };
                match (wanted, stop_place.take()) {
                    // overflow: cannot happen, the place is reserved.
                    (Signal::Stop, Some(place)) => drop(place.send(wanted)),
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

//! What systemd is told (sd_notify(3)): ready, reloading, stopping, one line of status, alive.
//!
//! Without systemd (`$NOTIFY_SOCKET` is not set) all of this does nothing. A message that cannot be
//! sent is logged and otherwise ignored: systemd acts on its own time limits.

use std::{convert::Infallible, future::pending, time::Duration};

use sd_notify::NotifyState;
use tracing::{debug, warn};

/// The service can be used. `status` is one line for `systemctl status`.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// One line for `systemctl status`, such as `2 rooms, 5 members`.
pub fn status(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

/// The configuration is loaded again; [`ready`] ends this.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        // The time is what `Type=notify-reload` wants (systemd 253); older ones do not mind.
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The service is draining.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// Tells systemd that this runtime still runs tasks, at half of `$WATCHDOG_USEC`; waits for ever
/// where no watchdog is wanted. Dropping it ends it.
pub async fn watchdog() -> Infallible {
    let Some(interval) = sd_notify::watchdog_enabled().map(half) else { return pending().await };
    debug!(?interval, "watchdog");
    let mut ticks = tokio::time::interval(interval);
    // After a suspended night one ping is enough.
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

/// Half, as sd_watchdog_enabled(3) recommends; never zero, which no timer takes.
fn half(timeout: Duration) -> Duration {
    (timeout / 2).max(Duration::from_millis(1))
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "systemd could not be told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pings_come_twice_as_often_as_they_must() {
        assert_eq!(half(Duration::from_secs(30)), Duration::from_secs(15));
        assert_eq!(half(Duration::ZERO), Duration::from_millis(1));
    }
}

//! What systemd is told (sd_notify(3)): ready, reloading, stopping, one line of status, alive.
//!
//! Without systemd (`$NOTIFY_SOCKET` is not set) all of this does nothing. A message that cannot be
//! sent is logged and otherwise ignored: systemd acts on its own time limits.

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::warn;

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

/// How often somebody should look whether all is alive: half of `$WATCHDOG_USEC` where systemd wants to
/// be told, else every 10 s.
pub fn look_every() -> Duration {
    sd_notify::watchdog_enabled().map_or(Duration::from_secs(10), half)
}

/// All is alive. Said at least as often as [`look_every`]; whoever does not say it any more is started
/// anew.
pub fn alive() {
    if sd_notify::watchdog_enabled().is_some() {
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

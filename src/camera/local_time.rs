//! The time of day as people at the box read it.

use std::time::SystemTime;

use jiff::{Timestamp, tz::TimeZone};

/// Hours and minutes in the box's time zone, as `14:05`.
pub fn hh_mm(at: SystemTime) -> String {
    hh_mm_in(at, TimeZone::system())
}

fn hh_mm_in(at: SystemTime, zone: TimeZone) -> String {
    let at = Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned_datetime(zone).strftime("%H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_clock_is_the_boxs() {
        let berlin = || TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
        let at = |seconds, zone| hh_mm_in(UNIX_EPOCH + Duration::from_secs(seconds), zone);
        assert_eq!(at(1_700_000_040, TimeZone::UTC), "22:14");
        assert_eq!(at(1_700_000_040, berlin()), "23:14");
        // In July the clocks are an hour ahead.
        assert_eq!(at(1_720_000_000, berlin()), "11:46");
        assert_eq!(hh_mm(SystemTime::now()).len(), 5);
    }
}

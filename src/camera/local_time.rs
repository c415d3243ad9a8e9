//! The time of day as people at the box read it.
//!
//! Owns one call into libc: the `time` crate refuses to learn the zone once there are threads.

use std::time::{SystemTime, UNIX_EPOCH};

/// Hours and minutes in the box's time zone, as `14:05`.
pub fn hh_mm(at: SystemTime) -> String {
    let seconds = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let seconds = libc::time_t::try_from(seconds).unwrap_or_default();
    // SAFETY: an all-zero `tm` is valid: integers and a null pointer.
    let mut parts: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to locals that outlive the call; nothing in this process changes TZ.
    let known = unsafe { !libc::localtime_r(&raw const seconds, &raw mut parts).is_null() };
    if !known {
        parts.tm_hour = (seconds / 3600 % 24) as i32;
        parts.tm_min = (seconds / 60 % 60) as i32;
    }
    format!("{:02}:{:02}", parts.tm_hour, parts.tm_min)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn minutes_pass_in_any_zone() {
        let at = |seconds| hh_mm(UNIX_EPOCH + Duration::from_secs(seconds));
        let (first, second) = (at(1_700_000_040), at(1_700_000_100));
        assert_eq!(first.len(), 5);
        assert_ne!(first, second);
        assert_eq!(at(1_700_000_040), at(1_700_000_041 + 24 * 3600 - 1));
    }
}

//! How many files and sockets this process may have open.
//!
//! The soft limit that shells and service managers set (1024) is for programs that call `select`; we do
//! not, so it is raised to the hard one. Of what there is, the door leaves a reserve: media sockets, the
//! data folder, cameras and their pipes come before one more connection.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// Kept from the door.
const RESERVE: u64 = 256;

/// More than this nobody asks for.
const ENOUGH: u64 = 1_048_576;

/// Raises the limit, and tells how many connections the door may have.
pub fn raise() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let (current, maximum) = (limit.current.unwrap_or(ENOUGH), limit.maximum.unwrap_or(ENOUGH));
    let wanted = maximum.min(ENOUGH);
    let mut in_force = current;
    if current < wanted {
        match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit }) {
            Ok(()) => in_force = wanted,
            Err(error) => warn!(%error, current, wanted, "the limit of open files stays as it is"),
        }
    }
    for_the_door(in_force)
}

/// What is left beside the reserve; half of very little.
fn for_the_door(descriptors: u64) -> usize {
    let left = descriptors.saturating_sub(RESERVE).max(descriptors / 2);
    usize::try_from(left).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one_and_the_door_does_not_have_all() {
        let before = getrlimit(Resource::Nofile);
        let hard = before.maximum.unwrap_or(ENOUGH).min(ENOUGH);
        let lower = Rlimit { current: Some(1000.min(hard)), ..before };
        setrlimit(Resource::Nofile, lower).expect("lower than it was");
        let door = raise();
        let after = getrlimit(Resource::Nofile).current.unwrap_or(ENOUGH);
        setrlimit(Resource::Nofile, before).expect("as it was");
        assert_eq!(after, hard);
        assert_eq!(door, for_the_door(hard));
        for (descriptors, expected) in [(1024, 768), (300, 150), (65_536, 65_280), (0, 0)] {
            assert_eq!(for_the_door(descriptors), expected, "{descriptors}");
        }
    }
}

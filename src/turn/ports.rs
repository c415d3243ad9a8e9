//! Which port a new relay gets.
//!
//! Ports are drawn, so that nobody can foresee the next (RFC 6056), and a port that is taken by
//! another program is passed over.
//!
//! PURE: what is drawn is an argument.

use std::{collections::BTreeSet, ops::RangeInclusive};

use super::outlet::Protocol;

/// A port that is taken: family, protocol, number.
type Taken = (bool, Protocol, u16);

/// Tries at ports that others turn out to have, before there is none.
const MAX_TRIES: usize = 64;

/// What EVEN-PORT asks for (RFC 8656 18.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parity {
    /// Any port.
    Any,
    /// An even one.
    Even,
    /// An even one, and the next kept for later.
    EvenAndNext,
}

/// The ports of a range.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    taken: BTreeSet<Taken>,
}

impl Ports {
    /// Takes a port that `open` has opened, beginning at a drawn place. Of two it is the lower; `open`
    /// opens both or none.
    pub(crate) fn take(
        &mut self,
        range: &RangeInclusive<u16>,
        (ipv4, protocol): (bool, Protocol),
        parity: Parity,
        drawn: u64,
        mut open: impl FnMut(u16) -> bool,
    ) -> Option<u16> {
        let (first, n_ports) = (u32::from(*range.start()), range.len() as u32);
        let start = drawn.checked_rem(u64::from(n_ports))? as u32;
        let free = |port: u16| !self.taken.contains(&(ipv4, protocol, port));
        let fits = |port: u16| match parity {
            Parity::Any => free(port),
            Parity::Even => port.is_multiple_of(2) && free(port),
            Parity::EvenAndNext => {
                let next = port.checked_add(1).filter(|next| range.contains(next));
                port.is_multiple_of(2) && free(port) && next.is_some_and(free)
            }
        };
        let candidates = (0..n_ports).map(|at| (first + (start + at) % n_ports) as u16);
        let port =
            candidates.filter(|port| fits(*port)).take(MAX_TRIES).find(|port| open(*port))?;
        self.taken.insert((ipv4, protocol, port));
        if parity == Parity::EvenAndNext {
            self.taken.insert((ipv4, protocol, port + 1));
        }
        Some(port)
    }

    /// It is free again.
    pub(crate) fn give_back(&mut self, (ipv4, protocol): (bool, Protocol), port: u16) {
        self.taken.remove(&(ipv4, protocol, port));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UDP4: (bool, Protocol) = (true, Protocol::Udp);

    #[test]
    fn all_ports_are_given_once_whatever_is_drawn() {
        for (parity, n_expected) in [(Parity::Any, 7), (Parity::Even, 3), (Parity::EvenAndNext, 3)]
        {
            for drawn in [0, 3, 6, 7, u64::MAX] {
                let mut ports = Ports::default();
                let mut taken = BTreeSet::new();
                while let Some(port) = ports.take(&(10_001..=10_007), UDP4, parity, drawn, |_| true)
                {
                    assert!((10_001..=10_007).contains(&port) && taken.insert(port));
                    assert!(parity == Parity::Any || port % 2 == 0, "{port}");
                }
                assert_eq!(taken.len(), n_expected, "{parity:?} {drawn}");
                ports.give_back(UDP4, 10_004);
                assert_eq!(
                    ports.take(&(10_001..=10_007), UDP4, Parity::Even, drawn, |_| true),
                    Some(10_004)
                );
            }
        }
    }

    #[test]
    fn families_and_protocols_have_their_own_and_what_others_have_is_passed_over() {
        let mut ports = Ports::default();
        let range = 5..=6;
        for kind in [UDP4, (false, Protocol::Udp), (true, Protocol::Tcp)] {
            let is_free = |port| port != 5;
            assert_eq!(ports.take(&range, kind, Parity::Any, 0, is_free), Some(6), "{kind:?}");
            assert_eq!(ports.take(&range, kind, Parity::Any, 0, is_free), None, "{kind:?}");
        }
        let mut n_tries = 0;
        let none = ports.take(&(1..=65_535), UDP4, Parity::Any, 9, |_| {
            n_tries += 1;
            false
        });
        assert_eq!((none, n_tries), (None, MAX_TRIES));
        let at_end = ports.take(&(65_535..=65_535), UDP4, Parity::EvenAndNext, 0, |_| true);
        assert_eq!(at_end, None);
    }
}

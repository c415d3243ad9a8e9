//! PURE. Which layer of a picture is better than which.
//!
//! A layer's number is its place in the publisher's offer, and says nothing (RFC 8853): browsers write the
//! smallest first, OBS the largest. What has come says it: the height of its pictures, else its rate. Until
//! then the offer's order stands.

use crate::sfu::path::MAX_LAYERS;

/// A rate is clearly more than another if it is so many times as much.
const CLEARLY: f64 = 1.5;

/// What is known of a layer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    /// Lines; 0: not known.
    pub(crate) height: u16,
    /// Bits a second; unset where it is not sure.
    pub(crate) bps: Option<u32>,
}

impl Seen {
    fn is_better_than(self, other: Self) -> bool {
        if self.height != other.height && self.height > 0 && other.height > 0 {
            return self.height > other.height;
        }
        self.bps
            .zip(other.bps)
            .is_some_and(|(own, other)| f64::from(own) > CLEARLY * f64::from(other))
    }
}

/// The numbers of a picture's layers, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quality([u8; MAX_LAYERS]);

impl Default for Quality {
    fn default() -> Self {
        Self(std::array::from_fn(|layer| layer as u8))
    }
}

impl Quality {
    /// Brings the order up to what is known. What is not clearly the other way round stays.
    pub(crate) fn learn(&mut self, seen: [Seen; MAX_LAYERS]) {
        let of = |layer: u8| seen.get(usize::from(layer)).copied().unwrap_or_default();
        // All pairs: one that is not known must not part others that are.
        for rank in 0..MAX_LAYERS {
            for above in rank + 1..MAX_LAYERS {
                if of(self.0[rank]).is_better_than(of(self.0[above])) {
                    self.0.swap(rank, above);
                }
            }
        }
    }

    /// The layer of this rank.
    pub(crate) fn layer(&self, rank: u8) -> u8 {
        self.0.get(usize::from(rank)).copied().unwrap_or(rank)
    }

    /// How many layers are worse.
    pub(crate) fn rank(&self, layer: u8) -> u8 {
        let rank = self.0.iter().position(|known| *known == layer);
        rank.map_or(layer, |rank| rank as u8)
    }

    /// Those below this layer, a bit for each.
    pub(crate) fn below(&self, layer: u8) -> u8 {
        self.down_from(layer).skip(1).fold(0, |layers, layer| layers | 1 << layer)
    }

    /// This layer and those below it, the best first.
    pub(crate) fn down_from(&self, layer: u8) -> impl Iterator<Item = u8> {
        let rank = usize::from(self.rank(layer)).min(MAX_LAYERS - 1);
        let order = self.0;
        (0..=rank).rev().map(move |rank| order[rank])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(mut quality: Quality, seen: &[(u16, u32)]) -> Quality {
        let of = |layer: usize| {
            let (height, kbps) = seen.get(layer).copied().unwrap_or_default();
            Seen { height, bps: (kbps > 0).then_some(kbps * 1000) }
        };
        quality.learn(std::array::from_fn(of));
        quality
    }

    #[test]
    fn quality_is_what_comes_and_not_the_order() {
        type Row<'a> = (&'a [(u16, u32)], [u8; 4], &'a str);
        let cases: &[Row<'_>] = &[
            (&[], [0, 1, 2, 3], "nothing is known"),
            (&[(180, 0), (360, 0), (720, 0)], [0, 1, 2, 3], "browsers"),
            (&[(1080, 0), (720, 0), (540, 0), (360, 0)], [3, 2, 1, 0], "OBS"),
            (&[(0, 4000), (0, 1000), (0, 300)], [2, 1, 0, 3], "by rate"),
            (&[(720, 300), (360, 900)], [1, 0, 2, 3], "height counts before rate"),
            (&[(720, 900), (720, 400)], [1, 0, 2, 3], "of equal height by rate"),
            (&[(0, 1000), (0, 900)], [0, 1, 2, 3], "not clearly"),
            (&[(360, 0), (0, 0), (180, 0)], [2, 1, 0, 3], "what has not come keeps its place"),
            (&[(0, 0), (180, 0), (720, 0)], [0, 1, 2, 3], "and is in nobody's way"),
        ];
        for (seen, order, what) in cases {
            assert_eq!(learned(Quality::default(), seen).0, *order, "{what}");
        }
    }

    #[test]
    fn it_goes_to_and_fro_for_a_reason_only() {
        let turned = learned(Quality::default(), &[(0, 900), (0, 300)]);
        assert_eq!(learned(turned, &[(0, 500), (0, 600)]), turned);
        assert_eq!(learned(turned, &[]), turned, "silence says nothing");
        assert_eq!(learned(turned, &[(0, 300), (0, 900)]), Quality::default());
        assert_eq!(turned.down_from(0).collect::<Vec<_>>(), [0, 1]);
        assert_eq!((turned.rank(0), turned.layer(0), turned.layer(1)), (1, 1, 0));
    }
}

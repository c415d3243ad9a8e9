//! An estimate made into layers: what each tile of one viewer gets.
//!
//! Sound is paid first, always. Then every visible tile gets its lowest layer, the largest first;
//! then all are raised step by step, the largest first. A hidden tile costs nothing. A higher layer
//! than the present one needs room to spare and a pause since the last fall, so that the picture
//! does not go to and fro.

use std::time::{Duration, Instant};

/// Layers of one track, at most.
pub const MAX_LAYERS: usize = 4;
/// A raise needs this much room over its cost.
const SPARE: f64 = 1.15;
/// The largest tile keeps its lowest layer while the first share of it fits, and gets it back with
/// the second: better a late picture than none, but not now one and now the other.
const LAST_SHARE: (f64, f64) = (0.5, 0.8);
/// A layer is high enough for a tile of so many times its height.
const STRETCH: f64 = 1.2;
/// Pauses after a fall before the next raise.
const HOLD: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(8));
/// A raise that lasted so long was right.
const LASTED: Duration = Duration::from_secs(10);

/// One layer as it comes from the publisher.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Layer {
    /// What it costs on the wire, bits a second. 0: it does not come.
    pub bps: u32,
    /// Height of its picture in pixels; 0 is unknown.
    pub height: u16,
}

/// A picture that a viewer may be shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tile {
    /// In device pixels, as the viewer told; 0 by 0 with `visible` is "not told".
    pub width: u16,
    /// See `width`.
    pub height: u16,
    /// It is on the page and on the screen.
    pub visible: bool,
    /// The lowest first; those that do not come have no rate.
    pub layers: [Layer; MAX_LAYERS],
    /// What it gets now.
    pub current: Option<u8>,
}

impl Tile {
    /// Tiles of unknown size count as large.
    fn area(&self) -> u32 {
        match u32::from(self.width) * u32::from(self.height) {
            0 => u32::MAX,
            area => area,
        }
    }

    fn lowest(&self) -> Option<u8> {
        self.layers.iter().position(|layer| layer.bps > 0).map(|layer| layer as u8)
    }

    fn above(&self, layer: u8) -> Option<u8> {
        let from = usize::from(layer) + 1;
        let next = self.layers.iter().enumerate().skip(from).find(|(_, layer)| layer.bps > 0)?;
        Some(next.0 as u8)
    }

    fn bps(&self, layer: u8) -> f64 {
        self.layers.get(usize::from(layer)).map_or(0.0, |layer| f64::from(layer.bps))
    }

    /// What it costs now, bits a second.
    pub fn current_bps(&self) -> f64 {
        self.current.map_or(0.0, |layer| self.bps(layer))
    }

    /// What it would cost if there were room for all that it can show; 0: it shows nothing.
    pub fn useful_bps(&self) -> f64 {
        let Some(mut layer) = self.lowest().filter(|_| self.visible) else { return 0.0 };
        while let Some(next) = self.above(layer).filter(|_| !self.is_enough(layer)) {
            layer = next;
        }
        self.bps(layer)
    }

    /// A tile of this size is served well enough by this layer. A layer that is shown already stays
    /// so until the tile has shrunk for good.
    fn is_enough(&self, layer: u8) -> bool {
        let Some(Layer { height, .. }) = self.layers.get(usize::from(layer)) else { return true };
        if self.height == 0 || *height == 0 {
            return false;
        }
        let slack = if self.current.is_some_and(|current| current > layer) { 0.8 } else { 1.0 };
        f64::from(*height) * STRETCH * slack >= f64::from(self.height)
    }
}

/// What there is to be given out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// The estimate, bits a second.
    pub bps: f64,
    /// Something has shown the path's limit; else the estimate is a hope.
    pub is_measured: bool,
    /// What sound takes.
    pub audio_bps: f64,
}

/// A viewer's layers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Allocation {
    /// One a tile, in their order; `None`: nothing is sent.
    pub layers: Vec<Option<u8>>,
    /// What the next raise needs in all; `None`: everybody has what the tile can use. A prober
    /// looks for this much.
    pub wanted_bps: Option<f64>,
}

/// Makes [`Allocation`]s one after the other, and remembers falls.
#[derive(Debug)]
pub struct Allocator {
    raised_at: Option<Instant>,
    no_raise_before: Option<Instant>,
    hold: Duration,
}

impl Default for Allocator {
    fn default() -> Self {
        Self { raised_at: None, no_raise_before: None, hold: HOLD.0 }
    }
}

impl Allocator {
    /// Gives out the budget.
    pub fn allocate(&mut self, now: Instant, budget: Budget, tiles: &[Tile]) -> Allocation {
        let may_raise = self.no_raise_before.is_none_or(|at| at <= now);
        let mut left = budget.bps - budget.audio_bps;
        let total = left;
        let mut order: Vec<usize> = (0..tiles.len()).filter(|n| tiles[*n].visible).collect();
        order.sort_by_key(|n| std::cmp::Reverse(tiles[*n].area()));
        let mut out = Allocation { layers: vec![None; tiles.len()], wanted_bps: None };
        let mut miss = |need: f64, left: f64| {
            let wanted = budget.audio_bps + (total - left) + need;
            out.wanted_bps = Some(out.wanted_bps.map_or(wanted, |other: f64| other.min(wanted)));
        };
        let mut layers: Vec<Option<u8>> = vec![None; tiles.len()];
        for (rank, &n) in order.iter().enumerate() {
            let Some(lowest) = tiles[n].lowest() else { continue };
            let cost = tiles[n].bps(lowest);
            let need = if tiles[n].current.is_some() { cost } else { cost * SPARE };
            let returns = tiles[n].current.is_some() || may_raise;
            let share = if tiles[n].current.is_some() { LAST_SHARE.0 } else { LAST_SHARE.1 };
            let last_resort = rank == 0 && returns && left >= share * cost;
            if need > left {
                miss(need, left);
            }
            if !budget.is_measured || (need <= left && returns) || last_resort {
                layers[n] = Some(lowest);
                left -= cost;
            }
        }
        for _ in 1..MAX_LAYERS {
            for &n in &order {
                let tile = &tiles[n];
                let Some(has) = layers[n] else { continue };
                let Some(next) = tile.above(has).filter(|_| !tile.is_enough(has)) else { continue };
                let cost = tile.bps(next) - tile.bps(has);
                let is_raise = tile.current.is_none_or(|current| next > current);
                let need = if is_raise && budget.is_measured { cost * SPARE } else { cost };
                if need <= left && (may_raise || !is_raise || tile.current.is_none()) {
                    layers[n] = Some(next);
                    left -= cost;
                } else if need > left {
                    miss(need, left);
                }
            }
        }
        out.layers = layers;
        self.remember(now, tiles, &out.layers);
        out
    }

    fn remember(&mut self, now: Instant, tiles: &[Tile], layers: &[Option<u8>]) {
        let pairs = || tiles.iter().zip(layers).filter(|(tile, _)| tile.visible);
        let has_fallen = pairs().any(|(tile, layer)| {
            let enough = layer.is_some_and(|layer| tile.is_enough(layer));
            let comes = tile.current.is_some_and(|current| tile.bps(current) > 0.0);
            tile.current > *layer && comes && !enough
        });
        let has_risen =
            pairs().any(|(tile, layer)| tile.current.is_some() && tile.current < *layer);
        if has_fallen {
            let was_wrong = self.raised_at.is_some_and(|at| now < at + LASTED);
            self.hold = if was_wrong { (self.hold * 2).min(HOLD.1) } else { HOLD.0 };
            self.no_raise_before = Some(now + self.hold);
        } else if has_risen {
            self.raised_at = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KBPS: [u32; 3] = [150, 500, 1500];

    /// A tile of a height (0: hidden), with what it has now.
    fn tile(height: u16, current: Option<u8>) -> Tile {
        let layer = |n: usize| Layer { bps: KBPS[n] * 1000, height: 180 << n };
        Tile {
            width: height / 9 * 16,
            height,
            visible: height > 0,
            layers: [layer(0), layer(1), layer(2), Layer::default()],
            current,
        }
    }

    fn budget(kbps: u32, is_measured: bool) -> Budget {
        Budget { bps: f64::from(kbps) * 1000.0, is_measured, audio_bps: 50_000.0 }
    }

    #[test]
    fn layers_follow_size_budget_and_what_is_shown_already() {
        type Row<'a> = (u32, bool, &'a [(u16, Option<u8>)], &'a [Option<u8>], &'a str);
        let cases: &[Row<'_>] = &[
            (9000, true, &[(720, None)], &[Some(2)], "room for all"),
            (9000, true, &[(0, Some(2))], &[None], "hidden"),
            (9000, true, &[(180, None), (360, None)], &[Some(0), Some(1)], "by size"),
            (9000, true, &[(210, None)], &[Some(0)], "180 lines do for 210"),
            (9000, true, &[(210, Some(1))], &[Some(1)], "what has more keeps it for a bit"),
            (9000, true, &[(170, Some(1))], &[Some(0)], "until the tile is clearly smaller"),
            (300, true, &[(720, Some(2))], &[Some(0)], "little room"),
            (300, true, &[(720, None), (180, None)], &[Some(0), None], "the largest first"),
            (300, true, &[(180, None), (720, None)], &[None, Some(0)], "in whatever order"),
            (300, false, &[(180, None), (720, None)], &[Some(0), Some(0)], "nothing known yet"),
            (600, true, &[(720, Some(0))], &[Some(0)], "a raise needs room to spare"),
            (600, true, &[(720, Some(1))], &[Some(1)], "what is there does not"),
            (1300, true, &[(360, None), (720, None)], &[Some(1), Some(1)], "step by step"),
            (150, true, &[(720, Some(0))], &[Some(0)], "the last picture stays"),
            (130, true, &[(720, Some(0))], &[Some(0)], "even if it does not fit"),
            (120, true, &[(720, Some(0))], &[None], "but not at any price"),
            (160, true, &[(720, None)], &[None], "it is not there for a moment"),
            (175, true, &[(720, None)], &[Some(0)], "but where it may stay"),
            (100, true, &[], &[], "nobody"),
        ];
        for (kbps, is_measured, tiles, expected, what) in cases {
            let tiles: Vec<Tile> = tiles.iter().map(|(height, now)| tile(*height, *now)).collect();
            let budget = budget(*kbps, *is_measured);
            let now = Instant::now();
            let mut allocator = Allocator::default();
            assert_eq!(allocator.allocate(now, budget, &tiles).layers, *expected, "{what}");
        }
    }

    #[test]
    fn layers_that_do_not_come_are_not_given() {
        let mut one = tile(720, None);
        one.layers[0].bps = 0;
        one.layers[2].bps = 0;
        let now = Instant::now();
        let out = Allocator::default().allocate(now, budget(9000, true), &[one]);
        assert_eq!(out, Allocation { layers: vec![Some(1)], wanted_bps: None });
        one.layers[1].bps = 0;
        let out = Allocator::default().allocate(now, budget(9000, true), &[one]);
        assert_eq!(out.layers, [None]);
    }

    #[test]
    fn after_a_fall_a_raise_waits_and_longer_if_the_last_one_was_wrong() {
        let mut now = Instant::now();
        let mut allocator = Allocator::default();
        let mut current = Some(1);
        let mut waits = Vec::new();
        for _ in 0..4 {
            for (kbps, wanted) in [(300, Some(0)), (900, Some(1))] {
                let mut waited_ms = 0;
                while current != wanted {
                    now += Duration::from_millis(250);
                    waited_ms += 250;
                    let tiles = [tile(360, current)];
                    current = allocator.allocate(now, budget(kbps, true), &tiles).layers[0];
                }
                waits.push(waited_ms);
            }
        }
        assert_eq!(waits, [250, 2000, 250, 4000, 250, 8000, 250, 8000]);
    }

    #[test]
    fn a_tile_has_use_for_what_it_can_show() {
        let cases = [(0, 0), (180, 150), (360, 500), (720, 1500), (2000, 1500)];
        for (height, kbps) in cases {
            assert_eq!(tile(height, None).useful_bps(), f64::from(kbps) * 1000.0, "{height}");
        }
        let mut silent = tile(720, None);
        silent.layers = [Layer::default(); MAX_LAYERS];
        assert_eq!(silent.useful_bps(), 0.0);
    }

    #[test]
    fn what_is_wanted_is_the_next_step_with_room_to_spare() {
        let now = Instant::now();
        let wanted = |kbps, height| {
            let tiles = [tile(height, Some(0))];
            Allocator::default().allocate(now, budget(kbps, true), &tiles).wanted_bps
        };
        assert_eq!(wanted(300, 720), Some(50_000.0 + 150_000.0 + 350_000.0 * SPARE));
        assert_eq!(wanted(300, 180), None);
        assert_eq!(wanted(9000, 720), None);
    }
}

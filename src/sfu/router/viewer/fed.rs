//! What a viewer does when its tracks come from another worker of the room.
//!
//! Owns nothing.

use super::Viewer;

impl Viewer {
    /// The past of a layer has come into the cache: if this viewer waits for it, it begins with that.
    /// True if so.
    pub(crate) fn start_again(&mut self, track: usize, layer: u8) -> bool {
        let forwarder = self.forwarder_of(track);
        let waits = forwarder.is_some_and(|forwarder| forwarder.wants_keyframe() == Some(layer));
        if waits && !self.starts.contains(&track) {
            self.starts.push(track);
        }
        waits
    }

    /// Packets of this layer were lost between the workers, for ever: video goes on with a keyframe,
    /// sound without a gap. True if this viewer needs that layer.
    pub(crate) fn lose(&mut self, track: usize, layer: u8) -> bool {
        let slot = self.by_track.get(track).copied().flatten();
        let Some(Some(state)) = slot.and_then(|slot| self.slots.get_mut(slot)) else {
            return false;
        };
        if state.forwarder.layer() == layer {
            state.forwarder.skip_to_keyframe();
        }
        state.forwarder.takes(layer)
    }
}

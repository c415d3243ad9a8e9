//! Which codec a track is shown in, where its publisher may send several in one section.
//!
//! Owns when that changes: a viewer has a line for each codec, so each change is told to everybody who
//! watches. It changes at a keyframe and at most once a second; what else comes in another codec is
//! left out, whoever sends it.

use std::time::{Duration, Instant};

use super::published::Published;
use crate::{protocol::MediaKind, sfu::media::packet::Packet};

/// Between two changes: an encoder that is replaced takes longer, and one who plays with it shall not
/// keep everybody's tables busy.
const CHANGE_EVERY: Duration = Duration::from_secs(1);

/// What becomes of a packet, by its codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is of the track's.
    Same,
    /// The track is shown in this one from here on.
    Other,
    /// It is left out. A keyframe may be what the change waits for.
    Refused { wants_keyframe: bool },
}

impl Published {
    /// Looks at a packet before it is taken in.
    #[inline]
    pub(super) fn admit(&mut self, now: Instant, packet: &Packet) -> Admission {
        if self.codec == Some(packet.codec) {
            return Admission::Same;
        }
        self.admit_other(now, packet)
    }

    fn admit_other(&mut self, now: Instant, packet: &Packet) -> Admission {
        let refused = |wants_keyframe| Admission::Refused { wants_keyframe };
        if self.is_mirror() {
            // Its home decides; what was under way meanwhile is of no use.
            return refused(false);
        }
        if self.codec.is_some() {
            let is_soon = self.codec_changed.is_some_and(|changed| now < changed + CHANGE_EVERY);
            // What was sent again may come long after the publisher has left its codec.
            let is_old = self.layer(packet.layer).is_some_and(|track| track.is_straggler(packet));
            if is_soon || is_old {
                return refused(false);
            }
            if self.track.kind() == MediaKind::Video && !packet.keyframe {
                return refused(true);
            }
            self.codec_changed = Some(now);
        }
        self.codec = Some(packet.codec);
        Admission::Other
    }
}

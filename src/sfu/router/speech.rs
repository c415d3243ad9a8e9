//! Who is heard in a room, and who speaks: `speakers` decides, here it is done.
//!
//! Owns nothing. A packet of a voice that is left out never comes to a viewer; when the voice comes
//! back its viewers' forwarders are told, so that their numbers go on without a gap. That is done
//! once a change, never a packet.

use std::time::Instant;

use super::Router;
use crate::{
    protocol::{MediaKind, TrackSource},
    seams::media::Speaking,
    sfu::media::{speakers::Verdict, track::SourceTrack},
    telemetry::metrics::metrics,
};

/// Whether a track is one of those of which only the loudest are forwarded. The sound of a shared
/// screen is not: it was shared to be heard, however quiet it is.
pub(crate) fn is_voice(track: &SourceTrack) -> bool {
    track.kind() == MediaKind::Audio && track.source() != TrackSource::ScreenAudio
}

impl Router {
    /// Whether a packet of this voice, which has come just now, goes to viewers.
    pub(crate) fn hears(&mut self, now: Instant, number: usize, level: Option<u8>) -> bool {
        let verdict = self.speakers.hear(now, number, level);
        self.dirty.speaking(self.speakers.look(now));
        let is_heard = verdict != Verdict::LeaveOut;
        self.tracks[number].is_left_out = !is_heard;
        match verdict {
            Verdict::Forward => {}
            Verdict::Resume => {
                self.tracks[number].resumes = true;
                for (_, viewer) in &mut self.viewers {
                    viewer.resume(number);
                }
            }
            Verdict::LeaveOut => {
                metrics().packets_left_out.inc();
            }
        }
        is_heard
    }

    /// Who speaks now, if that is news.
    pub(crate) fn take_speaking(&mut self) -> Option<Speaking> {
        if !self.dirty.take_speaking() {
            return None;
        }
        let member = |number: usize| Some(self.tracks.get(number)?.track.id().member);
        let speaking = Speaking {
            active: self.speakers.active().and_then(member),
            members: self.speakers.speaking().filter_map(member).collect(),
        };
        if speaking == self.speaking {
            return None;
        }
        self.speaking = speaking.clone();
        Some(speaking)
    }
}

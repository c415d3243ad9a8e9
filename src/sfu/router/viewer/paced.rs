//! What a viewer is owed and its path cannot take at once: kept back, and sent as the path allows.
//!
//! Nothing is copied: the packets are in their track's cache, and what is kept back is a place in it. As
//! long as a slot has one, what comes fresh waits behind it there. Sound is never kept back. A viewer
//! on loopback has no pacer, and this costs it one branch a packet.
//!
//! ```text
//!  cache of the layer   ... 40 41 42 43 44 45 46      a start, or a keyframe larger than the bucket:
//!                              |next ------> newest   `next` goes on as the bucket fills, to the newest
//! ```

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use ipnet::IpNet;
use slab::Slab;

use super::{MAX_RESENT, SEAL_ROOM, SlotState, Viewer, ViewerKey};
use crate::{
    sfu::{
        down::{Downlink, Slot},
        media::packet::{Codec, Packet},
        path::{BELOW, Pace, Pacer, START_BPS},
        router::published::Published,
        wire::{
            outbox::{Outbox, Sink},
            transmit::Route,
        },
    },
    telemetry::metrics::metrics,
};

/// A start from the cache that would take longer is not worth its time: a new keyframe is asked for.
const START_WITHIN: Duration = Duration::from_millis(500);
/// Pictures that waited so long are left out, up to the next keyframe.
const TOO_LATE: Duration = Duration::from_secs(3);
/// The pace allows for so many times what the chosen layers and the sound take.
const CHOSEN: f64 = 1.25;
/// Where that is more than so many times what the path carries, the estimate has not dipped but fallen.
const DIP: f64 = 1.5;
/// Requests that wait; a viewer asks again for what it still lacks.
const MAX_REQUESTS: usize = 16;

/// Where a slot goes on in the cache of its track.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backlog {
    pub(super) layer: u8,
    next: u64,
}

impl SlotState {
    /// Whether a packet goes out now. If not, the backlog comes to it, or nobody needs it.
    #[inline]
    pub(super) fn passes(&mut self, pacer: &Pacer, index: u64, packet: &Packet) -> bool {
        if packet.codec == Codec::Opus {
            return true;
        }
        let layer = packet.layer;
        let begins = packet.keyframe && self.forwarder.target() == Some(layer);
        match self.backlog {
            None if pacer.has_room() => return true,
            None if begins || self.forwarder.layer() == layer => {}
            // It fills a gap that the backlog has passed.
            Some(backlog) if backlog.layer == layer => return index < backlog.next,
            // The layer to come begins: what waits of the other is not missed.
            Some(_) if begins => {}
            _ => return false,
        }
        self.backlog = Some(Backlog { layer, next: index });
        false
    }

    /// A keyframe of this layer is not under way already.
    pub(super) fn lacks(&self, layer: u8) -> bool {
        self.backlog.is_none_or(|backlog| backlog.layer != layer)
    }

    /// Seals a packet; bytes it has on the wire.
    pub(super) fn seal(
        &mut self,
        downlink: &mut Downlink,
        (slot, index, packet): (Slot, u64, &Packet),
        (key, to): (ViewerKey, Route),
        outbox: &mut Outbox,
        sink: &mut impl Sink,
    ) -> Option<usize> {
        let header = self.forwarder.forward(index, packet)?;
        let head = self.forwarder.head(index, packet);
        let room = packet.payload.len() + SEAL_ROOM;
        let mut len = 0;
        let key = ViewerKey { is_sound: packet.codec == Codec::Opus, ..key };
        let sealed = outbox.seal(key, to, room, sink, |space| {
            let sealed = match packet.red {
                Some(primary) => {
                    downlink.seal_red(slot, header, &packet.payload, primary.into(), space)
                }
                None => {
                    let rest = head.rest(&packet.payload);
                    downlink.seal_rtp(slot, header, head.bytes(), rest, space)
                }
            };
            len = sealed? + BELOW;
            sealed
        });
        sealed.then_some(len)
    }
}

impl Viewer {
    /// Takes over what is known of the path; so many bits a second are to be sent. A client that tells
    /// of no arrivals is to have them: of its path nothing can be known.
    pub(super) fn set_pace(&mut self, now: Instant, sent_bps: f64) {
        let Some(route) = self.downlink.route() else { return };
        let ip = route.peer.address.ip().to_canonical();
        if ip.is_loopback() {
            self.pacer = None;
            return;
        }
        let estimator = self.downlink.estimator().filter(|estimator| estimator.has_feedback());
        let (bps, is_measured) = match estimator {
            // What was chosen to be sent is not held back where the estimate dips a little for a
            // moment: a backlog would outlive the dip. Where it has fallen, the choice will.
            Some(estimator) => {
                let (carries, chosen) = (estimator.carries_bps(), CHOSEN * sent_bps);
                let bps = if chosen <= DIP * carries { carries.max(chosen) } else { carries };
                (bps, estimator.is_measured())
            }
            None => (START_BPS.max(2.0 * sent_bps), false),
        };
        let pace = Pace { bps, is_measured, is_near: is_near(ip, &self.near) };
        match &mut self.pacer {
            Some(pacer) => pacer.set(now, pace),
            none => *none = Some(Pacer::new(now, pace)),
        }
    }

    /// A wake-up at `now`.
    #[inline]
    pub(crate) fn wake(&mut self, now: Instant) {
        self.downlink.set_clock(now);
        if let Some(pacer) = &mut self.pacer {
            pacer.refill(now);
            pacer.set_full(self.downlink.is_full());
        }
    }

    /// The prefixes of the house have changed.
    pub(crate) fn set_near(&mut self, near: &Arc<[IpNet]>) {
        self.near = Arc::clone(near);
    }

    /// When what is kept back may go on.
    #[inline]
    pub(crate) fn held_until(&self, now: Instant) -> Option<Instant> {
        if !self.is_held && self.nacks.is_empty() {
            return None;
        }
        Some(self.pacer.as_ref().map_or(now, |pacer| pacer.due(now)))
    }

    /// Begins with a cached keyframe and what followed it, where that comes soon enough: of the layer
    /// that is aimed at or, until that one's keyframe comes, of the best below it. False if a keyframe
    /// of the one that is aimed at is to be asked for.
    pub(super) fn begin(&mut self, now: Instant, slot: Slot, published: &Published) -> bool {
        let Some(Some(state)) = self.slots.get_mut(slot) else { return true };
        let Some(target) = state.forwarder.target() else { return true };
        let pacer = self.pacer.as_ref();
        let start = |layer| {
            let (mut first, mut bytes) = (None, 0);
            for (index, packet) in published.layer(layer)?.start(now)? {
                first = first.or(Some(index));
                bytes += packet.payload.len() + SEAL_ROOM;
            }
            let is_soon = pacer.is_none_or(|pacer| pacer.takes(bytes) <= START_WITHIN);
            first.filter(|_| is_soon).map(|next| Backlog { layer, next })
        };
        let quality = published.quality();
        let backlog = quality.down_from(target).find_map(start);
        let is_target = backlog.is_some_and(|backlog| backlog.layer == target);
        if !is_target {
            state.forwarder.begin_with(quality.below(target));
        }
        state.backlog = backlog;
        self.is_held |= backlog.is_some();
        is_target
    }

    /// Seals what was kept back, as far as the path takes it now: retransmissions first.
    pub(super) fn send_held(
        &mut self,
        now: Instant,
        (key, to): (ViewerKey, Route),
        tracks: &Slab<Published>,
        outbox: &mut Outbox,
        sink: &mut impl Sink,
    ) {
        for (slot, mut sequences) in std::mem::take(&mut self.nacks) {
            let n_done = self.resend(key, to, slot, &sequences, tracks, outbox, sink);
            if n_done < sequences.len().min(MAX_RESENT) && self.nacks.len() < MAX_REQUESTS {
                sequences.drain(..n_done);
                self.nacks.push((slot, sequences));
            }
        }
        if !std::mem::take(&mut self.is_held) {
            return;
        }
        // What a probe is due, what waits is better than padding: else nothing would be known of the
        // path before it has all gone.
        let probe_len = self.downlink.probe_len();
        if let Some(pacer) = &mut self.pacer
            && probe_len > 0
        {
            pacer.allow(probe_len);
        }
        let n_slots = self.slots.len();
        let first = self.turn;
        for place in 0..n_slots {
            let slot = (first + place) % n_slots;
            if self.send_backlog(now, slot, (key, to), tracks, outbox, sink) {
                continue;
            }
            if !self.is_held {
                // Next time another slot is first.
                self.turn = slot + 1;
            }
            self.is_held = true;
        }
    }

    /// True if nothing of this slot is kept back any more.
    fn send_backlog(
        &mut self,
        now: Instant,
        slot: Slot,
        target: (ViewerKey, Route),
        tracks: &Slab<Published>,
        outbox: &mut Outbox,
        sink: &mut impl Sink,
    ) -> bool {
        let Some(Some(state)) = self.slots.get_mut(slot) else { return true };
        let Some(Backlog { layer, mut next }) = state.backlog.take() else { return true };
        let published = state.track.and_then(|track| tracks.get(track));
        let Some(track) = published.and_then(|published| published.layer(layer)) else {
            return true;
        };
        while track.newest_index().is_some_and(|newest| next <= newest) {
            if let Some(packet) = track.packet(next) {
                if self.pacer.is_some() && now > packet.arrived + TOO_LATE {
                    state.forwarder.skip_to_keyframe();
                    self.wait_for_keyframe(now);
                    return true;
                }
                if self.pacer.as_ref().is_some_and(|pacer| !pacer.has_room()) {
                    state.backlog = Some(Backlog { layer, next });
                    return false;
                }
                let what = (slot, next, packet);
                let sealed = state.seal(&mut self.downlink, what, target, outbox, sink);
                if let (Some(pacer), Some(len)) = (&mut self.pacer, sealed) {
                    pacer.spend(len);
                }
            }
            next += 1;
        }
        true
    }

    /// How many of them were looked for: all, unless the path takes no more now.
    #[expect(clippy::too_many_arguments, reason = "all borrowed apart")]
    fn resend(
        &mut self,
        key: ViewerKey,
        to: Route,
        slot: Slot,
        sequences: &[u16],
        tracks: &Slab<Published>,
        outbox: &mut Outbox,
        sink: &mut impl Sink,
    ) -> usize {
        let all = sequences.len();
        let Some(Some(state)) = self.slots.get(slot) else { return all };
        let Some(published) = state.track.and_then(|track| tracks.get(track)) else { return all };
        let downlink = &mut self.downlink;
        let (mut n_resent, mut n_done) = (0, 0);
        for sequence in sequences.iter().take(MAX_RESENT) {
            if self.pacer.as_ref().is_some_and(|pacer| !pacer.has_room()) {
                break;
            }
            n_done += 1;
            let Some((layer, index)) = state.forwarder.index_of(*sequence) else { continue };
            let Some(track) = published.layer(layer) else { continue };
            let Some(packet) = track.packet(index) else { continue };
            let Some(header) = state.forwarder.again(index, packet) else { continue };
            let head = state.forwarder.head(index, packet);
            let room = packet.payload.len() + SEAL_ROOM;
            let sealed = outbox.seal(key, to, room, sink, |space| {
                // Of the codec itself, which `apt` names (RFC 4588 8.1), also where RED went out.
                downlink.seal_rtx(slot, header, head.bytes(), head.rest(packet.plain()), space)
            });
            n_resent += u64::from(sealed);
            if let Some(pacer) = &mut self.pacer
                && sealed
            {
                pacer.spend(room);
            }
        }
        metrics().retransmissions.inc_by(n_resent);
        n_done
    }
}

/// An address of the house: RFC 1918, link-local, ULA, or of a prefix that is on one of the box's links:
/// IPv6 clients in the same room come by their global addresses.
fn is_near(ip: IpAddr, prefixes: &[IpNet]) -> bool {
    let is_private = match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    };
    is_private || prefixes.iter().any(|prefix| prefix.contains(&ip))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_the_houses_own_prefix_is_near() {
        let prefixes: [IpNet; 2] =
            ["2001:db8:1:2::/64", "2001:db8:9::7/128"].map(|text| text.parse().expect("a prefix"));
        for (ip, expected) in [
            ("192.168.1.7", true),
            ("169.254.3.4", true),
            ("203.0.113.5", false),
            ("fd00::5", true),
            ("fe80::5", true),
            ("2001:db8:1:2:a:b:c:d", true),
            ("2001:db8:9::7", true),
            ("2001:db8:1:3::1", false),
            ("2001:db8:9::8", false),
        ] {
            let ip = ip.parse().expect("an address");
            assert_eq!(is_near(ip, &prefixes), expected, "{ip}");
            assert_eq!(is_near(ip, &[]), expected && !ip.to_string().starts_with("2001"), "{ip}");
        }
    }
}

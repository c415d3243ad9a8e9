//! What comes for a transport: told apart by its first byte (RFC 7983), and the handshake's end.

use std::time::Instant;

use super::{Arrival, Claim, Direction, Keyed, Link, Phase};
use crate::sfu::{
    link::{
        dtls::Progress,
        ice::{Checked, pairs::Pairs},
        srtp::{Inbound, Srtp},
    },
    wire::transmit::{Route, Transmit},
};

impl Link {
    /// A datagram came by this way.
    #[inline]
    pub(crate) fn handle(
        &mut self,
        now: Instant,
        from: Route,
        data: &[u8],
        out: &mut dyn Transmit,
    ) -> Arrival {
        if self.is_closed() {
            return Arrival::Refused;
        }
        // RFC 7983.
        match data.first() {
            Some(0..=3) => self.handle_stun(now, from, data, out),
            Some(_) if !self.ice.pairs.knows(from.peer) => Arrival::Refused,
            Some(20..=63) => self.handle_dtls(now, from, data, out),
            Some(128..=191) if self.is_connected() => match data.get(1) {
                // RFC 5761 4.
                Some(192..=223) => Arrival::Rtcp,
                Some(_) if self.direction == Direction::Up => Arrival::Rtp,
                _ => Arrival::Refused,
            },
            _ => Arrival::Refused,
        }
    }

    fn handle_stun(
        &mut self,
        now: Instant,
        from: Route,
        data: &[u8],
        out: &mut dyn Transmit,
    ) -> Arrival {
        match self.ice.handle(now, from, data, out) {
            Checked::Ignored => return Arrival::Refused,
            Checked::Refused => {}
            Checked::Valid | Checked::Answered => {
                self.heard(now);
                self.claim(from);
                self.begin_handshake(now, from, out);
            }
        }
        Arrival::Done
    }

    /// Where we are the client of DTLS, we begin as soon as it is known where the other end is.
    fn begin_handshake(&mut self, now: Instant, to: Route, out: &mut dyn Transmit) {
        let Self { ice, dtls, flew, .. } = self;
        dtls.reachable(now, |datagram| fly(&mut ice.pairs, flew, to, datagram, out));
    }

    fn claim(&mut self, from: Route) {
        self.claim = Some(Claim { peer: from.peer, is_proven: self.ice.pairs.is_proven(from) });
    }

    /// What has become known of a peer by the last datagram.
    pub(crate) fn take_claim(&mut self) -> Option<Claim> {
        self.claim.take()
    }

    fn handle_dtls(
        &mut self,
        now: Instant,
        from: Route,
        data: &[u8],
        out: &mut dyn Transmit,
    ) -> Arrival {
        let Self { ice, dtls, flew, .. } = self;
        ice.pairs.received(from, data.len());
        let progress =
            dtls.handle(now, data, |datagram| fly(&mut ice.pairs, flew, from, datagram, out));
        match progress {
            Progress::Ignored => return Arrival::Refused,
            Progress::Going => {}
            // The last flight is out by now: media that came before it would be thrown away.
            Progress::Completed => {
                // Its end answers what went there alone: the client is there.
                if self.flew == Some((from, false)) {
                    self.ice.pairs.prove(now, from);
                }
                self.ice.pairs.used(now, from);
                self.claim(from);
                match self.dtls.keys() {
                    Some(keys) => {
                        self.phase = Phase::Keyed(Box::new(keys));
                        self.connect(now);
                    }
                    None => self.reject(now, "the client has no SRTP profile or no certificate"),
                }
            }
            Progress::Closed => self.end(None),
            Progress::Failed(reason) => self.end(Some(reason)),
        }
        Arrival::Done
    }

    /// Becomes connected if the fingerprint that vouches for the keys is there.
    pub(super) fn connect(&mut self, now: Instant) {
        let (Phase::Keyed(keys), Some(remote)) = (&self.phase, &self.remote) else { return };
        if keys.fingerprint != remote.fingerprint {
            let reason = "the client's certificate is not the one that its description names";
            return self.reject(now, reason);
        }
        let (profile, keying) = (keys.profile, &*keys.keying);
        let inbound = match self.direction {
            Direction::Up => Inbound::new(profile, keying).map(|inbound| Some(Box::new(inbound))),
            Direction::Down => Some(None),
        };
        match Srtp::new(profile, keying).zip(inbound) {
            Some((srtp, inbound)) => {
                self.phase = Phase::Connected(Box::new(Keyed { srtp, inbound }));
                self.heard(now);
            }
            None => self.reject(now, "the keying material has the wrong length"),
        }
    }

    /// These keys are nobody's whom we wait for: perhaps somebody has come before the client.
    fn reject(&mut self, now: Instant, reason: &str) {
        self.dtls.begin_anew(now, reason.to_owned());
        self.flew = None;
        self.phase = Phase::Handshake;
    }
}

/// A datagram of a handshake goes by a way, if that may have more.
pub(super) fn fly(
    pairs: &mut Pairs,
    flew: &mut Option<(Route, bool)>,
    to: Route,
    datagram: &[u8],
    out: &mut dyn Transmit,
) {
    if !pairs.may_send(to, datagram.len()) {
        return;
    }
    let elsewhere = flew.is_some_and(|(before, elsewhere)| elsewhere || before != to);
    *flew = Some((to, elsewhere));
    out.transmit(to, datagram);
}

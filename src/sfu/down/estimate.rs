//! What a viewer's connection knows of its path: an estimator, of arrivals where the client has agreed
//! to tell of them, else of its reports; and where the padding of its probes goes.

use std::time::Instant;

use super::Downlink;
use crate::sfu::path::Estimator;

impl Downlink {
    /// After a negotiation.
    pub(super) fn estimate(&mut self, now: Instant) {
        self.estimator.get_or_insert_with(|| Box::new(Estimator::new(now)));
    }

    /// What is sealed from here on leaves at `now`; [`Downlink::estimator`] counts with that.
    #[inline]
    pub fn set_clock(&mut self, now: Instant) {
        self.clock = self.clock.max(now);
    }

    /// A probe of the path lacks padding: [`Downlink::seal_padding`].
    #[inline]
    pub fn is_padding_due(&self) -> bool {
        self.probe_len() > 0
    }

    /// Bytes that a probe is due now, of padding or of whatever there is to be sent.
    pub fn probe_len(&self) -> usize {
        self.estimator.as_ref().map_or(0, |estimator| estimator.padding(self.clock))
    }

    /// So much is under way to the client that nothing more is to be sent now but sound.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.estimator.as_ref().is_some_and(|estimator| estimator.is_full(self.clock))
    }

    /// There is a stream that padding may go by.
    pub fn can_pad(&self) -> bool {
        self.negotiation.padding_slot().is_some()
    }

    /// The estimate of the path; `None` before the first negotiation.
    pub fn estimator(&mut self) -> Option<&mut Estimator> {
        self.estimator.as_deref_mut()
    }
}

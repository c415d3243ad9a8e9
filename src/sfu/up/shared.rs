//! What all publishers' connections share.

use std::{fmt::Write as _, sync::Arc};

use crate::{seams::media::SfuError, sfu::link::dtls::DtlsShared};

/// What all publishers' connections share: certificate and DTLS configuration.
pub struct UpShared {
    pub(crate) dtls: Arc<DtlsShared>,
    /// SHA-256 of our certificate, upper-case hex pairs with colons.
    pub(crate) fingerprint: String,
}

impl UpShared {
    /// Makes a certificate for the life of the process.
    pub fn new() -> Result<Arc<Self>, SfuError> {
        let dtls = DtlsShared::new()?;
        let fingerprint = hex(dtls.fingerprint());
        Ok(Arc::new(Self { dtls, fingerprint }))
    }
}

impl std::fmt::Debug for UpShared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpShared").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

/// As in `a=fingerprint` (RFC 8122 section 5).
pub(crate) fn hex(fingerprint: &[u8; 32]) -> String {
    let mut text = String::with_capacity(95);
    for (nth, byte) in fingerprint.iter().enumerate() {
        let colon = if nth == 0 { "" } else { ":" };
        write!(text, "{colon}{byte:02X}").expect("a String takes all that is written");
    }
    text
}

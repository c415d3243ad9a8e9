//! What connections on the library share.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use rtc::{
    crypto::RTCCryptoProvider,
    dtls::{crypto::Certificate, extension::extension_use_srtp::SrtpProtectionProfile},
    peer_connection::certificate::RTCCertificate,
};

use super::hello::GCM_128;
use crate::{seams::media::SfuError, sfu::link::srtp::Profile};

/// What all publishers' connections share: the certificate and who does the cryptography.
pub struct ReferenceShared {
    pub(super) crypto: Arc<dyn RTCCryptoProvider>,
    pub(super) certificate: RTCCertificate,
    /// SHA-256, upper-case hex pairs with colons.
    pub(super) fingerprint: String,
}

impl ReferenceShared {
    /// Makes a certificate for the life of the process.
    pub fn new() -> Result<Arc<Self>, SfuError> {
        let internal =
            |error: String| SfuError::Internal(format!("the media certificate: {error}"));
        let crypto =
            rtc::crypto::default_provider().map_err(|error| internal(error.to_string()))?;
        let names = vec!["parlor".to_owned()];
        let certificate = Certificate::generate_self_signed(names, crypto.crypto())
            .map_err(|error| internal(error.to_string()))?;
        let expires = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 33);
        let certificate = RTCCertificate::from_existing(certificate, expires);
        let fingerprints = certificate
            .get_fingerprints(crypto.crypto())
            .map_err(|error| internal(error.to_string()))?;
        let fingerprint = fingerprints
            .first()
            .map(|fingerprint| fingerprint.value.to_uppercase())
            .ok_or_else(|| internal("it has no fingerprint".to_owned()))?;
        Ok(Arc::new(Self { crypto, certificate, fingerprint }))
    }
}

impl std::fmt::Debug for ReferenceShared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReferenceShared")
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

/// Our SRTP profiles for a client that offers `offered`: GCM alone where both ends have it and it is
/// preferred here, since the library would follow the client's order.
pub(super) fn profiles(offered: &[u16]) -> Vec<SrtpProtectionProfile> {
    use SrtpProtectionProfile::{Srtp_Aead_Aes_128_Gcm, Srtp_Aes128_Cm_Hmac_Sha1_80};
    let has_gcm = offered.contains(&GCM_128);
    if has_gcm && (Profile::preferred() == Profile::Gcm || offered.len() == 1) {
        vec![Srtp_Aead_Aes_128_Gcm]
    } else {
        vec![Srtp_Aes128_Cm_Hmac_Sha1_80]
    }
}

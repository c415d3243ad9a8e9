//! What all publishers' connections share, and which SRTP profiles this machine prefers.

use std::sync::Arc;

use rtc::{
    crypto::{RTCCryptoProvider, SignatureScheme},
    dtls::extension::extension_use_srtp::SrtpProtectionProfile,
    peer_connection::certificate::RTCCertificate,
};

use super::hello::GCM_128;
use crate::sfu::SfuError;

/// What all publishers' connections share: the certificate and who does the cryptography.
pub struct UpShared {
    pub(super) crypto: Arc<dyn RTCCryptoProvider>,
    pub(super) certificate: RTCCertificate,
    /// SHA-256, upper-case hex pairs with colons.
    pub(super) fingerprint: String,
}

impl UpShared {
    /// Makes a certificate for the life of the process.
    pub fn new() -> Result<Arc<Self>, SfuError> {
        let internal =
            |error: String| SfuError::Internal(format!("the media certificate: {error}"));
        let crypto =
            rtc::crypto::default_provider().map_err(|error| internal(error.to_string()))?;
        let parameters = rcgen::CertificateParams::new(vec!["parlor".to_owned()])
            .map_err(|error| internal(error.to_string()))?;
        let scheme = SignatureScheme::EcdsaP256Sha256;
        let certificate = RTCCertificate::generate(crypto.crypto(), scheme, parameters)
            .map_err(|error| internal(error.to_string()))?;
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

impl std::fmt::Debug for UpShared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpShared").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

/// Our SRTP profiles for a client that offers `offered`: GCM alone where both ends have it and this
/// CPU does AES, since the library would follow the client's order.
pub(super) fn profiles(offered: &[u16]) -> Vec<SrtpProtectionProfile> {
    use SrtpProtectionProfile::{Srtp_Aead_Aes_128_Gcm, Srtp_Aes128_Cm_Hmac_Sha1_80};
    let has_gcm = offered.contains(&GCM_128);
    if has_gcm && (cpu_has_aes() || offered.len() == 1) {
        vec![Srtp_Aead_Aes_128_Gcm]
    } else if has_gcm {
        vec![Srtp_Aes128_Cm_Hmac_Sha1_80, Srtp_Aead_Aes_128_Gcm]
    } else {
        vec![Srtp_Aes128_Cm_Hmac_Sha1_80]
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
fn cpu_has_aes() -> bool {
    std::arch::is_x86_feature_detected!("aes")
}

#[cfg(target_arch = "aarch64")]
fn cpu_has_aes() -> bool {
    std::arch::is_aarch64_feature_detected!("aes")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64")))]
fn cpu_has_aes() -> bool {
    false
}

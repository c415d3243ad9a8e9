//! What many connections share: certificate, DTLS configurations, a secret.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use rtc::{
    crypto::RTCCryptoProvider,
    dtls::{
        config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig},
        crypto::Certificate,
        extension::extension_use_srtp::SrtpProtectionProfile,
    },
};

use super::{provider::Provider, role};
use crate::{seams::media::SfuError, sfu::link::srtp::Profile};

/// What many connections share: certificate and DTLS configuration.
pub struct DtlsShared {
    gcm: Arc<HandshakeConfig>,
    cm: Arc<HandshakeConfig>,
    /// Where we are the client: both profiles, the preferred first.
    pub(super) client: Arc<HandshakeConfig>,
    pub(super) preferred: Profile,
    fingerprint: [u8; 32],
    /// What nobody else knows.
    secret: [u8; 32],
}

impl DtlsShared {
    /// Makes a certificate for the life of this process.
    pub fn new() -> Result<Arc<Self>, SfuError> {
        let internal = |error: &dyn std::fmt::Display| SfuError::Internal(error.to_string());
        let provider = Provider::shared().map_err(|error| internal(&error))?;
        let certificate =
            Certificate::generate_self_signed(vec!["parlor".to_owned()], provider.crypto())
                .map_err(|error| internal(&error))?;
        Self::with(provider, certificate, Profile::preferred())
    }

    pub(crate) fn with(
        provider: Arc<dyn RTCCryptoProvider>,
        certificate: Certificate,
        preferred: Profile,
    ) -> Result<Arc<Self>, SfuError> {
        let internal = |error: &dyn std::fmt::Display| SfuError::Internal(error.to_string());
        let der = certificate.certificate.first();
        let fingerprint = sha256(der.ok_or_else(|| internal(&"no certificate"))?);
        let config = |profile| {
            ConfigBuilder::default()
                .with_crypto_provider(provider.clone())
                .with_certificates(vec![certificate.clone()])
                .with_srtp_protection_profiles(vec![profile])
                .with_client_auth(ClientAuthType::RequireAnyClientCert)
                .with_extended_master_secret(ExtendedMasterSecretType::Require)
                // There is no authority to ask: the fingerprint decides.
                .with_insecure_skip_verify(true)
                .build(false, None)
                .map(Arc::new)
                .map_err(|error| internal(&error))
        };
        let mut secret = [0; 32];
        provider.random().fill(&mut secret).map_err(|error| internal(&error))?;
        Ok(Arc::new(Self {
            secret,
            client: role::client(&provider, &certificate, preferred)
                .map_err(|error| internal(&error))?,
            gcm: config(SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm)?,
            cm: config(SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80)?,
            preferred,
            fingerprint,
        }))
    }

    /// SHA-256 of our certificate.
    pub(crate) fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// What numbers are made of that nobody can guess.
    pub(crate) fn secret(&self) -> [u8; 32] {
        self.secret
    }

    pub(super) fn config(&self, profile: Profile) -> Arc<HandshakeConfig> {
        match profile {
            Profile::Gcm => self.gcm.clone(),
            Profile::Cm => self.cm.clone(),
        }
    }
}

impl std::fmt::Debug for DtlsShared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DtlsShared").field("preferred", &self.preferred).finish_non_exhaustive()
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

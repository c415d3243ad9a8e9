//! The library's cryptography with one addition: signatures of certificates on P-224.
//!
//! ffmpeg's WHIP muxer makes such a certificate where it is built with GnuTLS, as distributions build it
//! (that library's "medium" strength is 224 bits), and aws-lc has no algorithm for it. What such a
//! signature proves is that the other end has the key whose fingerprint its description named; 112 bits
//! of strength (SP 800-57 part 1, table 2) do for a certificate that lives as long as one session.

use std::sync::Arc;

use p224::ecdsa::{DerSignature, Signature, VerifyingKey, signature::hazmat::PrehashVerifier};
use rtc::crypto::{
    ActiveKeyExchange, AeadAlgorithm, AeadCipher, BlockCipherAlgorithm, CbcAlgorithm, CbcCipher,
    CryptoAlgorithm, CryptoError, HashAlgorithm, HmacAlgorithm, KeyExchangeAlgorithm, Mac,
    PublicKey, PublicKeyEncoding, RTCCrypto, RTCCryptoProvider, RTCRandom, SignatureScheme,
    SigningKey, StreamCipher, StreamCipherAlgorithm, default_provider,
};

use super::sha256;

/// An uncompressed point of P-224 (SEC 1, 2.3.3): a mark, then two coordinates of 28 bytes.
const P224_POINT: usize = 57;

/// The library's provider, and P-224.
pub(super) struct Provider(Arc<dyn RTCCryptoProvider>);

impl Provider {
    pub(super) fn shared() -> Result<Arc<dyn RTCCryptoProvider>, CryptoError> {
        Ok(Arc::new(Self(default_provider()?)))
    }
}

impl RTCCryptoProvider for Provider {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn crypto(&self) -> &dyn RTCCrypto {
        self
    }

    fn random(&self) -> &dyn RTCRandom {
        self.0.random()
    }
}

impl RTCCrypto for Provider {
    fn supports(&self, algorithm: CryptoAlgorithm) -> bool {
        self.0.crypto().supports(algorithm)
    }

    fn hash(&self, algorithm: HashAlgorithm, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.0.crypto().hash(algorithm, data)
    }

    fn block_encrypt(
        &self,
        algorithm: BlockCipherAlgorithm,
        key: &[u8],
        block: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.0.crypto().block_encrypt(algorithm, key, block)
    }

    fn new_hmac(&self, algorithm: HmacAlgorithm, key: &[u8]) -> Result<Box<dyn Mac>, CryptoError> {
        self.0.crypto().new_hmac(algorithm, key)
    }

    fn new_stream_cipher(
        &self,
        algorithm: StreamCipherAlgorithm,
        key: &[u8],
    ) -> Result<Box<dyn StreamCipher>, CryptoError> {
        self.0.crypto().new_stream_cipher(algorithm, key)
    }

    fn new_aead(
        &self,
        algorithm: AeadAlgorithm,
        key: &[u8],
    ) -> Result<Box<dyn AeadCipher>, CryptoError> {
        self.0.crypto().new_aead(algorithm, key)
    }

    fn new_cbc(
        &self,
        algorithm: CbcAlgorithm,
        key: &[u8],
    ) -> Result<Box<dyn CbcCipher>, CryptoError> {
        self.0.crypto().new_cbc(algorithm, key)
    }

    fn start_key_exchange(
        &self,
        algorithm: KeyExchangeAlgorithm,
    ) -> Result<Box<dyn ActiveKeyExchange>, CryptoError> {
        self.0.crypto().start_key_exchange(algorithm)
    }

    fn generate_signing_key(
        &self,
        scheme: SignatureScheme,
    ) -> Result<Arc<dyn SigningKey>, CryptoError> {
        self.0.crypto().generate_signing_key(scheme)
    }

    fn import_signing_key(
        &self,
        scheme: SignatureScheme,
        pkcs8_der: &[u8],
    ) -> Result<Arc<dyn SigningKey>, CryptoError> {
        self.0.crypto().import_signing_key(scheme, pkcs8_der)
    }

    /// The library takes ECDSA with SHA-256 for P-256 unless the point is one of P-384.
    fn verify_signature(
        &self,
        scheme: SignatureScheme,
        public_key: PublicKey<'_>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        let is_p224 = scheme == SignatureScheme::EcdsaP256Sha256
            && public_key.encoding == PublicKeyEncoding::EcUncompressedPoint
            && public_key.bytes.len() == P224_POINT;
        if is_p224 {
            verify_p224(public_key.bytes, message, signature)
                .map_err(|_| CryptoError::InvalidSignature)
        } else {
            self.0.crypto().verify_signature(scheme, public_key, message, signature)
        }
    }
}

/// ECDSA with SHA-256 on P-224; the signature is in DER.
fn verify_p224(point: &[u8], message: &[u8], signature: &[u8]) -> Result<(), p224::ecdsa::Error> {
    let key = VerifyingKey::from_sec1_bytes(point)?;
    let signature = Signature::try_from(DerSignature::from_bytes(signature)?)?;
    key.verify_prehash(&sha256(message), &signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `openssl dgst -sha256 -sign` with a key of `secp224r1`.
    const POINT: &str = "04112911c2b8040729fbf38700c6d26fb9b36cacbb1ae587e571f9ef53199db4668c7e6e0e\
                         5c0fee3d8be319943d7e69c65f19a8d8644ff14c";
    const SIGNATURE: &str = "303e021d00b0f419e622df68f85ae003c9f73b476c38887d33764ae5af8050f287021d\
                             00c7caddc3db68a0e81ebdc96f1d09b257d7a8c27b66e512f68fa57549";

    fn bytes(hex: &str) -> Vec<u8> {
        let pairs = hex.as_bytes().chunks(2);
        pairs.map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap()).collect()
    }

    fn verify(point: &[u8], message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let key = PublicKey { encoding: PublicKeyEncoding::EcUncompressedPoint, bytes: point };
        let provider = Provider::shared().expect("a provider");
        provider.crypto().verify_signature(
            SignatureScheme::EcdsaP256Sha256,
            key,
            message,
            signature,
        )
    }

    #[test]
    fn a_certificate_on_p224_proves_its_key_and_no_other_does() {
        let (point, signature) = (bytes(POINT), bytes(SIGNATURE));
        assert_eq!(verify(&point, b"parlor", &signature), Ok(()));
        let refused = Err(CryptoError::InvalidSignature);
        assert_eq!(verify(&point, b"Parlor", &signature), refused, "another message");
        for n in 0..signature.len() {
            let mut spoilt = signature.clone();
            spoilt[n] ^= 1;
            assert_eq!(verify(&point, b"parlor", &spoilt), refused, "byte {n}");
        }
        for n in 0..point.len() {
            let mut spoilt = point.clone();
            spoilt[n] ^= 1;
            assert_eq!(verify(&spoilt, b"parlor", &signature), refused, "byte {n}: no such point");
        }
        assert_eq!(verify(&point, b"parlor", &[]), refused);
        assert_eq!(verify(&[4; P224_POINT], b"parlor", &signature), refused);
    }

    #[test]
    fn a_certificate_on_p256_goes_on_proving_its_key() {
        let provider = Provider::shared().expect("a provider");
        let crypto = provider.crypto();
        let key = crypto.generate_signing_key(SignatureScheme::EcdsaP256Sha256).expect("a key");
        let signature = key.sign(SignatureScheme::EcdsaP256Sha256, b"parlor").expect("signed");
        let PublicKey { encoding, bytes } = key.public_key();
        assert_eq!(encoding, PublicKeyEncoding::EcUncompressedPoint);
        assert_eq!(verify(bytes, b"parlor", &signature), Ok(()));
        assert_eq!(verify(bytes, b"Parlor", &signature), Err(CryptoError::InvalidSignature));
    }
}

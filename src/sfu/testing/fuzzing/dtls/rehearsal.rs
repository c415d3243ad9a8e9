//! Cryptography for fuzzing: the same every time, and as weak as the fuzzer needs it to be.
//!
//! A recorded handshake goes through again only if both ends say again what they said; and what lies
//! behind a hash, a signature or a cipher is reached by a fuzzer only if they let everything pass.
//! HMAC, and so the keys, are real.

use std::{cell::Cell, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};
use rtc::{
    crypto::{
        ActiveKeyExchange, AeadAlgorithm, AeadCipher, CryptoAlgorithm, CryptoError, HashAlgorithm,
        HmacAlgorithm, KeyExchangeAlgorithm, Mac, PublicKey, PublicKeyEncoding, RTCCrypto,
        RTCCryptoProvider, RTCRandom, SecretVec, SignatureScheme, SigningKey, default_provider,
    },
    dtls::crypto::Certificate,
};

thread_local! {
    static DRAWN: [Cell<u64>; 2] = const { [Cell::new(0), Cell::new(0)] };
}

/// Random numbers begin anew.
pub(crate) fn begin() {
    DRAWN.with(|drawn| drawn.iter().for_each(|drawn| drawn.set(0)));
}

/// What does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weak {
    /// Nothing is weak but randomness and key exchange.
    Nothing,
    /// Records are sealed in clear.
    Records,
    /// That too, and a handshake may have been any other: hashes are constant, and so is what is
    /// signed.
    Everything,
}

pub(super) struct Rehearsal {
    real: Arc<dyn RTCCryptoProvider>,
    weak: Weak,
    end: End,
}

/// Each end has random numbers of its own: what one says does not depend on whether the other is there.
#[derive(Clone, Copy)]
pub(super) enum End {
    Server,
    Client,
}

impl Rehearsal {
    pub(super) fn new(weak: Weak, end: End) -> Arc<Self> {
        Arc::new(Self { real: default_provider().expect("a provider is compiled in"), weak, end })
    }

    fn drawn(&self) -> [u8; 32] {
        let end = self.end as u8;
        let nth = DRAWN.with(|drawn| {
            let drawn = &drawn[usize::from(end)];
            drawn.set(drawn.get() + 1);
            drawn.get()
        });
        sha256(&[&[end], &nth.to_be_bytes()])
    }

    /// The certificate of this name, always the same.
    pub(super) fn certificate(&self, name: &str) -> Certificate {
        let mut point = vec![4; 65];
        point[1..33].copy_from_slice(&sha256(&[name.as_bytes()]));
        let key = Key { point, is_weak: self.weak == Weak::Everything };
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("a DNS name");
        let certificate = params.self_signed(&key).expect("it cannot fail");
        Certificate::from_signing_key(vec![certificate.der().to_owned()], Arc::new(key))
    }
}

impl RTCCryptoProvider for Rehearsal {
    fn name(&self) -> &'static str {
        "rehearsal"
    }

    fn crypto(&self) -> &dyn RTCCrypto {
        self
    }

    fn random(&self) -> &dyn RTCRandom {
        self
    }
}

impl RTCRandom for Rehearsal {
    fn fill(&self, output: &mut [u8]) -> Result<(), CryptoError> {
        for chunk in output.chunks_mut(32) {
            chunk.copy_from_slice(&self.drawn()[..chunk.len()]);
        }
        Ok(())
    }
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, &parts.concat()).as_ref());
    out
}

impl RTCCrypto for Rehearsal {
    fn supports(&self, algorithm: CryptoAlgorithm) -> bool {
        self.real.crypto().supports(algorithm)
    }

    fn hash(&self, algorithm: HashAlgorithm, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        match self.weak {
            Weak::Everything => Ok(vec![0; 32]),
            _ => self.real.crypto().hash(algorithm, data),
        }
    }

    fn new_hmac(&self, algorithm: HmacAlgorithm, key: &[u8]) -> Result<Box<dyn Mac>, CryptoError> {
        self.real.crypto().new_hmac(algorithm, key)
    }

    fn new_aead(
        &self,
        algorithm: AeadAlgorithm,
        key: &[u8],
    ) -> Result<Box<dyn AeadCipher>, CryptoError> {
        match self.weak {
            Weak::Nothing => self.real.crypto().new_aead(algorithm, key),
            _ => Ok(Box::new(Clear)),
        }
    }

    fn start_key_exchange(
        &self,
        algorithm: KeyExchangeAlgorithm,
    ) -> Result<Box<dyn ActiveKeyExchange>, CryptoError> {
        let length = match algorithm {
            KeyExchangeAlgorithm::P256 => 65,
            KeyExchangeAlgorithm::P384 => 97,
            _ => 32,
        };
        let mut public = vec![4; length];
        public[length - 32..].copy_from_slice(&self.drawn());
        Ok(Box::new(Exchange { algorithm, public }))
    }

    fn verify_signature(
        &self,
        _scheme: SignatureScheme,
        public_key: PublicKey<'_>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        let message = if self.weak == Weak::Everything { &[] } else { message };
        let is_good = signature == sha256(&[public_key.bytes, message]);
        if is_good { Ok(()) } else { Err(CryptoError::InvalidSignature) }
    }
}

/// Leaves all as it is; the tag is zero.
struct Clear;

impl AeadCipher for Clear {
    fn tag_len(&self) -> usize {
        16
    }

    fn seal_in_place(
        &mut self,
        _nonce: &[u8],
        _aad: &[u8],
        _text: &mut [u8],
        tag: &mut [u8],
    ) -> Result<(), CryptoError> {
        tag.fill(0);
        Ok(())
    }

    fn open_in_place(
        &mut self,
        _nonce: &[u8],
        _aad: &[u8],
        _text: &mut [u8],
        tag: &[u8],
    ) -> Result<(), CryptoError> {
        let is_good = tag.iter().all(|byte| *byte == 0);
        if is_good { Ok(()) } else { Err(CryptoError::AuthenticationFailed) }
    }
}

/// Both ends have the same secret: the hash of what everybody sees.
struct Exchange {
    algorithm: KeyExchangeAlgorithm,
    public: Vec<u8>,
}

impl ActiveKeyExchange for Exchange {
    fn algorithm(&self) -> KeyExchangeAlgorithm {
        self.algorithm
    }

    fn public_key(&self) -> &[u8] {
        &self.public
    }

    fn complete(self: Box<Self>, peer_public_key: &[u8]) -> Result<SecretVec, CryptoError> {
        if peer_public_key.len() != self.public.len() {
            return Err(CryptoError::InvalidPublicKey);
        }
        let mut both = [&self.public[..], peer_public_key];
        both.sort_unstable();
        Ok(SecretVec::new(sha256(&both).to_vec()))
    }
}

/// Signs with a hash; whoever sees the public key can.
struct Key {
    point: Vec<u8>,
    is_weak: bool,
}

impl SigningKey for Key {
    fn supports(&self, scheme: SignatureScheme) -> bool {
        scheme == SignatureScheme::EcdsaP256Sha256
    }

    fn public_key(&self) -> PublicKey<'_> {
        PublicKey { encoding: PublicKeyEncoding::EcUncompressedPoint, bytes: &self.point }
    }

    fn sign(&self, _scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let message = if self.is_weak { &[] } else { message };
        Ok(sha256(&[&self.point, message]).to_vec())
    }
}

impl rcgen::PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(sha256(&[&self.point, message]).to_vec())
    }
}

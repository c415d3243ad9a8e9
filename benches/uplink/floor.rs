//! What the cipher asks at least: aws-lc opening one packet into one buffer, nothing else.

use std::time::Duration;

use aws_lc_rs::{
    aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey},
    constant_time::verify_slices_are_equal,
    hmac,
    iv::FixedLength,
};

use super::{BATCH, BATCHES, PAYLOAD_LEN, cpu};

/// A header with one extension.
const HEADER: [u8; 20] = [9; 20];
const KEY: [u8; 16] = [3; 16];
const IV: [u8; 16] = [4; 16];
/// HMAC-SHA1 cut to 80 bits.
const CM_TAG: usize = 10;

enum Cipher {
    Gcm(LessSafeKey),
    Cm(Box<(EncryptingKey, hmac::Key)>),
}

/// One packet, sealed again and again opened.
pub(crate) struct Floor {
    cipher: Cipher,
    text: Vec<u8>,
    tag: Vec<u8>,
}

impl Floor {
    pub(crate) fn new(is_gcm: bool) -> Self {
        let mut text = vec![7; PAYLOAD_LEN];
        if is_gcm {
            let key = UnboundKey::new(&AES_128_GCM, &KEY).expect("sixteen bytes");
            let key = LessSafeKey::new(key);
            let nonce = Nonce::assume_unique_for_key([1; 12]);
            let tag = key
                .seal_in_place_separate_tag(nonce, Aad::from(HEADER), &mut text)
                .expect("a packet can be sealed");
            Self { cipher: Cipher::Gcm(key), text, tag: tag.as_ref().to_vec() }
        } else {
            let key = UnboundCipherKey::new(&AES_128, &KEY).expect("sixteen bytes");
            let auth = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &[5; 20]);
            let tag = authenticate(&auth, &text);
            let key = EncryptingKey::ctr(key).expect("a key for counter mode");
            Self { cipher: Cipher::Cm(Box::new((key, auth))), text, tag: tag.to_vec() }
        }
    }

    /// Nanoseconds a packet.
    pub(crate) fn round(&mut self) -> f64 {
        let mut out = vec![0; PAYLOAD_LEN];
        let before = cpu();
        for _ in 0..BATCH * BATCHES {
            self.open(&mut out);
            std::hint::black_box(&out);
        }
        let spent: Duration = cpu() - before;
        spent.as_nanos() as f64 / (BATCH * BATCHES) as f64
    }

    fn open(&self, out: &mut [u8]) {
        match &self.cipher {
            Cipher::Gcm(key) => {
                let nonce = Nonce::assume_unique_for_key([1; 12]);
                key.open_separate_gather(nonce, Aad::from(HEADER), &self.text, &self.tag, out)
                    .expect("it is authentic");
            }
            Cipher::Cm(keys) => {
                let (key, auth) = &**keys;
                let tag = authenticate(auth, &self.text);
                verify_slices_are_equal(&tag, &self.tag).expect("it is authentic");
                out.copy_from_slice(&self.text);
                let context = EncryptionContext::Iv128(FixedLength::from(IV));
                key.less_safe_encrypt(out, context).expect("counter mode takes any length");
            }
        }
    }
}

fn authenticate(auth: &hmac::Key, text: &[u8]) -> [u8; CM_TAG] {
    let mut context = hmac::Context::with_key(auth);
    context.update(&HEADER);
    context.update(text);
    context.update(&[0; 4]);
    let mut tag = [0; CM_TAG];
    tag.copy_from_slice(&context.sign().as_ref()[..CM_TAG]);
    tag
}

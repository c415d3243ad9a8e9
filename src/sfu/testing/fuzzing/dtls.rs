//! Doors for fuzzing a DTLS handshake; see the module above.

use std::{
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use rtc::dtls::{
    config::HandshakeConfig,
    extension::extension_use_srtp::SrtpProtectionProfile::{
        Srtp_Aead_Aes_128_Gcm as GCM, Srtp_Aes128_Cm_Hmac_Sha1_80 as CM,
    },
};

use self::rehearsal::{End, Rehearsal};
use super::Input;
use crate::sfu::{
    link::{
        dtls::{Dtls, DtlsShared, Progress, guard::ATTEMPT_BYTES, sha256},
        flight::{HANDSHAKE, RESEND_AFTER},
        srtp::Profile,
    },
    testing::dtls_client as client,
};

mod rehearsal;

pub(crate) use rehearsal::{Weak, begin};

/// Both ends of handshakes, of a cryptography that always says the same.
pub(crate) struct Stage {
    pub(crate) server: Arc<DtlsShared>,
    clients: [Arc<HandshakeConfig>; 2],
    /// SHA-256 of the client's certificate.
    pub(crate) fingerprint: [u8; 32],
}

impl Stage {
    pub(crate) fn new(weak: Weak) -> Self {
        let [own, theirs] = [End::Server, End::Client].map(|end| Rehearsal::new(weak, end));
        let certificate = theirs.certificate("client");
        let fingerprint = sha256(&certificate.certificate[0]);
        let server = DtlsShared::with(own.clone(), own.certificate("parlor"), Profile::Gcm);
        let client = |profiles: &[_]| client::config(theirs.clone(), certificate.clone(), profiles);
        Self {
            server: server.expect("the configuration is good"),
            clients: [client(&[GCM, CM]), client(&[CM])],
            fingerprint,
        }
    }

    /// A client that has all of our SRTP profiles, or one.
    pub(crate) fn client(&self, has_all: bool) -> Arc<HandshakeConfig> {
        self.clients[usize::from(!has_all)].clone()
    }
}

/// A stranger's datagrams: as they are, in which recorded handshakes begin, or put together here. The
/// association comes to an end or waits, and neither what it says nor when it wakes runs away.
pub fn dtls(bytes: &[u8]) {
    static STAGE: LazyLock<Stage> = LazyLock::new(|| Stage::new(Weak::Everything));
    begin();
    let mut input = Input::new(bytes);
    let mut now = Instant::now() + Duration::from_secs(3600);
    let mut server = Dtls::new(STAGE.server.clone());
    let mut n_taken = 0;
    while !input.is_empty() {
        let kind = input.byte();
        let datagram = match kind & 3 {
            0 | 1 => input.long_chunk().to_vec(),
            2 => record(kind, &mut input),
            _ => {
                now += Duration::from_millis(u64::from(input.byte()) * 8);
                wake(&mut server, now);
                continue;
            }
        };
        let mut n_sent = 0;
        let progress = server.handle(now, &datagram, |reply| n_sent += reply.len());
        // A flight with its certificate, once more for the one that asks.
        assert!(n_sent <= 8 * 1024, "{n_sent} bytes for {}", datagram.len());
        match progress {
            Progress::Going => n_taken += datagram.len(),
            // What an attempt has taken goes with it.
            Progress::Ignored if server.rests(now) => n_taken = 0,
            Progress::Ignored => {}
            Progress::Completed => {
                assert!(server.keys().is_none_or(|keys| keys.keying.len() >= 56));
                assert_eq!(server.poll_timeout(), None);
            }
            Progress::Closed | Progress::Failed(_) => return,
        }
        assert!(n_taken <= ATTEMPT_BYTES || server.is_completed(), "{n_taken} bytes were taken");
    }
    for _ in 0..10 {
        now += RESEND_AFTER;
        wake(&mut server, now);
    }
    server.close(now, |_| {});
}

fn wake(server: &mut Dtls, now: Instant) {
    let is_due = server.poll_timeout().is_some_and(|due| due <= now);
    let mut n_sent = 0;
    server.handle_timeout(now, |datagram| n_sent += datagram.len());
    assert!(n_sent <= 4 * 1024 && (is_due || n_sent == 0), "{n_sent} bytes");
    assert!(server.poll_timeout().is_none_or(|due| due > now && due <= now + RESEND_AFTER));
}

/// A record whose lengths fit: handshake messages or parts of them, or another's content.
fn record(kind: u8, input: &mut Input<'_>) -> Vec<u8> {
    let content_type = if kind & 4 == 0 { HANDSHAKE } else { input.byte() };
    let is_sealed = kind & 8 != 0;
    let sequence = input.word();
    let mut body = Vec::new();
    if kind & 4 != 0 {
        body.extend(input.chunk());
    } else if kind & 16 == 0 {
        let (message_type, message) = (input.byte(), input.byte());
        let content = input.long_chunk();
        body.extend(part(message_type, message, content.len() as u16, 0, content));
    } else {
        // A message in many parts, of which some may be missing.
        let (message_type, message) = (input.byte(), input.byte());
        let (length, first) = (input.word(), input.word());
        let step = input.byte();
        for n in 0..u16::from(input.byte()) {
            let offset = first.wrapping_add(n.wrapping_mul(u16::from(step)));
            let content = vec![0; usize::from(input.byte() & 3)];
            body.extend(part(message_type, message, length, offset, &content));
        }
    }
    if is_sealed {
        body = [&[0; 8][..], &body, &[0; 16]].concat();
    }
    let mut record = vec![content_type, 254, 253, 0, is_sealed.into(), 0, 0, 0, 0];
    record.extend(sequence.to_be_bytes());
    record.extend((body.len() as u16).to_be_bytes());
    record.extend(body);
    record
}

fn part(message_type: u8, message: u8, length: u16, offset: u16, content: &[u8]) -> Vec<u8> {
    let three = |number: u16| [0, (number >> 8) as u8, number as u8];
    let mut part = vec![message_type];
    part.extend(three(length));
    part.extend([0, message]);
    part.extend(three(offset));
    part.extend(three(content.len() as u16));
    part.extend(content);
    part
}

#[cfg(test)]
mod tests;

//! The library's SRTP as the sender; wraps, reordering, replays, forgeries, crowds.

use rtc::{
    crypto,
    rtp::{Packet, header::Header},
    shared::marshal::Marshal,
    srtp::{context::Context, protection_profile::ProtectionProfile},
};

use super::*;

const HEADER: usize = 12;

fn keying(profile: Profile) -> Vec<u8> {
    (0..profile.keying_len()).map(|i| (i * 5 + 1) as u8).collect()
}

fn sender(profile: Profile) -> Context {
    let keying = keying(profile);
    let name = match profile {
        Profile::Gcm => ProtectionProfile::AeadAes128Gcm,
        Profile::Cm => ProtectionProfile::Aes128CmHmacSha1_80,
    };
    let provider = crypto::default_provider().unwrap();
    let salt = &keying[2 * KEY..][..profile.salt_len()];
    Context::new(&keying[..KEY], salt, name, None, None, provider.crypto()).unwrap()
}

fn sealed(sender: &mut Context, ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let header = Header { version: 2, ssrc, sequence_number: sequence, ..Default::default() };
    let packet = Packet { header, payload: Bytes::copy_from_slice(payload) };
    sender.encrypt_rtp(&packet.marshal().unwrap()).unwrap().to_vec()
}

fn open(inbound: &mut Inbound, datagram: &[u8]) -> Result<(u64, Bytes), Refusal> {
    let ssrc = u32::from_be_bytes(datagram[8..12].try_into().unwrap());
    let sequence = u16::from_be_bytes(datagram[2..4].try_into().unwrap());
    inbound.open(ssrc, sequence, HEADER, datagram).map(|opened| (opened.index, opened.payload))
}

const PROFILES: [Profile; 2] = [Profile::Gcm, Profile::Cm];

#[test]
fn what_the_library_seals_is_opened_over_wraps_and_once_only() {
    for profile in PROFILES {
        let mut sender = sender(profile);
        let mut inbound = Inbound::new(profile, &keying(profile)).unwrap();
        let mut datagrams = Vec::new();
        // Three wraps; every tenth is there, so that steps are far and near.
        for index in (65_000..65_000_u64 + 3 * 65_536).step_by(7) {
            let payload = index.to_be_bytes();
            let datagram = sealed(&mut sender, 7, index as u16, &payload);
            assert_eq!(open(&mut inbound, &datagram), Ok((index, payload.to_vec().into())));
            assert_eq!(open(&mut inbound, &datagram), Err(Refusal::Replayed), "{index}");
            datagrams.push(datagram);
        }
        let newest = datagrams.len() - 1;
        for back in 1..200 {
            let again = open(&mut inbound, &datagrams[newest - back]);
            assert!(matches!(again, Err(Refusal::Replayed)), "{back}: {again:?}");
        }
        // So old that its roll-over counter is misjudged: then it is not authentic.
        assert!(open(&mut inbound, &datagrams[0]).is_err());
    }
}

#[test]
fn reordered_packets_are_opened_within_the_window() {
    for profile in PROFILES {
        let mut sender = sender(profile);
        let mut inbound = Inbound::new(profile, &keying(profile)).unwrap();
        let first = 65_000_u64;
        let datagrams: Vec<Vec<u8>> = (0..1500)
            .map(|i| sealed(&mut sender, 7, (first + i) as u16, &i.to_be_bytes()))
            .collect();
        // Pairs swapped, over the wrap.
        for pair in datagrams[..1400].chunks(2) {
            assert!(open(&mut inbound, &pair[1]).is_ok());
            assert!(open(&mut inbound, &pair[0]).is_ok());
        }
        assert!(open(&mut inbound, &datagrams[1499]).is_ok());
        assert!(open(&mut inbound, &datagrams[1400]).is_ok(), "late, never seen");
        assert_eq!(open(&mut inbound, &datagrams[1400]), Err(Refusal::Replayed));
        assert_eq!(open(&mut inbound, &datagrams[400]), Err(Refusal::Replayed), "too old to know");
    }
}

#[test]
fn a_source_whose_first_packets_were_lost_at_the_wrap_is_opened() {
    for profile in PROFILES {
        let mut sender = sender(profile);
        let mut inbound = Inbound::new(profile, &keying(profile)).unwrap();
        let before = sealed(&mut sender, 7, 65_535, b"before");
        let after = sealed(&mut sender, 7, 0, b"after");
        assert_eq!(open(&mut inbound, &after), Ok((65_536, Bytes::from_static(b"after"))));
        assert_eq!(open(&mut inbound, &before), Ok((65_535, Bytes::from_static(b"before"))));
    }
}

#[test]
fn a_changed_byte_is_a_forgery_and_leaves_no_trace() {
    for profile in PROFILES {
        let mut sender = sender(profile);
        let mut inbound = Inbound::new(profile, &keying(profile)).unwrap();
        let datagram = sealed(&mut sender, 7, 100, b"some payload");
        for at in 0..datagram.len() {
            let mut changed = datagram.clone();
            changed[at] ^= 0x10;
            assert_eq!(open(&mut inbound, &changed).err(), Some(Refusal::Forged), "byte {at}");
        }
        assert!(inbound.sources.is_empty(), "nobody is remembered for a forgery");
        for length in HEADER..datagram.len() {
            assert!(open(&mut inbound, &datagram[..length]).is_err());
        }
        assert!(open(&mut inbound, &datagram).is_ok());
        // A forged sequence number far ahead must not move the window.
        let mut ahead = sealed(&mut sender, 7, 101, b"x");
        ahead[2] ^= 0x20;
        assert_eq!(open(&mut inbound, &ahead).err(), Some(Refusal::Forged));
        ahead[2] ^= 0x20;
        assert!(open(&mut inbound, &ahead).is_ok());
    }
}

#[test]
fn sources_are_bounded_and_payloads_may_be_empty() {
    let mut sender = sender(Profile::Gcm);
    let mut inbound = Inbound::new(Profile::Gcm, &keying(Profile::Gcm)).unwrap();
    for ssrc in 0..MAX_SOURCES as u32 {
        let datagram = sealed(&mut sender, ssrc, 1, b"");
        assert_eq!(open(&mut inbound, &datagram), Ok((1, Bytes::new())));
    }
    let known = sealed(&mut sender, 3, 2, &[5; 3000]);
    assert_eq!(open(&mut inbound, &known).unwrap().1, vec![5; 3000]);
    assert!(Inbound::new(Profile::Gcm, &[0; 55]).is_none());
}

#[test]
fn ten_thousand_sources_are_opened_and_what_was_is_not_opened_again() {
    let mut sender = sender(Profile::Gcm);
    let mut inbound = Inbound::new(Profile::Gcm, &keying(Profile::Gcm)).unwrap();
    let first = sealed(&mut sender, 0, 1, b"first");
    for ssrc in 0..10_000 {
        let datagram = sealed(&mut sender, ssrc, 1, b"x");
        assert_eq!(open(&mut inbound, &datagram).map(|(index, _)| index), Ok(1), "{ssrc}");
        // One that is heard all the time keeps its place.
        let steady = sealed(&mut sender, 77_777, ssrc as u16, b"y");
        assert_eq!(open(&mut inbound, &steady).map(|(index, _)| index), Ok(ssrc.into()));
    }
    assert_eq!(inbound.sources.len(), MAX_SOURCES);
    assert_eq!(inbound.retired.len(), MAX_RETIRED);
    // Of those that are remembered nothing comes again, and they go on.
    let again = sealed(&mut sender, 9_000, 1, b"x");
    assert_eq!(open(&mut inbound, &again), Err(Refusal::Replayed));
    let next = sealed(&mut sender, 9_000, 2, b"next");
    assert_eq!(open(&mut inbound, &next), Ok((2, Bytes::from_static(b"next"))));
    assert_eq!(open(&mut inbound, &next), Err(Refusal::Replayed));
    assert!(inbound.retired.iter().all(|(ssrc, _)| *ssrc != 9_000));
    assert!(open(&mut inbound, &first).is_ok(), "so old that nobody remembers");
}

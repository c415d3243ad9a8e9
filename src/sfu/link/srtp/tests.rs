//! Published vectors, and the library's SRTP as the other end.

use rtc::{
    crypto,
    srtp::{
        context::Context, option::srtcp_replay_protection, protection_profile::ProtectionProfile,
    },
};

use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// RFC 3711 B.3.
#[test]
fn keys_are_derived_as_in_the_rfc() {
    let key = bytes("E1F97A0D3E018BE0D64FA32C06DE4139");
    let salt = bytes("0EC675AD498AFEEBB6960B3AABE6");
    let cases = [
        (0, "C61E7A93744F39EE10734AFE3FF7A087"),
        (2, "30CBBC08863D8C85D49DB34A9AE1"),
        (
            1,
            "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCEE049646C43D9327AD175\
             578EF72270986371C10C9A369AC2F94A8C5FBCDDDC256D6E919A48B610EF17C2041E474035766B68642C\
             59BBFC2F34DB60DBDFB2",
        ),
    ];
    for (label, expected) in cases {
        let mut derived = vec![0; bytes(expected).len()];
        derive(&key, &salt, label, &mut derived).unwrap();
        assert_eq!(derived, bytes(expected), "label {label}");
    }
}

/// RFC 7714 16.1.1 (SRTP) with its session key and salt.
#[test]
fn gcm_seals_as_in_the_rfc() {
    let key = bytes("000102030405060708090a0b0c0d0e0f");
    let salt: [u8; 12] = bytes("517569642070726f2071756f").try_into().unwrap();
    let cipher = || {
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap());
        Cipher::Gcm { key, salt }
    };
    let mut srtp = Srtp {
        rtp: cipher(),
        rtcp: cipher(),
        next_index: 0x5d4,
        peer_rtcp: cipher(),
        peer_indexes: Vec::new(),
    };
    let payload = b"Gallia est omnis divisa in partes tres";
    let header = bytes("8040f17b 8041f8d3 5501a0b2");
    let mut out = vec![0; RTP_HEADER + payload.len() + MAX_OVERHEAD];
    out[..RTP_HEADER].copy_from_slice(&header);
    let length = srtp.seal_rtp((0x5501_a0b2, 0xf17b), RTP_HEADER, &[], payload, &mut out).unwrap();
    let expected = "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f \
                    42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce";
    assert_eq!(out[..length], bytes(expected));

    // RFC 7714 17.1 (SRTCP).
    let packet = bytes(
        "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 \
                        deadbeef deadbeef deadbeef deadbeef deadbeef",
    );
    let mut out = packet.clone();
    out.resize(packet.len() + MAX_OVERHEAD, 0);
    let length = srtp.seal_rtcp(0x4d61_7273, packet.len(), &mut out).unwrap();
    let expected = "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 \
                    730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4";
    assert_eq!(out[..length], bytes(expected));
    let mut buffer = [0; 1500];
    assert_eq!(srtp.open_rtcp(&out[..length], &mut buffer), Some(&packet[..]));
    assert_eq!(srtp.open_rtcp(&out[..length], &mut buffer), None, "repeated");
}

fn keying(profile: Profile) -> Vec<u8> {
    (0..profile.keying_len()).map(|i| (i * 7 + 3) as u8).collect()
}

/// The library's context for one direction: 0 what the client sends, 1 what the server sends.
fn library(profile: Profile, direction: usize) -> Context {
    let (keying, salt) = (keying(profile), profile.salt_len());
    let name = match profile {
        Profile::Gcm => ProtectionProfile::AeadAes128Gcm,
        Profile::Cm => ProtectionProfile::Aes128CmHmacSha1_80,
    };
    let provider = crypto::default_provider().unwrap();
    Context::new(
        &keying[direction * KEY..][..KEY],
        &keying[2 * KEY + direction * salt..][..salt],
        name,
        None,
        Some(srtcp_replay_protection(64)),
        provider.crypto(),
    )
    .unwrap()
}

#[test]
fn the_library_opens_what_we_seal_and_we_open_what_it_seals() {
    for profile in [Profile::Gcm, Profile::Cm] {
        let mut ours = Srtp::new(profile, &keying(profile)).unwrap();
        let mut theirs = library(profile, 1);
        // Across the roll-over of the sequence number.
        for index in 65_530..65_560u64 {
            let mut out = [0; 200];
            out[0] = 0x80;
            out[2..4].copy_from_slice(&(index as u16).to_be_bytes());
            out[8..12].copy_from_slice(&77u32.to_be_bytes());
            let header = out[..RTP_HEADER].to_vec();
            let length = ours.seal_rtp((77, index), RTP_HEADER, b"pic", b"ture", &mut out).unwrap();
            let opened = theirs.decrypt_rtp(&out[..length]).unwrap();
            assert_eq!(opened, [&header[..], b"picture"].concat(), "{profile:?} {index}");
        }
        let report = bytes("80c90001 00000007");
        let mut out = [0; 64];
        out[..8].copy_from_slice(&report);
        let length = ours.seal_rtcp(7, 8, &mut out).unwrap();
        assert_eq!(theirs.decrypt_rtcp(&out[..length]).unwrap(), report, "{profile:?}");

        let nack = bytes("81cd0003 00000001 0000004d 00050003");
        let sealed = library(profile, 0).encrypt_rtcp(&nack).unwrap();
        let mut buffer = [0; 1500];
        assert_eq!(ours.open_rtcp(&sealed, &mut buffer), Some(&nack[..]), "{profile:?}");
        assert_eq!(ours.open_rtcp(&sealed, &mut buffer), None, "{profile:?}: repeated");
        for at in 0..sealed.len() {
            let mut forged = sealed.to_vec();
            forged[at] ^= 0x10;
            assert_eq!(ours.open_rtcp(&forged, &mut buffer), None, "{profile:?}: byte {at}");
        }
        for length in 0..sealed.len() {
            assert_eq!(ours.open_rtcp(&sealed[..length], &mut buffer), None);
        }
    }
}

#[test]
fn a_buffer_that_is_too_small_is_no_packet() {
    for profile in [Profile::Gcm, Profile::Cm] {
        let mut srtp = Srtp::new(profile, &keying(profile)).unwrap();
        assert_eq!(srtp.seal_rtp((1, 1), RTP_HEADER, &[], &[0; 100], &mut [0; 112]), None);
        assert_eq!(srtp.seal_rtcp(1, 28, &mut [0; 30]), None);
        assert!(Srtp::new(profile, &[0; 55]).is_none());
    }
}

#[test]
fn indexes_are_accepted_once_and_not_when_too_old() {
    let keying = [7; 56];
    let mut srtp = Srtp::new(Profile::Gcm, &keying).expect("keys");
    assert!(srtp.accept_index(1, 1000));
    let cases = [
        (1000, false),
        (999, true),
        (999, false),
        (1001, true),
        (1000, false),
        (40, false),
        (41, true),
        (3000, true),
        (1001, false),
        (2900, true),
        (0x7fff_ffff, true),
        (3000, false),
    ];
    for (index, accepted) in cases {
        assert_eq!(srtp.accept_index(1, index), accepted, "{index}");
    }
    assert!(srtp.accept_index(2, 40), "another sender's");
}

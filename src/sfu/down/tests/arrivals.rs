//! A client that tells of arrivals: numbers in every packet, feedback to the estimate, padding.

use rtc::rtcp::transport_feedbacks::transport_layer_cc::{
    PacketStatusChunk, RecvDelta, RunLengthChunk, StatusChunkTypeTcc, SymbolTypeTcc,
    TransportLayerCc,
};

use super::*;
use crate::sfu::media::sdp::TRANSPORT_CC;

/// As a browser answers.
fn with_extension(answer: String) -> String {
    answer.replace("a=mid:0\r\n", &format!("a=mid:0\r\na=extmap:3 {TRANSPORT_CC}\r\n"))
}

#[test]
fn packets_are_numbered_and_arrivals_reach_the_estimate() {
    let mut pair = Pair::new();
    pair.tamper = with_extension;
    let video = track(1, "1", Codec::Vp8);
    pair.connect(std::slice::from_ref(&video));
    let slot = pair.down.slot(&video.shown.track).expect("it is accepted");
    let (first, _) = pair.down.first_numbers(slot, pair.now).expect("it has a stream");
    let mut out = [0; 1500];
    for n in 0..3 {
        let sealed = pair.down.seal_rtp(slot, header(first + n), b"pict", b"ure", &mut out);
        let length = sealed.expect("it is connected");
        // X, one word of one-byte elements, number 3, two bytes, counting from 1.
        assert_eq!(out[0], 0x90);
        assert_eq!(out[12..20], [0xbe, 0xde, 0, 1, 0x31, 0, n as u8 + 1, 0]);
        pair.network.push((pair.now + LATENCY, false, out[..length].to_vec()));
    }
    let length = pair.down.seal_padding(&mut out).expect("there are retransmissions");
    assert_eq!((out[0], out[1] & 0x7f, out[18]), (0xb0, 97, 4));
    pair.network.push((pair.now + LATENCY, false, out[..length].to_vec()));
    assert!(pair.run(Duration::from_secs(1), |pair| pair.browser.received.len() >= 3));
    let whole = |packet: &browser::Received| packet.5 == b"picture";
    assert_eq!(pair.browser.received.iter().filter(|packet| whole(packet)).count(), 3);

    let small = SymbolTypeTcc::PacketReceivedSmallDelta;
    let feedback = TransportLayerCc {
        sender_ssrc: 1,
        media_ssrc: 0,
        base_sequence_number: 1,
        packet_status_count: 4,
        reference_time: 9,
        fb_pkt_count: 0,
        packet_chunks: vec![PacketStatusChunk::RunLengthChunk(RunLengthChunk {
            type_tcc: StatusChunkTypeTcc::RunLengthChunk,
            packet_status_symbol: small,
            run_length: 4,
        })],
        recv_deltas: vec![RecvDelta { type_tcc_packet: small, delta: 250 }; 4],
    };
    assert!(pair.down.estimator().is_some_and(|estimator| !estimator.has_feedback()));
    pair.browser.write_rtcp(pair.now, vec![Box::new(feedback)]);
    pair.run(LATENCY * 2, |_| false);
    let estimator = pair.down.estimator().expect("it was negotiated");
    assert!(estimator.has_feedback() && !estimator.is_measured());
    assert_eq!(pair.down.n_ignored(), 0);
}

#[test]
fn a_client_without_the_extension_gets_plain_headers() {
    let mut pair = Pair::new();
    pair.tamper = |answer| answer.replace("a=extmap:3 ", "a=extmap:4 ");
    let video = track(1, "1", Codec::Vp8);
    pair.connect(std::slice::from_ref(&video));
    let slot = pair.down.slot(&video.shown.track).expect("it is accepted");
    let mut out = [0; 500];
    assert!(pair.down.seal_rtp(slot, header(1), &[], b"x", &mut out).is_some());
    assert_eq!(out[0], 0x80);
    let estimator = pair.down.estimator().expect("its reports may tell something");
    assert!(!estimator.has_feedback() && pair.down.seal_padding(&mut out).is_none());
}

//! A viewer that answers `a=setup:passive`: we begin the handshake.

use std::time::Duration;

use rtc::{
    peer_connection::transport::RTCDtlsRole,
    rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication,
};

use super::{Pair, browser::Browser, header, server};
use crate::sfu::{
    down::{DownEvent, negotiation::tests::track},
    media::packet::Codec,
};

/// We offer `actpass`: the answer may be `passive`, and checks may come before it.
#[test]
fn a_viewer_may_be_the_server_of_dtls() {
    for answers_late in [false, true] {
        let mut pair = Pair::new();
        let address = pair.browser.address;
        pair.browser = Browser::with(RTCDtlsRole::Server, pair.now, address, server());
        let video = track(1, "1", Codec::Vp8);
        if answers_late {
            pair.down.show(pair.now, std::slice::from_ref(&video));
            let (revision, offer) = pair.down.offer().expect("an offer");
            pair.n_offers = 1;
            let answer = pair.browser.answer(pair.now, &offer);
            pair.run(Duration::from_millis(500), |_| false);
            assert!(pair.down.route().is_some(), "checks have come");
            assert!(answer.contains("a=setup:passive"), "{answer}");
            pair.down.handle_answer(pair.now, revision, &answer).expect("it is taken");
            let began = pair.now;
            let connected = |pair: &Pair| pair.events.contains(&DownEvent::Connected);
            assert!(pair.run(Duration::from_secs(10), connected), "{:?}", pair.down);
            assert!(pair.now - began < Duration::from_millis(200), "{:?}", pair.now - began);
        } else {
            pair.connect(std::slice::from_ref(&video));
        }
        let slot = pair.down.slot(&video.shown.track).expect("it is taken");
        pair.send_rtp(slot, header(7), b"picture").expect("it is sealed");
        assert!(pair.run(Duration::from_secs(1), |pair| pair.browser.received.len() == 1));
        let ssrc = pair.browser.received[0].1;
        pair.events.clear();
        let pli = PictureLossIndication { sender_ssrc: 1, media_ssrc: ssrc };
        pair.browser.write_rtcp(pair.now, vec![Box::new(pli)]);
        assert!(pair.run(Duration::from_secs(1), |pair| !pair.events.is_empty()));
        assert_eq!(pair.events, [DownEvent::KeyframeWanted(slot)]);
    }
}

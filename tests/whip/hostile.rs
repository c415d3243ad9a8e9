//! What nobody honest sends, by real sockets: each is refused with the status that the RFCs have for
//! it, counted in `/metrics`, and whoever is honest goes on.

use std::{net::UdpSocket, time::Instant};

use serde_json::json;

use super::{PUBLISHER, SDP, VIEWER, line, members, post, start};
use crate::support::{PATIENCE, TheBox};

/// The value of a counter or gauge in `/metrics`.
pub(super) async fn metric(the_box: &TheBox, name: &str) -> u64 {
    let text = the_box.get("/metrics").await;
    let mut values = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value = values.next().unwrap_or_else(|| panic!("{name} in {text}"));
    value.parse().unwrap_or_else(|_| panic!("{name} is {value}"))
}

/// Waits until a counter has come to a value.
async fn reaches(the_box: &TheBox, name: &str, least: u64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let value = metric(the_box, name).await;
        if value >= least {
            return;
        }
        assert!(Instant::now() < deadline, "{name} is {value}, not {least}");
    }
}

/// Offers of which nothing can come, made of a good one, each with its status.
fn bad_offers(good: &str) -> Vec<(&'static str, String, u16)> {
    let without = |prefix: &str| -> String {
        good.split_inclusive('\n').filter(|line| !line.starts_with(prefix)).collect()
    };
    let head = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n";
    let section = |n: usize| format!("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:{n}\r\n");
    let sections: String = (0..500).map(section).collect();
    let known = [("opus", "G722"), ("VP", "XV"), ("H26", "X26"), ("AV1", "XV1")];
    let unknown = known.iter().fold(good.to_owned(), |sdp, (from, to)| sdp.replace(from, to));
    let many = format!("{} {}", "m=audio 9 UDP/TLS/RTP/SAVPF", "0 ".repeat(30_000));
    vec![
        ("no SDP", "hello".to_owned(), 400),
        ("empty", String::new(), 400),
        ("no ICE", without("a=ice-"), 422),
        ("no fingerprint", without("a=fingerprint"), 422),
        ("a fingerprint that is none", good.replace("sha-256 ", "sha-256 XX:"), 422),
        ("it will not say who begins", good.replace("a=setup:actpass", "a=setup:holdconn"), 422),
        ("no mids", without("a=mid"), 422),
        ("no RTCP mux", without("a=rtcp-mux"), 422),
        ("500 sections", format!("{head}{sections}"), 422),
        ("unknown codecs", unknown, 422),
        ("30 000 payload types", format!("{head}{many}\r\na=mid:0\r\n"), 422),
        ("a carriage return of its own", good.replacen("m=audio ", "m=audio\ra=x ", 1), 400),
        ("too large", format!("{good}{}", "a=x\r\n".repeat(30_000)), 413),
    ]
}

#[tokio::test]
async fn offers_of_which_nothing_can_come_are_refused_at_each_door() {
    let limits = [("PARLOR_ROOMS_MAX_VIEWERS", "1"), ("PARLOR_HTTP_JOINS_PER_MINUTE", "1000")];
    let (_data, the_box) = start(&limits);
    let publisher = post(&the_box, "/whip/stage", PUBLISHER).await;
    assert_eq!(publisher.status(), 201, "{publisher:?}");
    let n_members = metric(&the_box, "parlor_members").await;
    for (path, good) in [("/whip/stage", PUBLISHER), ("/whep/stage", VIEWER)] {
        for (what, offer, status) in bad_offers(good) {
            let answer = post(&the_box, path, &offer).await;
            assert_eq!(answer.status(), status, "{path}, {what}: {answer:?}");
            assert!(!answer.code().is_empty(), "{path}, {what}: {answer:?}");
            assert_eq!(answer.header("location"), "", "{path}, {what}");
        }
    }
    // By signaling, too: the same offers, and the connection takes the good one after all of them.
    let (mut ana, _) = the_box.join("stage", "Ana").await;
    for (what, sdp, status) in bad_offers(PUBLISHER) {
        // A message holds 64 KiB.
        if status == 413 || sdp.len() > 60_000 {
            continue;
        }
        let publish = json!({"type": "publish", "generation": 1, "sdp": sdp, "tracks": []});
        let answer = ana.ask(publish).await;
        let code = answer["code"].as_str().unwrap_or_default();
        let expected = if status == 400 { "sdp-invalid" } else { "sdp-unacceptable" };
        assert_eq!(code, expected, "{what}: {answer}");
    }
    let tracks = json!([{"mid": "0", "source": "microphone"}]);
    let publish = json!({"type": "publish", "generation": 1, "sdp": PUBLISHER, "tracks": tracks});
    assert_eq!(ana.ask(publish).await["type"], "published");
    // None of them has taken a place: not among the members, and not the one viewer's.
    assert_eq!(metric(&the_box, "parlor_members").await, n_members + 1);
    assert_eq!(members(&the_box, "stage").await.len(), 2);
    assert_eq!(metric(&the_box, "parlor_whep_viewers").await, 0);
    assert_eq!(post(&the_box, "/whep/stage", VIEWER).await.status(), 201);
}

#[tokio::test]
async fn who_may_not_is_counted() {
    let (_data, the_box) = start(&[("PARLOR_HTTP_JOINS_PER_MINUTE", "1")]);
    let refused = metric(&the_box, "parlor_http_refused_total").await;
    let created = post(&the_box, "/whip/home", PUBLISHER).await;
    assert_eq!(created.status(), 201);
    let foreign = [SDP, ("Origin", "https://elsewhere.example")];
    let url = created.header("location");
    for (method, path) in [("POST", "/whip/home"), ("PATCH", url), ("DELETE", url)] {
        let answer = the_box.request(method, path, &foreign, PUBLISHER).await;
        assert_eq!(answer.status(), 403, "{method}");
    }
    assert_eq!(post(&the_box, "/whip/home", PUBLISHER).await.status(), 429);
    assert_eq!(metric(&the_box, "parlor_http_refused_total").await, refused + 4);
    // The foreign page has ended nothing; its owner does, once.
    assert_eq!(the_box.request("DELETE", url, &[], "").await.status(), 200);
    assert_eq!(the_box.request("DELETE", url, &[], "").await.status(), 404);
    assert_eq!(metric(&the_box, "parlor_members").await, 0);
}

/// From a stranger's socket to the port that media comes by.
#[tokio::test]
async fn strange_datagrams_are_counted_and_not_answered() {
    let (_data, the_box) = start(&[]);
    let created = post(&the_box, "/whip/home", PUBLISHER).await;
    let ufrag = line(created.body(), "a=ice-ufrag:").trim_start_matches("a=ice-ufrag:");
    let check = |user: &str| {
        let mut check = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        check.extend([7; 12]);
        check.extend([0, 6, 0, user.len() as u8]);
        check.extend(user.as_bytes());
        check.resize(check.len().next_multiple_of(4), 0);
        // An integrity that is none.
        check.extend([0, 8, 0, 20]);
        check.extend([1; 20]);
        check[3] = (check.len() - 20) as u8;
        check
    };
    let rtp = |first: u8, second: u8| {
        let mut packet = vec![first, second, 0, 1, 0, 0, 0, 0, 0xde, 0xad, 0xbe, 0xef];
        packet.extend([0xbe, 0xde, 0xff, 0xff]);
        packet.extend([0x10; 200]);
        packet
    };
    let strange = [
        ("nothing known", vec![0xff; 40]),
        ("one byte", vec![0]),
        ("a check of nobody", check("nobodyxx:theirs")),
        ("a check without the password", check(&format!("{ufrag}:theirs"))),
        ("a check without a name", check("")),
        ("a check that is cut off", check(&format!("{ufrag}:theirs"))[..30].to_vec()),
        ("a handshake of a stranger", [&[22, 0xfe, 0xff][..], &[0; 60]].concat()),
        ("RTP of a made-up source", rtp(0x80, 96)),
        ("RTP with padding and extensions without end", rtp(0xbf, 96)),
        ("RTCP of a stranger", rtp(0x81, 201)),
    ];
    let before = metric(&the_box, "parlor_datagrams_bad_total").await;
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
    socket.set_nonblocking(true).expect("a socket of ours");
    for _ in 0..10 {
        for (what, datagram) in &strange {
            let sent = socket.send_to(datagram, ("127.0.0.1", the_box.media_port));
            assert_eq!(sent.expect("loopback takes it"), datagram.len(), "{what}");
        }
    }
    let n_sent = 10 * strange.len() as u64;
    reaches(&the_box, "parlor_datagrams_bad_total", before + n_sent).await;
    let answer = socket.recv(&mut [0; 2000]);
    assert!(answer.is_err(), "a stranger was answered with {answer:?} bytes");
    for name in ["parlor_rtp_packets_in_total", "parlor_publishers", "parlor_viewers"] {
        assert_eq!(metric(&the_box, name).await, 0, "{name}");
    }
    let gone = the_box.request("DELETE", created.header("location"), &[], "").await;
    assert_eq!(gone.status(), 200, "the box lives and knows its session");
}

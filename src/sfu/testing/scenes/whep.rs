//! A viewer that brings the offer: its sections are filled, with one track after another.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{
    layers::{Layered, Watcher, play},
    redundant::{Microphone, RED, redundant},
};
use crate::{
    ids::MemberId,
    seams::media::{DownWant, Path, SfuError},
    sfu::testing::{
        link::{Link, Teller},
        peer::Peer,
        world::{Source, World},
    },
};

const VIEWER: MemberId = MemberId(300);

fn offer_to_receive(peer: &Peer) -> String {
    let offer = peer.client.offer(&[("0", "opus", 1), ("1", "VP8", 2)]);
    let theirs = |line: &&str| !line.starts_with("a=ssrc:") && !line.starts_with("a=msid:");
    let lines: Vec<&str> = offer.lines().filter(theirs).collect();
    format!("{}\r\n", lines.join("\r\n")).replace("a=sendonly", "a=recvonly")
}

impl World {
    fn answer_to(&self, revision: u32) -> Option<Result<Arc<str>, SfuError>> {
        let (of, answer) = self.seen.get(&VIEWER)?.down.as_ref()?.answer.clone()?;
        (of == revision).then_some(answer)
    }

    fn offers(&mut self, revision: u32, sdp: &str, watch: MemberId) {
        let offer = Some((revision, sdp.into()));
        let watch = BTreeSet::from([watch]);
        let down =
            DownWant { generation: 1, watch, hear: None, tiles: [].into(), answer: None, offer };
        self.wants.entry(VIEWER).or_default().down = Some(down);
        self.apply(VIEWER);
        self.until("the offer is answered", |world| world.answer_to(revision).is_some());
    }

    /// A viewer by its own offer, which has got the publisher's first keyframe.
    fn watching(source: &mut Source, world: &mut Self) -> String {
        let mut peer = world.another_peer(300);
        let offer = offer_to_receive(&peer);
        world.offers(1, &offer, source.member);
        let answer = world.answer_to(1).expect("it was answered").expect("an answer");
        peer.sections = peer.client.take_answer_to_receive(&answer);
        assert_eq!(peer.sections.len(), 2, "{answer}");
        world.downs.insert(VIEWER, peer);
        world.send_frame(source, 3, true);
        world.until("the keyframe comes", |world| n_payloads(world) == 3);
        offer
    }
}

fn n_payloads(world: &World) -> usize {
    world.downs[&VIEWER].video().map_or(0, |video| video.payloads.len())
}

#[test]
fn its_section_shows_one_publisher_after_another() {
    let mut world = World::new();
    let mut first = world.publisher(1);
    let mut second = world.publisher(2);
    World::watching(&mut first, &mut world);
    assert!(world.has_all(VIEWER, &first, 0));
    let down = world.wants.get_mut(&VIEWER).and_then(|want| want.down.as_mut());
    down.expect("a wanted down").watch = BTreeSet::from([second.member]);
    world.apply(VIEWER);
    world.send_frame(&mut first, 2, true);
    world.send_frame(&mut second, 4, true);
    world.until("the other's keyframe comes", |world| n_payloads(world) == 7);
    let seen = world.seen[&VIEWER].down.clone().expect("a down");
    assert_eq!(seen.offer, None);
    assert_eq!(seen.mids.iter().map(|(_, s)| s.member).collect::<Vec<_>>(), [second.member]);
    let video = world.downs[&VIEWER].video().expect("video");
    assert!(video.missing(1).is_empty(), "one stream goes on");
}

#[test]
fn ice_restarts_while_media_goes_on() {
    let mut world = World::new();
    let mut source = world.publisher(1);
    let offer = World::watching(&mut source, &mut world);
    let restart = offer.replace("a=ice-ufrag:", "a=ice-ufrag:x");
    world.offers(2, &restart, source.member);
    let answers = [1, 2].map(|revision| world.answer_to(revision).is_some());
    assert_eq!(answers, [false, true]);
    world.send_frame(&mut source, 2, false);
    world.until("packets go on by the former path", |world| n_payloads(world) == 5);
    let answer = world.answer_to(2).expect("it was answered").expect("an answer");
    let peer = world.downs.get_mut(&VIEWER).expect("a viewer");
    peer.client.take_answer(&answer);
    // Longer than silence would be borne: its checks by the new name are answered.
    world.run(Duration::from_secs(7));
    let path = |world: &World| world.seen[&VIEWER].down.as_ref().map(|down| down.path);
    assert_eq!(path(&world), Some(Path::Connected));
    let refused = restart.replace("a=mid:1", "a=mid:9").replace("BUNDLE 0 1", "BUNDLE 0 9");
    world.offers(3, &refused, source.member);
    assert!(matches!(world.answer_to(3), Some(Err(SfuError::SdpUnacceptable(_)))));
    world.send_frame(&mut source, 2, false);
    world.until("nothing has changed by it", |world| n_payloads(world) == 7);
}

#[test]
fn its_path_decides_the_layer_where_it_tells_of_arrivals() {
    let mut world = World::new();
    let mut source = Layered::new(&mut world);
    let mut peer = world.another_peer(300);
    let numbers = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
    let repair = "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtcp-fb:96 transport-cc\r\n";
    let offer = offer_to_receive(&peer)
        .replace("SAVPF 96\r\n", "SAVPF 96 97\r\n")
        .replace("a=rtcp-fb:96 nack\r\n", &format!("a=rtcp-fb:96 nack\r\n{repair}"))
        .replace("a=mid:", &format!("a=extmap:7/recvonly {numbers}\r\na=mid:"));
    world.offers(1, &offer, source.member);
    let answer = world.answer_to(1).expect("it was answered").expect("an answer");
    let n_lines = |line: &str| answer.lines().filter(|other| *other == line).count();
    // The sound's section does not name it as feedback of its codec.
    let expected = (1, 1);
    let found = (n_lines(&format!("a=extmap:7 {numbers}")), n_lines("a=rtcp-fb:96 transport-cc"));
    assert_eq!(found, expected, "{answer}");
    peer.sections = peer.client.take_answer_to_receive(&answer);
    peer.transport_cc_id = 7;
    let address = peer.address;
    world.downs.insert(VIEWER, peer);

    let second = Duration::from_secs(1);
    let mut viewers = [Watcher { member: VIEWER, teller: Teller::new(world.now) }];
    for (bps, layer, within) in [(50e6, 2, 10), (300_000.0, 0, 5), (50e6, 2, 15)] {
        match world.links.get_mut(&address) {
            Some(link) => link.bps = bps,
            None => drop(world.links.insert(address, Link::new(bps))),
        }
        let took = play(&mut world, &mut source, &mut viewers, 30 * second, |world, viewers| {
            viewers[0].layer(world) == Some(layer)
        });
        assert!(took.is_some_and(|took| took <= within * second), "{bps}: {took:?}");
        play(&mut world, &mut source, &mut viewers, 3 * second, |_, _| false);
    }
    viewers[0].assert_continuous(&world);
}

#[test]
fn sound_that_went_out_as_red_is_sent_again_as_opus() {
    let mut world = World::new();
    let mut microphone = Microphone::new(&mut world, 1, 111);
    let mut peer = world.another_peer(300);
    let rtpmap = "a=rtpmap:111 opus/48000/2\r\n";
    let more = "a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n\
                a=rtpmap:110 rtx/48000\r\na=fmtp:110 apt=111\r\n";
    let offer = offer_to_receive(&peer)
        .replace("SAVPF 111\r\n", "SAVPF 111 63 110\r\n")
        .replace(rtpmap, &format!("{rtpmap}{more}"));
    world.offers(1, &offer, microphone.member);
    let answer = world.answer_to(1).expect("it was answered").expect("an answer");
    peer.sections = peer.client.take_answer_to_receive(&answer);
    world.downs.insert(VIEWER, peer);
    world.until("it is connected", |world| world.downs[&VIEWER].client.connected());
    for (n, is_lost) in [false, true, false].into_iter().enumerate() {
        let peer = world.downs.get_mut(&VIEWER).expect("a viewer");
        (peer.nacks, peer.loss_percent) = (!is_lost, if is_lost { 100 } else { 0 });
        microphone.send(&mut world, RED, &redundant(111, &[n as u8; 20], &[n as u8 + 1; 20]));
    }
    world.run(Duration::from_millis(100));
    let peer = &world.downs[&VIEWER];
    let stream = peer.streams.values().next().expect("the sound");
    let payloads: Vec<&Vec<u8>> = stream.payloads.values().collect();
    assert_eq!((payloads.len(), stream.n_red, stream.n_repaired), (3, 2, 1));
    assert_eq!(*payloads[1], [2; 20], "what its payload type says");
}

#[test]
fn its_picture_is_of_one_and_its_sound_of_whoever_is_heard() {
    let mut world = World::new();
    let mut source = world.publisher(1);
    let mut voice = Microphone::new(&mut world, 2, 111);
    World::watching(&mut source, &mut world);
    let n_streams = |world: &World| world.downs[&VIEWER].streams.len();
    voice.send(&mut world, 111, b"unheard");
    assert_eq!(n_streams(&world), 1, "nobody has asked for it");
    for hear in [Some(voice.member), None] {
        let down = world.wants.get_mut(&VIEWER).and_then(|want| want.down.as_mut());
        down.expect("a wanted down").hear = hear;
        world.apply(VIEWER);
        voice.send(&mut world, 111, b"a voice");
        world.send_frame(&mut source, 2, false);
        world.run(Duration::from_millis(100));
    }
    let sections = &world.downs[&VIEWER].sections;
    let sound = sections.iter().find(|section| !section.video).expect("a section");
    let sound = world.downs[&VIEWER].streams[&sound.ssrc].payloads.values();
    assert_eq!(sound.collect::<Vec<_>>(), [b"a voice"], "once, as it was wanted");
    assert_eq!(n_payloads(&world), 7, "the picture has gone on through both");
    assert!(world.has_all(VIEWER, &source, 0));
}

//! Many talk at once: the loudest are heard, each stream goes on without a gap, and who speaks is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    ids::MemberId,
    protocol::TrackSource,
    sfu::testing::world::{MAX_SPEAKERS, STEP, World},
};

const LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
/// What one packet of sound lasts.
const PACKET: Duration = Duration::from_millis(20);
const SILENT: u8 = 95;
const TALKS: u8 = 25;
const SCREEN: MemberId = MemberId(50);
/// Changes in one stretch of talk; more would be flapping.
const MAX_CHANGES: usize = 8;

/// A member whose microphone sends a packet every 20 ms.
pub(super) struct Talker {
    pub(super) member: MemberId,
    ssrc: u32,
    /// Packets so far.
    n: u32,
    /// RFC 6464; `None`: it sends none.
    pub(super) level: Option<u8>,
}

impl Talker {
    pub(super) fn new(world: &mut World, number: u16, source: TrackSource) -> Self {
        let source = world.publisher_of(number, ("opus", source), |offer| {
            offer.replace("a=sendonly\r\n", &format!("a=sendonly\r\na=extmap:4 {LEVEL}\r\n"))
        });
        Self { member: source.member, ssrc: source.ssrc, n: 0, level: Some(SILENT) }
    }

    fn send(&mut self, world: &mut World) {
        let mut packet = vec![if self.level.is_some() { 0x90 } else { 0x80 }, 111];
        packet.extend((self.n as u16).wrapping_sub(20).to_be_bytes());
        packet.extend((self.n * 960).to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        if let Some(level) = self.level {
            packet.extend([0xbe, 0xde, 0, 1, 4 << 4, 0x80 | level, 0, 0]);
        }
        packet.extend(self.n.to_be_bytes());
        packet.extend([7; 60]);
        world.ups.get_mut(&self.member).expect("a publisher").client.send_rtp(&packet);
        self.n += 1;
    }
}

/// Everybody sends for so long, or until `done`; how long that took. Of voices with levels no more
/// comes than the places allow; a change may cost one packet, of whoever was heard just before.
fn talk(
    world: &mut World,
    talkers: &mut [Talker],
    limit: Duration,
    done: impl Fn(&World) -> bool,
) -> Option<Duration> {
    let limited: Vec<MemberId> = talkers
        .iter()
        .filter(|t| t.level.is_some() && t.member != SCREEN)
        .map(|t| t.member)
        .collect();
    let count = |world: &World, viewer: MemberId| -> usize {
        heard(world, viewer).iter().filter(|(m, _)| limited.contains(m)).map(|(_, n)| n.len()).sum()
    };
    let viewers: Vec<MemberId> = world.downs.keys().copied().collect();
    let before: Vec<usize> = viewers.iter().map(|viewer| count(world, *viewer)).collect();
    let (began, mut n_rounds, mut took) = (world.now, 0, None);
    while world.now < began + limit && took.is_none() {
        talkers.iter_mut().for_each(|talker| talker.send(world));
        for _ in 0..PACKET.as_millis() / STEP.as_millis() {
            world.step();
        }
        n_rounds += 1;
        took = done(world).then(|| world.now - began);
    }
    for (viewer, before) in viewers.into_iter().zip(before) {
        let n_heard = count(world, viewer) - before;
        assert!(n_heard <= MAX_SPEAKERS * n_rounds + MAX_CHANGES, "{n_heard} in {n_rounds} rounds");
    }
    took
}

/// Numbers of the packets that a viewer has of each member, in its order.
pub(super) fn heard(world: &World, viewer: MemberId) -> BTreeMap<MemberId, Vec<u32>> {
    let peer = &world.downs[&viewer];
    let Some(seen) = world.seen.get(&viewer).and_then(|seen| seen.down.as_ref()) else {
        return BTreeMap::new();
    };
    let mut heard = BTreeMap::new();
    for (mid, shown) in &seen.mids {
        let section = peer.sections.iter().find(|section| section.mid == mid.as_str());
        let stream = section.and_then(|section| peer.streams.get(&section.ssrc));
        let Some(stream) = stream else { continue };
        assert!(stream.missing(1).is_empty(), "{}: a gap", shown.member);
        let number = |payload: &Vec<u8>| u32::from_be_bytes(payload[..4].try_into().expect("4"));
        let numbers: Vec<u32> = stream.payloads.values().map(number).collect();
        assert!(numbers.is_sorted(), "{}: out of order", shown.member);
        heard.insert(shown.member, numbers);
    }
    heard
}

/// Who was heard in the last half second.
fn heard_lately(world: &mut World, talkers: &mut [Talker], viewer: MemberId) -> BTreeSet<u64> {
    let count = |world: &World| -> BTreeMap<MemberId, usize> {
        heard(world, viewer).into_iter().map(|(member, all)| (member, all.len())).collect()
    };
    let before = count(world);
    talk(world, talkers, Duration::from_millis(500), |_| false);
    let after = count(world);
    let grew = |member: &&MemberId| after[*member] >= before.get(*member).unwrap_or(&0) + 20;
    after.keys().filter(grew).map(|member| member.0).collect()
}

#[test]
fn of_many_the_loudest_are_heard_and_each_goes_on_where_it_was_left_out() {
    the_loudest_are_heard(World::new());
}

#[test]
fn the_same_are_heard_on_the_rooms_second_worker() {
    the_loudest_are_heard(World::split());
}

fn the_loudest_are_heard(mut world: World) {
    let mut talkers: Vec<Talker> =
        (1..=12).map(|number| Talker::new(&mut world, number, TrackSource::Microphone)).collect();
    talkers.push(Talker::new(&mut world, 50, TrackSource::ScreenAudio));
    talkers.push(Talker::new(&mut world, 51, TrackSource::Microphone));
    talkers[13].level = None;
    let everybody: Vec<MemberId> = talkers.iter().map(|talker| talker.member).collect();
    let viewers = [100, 201].map(|number| world.viewer(number, &everybody));
    let second = Duration::from_secs(1);
    let connected = |world: &World| {
        viewers.iter().all(|viewer| {
            world.downs[viewer].client.connected() && !heard(world, *viewer).is_empty()
        })
    };
    talk(&mut world, &mut talkers, 5 * second, connected).expect("viewers are connected");
    talk(&mut world, &mut talkers, second, |_| false);

    for talker in &mut talkers[4..8] {
        talker.level = Some(TALKS);
    }
    talk(&mut world, &mut talkers, second, |_| false);
    for viewer in viewers {
        let heard = heard_lately(&mut world, &mut talkers, viewer);
        assert_eq!(heard, BTreeSet::from([5, 6, 7, 8, 50, 51]), "the loudest and the exempt");
    }
    assert_eq!(world.speaking.members, (5..=8).map(MemberId).collect());
    let active = world.speaking.active;
    assert!(active.is_some_and(|active| world.speaking.members.contains(&active)));

    // One of them stops, and later another begins: all of its first word is there.
    talkers[4].level = Some(SILENT);
    talk(&mut world, &mut talkers, 3 * second, |_| false);
    let first = talkers[9].n;
    talkers[9].level = Some(TALKS);
    let is_heard = |world: &World| {
        let heard = heard(world, viewers[0]);
        heard.get(&MemberId(10)).is_some_and(|numbers| numbers.last() >= Some(&first))
    };
    talk(&mut world, &mut talkers, second, is_heard).expect("it is heard");
    let numbers = heard(&world, viewers[0])[&MemberId(10)].clone();
    assert!(numbers.contains(&first), "its very first packet: {first}, {numbers:?}");
    talk(&mut world, &mut talkers, second, |_| false);
    let n_before = heard(&world, viewers[1])[&MemberId(5)].len();

    // The first comes back while another stops: its stream goes on (`heard` looks for gaps).
    talkers[5].level = Some(SILENT);
    talkers[4].level = Some(TALKS);
    talk(&mut world, &mut talkers, 3 * second, |_| false);
    for viewer in viewers {
        let heard = heard_lately(&mut world, &mut talkers, viewer);
        assert_eq!(heard, BTreeSet::from([5, 7, 8, 10, 50, 51]));
    }
    let numbers = heard(&world, viewers[1])[&MemberId(5)].clone();
    assert!(numbers[n_before] > numbers[n_before - 1] + 50, "what was left out stays so");

    // Who goes speaks no more.
    world.wants.remove(&MemberId(8));
    world.apply(MemberId(8));
    talkers.remove(7);
    talk(&mut world, &mut talkers, second, |_| false);
    assert_eq!(world.speaking.members, [5, 7, 10].map(MemberId).into());
}

#[test]
fn a_small_room_hears_everybody_and_the_active_speaker_follows() {
    let mut world = World::new();
    let mut talkers: Vec<Talker> =
        (1..=3).map(|number| Talker::new(&mut world, number, TrackSource::Microphone)).collect();
    let viewer = world.viewer(100, &[1, 2, 3].map(MemberId));
    let second = Duration::from_secs(1);
    talk(&mut world, &mut talkers, 2 * second, |_| false);
    assert_eq!(heard_lately(&mut world, &mut talkers, viewer), BTreeSet::from([1, 2, 3]));
    assert_eq!((world.speaking.active, world.speaking.members.len()), (None, 0));
    for index in [1, 0, 2, 1] {
        talkers.iter_mut().for_each(|talker| talker.level = Some(SILENT));
        talkers[index].level = Some(TALKS);
        let member = Some(talkers[index].member);
        let took = talk(&mut world, &mut talkers, second, |world| world.speaking.active == member);
        assert!(took.is_some_and(|took| took <= 7 * second / 10), "{took:?}");
        talk(&mut world, &mut talkers, second, |_| false);
        assert_eq!(world.speaking.members, member.into_iter().collect());
    }
    talkers.iter_mut().for_each(|talker| talker.level = Some(SILENT));
    talk(&mut world, &mut talkers, second, |_| false);
    assert_eq!(world.speaking.members.len(), 0);
    assert_eq!(world.speaking.active, Some(MemberId(2)), "the last one");
    let numbers = heard(&world, viewer)[&MemberId(1)].clone();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "nothing was left out");
}

#[test]
fn a_sound_that_nobody_can_hear_need_not_be_sent_and_comes_back_for_whoever_comes() {
    let mut world = World::new();
    let mut talkers = vec![Talker::new(&mut world, 1, TrackSource::Microphone)];
    talkers[0].level = Some(TALKS);
    let member = talkers[0].member;
    let told = |world: &World| {
        let up = world.seen[&member].up.as_ref().expect("an up");
        up.layers.values().next().cloned()
    };
    let second = Duration::from_secs(1);
    let is_off = |world: &World| told(world) == Some(vec![false]);
    let took = talk(&mut world, &mut talkers, 12 * second, is_off);
    assert!(took.is_some_and(|took| took >= 4 * second), "after a while: {took:?}");

    let viewer = world.viewer(100, &[member]);
    world.wake();
    assert_eq!(told(&world), None, "on at once, before the viewer has answered");
    let hears = |world: &World| heard(world, viewer).values().any(|all| all.len() > 20);
    talk(&mut world, &mut talkers, 5 * second, hears).expect("it is heard");
    // Silence is need as well: the next word would come too late.
    talkers[0].level = Some(SILENT);
    talk(&mut world, &mut talkers, 15 * second, |_| false);
    assert_eq!(told(&world), None);
}

//! What the two of a pair say to each other by way of the room.

use super::*;
use crate::protocol::PeerSignal;
use crate::room::direct::SETTLE;

fn candidate(text: &str) -> PeerSignal {
    PeerSignal::Candidate { candidate: Some(text.into()), mid: Some("0".into()) }
}

#[test]
fn words_go_to_the_other_of_the_pair_alone_and_of_the_present_generation_alone() {
    let mut bench = Bench::new(0);
    let seats = bench.couple();
    let [ana, ben] = seats;
    let signal = |peer: u64, generation, signal| ClientMessage::DirectSignal {
        peer: MemberId(peer),
        generation,
        signal,
    };
    bench.ask(ana, signal(2, 1, candidate("early")));
    assert_eq!(bench.error(ana), Some(ErrorCode::DirectUnknown), "nobody was asked to");
    bench.pass(SETTLE);
    let generation = bench.direct(ana).expect("a word").generation;
    bench.ask(ana, signal(2, generation, candidate("one")));
    assert!(bench.heard(ben).iter().any(|message| matches!(&message.message,
        ServerMessage::DirectSignal { peer: MemberId(1), generation: of, signal }
            if *of == generation && *signal == candidate("one"))));
    for (peer, of) in [(1, generation), (3, generation), (2, generation + 1), (2, 0)] {
        bench.ask(ana, signal(peer, of, candidate("astray")));
        assert_eq!(bench.error(ana), Some(ErrorCode::DirectUnknown), "{peer}, {of}");
        assert!(bench.heard(ben).is_empty());
    }
    bench.ask(ana, signal(2, generation, candidate(&"x".repeat(1025))));
    assert_eq!(bench.error(ana), Some(ErrorCode::MessageMalformed));
}

#[test]
fn a_pair_says_no_more_to_each_other_than_a_connection_needs() {
    let mut bench = Bench::new(0);
    let [ana, ben] = bench.couple();
    bench.pass(SETTLE);
    let generation = bench.direct(ana).expect("a word").generation;
    let ask = |bench: &mut Bench, signal| {
        bench.ask(ana, ClientMessage::DirectSignal { peer: ben.member, generation, signal });
        bench.heard(ben).len()
    };
    let n_candidates: usize = (0..1000).map(|_| ask(&mut bench, candidate("one"))).sum();
    assert_eq!(n_candidates, 200);
    let answer = || PeerSignal::Answer { sdp: "v=0".into() };
    let n_answers: usize = (0..100).map(|_| ask(&mut bench, answer())).sum();
    assert_eq!(n_answers, 4);
    assert_eq!(bench.error(ana), Some(ErrorCode::RateLimited));
}

use std::net::SocketAddr;

use super::*;

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

fn way(port: u16) -> Route {
    SocketAddr::from(([192, 0, 2, 7], port)).into()
}

struct Fixture {
    pairs: Pairs,
    now: Instant,
    n_numbers: u8,
}

impl Fixture {
    fn new() -> Self {
        let pairs = Pairs { can_ask: true, ..Pairs::default() };
        // An hour ahead, so that reading the clock would fail loudly.
        Self { pairs, now: Instant::now() + 3600 * S, n_numbers: 0 }
    }

    fn check(&mut self, port: u16, nominates: bool) {
        self.pairs.heard(self.now, way(port), 100);
        if nominates {
            self.pairs.nominate(self.now, way(port));
        }
    }

    /// The way by which a check of ours goes now.
    fn asks(&mut self) -> Option<u16> {
        let n_numbers = &mut self.n_numbers;
        let number = || {
            *n_numbers += 1;
            [*n_numbers; 12]
        };
        let (route, number) = self.pairs.ask(self.now, 100, number)?;
        assert_eq!(self.pairs.asked(route), Some(&number));
        Some(route.peer.address.port())
    }

    fn answer(&mut self, port: u16) {
        self.pairs.answered(self.now, way(port));
    }

    fn route(&self) -> Option<u16> {
        Some(self.pairs.route()?.peer.address.port())
    }

    /// Does what is due until then; by which ways checks of ours went, and after how many milliseconds.
    fn run(&mut self, time: Duration) -> Vec<(u16, u128)> {
        let (start, end) = (self.now, self.now + time);
        let mut asked = Vec::new();
        while let Some(due) = self.pairs.poll_timeout().filter(|due| *due <= end) {
            assert!(asked.len() < 1000, "it is due again and again");
            self.now = self.now.max(due);
            self.pairs.handle_timeout(self.now);
            if let Some(port) = self.asks() {
                asked.push((port, (self.now - start).as_millis()));
            }
        }
        self.now = end;
        asked
    }
}

#[test]
fn media_takes_no_way_before_the_client_has_answered_from_there() {
    let mut fixture = Fixture::new();
    fixture.check(1, true);
    assert_eq!((fixture.route(), fixture.asks()), (None, Some(1)));
    assert_eq!(fixture.pairs.towards(), Some(way(1)), "the handshake goes there");
    fixture.answer(1);
    assert_eq!((fixture.route(), fixture.pairs.n_moves()), (Some(1), 1));
    // Another is nominated: media stays until it answers.
    fixture.now += S;
    fixture.check(2, true);
    assert_eq!((fixture.route(), fixture.asks()), (Some(1), Some(2)));
    fixture.answer(2);
    assert_eq!((fixture.route(), fixture.pairs.n_moves()), (Some(2), 2));
    // Back to what is proven already: at once.
    fixture.check(1, true);
    assert_eq!((fixture.route(), fixture.pairs.n_moves()), (Some(1), 3));
    // A check alone moves nothing.
    fixture.check(2, false);
    assert_eq!(fixture.route(), Some(1));
}

#[test]
fn a_false_address_gets_three_times_what_came_and_is_left_alone() {
    let mut fixture = Fixture::new();
    fixture.check(1, true);
    fixture.answer(1);
    fixture.check(9, true);
    let asked = fixture.run(20 * S);
    let n_to_nine = asked.iter().filter(|(port, _)| *port == 9).count();
    assert_eq!(n_to_nine, 3, "{asked:?}");
    assert!(!fixture.pairs.may_send(way(9), 1) && fixture.pairs.may_send(way(1), 1_000_000));
    assert!(!fixture.pairs.may_send(way(77), 1), "of which nothing is known");
    fixture.pairs.received(way(9), 50);
    assert!(fixture.pairs.may_send(way(9), 150) && !fixture.pairs.may_send(way(9), 1));
}

#[test]
fn lost_checks_are_repeated_under_their_number_and_fewer_and_fewer() {
    let mut fixture = Fixture::new();
    fixture.check(1, true);
    for _ in 0..100 {
        fixture.pairs.received(way(1), 1000);
    }
    let asked = fixture.run(5 * S);
    let times: Vec<u128> = asked.iter().map(|(_, ms)| *ms).collect();
    assert_eq!(times, [0, 100, 300, 700, 1500, 2500, 3500, 4500]);
    assert_eq!(fixture.n_numbers, 1);
    assert!(fixture.run(60 * S).len() <= 11, "whoever is gone is left alone");
}

#[test]
fn what_is_due_when_the_thread_wakes_late_is_not_due_for_ever() {
    for late in [MS, 600 * MS, 30 * S] {
        let mut fixture = Fixture::new();
        fixture.check(1, true);
        fixture.pairs.received(way(1), 100_000);
        fixture.run(14 * S);
        let due = fixture.pairs.poll_timeout().expect("whoever has just come is asked");
        fixture.now = due + late;
        fixture.pairs.handle_timeout(fixture.now);
        while fixture.asks().is_some() {}
        let next = fixture.pairs.poll_timeout();
        assert!(next.is_none_or(|next| next > fixture.now), "{late:?} late");
    }
}

#[test]
fn consent_is_asked_for_and_runs_out_where_it_was_given_before() {
    let mut fixture = Fixture::new();
    fixture.check(1, true);
    fixture.answer(1);
    assert_eq!(fixture.run(4 * S), []);
    assert_eq!(fixture.run(S), [(1, 1000)]);
    fixture.answer(1);
    fixture.check(2, true);
    fixture.answer(2);
    fixture.check(1, true);
    assert_eq!(fixture.route(), Some(1));
    // Only what media takes is asked. It answers no more; the other one's proof is as old.
    let asked = fixture.run(29 * S + 900 * MS);
    assert!(asked.iter().all(|(port, _)| *port == 1) && asked.len() >= 20, "{asked:?}");
    assert_eq!(fixture.route(), Some(1));
    fixture.run(200 * MS);
    assert_eq!(fixture.route(), None);
    fixture.check(1, false);
    fixture.run(MS);
    fixture.answer(1);
    assert_eq!(fixture.route(), Some(1));
}

#[test]
fn a_client_that_never_answers_keeps_what_its_handshake_has_proven() {
    let mut fixture = Fixture::new();
    fixture.check(1, true);
    fixture.pairs.prove(fixture.now, way(1));
    fixture.run(300 * S);
    assert_eq!(fixture.route(), Some(1));
    fixture.check(2, true);
    fixture.run(20 * S);
    assert_eq!(fixture.route(), Some(1), "and moves nowhere");
}

#[test]
fn what_the_client_uses_is_what_it_has_chosen_but_not_back_and_forth() {
    let mut fixture = Fixture::new();
    for port in [1, 2] {
        fixture.check(port, true);
        fixture.answer(port);
    }
    assert_eq!(fixture.route(), Some(2));
    fixture.pairs.used(fixture.now, way(1));
    assert_eq!(fixture.route(), Some(2), "just now it went over");
    fixture.now += S;
    fixture.pairs.used(fixture.now, way(1));
    assert_eq!(fixture.route(), Some(1));
    fixture.now += S;
    fixture.pairs.used(fixture.now, way(5));
    assert_eq!(fixture.route(), Some(1), "nobody knows that one");
}

#[test]
fn what_is_replayed_from_everywhere_makes_nobody_forget_where_the_client_is() {
    let mut fixture = Fixture::new();
    for port in [1, 2] {
        fixture.check(port, true);
        fixture.answer(port);
    }
    for port in 100..2000 {
        fixture.check(port, true);
    }
    assert_eq!(fixture.pairs.pairs.len(), MAX_PAIRS);
    assert!(fixture.pairs.knows(way(1).peer) && fixture.pairs.knows(way(2).peer));
    assert_eq!(fixture.route(), Some(2));
}

#[test]
fn the_same_peer_by_two_of_our_addresses_is_two_ways() {
    let mut fixture = Fixture::new();
    let ethernet = Route { local: Some([10, 0, 0, 1].into()), ..way(1) };
    let wifi = Route { local: Some([10, 0, 0, 2].into()), ..way(1) };
    for route in [ethernet, wifi] {
        fixture.pairs.heard(fixture.now, route, 100);
        fixture.pairs.nominate(fixture.now, route);
        fixture.pairs.answered(fixture.now, route);
        assert_eq!(fixture.pairs.route(), Some(route));
    }
}

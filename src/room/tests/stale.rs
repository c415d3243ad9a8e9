//! Who tries to reach the box by addresses of before.

use super::*;

/// An address came up after the client had been told: it waited until ICE gave up.
#[test]
fn whoever_tries_only_addresses_of_before_begins_anew_at_once() {
    let mut bench = Bench::new(0);
    let ana = bench.join(1, "Ana");
    bench.ask(ana, publish(1, &["0"]));
    let seen = |path, is_stale: bool| {
        let (mut up, mut down) = (up_seen(1, 1, path).up, down_seen(1, 1, 2, path).down);
        up.iter_mut().for_each(|up| up.is_stale = is_stale);
        down.iter_mut().for_each(|down| down.is_stale = is_stale);
        Input::Observed { member: MemberId(1), observed: Observed { up, down } }
    };
    let n_told = |bench: &Bench| {
        let heard = bench.heard(ana);
        let is_restart = |message: &ServerMessage| {
            *message == ServerMessage::Restart { direction: Direction::Up }
        };
        heard.iter().filter(|heard| is_restart(&heard.message)).count()
    };
    let generation = |bench: &Bench| {
        bench.room.places[&MemberId(1)].desired.down.as_ref().map(|down| down.generation)
    };
    bench.handle(seen(Path::New, false));
    assert_eq!((n_told(&bench), generation(&bench)), (0, Some(1)));
    bench.handle(seen(Path::New, true));
    assert_eq!((n_told(&bench), generation(&bench)), (1, Some(2)));
    bench.handle(seen(Path::New, true));
    assert_eq!((n_told(&bench), generation(&bench)), (0, Some(2)), "told once");
}

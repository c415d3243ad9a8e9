//! What a publisher is told of its layers.

use super::*;

#[test]
fn a_publisher_is_told_which_layers_are_wanted_once_and_again_after_its_return() {
    let mut bench = Bench::new(0);
    let ana = bench.join(1, "Ana");
    bench.ask(ana, publish(5, &["1"]));
    let seen = |layers: Option<&[bool]>| {
        let mut observed = up_seen(5, 1, Path::Connected);
        let up = observed.up.as_mut().expect("an up");
        let layers = layers.map(|layers| ("1".parse().expect("a mid"), layers.to_vec()));
        up.layers = Arc::new(BTreeMap::from_iter(layers));
        Input::Observed { member: ana.member, observed }
    };
    let told = |bench: &Bench, seat| -> Vec<(u32, usize)> {
        let layers = |message: &&Outgoing| match &message.message {
            ServerMessage::Layers { generation, tracks } => Some((*generation, tracks.len())),
            _ => None,
        };
        bench.heard(seat).iter().filter_map(layers).collect()
    };
    bench.handle(seen(None));
    assert_eq!(told(&bench, ana), [], "a new connection sends all");
    bench.handle(seen(Some(&[true, false, false])));
    assert_eq!(told(&bench, ana), [(5, 1)]);
    bench.handle(seen(Some(&[true, false, false])));
    assert_eq!(told(&bench, ana), [], "no news");

    bench.handle(Input::SocketLost { seat: ana, slow: false });
    bench.handle(seen(None));
    assert_eq!(told(&bench, ana), [], "nobody hears it");
    let mut arrival = Bench::arrival(1, "Ana");
    arrival.resume = Some(of_this_run(ana));
    let again = bench.room.join(arrival).expect("the place was kept");
    bench.log = bench.room.take_actions();
    assert_eq!(told(&bench, again), [(5, 0)], "all are wanted again");
}

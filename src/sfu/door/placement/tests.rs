use super::*;

fn load(n_connections: usize, busy: u16) -> Load {
    Load { n_connections, n_rooms: 1, busy, is_gone: false }
}

#[test]
fn a_room_begins_where_least_is_to_be_done() {
    let gone = Load { is_gone: true, ..Load::default() };
    let cases: [(&[Load], usize); 6] = [
        (&[load(0, 0)], 0),
        (&[load(3, 0), load(2, 0), load(2, 0)], 1),
        (&[load(0, 500), load(9, 300)], 1),
        (&[load(9, 340), load(3, 310)], 1),
        (&[gone, load(900, 999)], 1),
        (&[load(0, 0), Load { n_rooms: 0, ..load(0, 0) }], 1),
    ];
    for (loads, expected) in cases {
        assert_eq!(least_loaded(loads, |_| true), Some(expected), "{loads:?}");
    }
    assert_eq!(least_loaded(&[load(0, 0)], |_| false), None);
}

#[test]
fn with_one_worker_everybody_is_at_home() {
    let mut placement = Placement::new(0, 2);
    for busy in [0, 999, 300, 0, 1000] {
        assert_eq!(placement.place_viewer(&[load(0, busy)]), 0);
    }
    for _ in 0..9 {
        assert!(!placement.remove_viewer(0));
    }
}

#[test]
fn a_busy_home_sends_new_viewers_on_until_it_is_clearly_free_again() {
    let mut placement = Placement::new(1, 1000);
    let mut place = |busy| placement.place_viewer(&[load(0, 0), load(0, busy), load(5, 0)]);
    assert_eq!([place(0), place(699), place(700), place(600), place(551)], [1, 1, 0, 0, 0]);
    assert_eq!([place(549), place(699), place(900)], [1, 1, 0]);
}

#[test]
fn a_crowd_is_dealt_out_by_number() {
    let mut placement = Placement::new(0, 3);
    let loads = [load(0, 0), load(7, 0), load(2, 0)];
    let places: Vec<usize> = (0..11).map(|_| placement.place_viewer(&loads)).collect();
    assert_eq!(places, [0, 0, 0, 2, 2, 2, 1, 1, 1, 0, 2], "then they share");
    assert!(!placement.remove_viewer(1) && !placement.remove_viewer(1));
    assert!(placement.remove_viewer(1), "its last viewer");
    assert_eq!(placement.place_viewer(&loads), 1, "and it is there to be used again");
}

#[test]
fn a_worker_that_is_gone_takes_nobody() {
    let mut placement = Placement::new(0, 1);
    let mut loads = [load(0, 0), load(0, 0), load(4, 0)];
    assert_eq!([placement.place_viewer(&loads), placement.place_viewer(&loads)], [0, 1]);
    loads[1].is_gone = true;
    placement.forget(1);
    assert_eq!([placement.place_viewer(&loads), placement.place_viewer(&loads)], [2, 0]);
    placement.forget(0);
    assert_eq!(placement.home(), 0, "a home stays one");
}

#[test]
fn nobody_is_lost_or_counted_twice_whatever_comes() {
    let mut placement = Placement::new(1, 4);
    let mut dice = 0x9e37_79b9_u32;
    let mut roll = |n: u32| {
        dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (dice >> 8) % n
    };
    let mut viewers: Vec<usize> = Vec::new();
    for _ in 0..5000 {
        if roll(2) == 0 || viewers.is_empty() {
            let loads = [0; 4].map(|_| load(roll(50) as usize, roll(1000) as u16));
            viewers.push(placement.place_viewer(&loads));
        } else {
            let worker = viewers.swap_remove(roll(viewers.len() as u32) as usize);
            let is_over = placement.remove_viewer(worker);
            assert_eq!(is_over, worker != 1 && !viewers.contains(&worker));
        }
        for used in &placement.used {
            let n_viewers = viewers.iter().filter(|worker| **worker == used.worker).count();
            assert_eq!(used.n_viewers, n_viewers);
        }
        assert_eq!(placement.home(), 1);
    }
}

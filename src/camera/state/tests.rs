//! The supervisor's states: a table of courses, then properties over random ones.

use std::time::SystemTime;

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;

/// Drives a machine with a clock of its own, an hour ahead of the wall clock.
struct Course {
    machine: Machine,
    at: Moment,
    start: Instant,
}

impl Course {
    fn new() -> Self {
        let start = Instant::now() + Duration::from_secs(3600);
        let wall = SystemTime::UNIX_EPOCH;
        Self { machine: Machine::new(start), at: Moment { now: start, wall, jitter: 0.5 }, start }
    }

    fn on(&mut self, event: Event) -> Vec<Action> {
        self.machine.handle(event, self.at)
    }

    fn pass(&mut self, time: Duration) {
        self.at.now += time;
        self.at.wall += time;
    }

    fn tick_after(&mut self, time: Duration, n_frames: u64) -> Vec<Action> {
        self.pass(time);
        self.on(Event::Tick { n_frames })
    }

    fn live() -> Self {
        let mut course = Self::new();
        assert_eq!(course.on(Event::Start), [Action::Join]);
        assert_eq!(course.on(Event::Seated), [Action::StartCapture]);
        let publish = [Action::StartPublisher { generation: 1 }];
        assert_eq!(course.on(Event::CaptureUp { codec_changed: false }), publish);
        assert_eq!(course.on(Event::PublisherUp), []);
        assert_eq!(course.machine.phase(), Phase::Live);
        course
    }

    fn fault(&self, cause: Cause, after: Duration) -> Action {
        Action::Show(Some(Fault { cause, since: SystemTime::UNIX_EPOCH + after }))
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_pause_doubles_from_one_second_to_sixty_and_is_jittered() {
    let seconds = |n, jitter| backoff(n, jitter).as_secs_f64();
    assert_eq!([1, 2, 3, 4, 5, 6].map(|n| seconds(n, 0.5)), [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]);
    assert_eq!([7, 8, 1000, u32::MAX].map(|n| seconds(n, 0.5)), [60.0; 4]);
    assert_eq!([0.0, 0.5, 1.0].map(|jitter| seconds(3, jitter)), [3.0, 4.0, 5.0]);
    assert_eq!([0.0, 1.0].map(|jitter| seconds(1, jitter)), [1.0, 1.25]);
    assert_eq!([0.0, 1.0].map(|jitter| seconds(9, jitter)), [45.0, 60.0]);
}

#[test]
fn an_unplugged_camera_keeps_seat_and_connection_and_comes_back_by_itself() {
    let mut course = Course::live();
    course.tick_after(SECOND, 30);
    let fault = course.fault(Cause::Unplugged, SECOND);
    let lost = course.on(Event::CaptureLost(Cause::Unplugged));
    assert_eq!(lost, [Action::StopCapture, fault]);
    assert_eq!(course.machine.phase(), Phase::Backoff);
    assert_eq!(course.tick_after(SECOND / 2, 30), []);
    assert_eq!(course.tick_after(SECOND / 2, 30), [Action::StartCapture]);
    // Still unplugged: viewers are told nothing new, the next try is after 2 s.
    assert_eq!(course.on(Event::CaptureLost(Cause::Absent)), [Action::StopCapture]);
    assert_eq!(course.tick_after(SECOND, 30), []);
    assert_eq!(course.tick_after(SECOND, 30), [Action::StartCapture]);
    let up = course.on(Event::CaptureUp { codec_changed: false });
    assert_eq!(up, [Action::Show(None)]);
    assert_eq!(course.machine.phase(), Phase::Live);
}

#[test]
fn another_codec_after_a_restart_makes_a_new_connection() {
    let mut course = Course::live();
    course.on(Event::CaptureLost(Cause::EncoderStopped("x264enc".into())));
    course.tick_after(SECOND, 0);
    let up = course.on(Event::CaptureUp { codec_changed: true });
    assert_eq!(up, [Action::StopPublisher, Action::StartPublisher { generation: 2 }]);
    assert_eq!(course.on(Event::PublisherUp), [Action::Show(None)]);
}

#[test]
fn a_stable_connection_restarts_unseen_a_shaky_one_waits() {
    let mut course = Course::live();
    course.tick_after(SECOND, 1);
    let again = [Action::StopPublisher, Action::StartPublisher { generation: 2 }];
    assert_eq!(course.on(Event::RestartAsked), again);
    course.on(Event::PublisherUp);
    let fault = course.fault(Cause::NoPath("it was closed".into()), SECOND);
    assert_eq!(course.on(Event::RestartAsked), [Action::StopPublisher, fault]);
    assert_eq!(course.on(Event::RestartAsked), [], "there is none to restart");
    assert_eq!(course.tick_after(2 * SECOND, 1), [Action::StartPublisher { generation: 3 }]);
    assert_eq!(course.on(Event::PublisherUp), [Action::Show(None)]);
    for n_frames in 2..=31 {
        course.tick_after(SECOND, n_frames);
    }
    let again = [Action::StopPublisher, Action::StartPublisher { generation: 4 }];
    assert_eq!(course.on(Event::RestartAsked), again, "forgiven after 30 s");
}

#[test]
fn a_lost_seat_takes_the_connection_along_and_the_new_one_learns_the_fault() {
    let mut course = Course::live();
    let lost = Cause::NoRoom("the room has ended".into());
    assert_eq!(course.on(Event::SeatLost(lost.clone())), [Action::StopPublisher]);
    assert_eq!(course.tick_after(SECOND, 1), [Action::Join]);
    let fault = course.fault(lost, Duration::ZERO);
    let publish = Action::StartPublisher { generation: 2 };
    assert_eq!(course.on(Event::Seated), [fault, publish]);
    assert_eq!(course.on(Event::PublisherUp), [Action::Show(None)]);
}

#[test]
fn each_step_has_its_time() {
    let mut course = Course::new();
    course.on(Event::Start);
    assert_eq!(course.tick_after(JOIN_WITHIN, 0), []);
    assert_eq!(course.machine.phase(), Phase::Backoff);
    assert_eq!(course.tick_after(SECOND, 0), [Action::Join]);
    course.on(Event::Seated);
    let actions = course.tick_after(CAPTURE_WITHIN, 0);
    assert!(matches!(&actions[..], [Action::StopCapture, Action::Show(Some(fault))]
        if fault.cause == Cause::NoPicture));
    assert_eq!(course.tick_after(3 * SECOND, 0), [Action::StartCapture]);
    course.on(Event::CaptureUp { codec_changed: false });
    let actions = course.tick_after(PUBLISH_WITHIN, 1);
    assert!(matches!(&actions[..], [Action::StopPublisher, Action::Show(Some(fault))]
        if matches!(fault.cause, Cause::NoPath(_))));
}

#[test]
fn a_camera_that_sends_nothing_more_is_started_anew() {
    let mut course = Course::live();
    assert_eq!(course.tick_after(SECOND, 1), []);
    assert_eq!(course.tick_after(STALLED_AFTER - SECOND, 1), []);
    let actions = course.tick_after(SECOND, 1);
    let fault = course.fault(Cause::Stalled, STALLED_AFTER + SECOND);
    assert_eq!(actions, [Action::StopCapture, fault]);
}

#[test]
fn stopping_ends_everything_once_and_for_all() {
    let mut course = Course::live();
    let end = [Action::StopPublisher, Action::StopCapture, Action::Leave];
    assert_eq!(course.on(Event::Stop), end);
    for late in [Event::Stop, Event::PublisherUp, Event::RestartAsked, Event::Seated] {
        assert_eq!(course.on(late), []);
    }
    assert_eq!(course.tick_after(100 * SECOND, 0), []);
    assert_eq!(course.machine.phase(), Phase::Off);
}

fn random_event(rng: &mut StdRng) -> Event {
    match rng.random_range(0..15) {
        0 => Event::Seated,
        1 => Event::SeatLost(Cause::NoRoom(String::new())),
        2 => Event::CaptureUp { codec_changed: rng.random() },
        3 => Event::CaptureLost(Cause::Unplugged),
        4 => Event::PublisherUp,
        5 => Event::PublisherLost(Cause::NoPath(String::new())),
        6 => Event::RestartAsked,
        7 | 8 => Event::Needed(rng.random()),
        9 => Event::Close { who: "Ana".into(), since: SystemTime::UNIX_EPOCH },
        10 => Event::Open,
        _ => Event::Tick { n_frames: rng.random_range(0..3) },
    }
}

/// Whatever comes: nothing is started twice without a stop between, generations grow, and pauses
/// stay in their bounds; a camera that its owner has closed opens no device.
#[test]
fn random_courses_keep_parts_paired_and_generations_growing() {
    for seed in 0..500 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut course = Course::new();
        let (mut capturing, mut publishing, mut newest) = (false, false, 0);
        let mut actions = course.on(Event::Start);
        for _ in 0..300 {
            for action in actions {
                match action {
                    Action::StartCapture => assert!(!std::mem::replace(&mut capturing, true)),
                    Action::StopCapture => assert!(std::mem::replace(&mut capturing, false)),
                    Action::StopPublisher => assert!(std::mem::replace(&mut publishing, false)),
                    Action::StartPublisher { generation } => {
                        assert!(!std::mem::replace(&mut publishing, true));
                        assert!(generation > newest, "seed {seed}");
                        newest = generation;
                    }
                    _ => {}
                }
            }
            course.pass(Duration::from_millis(rng.random_range(0..3000)));
            // The shell reports only about what it was told to start.
            let event = random_event(&mut rng);
            let stray = match event {
                Event::CaptureUp { .. } | Event::CaptureLost(_) => !capturing,
                Event::PublisherUp | Event::PublisherLost(_) => !publishing,
                _ => false,
            };
            actions = if stray { Vec::new() } else { course.on(event) };
            let opens = actions.contains(&Action::StartCapture);
            assert!(!(opens && course.machine.is_closed()), "seed {seed}: it opens what is closed");
        }
        assert!(newest > 0 || course.at.now > course.start, "seed {seed}");
    }
}

#[test]
fn a_camera_that_nobody_needs_rests_after_a_while_and_comes_back_for_whoever_comes() {
    let mut course = Course::live();
    assert_eq!(course.on(Event::Needed(false)), []);
    course.tick_after(RESTS_AFTER / 2, 1);
    assert_eq!(course.on(Event::Needed(true)), [], "it went on all the time");
    assert_eq!(course.tick_after(RESTS_AFTER, 2), []);
    course.on(Event::Needed(false));
    assert_eq!(course.tick_after(RESTS_AFTER / 2, 3), []);
    assert_eq!(course.on(Event::Needed(false)), [], "said again it is no news");
    assert_eq!(course.tick_after(RESTS_AFTER / 2, 4), [Action::StopCapture]);
    assert_eq!(course.machine.phase(), Phase::Resting);
    assert_eq!(course.tick_after(100 * SECOND, 4), [], "no pictures are no stall");
    assert_eq!(course.on(Event::Needed(true)), [Action::StartCapture]);
    assert_eq!(course.on(Event::CaptureUp { codec_changed: false }), []);
    assert_eq!(course.machine.phase(), Phase::Live);
}

#[test]
fn a_device_that_goes_while_it_rests_is_told_and_tried_again() {
    let mut course = Course::live();
    course.on(Event::Needed(false));
    course.tick_after(RESTS_AFTER, 1);
    let fault = course.fault(Cause::Unplugged, RESTS_AFTER);
    assert_eq!(course.on(Event::CaptureLost(Cause::Unplugged)), [fault]);
    assert_eq!(course.tick_after(SECOND, 1), [Action::StartCapture]);
    let up = course.on(Event::CaptureUp { codec_changed: false });
    assert_eq!(up, [Action::Show(None)]);
    assert_eq!(course.tick_after(SECOND / 4, 2), [Action::StopCapture], "and it rests again");
}

fn close(course: &mut Course) -> Vec<Action> {
    let since = course.at.wall;
    course.on(Event::Close { who: "Ana".into(), since })
}

#[test]
fn its_owner_closes_the_device_and_not_the_tile() {
    let mut course = Course::live();
    let closed = course.fault(Cause::Closed("Ana".into()), Duration::ZERO);
    let expected = [Action::StopCapture, Action::Declare { open: false }, closed.clone()];
    assert_eq!(close(&mut course), expected);
    assert_eq!(course.machine.phase(), Phase::Closed);
    assert_eq!(close(&mut course), [], "once is enough");
    for event in [Event::Needed(true), Event::RestartAsked, Event::Tick { n_frames: 9 }] {
        let done = course.on(event.clone());
        assert!(!done.contains(&Action::StartCapture), "{event:?} opens nothing: {done:?}");
    }
    // The seat is lost, and the new one learns that it is closed.
    course.on(Event::SeatLost(Cause::NoRoom("the room has ended".into())));
    assert_eq!(course.tick_after(SECOND, 9), [Action::Join]);
    assert_eq!(course.on(Event::Seated), [closed]);
    assert_eq!(course.machine.phase(), Phase::Closed);
    let opened = [Action::Declare { open: true }, Action::Show(None), Action::StartCapture];
    assert_eq!(course.on(Event::Open), opened);
    assert_eq!(course.on(Event::Open), [], "it is open");
}

#[test]
fn one_that_is_closed_from_the_start_opens_no_device() {
    let mut course = Course::new();
    assert_eq!(close(&mut course), []);
    assert_eq!(course.on(Event::Start), [Action::Join]);
    let closed = course.fault(Cause::Closed("Ana".into()), Duration::ZERO);
    assert_eq!(course.on(Event::Seated), [closed]);
    assert_eq!(course.machine.phase(), Phase::Closed);
}

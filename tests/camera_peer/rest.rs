//! A picture that comes and rests beside a sound that goes on. The sound is the clock: a machine that
//! is slow is slow with both.

use std::sync::Arc;

use tokio::{sync::watch, task::JoinSet, time::timeout};
use webrtc::media_stream::track_remote::TrackRemote;

use super::{PATIENCE, Packet, is_idr, packet};

/// One second of sound.
const SECOND: u32 = 48_000;
/// More packets than a picture of several seconds has.
const MOST_PACKETS: usize = 400;

/// A packet of the picture.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) packet: Packet,
    /// The sound's RTP timestamp when it came.
    sound: u32,
}

impl Seen {
    /// Milliseconds that the picture's clock and the sound's have gone on since.
    pub(crate) fn ms_since(&self, before: &Self) -> (u32, u32) {
        let picture = self.packet.timestamp.wrapping_sub(before.packet.timestamp);
        (picture / 90, self.sound.wrapping_sub(before.sound) / 48)
    }
}

/// Both tracks of a camera.
pub(crate) struct Rests {
    picture: Arc<dyn TrackRemote>,
    /// RTP timestamp of the newest sound.
    heard: watch::Receiver<u32>,
    /// The picture's newest packet.
    newest: Option<Seen>,
    // It ends when dropped.
    _listening: JoinSet<()>,
}

impl Rests {
    pub(crate) async fn new(picture: Arc<dyn TrackRemote>, sound: Arc<dyn TrackRemote>) -> Self {
        let (sender, heard) = watch::channel(packet(&sound).await.timestamp);
        let mut listening = JoinSet::new();
        listening
            .spawn(async move { while sender.send(packet(&sound).await.timestamp).is_ok() {} });
        let mut rests = Self { picture, heard, newest: None, _listening: listening };
        // Meanwhile the sound that nobody has heard yet is heard.
        for _ in 0..30 {
            rests.next().await;
        }
        rests
    }

    /// The picture's next packet.
    pub(crate) async fn next(&mut self) -> Seen {
        let packet = packet(&self.picture).await;
        self.came(packet)
    }

    fn came(&mut self, packet: Packet) -> Seen {
        self.newest.insert(Seen { packet, sound: *self.heard.borrow() }).clone()
    }

    /// The picture's next packet, if it comes within a second of sound.
    pub(crate) async fn next_soon(&mut self) -> Option<Seen> {
        let begun = *self.heard.borrow();
        let mut heard = self.heard.clone();
        let second = heard.wait_for(|heard| heard.wrapping_sub(begun) >= SECOND);
        tokio::select! {
            biased;
            packet = packet(&self.picture) => Some(self.came(packet)),
            second = timeout(PATIENCE, second) => {
                second.expect("the sound goes on").expect("somebody listens");
                None
            }
        }
    }

    /// The picture's last packet before a second of sound without any; it may have come already.
    pub(crate) async fn last(&mut self) -> Seen {
        for _ in 0..MOST_PACKETS {
            if self.next_soon().await.is_none() {
                return self.newest.clone().expect("one has come");
            }
        }
        panic!("it goes on");
    }

    /// Whether a keyframe begins with this packet: parameter sets, which may come in packets of their
    /// own, are of it.
    pub(crate) async fn is_keyframe(&mut self, first: Seen) -> bool {
        let timestamp = first.packet.timestamp;
        let mut packet = first.packet;
        while packet.timestamp == timestamp {
            if is_idr(&packet.payload) {
                return true;
            }
            packet = self.next().await.packet;
        }
        false
    }
}

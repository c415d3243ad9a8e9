//! A camera's encoded media as RTP packets, for whoever takes them beside the media plane: RTSP.
//!
//! Nothing is encoded for it a second time, and no packets are made while nobody takes them. Whoever is
//! slow loses the oldest, and goes on with the next keyframe.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::{broadcast, watch},
    time::timeout,
};

/// Packets that wait for whoever is slow: two seconds of 4 Mbit/s.
const QUEUE_LEN: usize = 1024;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedTrack {
    /// The picture.
    Picture,
    /// The sound.
    Sound,
}

/// How a track is sent, as SDP says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedFormat {
    /// `H264`, `VP8`, `OPUS`
    pub encoding: String,
    /// RTP's payload type.
    pub payload_type: u8,
    /// RTP's clock, a second.
    pub clock_rate: u32,
    /// `a=fmtp` without the payload type; may be empty.
    pub parameters: String,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedDescription {
    /// The picture.
    pub picture: FeedFormat,
    /// The sound, where there is one.
    pub sound: Option<FeedFormat>,
}

/// One RTP packet.
#[derive(Debug, Clone)]
pub struct FeedPacket {
    /// Of which track.
    pub track: FeedTrack,
    /// With its header.
    pub rtp: Bytes,
    /// A keyframe begins with it.
    pub begins: bool,
}

#[derive(Debug)]
struct Shared {
    description: watch::Sender<Option<Arc<FeedDescription>>>,
    packets: broadcast::Sender<FeedPacket>,
    n_wanted: watch::Sender<usize>,
}

/// The packets of one camera. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Feed(Arc<Shared>);

impl Default for Feed {
    fn default() -> Self {
        let (description, n_wanted) = (watch::Sender::new(None), watch::Sender::new(0));
        let packets = broadcast::Sender::new(QUEUE_LEN);
        Self(Arc::new(Shared { description, packets, n_wanted }))
    }
}

impl Feed {
    /// Takes its packets, from the next keyframe on, as long as it is held.
    pub fn take(&self) -> FeedReader {
        let (packets, description) = (self.0.packets.subscribe(), self.0.description.subscribe());
        // overflow: none, it is a number.
        self.0.n_wanted.send_modify(|n_wanted| *n_wanted += 1);
        FeedReader { feed: self.clone(), packets, description, waits: true }
    }

    /// How many take them, for the camera.
    pub fn wanted(&self) -> watch::Receiver<usize> {
        self.0.n_wanted.subscribe()
    }

    /// The camera says how it sends; `None`: nothing any more.
    pub fn describe(&self, description: Option<FeedDescription>) {
        // overflow: none, a watch channel holds the newest value only.
        self.0.description.send_replace(description.map(Arc::new));
    }

    /// The camera gives a packet.
    pub fn give(&self, packet: FeedPacket) {
        // overflow: DROPS the oldest for whoever is slow; nobody may be there at all.
        let _ = self.0.packets.send(packet);
    }
}

/// Somebody who takes a [`Feed`].
#[derive(Debug)]
pub struct FeedReader {
    feed: Feed,
    packets: broadcast::Receiver<FeedPacket>,
    description: watch::Receiver<Option<Arc<FeedDescription>>>,
    /// Its picture begins with the next keyframe.
    waits: bool,
}

impl FeedReader {
    /// How the camera sends, where it does `within` this time.
    pub async fn described(&mut self, within: Duration) -> Option<Arc<FeedDescription>> {
        let described = self.description.wait_for(Option::is_some);
        timeout(within, described).await.ok()?.ok()?.clone()
    }

    /// The next packet; `None` when the camera sends no more, or otherwise than it did. Cancel-safe.
    pub async fn next(&mut self) -> Option<FeedPacket> {
        loop {
            tokio::select! {
                packet = self.packets.recv() => match packet {
                    Ok(packet) if packet.track == FeedTrack::Picture && self.waits => {
                        if packet.begins {
                            self.waits = false;
                            return Some(packet);
                        }
                    }
                    Ok(packet) => return Some(packet),
                    Err(broadcast::error::RecvError::Lagged(_)) => self.waits = true,
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
                _ = self.description.changed() => return None,
            }
        }
    }
}

impl Drop for FeedReader {
    fn drop(&mut self) {
        // overflow: none, it is a number.
        self.feed.0.n_wanted.send_modify(|n_wanted| *n_wanted = n_wanted.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(track: FeedTrack, n: u8, begins: bool) -> FeedPacket {
        FeedPacket { track, rtp: Bytes::from(vec![n]), begins }
    }

    fn format() -> FeedFormat {
        let (encoding, parameters) = ("H264".into(), String::new());
        FeedFormat { encoding, payload_type: 96, clock_rate: 90_000, parameters }
    }

    async fn took(reader: &mut FeedReader) -> Option<u8> {
        reader.next().await.map(|packet| packet.rtp[0])
    }

    #[tokio::test]
    async fn a_picture_begins_with_a_keyframe_and_again_after_a_loss() {
        let feed = Feed::default();
        let description = || FeedDescription { picture: format(), sound: None };
        feed.describe(Some(description()));
        let mut reader = feed.take();
        assert_eq!(*feed.wanted().borrow(), 1);
        assert!(reader.described(Duration::from_secs(60)).await.is_some());
        feed.give(packet(FeedTrack::Picture, 1, false));
        feed.give(packet(FeedTrack::Sound, 2, false));
        feed.give(packet(FeedTrack::Picture, 3, true));
        feed.give(packet(FeedTrack::Picture, 4, false));
        let first = [took(&mut reader).await, took(&mut reader).await, took(&mut reader).await];
        assert_eq!(first, [Some(2), Some(3), Some(4)]);
        for _ in 0..2 * QUEUE_LEN {
            feed.give(packet(FeedTrack::Picture, 5, false));
        }
        feed.give(packet(FeedTrack::Picture, 6, true));
        assert_eq!(took(&mut reader).await, Some(6), "what was lost is gone up to there");
        feed.describe(None);
        assert_eq!(took(&mut reader).await, None);
        drop(reader);
        assert_eq!(*feed.wanted().borrow(), 0);
    }
}

//! `POST` with server-sent events as a [`Transport`] (HTML, 9.2), for browsers that refuse wss under a
//! certificate they do not trust, and for proxies that refuse an upgrade.
//!
//! ```text
//!  GET  /api/v1/signal, Accept: text/event-stream  -->  event: session, data: ID, then a message each
//!  POST /api/v1/signal, Parlor-Session: ID         -->  204; the body is one message
//! ```
//!
//! The id is a secret of 128 bits: whoever has it speaks for the session. It travels in a header, which
//! no page of another site can set and no log of an address has.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::mpsc,
    time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until, timeout},
};

use super::{
    socket::Pace,
    transport::{CloseReason, Gone, Received, Transport},
};
use crate::protocol::Outgoing;

/// Messages that wait for the session. A client sends one after the other.
const QUEUE_LEN: usize = 32;

/// Events that wait for the connection.
const EVENTS_LEN: usize = 32;

/// A comment now and then keeps proxies from closing, and shows that a connection has gone. A client
/// pings every 2 s; one that says nothing is gone, and its tile is to be `lost` within 5 s.
pub(super) const PACE: Pace =
    Pace { ping_every: Duration::from_secs(2), silent_after: Duration::from_secs(5) };

/// What has become of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Posted {
    /// The session has it, or will in a moment.
    Taken,
    /// There is no such session, or no more.
    Unknown,
    /// The session has not read those of before.
    TooMany,
}

/// All sessions that are held by server-sent events.
#[derive(Clone, Default)]
pub(super) struct Conversations {
    all: Arc<Mutex<HashMap<String, mpsc::Sender<Received>>>>,
}

impl fmt::Debug for Conversations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversations").field("n", &self.locked().len()).finish()
    }
}

impl Conversations {
    /// No request holds this over a wait.
    fn locked(&self) -> MutexGuard<'_, HashMap<String, mpsc::Sender<Received>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new session's transport, and the events it sends. The first of them is its id.
    pub(super) fn begin(&self, pace: Pace) -> (Events, mpsc::Receiver<Bytes>) {
        let id = format!("{:032x}", rand::random::<u128>());
        let (posts, messages) = mpsc::channel(QUEUE_LEN);
        let (events, pieces) = mpsc::channel(EVENTS_LEN);
        // overflow: none, because it is the first.
        let _ = events.try_send(Bytes::from(format!("event: session\ndata: {id}\n\n")));
        self.locked().insert(id.clone(), posts);
        let now = Instant::now();
        let mut comment = interval_at(now + pace.ping_every, pace.ping_every);
        comment.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let entry = Entry { id, conversations: self.clone() };
        let silent_after = pace.silent_after;
        (Events { messages, events, comment, heard: now, silent_after, _entry: entry }, pieces)
    }

    /// Passes on what was posted to a session.
    pub(super) fn post(&self, id: &str, received: Received) -> Posted {
        let Some(session) = self.locked().get(id).cloned() else { return Posted::Unknown };
        // overflow: DROPS the message, and the client is told: it waits for each answer before the next.
        match session.try_send(received) {
            Ok(()) => Posted::Taken,
            Err(mpsc::error::TrySendError::Full(_)) => Posted::TooMany,
            Err(mpsc::error::TrySendError::Closed(_)) => Posted::Unknown,
        }
    }
}

/// A place in the table; dropping it leaves it.
struct Entry {
    id: String,
    conversations: Conversations,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.conversations.locked().remove(&self.id);
    }
}

/// One client's messages, by posts and events.
pub(super) struct Events {
    messages: mpsc::Receiver<Received>,
    events: mpsc::Sender<Bytes>,
    comment: Interval,
    heard: Instant,
    silent_after: Duration,
    _entry: Entry,
}

impl Events {
    async fn write(&mut self, event: String) -> Result<(), Gone> {
        // overflow: awaited, for as long as a client may be silent.
        match timeout(self.silent_after, self.events.send(event.into())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }
}

impl Transport for Events {
    async fn receive(&mut self) -> Received {
        loop {
            tokio::select! {
                // What is there already was said before the silence.
                biased;
                message = self.messages.recv() => {
                    self.heard = Instant::now();
                    return message.unwrap_or(Received::Gone);
                }
                () = self.events.closed() => return Received::Gone,
                () = sleep_until(self.heard + self.silent_after) => return Received::Gone,
                _ = self.comment.tick() => {
                    // overflow: DROPS the comment: events are on their way, and say as much.
                    let _ = self.events.try_send(Bytes::from_static(b":\n\n"));
                }
            }
        }
    }

    async fn deliver(&mut self, outgoing: &Outgoing) -> Result<(), Gone> {
        // JSON as we write it has no line ends: it is one line of data.
        let text = serde_json::to_string(outgoing).expect("messages are JSON");
        self.write(format!("data: {text}\n\n")).await
    }

    async fn close(mut self, reason: CloseReason) {
        let code = match reason {
            CloseReason::Done => 1000,
            CloseReason::Stopping => 1001,
            CloseReason::Protocol => 1002,
            CloseReason::NotText => 1007,
            CloseReason::Policy => 1008,
            CloseReason::TooLarge => 1009,
            CloseReason::TryAgain => 1013,
        };
        let _ = self.write(format!("event: close\ndata: {code}\n\n")).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ServerMessage;

    async fn text(pieces: &mut mpsc::Receiver<Bytes>) -> String {
        let piece = pieces.recv().await.expect("a piece");
        String::from_utf8(piece.to_vec()).expect("text")
    }

    async fn begun(all: &Conversations, pace: Pace) -> (Events, mpsc::Receiver<Bytes>, String) {
        let (events, mut pieces) = all.begin(pace);
        let first = text(&mut pieces).await;
        let id = first.strip_prefix("event: session\ndata: ").expect("the id").trim().to_owned();
        (events, pieces, id)
    }

    #[tokio::test]
    async fn messages_go_both_ways_in_order() {
        let all = Conversations::default();
        let (mut events, mut pieces, id) = begun(&all, PACE).await;
        assert_eq!(id.len(), 32);
        for said in ["one", "two"] {
            assert_eq!(all.post(&id, Received::Text(said.into())), Posted::Taken);
        }
        assert_eq!(events.receive().await, Received::Text("one".into()));
        assert_eq!(events.receive().await, Received::Text("two".into()));
        let message = ServerMessage::Pong;
        events.deliver(&Outgoing { re: Some(1), message }).await.expect("there is room");
        let event = text(&mut pieces).await;
        let json = event.strip_prefix("data: ").and_then(|rest| rest.strip_suffix("\n\n"));
        let value: serde_json::Value = serde_json::from_str(json.expect("one line")).expect("JSON");
        assert_eq!((&value["re"], &value["type"]), (&1.into(), &"pong".into()));
        events.close(CloseReason::Stopping).await;
        assert_eq!(text(&mut pieces).await, "event: close\ndata: 1001\n\n");
        assert!(pieces.recv().await.is_none());
        assert_eq!(all.post(&id, Received::Text("late".into())), Posted::Unknown);
    }

    #[tokio::test]
    async fn nobody_speaks_for_a_session_whose_id_they_do_not_know() {
        let all = Conversations::default();
        let (_events, _pieces, id) = begun(&all, PACE).await;
        for guess in ["", "0", &id[1..], &id.to_uppercase()] {
            let known = guess == id;
            let expected = if known { Posted::Taken } else { Posted::Unknown };
            assert_eq!(all.post(guess, Received::Text("x".into())), expected, "{guess}");
        }
        for n in 0..=QUEUE_LEN {
            let expected = if n < QUEUE_LEN { Posted::Taken } else { Posted::TooMany };
            assert_eq!(all.post(&id, Received::Text("x".into())), expected, "{n}");
        }
    }

    #[tokio::test]
    async fn a_client_that_says_nothing_is_gone_and_so_is_one_whose_connection_ended() {
        const QUICK: Pace = Pace {
            ping_every: Duration::from_millis(20),
            silent_after: Duration::from_millis(200),
        };
        let all = Conversations::default();
        let (mut events, mut pieces, id) = begun(&all, QUICK).await;
        let reading = tokio::spawn(async move {
            let mut n_comments = 0;
            while let Some(piece) = pieces.recv().await {
                n_comments += usize::from(piece.as_ref() == b":\n\n");
            }
            n_comments
        });
        assert_eq!(events.receive().await, Received::Gone);
        drop(events);
        assert!(reading.await.expect("it ends") > 0);
        assert_eq!(all.post(&id, Received::Text("late".into())), Posted::Unknown);

        let (mut events, pieces, _id) = begun(&all, PACE).await;
        drop(pieces);
        let start = Instant::now();
        assert_eq!(events.receive().await, Received::Gone);
        assert!(start.elapsed() < PACE.ping_every);
    }
}

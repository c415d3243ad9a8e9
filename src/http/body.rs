//! The body of an answer: there already, or still coming.
//!
//! A flow is written by a task of its own. While it flows its connection counts as busy; a client that
//! takes nothing for too long ends it.

use std::{
    any::Any,
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Frame, SizeHint};
use tokio::{sync::mpsc, time::timeout};

/// Whatever is held while a body flows: a connection's being busy.
type Guard = Box<dyn Any + Send>;

/// Shared by both ends of a flow; given up by whichever ends first.
#[derive(Default)]
struct Held(Mutex<Option<Guard>>);

impl Held {
    fn put(&self, guard: Option<Guard>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = guard;
    }
}

enum Kind {
    Whole(Full<Bytes>),
    Flow(mpsc::Receiver<Bytes>, Arc<Held>),
}

/// The body of an answer.
pub(super) struct Body(Kind);

/// Writes a [`Body`] that flows.
pub(super) struct FlowWriter {
    parts: mpsc::Sender<Bytes>,
    held: Arc<Held>,
}

/// Whoever should read takes nothing, or is gone.
#[derive(Debug)]
pub(super) struct Ended;

impl Body {
    /// A body that is to be written, and its writer.
    pub(super) fn flow() -> (Self, FlowWriter) {
        // One part on its way: a slow client gets the newest picture, not a queue of old ones.
        let (parts, receiver) = mpsc::channel(1);
        let held = Arc::<Held>::default();
        (Self(Kind::Flow(receiver, held.clone())), FlowWriter { parts, held })
    }

    /// A body that comes piece by piece.
    pub(super) fn pieces(pieces: mpsc::Receiver<Bytes>) -> Self {
        Self(Kind::Flow(pieces, Arc::default()))
    }

    /// Holds something until the flow has ended; a body that is there already needs none.
    pub(super) fn hold(&self, guard: impl Any + Send) {
        if let Kind::Flow(parts, held) = &self.0
            && !parts.is_closed()
        {
            held.put(Some(Box::new(guard)));
        }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::from(Bytes::new())
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Kind::Whole(Full::new(bytes)))
    }
}

impl FlowWriter {
    /// Writes one part. Waits for the one before it, `within` this time at most.
    pub(super) async fn write(&self, part: Bytes, within: Duration) -> Result<(), Ended> {
        // overflow: awaited; whoever takes nothing for too long has ended.
        match timeout(within, self.parts.send(part)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Ended),
        }
    }

    /// Returns when nobody reads any more.
    pub(super) async fn closed(&self) {
        self.parts.closed().await;
    }
}

impl Drop for FlowWriter {
    fn drop(&mut self) {
        self.held.put(None);
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.get_mut().0 {
            Kind::Whole(body) => Pin::new(body).poll_frame(context),
            Kind::Flow(parts, _) => {
                parts.poll_recv(context).map(|part| part.map(|part| Ok(Frame::data(part))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(body) => body.is_end_stream(),
            Kind::Flow(..) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(body) => body.size_hint(),
            Kind::Flow(..) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_flow_ends_with_its_writer_and_is_held_until_then() {
        let (mut body, writer) = Body::flow();
        let guard = Arc::new(());
        body.hold(guard.clone());
        let long = Duration::from_secs(60);
        writer.write(Bytes::from_static(b"one"), long).await.expect("it is read");
        let part = body.frame().await.and_then(Result::ok).and_then(|frame| frame.into_data().ok());
        assert_eq!(part.as_deref(), Some(&b"one"[..]));
        assert_eq!(Arc::strong_count(&guard), 2, "it flows");
        drop(writer);
        assert_eq!(Arc::strong_count(&guard), 1);
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn whoever_takes_nothing_has_ended() {
        let (body, writer) = Body::flow();
        let within = Duration::from_millis(1);
        writer.write(Bytes::new(), within).await.expect("there is room for one");
        writer.write(Bytes::new(), within).await.expect_err("nobody reads");
        drop(body);
        writer.closed().await;
    }
}

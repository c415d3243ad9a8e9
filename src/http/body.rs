//! The body of an answer: there already, or coming piece by piece.

use std::{
    any::Any,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::mpsc;

/// The body of an answer.
pub(super) enum Body {
    /// All of it.
    Whole(Full<Bytes>),
    /// It ends when the sender is gone.
    Pieces {
        /// What comes.
        pieces: mpsc::Receiver<Bytes>,
        /// What is held for as long as it comes: that the connection is not idle.
        held: Option<Box<dyn Any + Send>>,
    },
}

impl Body {
    /// A body that comes piece by piece.
    pub(super) fn pieces(pieces: mpsc::Receiver<Bytes>) -> Self {
        Self::Pieces { pieces, held: None }
    }

    /// Holds this until the body has come; where it is there already, not at all.
    pub(super) fn hold(&mut self, what: impl Any + Send) {
        if let Self::Pieces { held, .. } = self {
            *held = Some(Box::new(what));
        }
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::Whole(Full::default())
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(Full::new(bytes))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(whole) => Pin::new(whole).poll_frame(context),
            Self::Pieces { pieces, .. } => {
                pieces.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Pieces { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Pieces { .. } => SizeHint::default(),
        }
    }
}

//! How a session's messages travel: by WebSocket (`socket`), or by `POST` with server-sent events
//! (`events`). The session knows neither.

use std::future::Future;

use crate::protocol::Outgoing;

/// What came from the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Received {
    /// A message.
    Text(String),
    /// Something that is no text.
    Binary,
    /// More than a message may have; what follows cannot be understood any more.
    TooLarge,
    /// It breaks the transport's own rules: nothing behind it can be understood. Why to close.
    Broken(CloseReason),
    /// The client has gone, or has been silent for too long.
    Gone,
}

/// The client has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone;

/// Why we close, as WebSocket counts it (RFC 6455, 7.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CloseReason {
    /// 1000: all is said.
    Done,
    /// 1001: the box is stopping.
    Stopping,
    /// 1002: what came breaks the rules of WebSocket.
    Protocol,
    /// 1007: a text that is no UTF-8.
    NotText,
    /// 1008: the client does not do what it has to.
    Policy,
    /// 1009: a message was too large.
    TooLarge,
    /// 1013: the client may come again.
    TryAgain,
}

/// One client's messages, both ways.
pub(super) trait Transport: Send {
    /// The next message. May be dropped while it waits, and loses nothing.
    fn receive(&mut self) -> impl Future<Output = Received> + Send;

    /// Sends a message; a client that does not take it within a few seconds is gone.
    fn deliver(&mut self, outgoing: &Outgoing) -> impl Future<Output = Result<(), Gone>> + Send;

    /// Says why, and waits a moment for the client to hear it.
    fn close(self, reason: CloseReason) -> impl Future<Output = ()> + Send;
}

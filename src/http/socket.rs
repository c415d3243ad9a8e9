//! WebSocket (RFC 6455) as a [`Transport`]: pings, silence, sizes, and a farewell that arrives.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        error::ProtocolError,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use super::transport::{CloseReason, Gone, Received, Transport};
use crate::protocol::Outgoing;

/// How a socket is known to be alive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How often we ping.
    pub(super) ping_every: Duration,
    /// A socket from which nothing came for this long, though it was pinged, is dead.
    pub(super) silent_after: Duration,
}

/// A tile is to be `lost` within 5 s.
pub(super) const PACE: Pace =
    Pace { ping_every: Duration::from_secs(2), silent_after: Duration::from_secs(4) };

/// How long a client has to hear that it is over.
const FAREWELL: Duration = Duration::from_secs(1);

/// A signaling message is short; the library's own buffers would be 128 KiB a client each way.
const BUFFER: usize = 8 * 1024;

/// A client's socket.
pub(super) struct Socket<S> {
    stream: WebSocketStream<S>,
    silent_after: Duration,
    ping: Interval,
    heard: Instant,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket<S> {
    /// A socket that has been upgraded. A message has at most `max_message` bytes.
    pub(super) async fn new(stream: S, max_message: usize, pace: Pace) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(0)
            // One message at a time is sent, the largest is an offer or the first `joined`.
            .max_write_buffer_size(4 << 20)
            .max_message_size(Some(max_message))
            .max_frame_size(Some(max_message));
        let stream = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
        let now = Instant::now();
        let mut ping = interval_at(now + pace.ping_every, pace.ping_every);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { stream, silent_after: pace.silent_after, ping, heard: now }
    }

    async fn write(&mut self, message: Message) -> Result<(), Gone> {
        // overflow: awaited, for as long as a socket may be silent.
        match timeout(self.silent_after, self.stream.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Transport for Socket<S> {
    async fn receive(&mut self) -> Received {
        loop {
            tokio::select! {
                // What is there already was said before the silence.
                biased;
                message = self.stream.next() => {
                    self.heard = Instant::now();
                    match message {
                        Some(Ok(Message::Text(text))) => return Received::Text(text.as_str().to_owned()),
                        Some(Ok(Message::Binary(_))) => return Received::Binary,
                        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                        Some(Ok(Message::Close(_))) | None => return Received::Gone,
                        Some(Err(error)) => return broken(&error),
                    }
                }
                () = sleep_until(self.heard + self.silent_after) => return Received::Gone,
                _ = self.ping.tick() => {
                    if self.write(Message::Ping(Default::default())).await.is_err() {
                        return Received::Gone;
                    }
                }
            }
        }
    }

    async fn deliver(&mut self, outgoing: &Outgoing) -> Result<(), Gone> {
        let text = serde_json::to_string(outgoing).expect("messages are JSON");
        self.write(Message::text(text)).await
    }

    async fn close(mut self, reason: CloseReason) {
        let code = match reason {
            CloseReason::Done => CloseCode::Normal,
            CloseReason::Stopping => CloseCode::Away,
            CloseReason::Protocol => CloseCode::Protocol,
            CloseReason::NotText => CloseCode::Invalid,
            CloseReason::Policy => CloseCode::Policy,
            CloseReason::TooLarge => CloseCode::Size,
            CloseReason::TryAgain => CloseCode::Again,
        };
        let frame = CloseFrame { code, reason: "".into() };
        let farewell = async {
            if self.stream.close(Some(frame)).await.is_err() {
                return;
            }
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Close(_))) => break,
                    Some(Ok(_)) => {}
                    // Broken off, now or before.
                    Some(Err(_)) | None => {
                        discard(self.stream.get_mut()).await;
                        break;
                    }
                }
            }
            let _ = self.stream.get_mut().shutdown().await;
        };
        let _ = timeout(FAREWELL, farewell).await;
    }
}

/// What the end of understanding means (RFC 6455, 7.1.7): a client that breaks the rules is told which.
fn broken(error: &Error) -> Received {
    match error {
        Error::Capacity(_) => Received::TooLarge,
        Error::Utf8(_) => Received::Broken(CloseReason::NotText),
        Error::Protocol(
            ProtocolError::ResetWithoutClosingHandshake
            | ProtocolError::SendAfterClosing
            | ProtocolError::ReceivedAfterClosing,
        ) => Received::Gone,
        Error::Protocol(_) => Received::Broken(CloseReason::Protocol),
        _ => Received::Gone,
    }
}

/// Reads on until the client has closed: while it still sends, closing would reset the connection,
/// and the client might lose what we said last.
async fn discard(stream: &mut (impl AsyncRead + Unpin)) {
    let mut rest = [0; 4096];
    while stream.read(&mut rest).await.is_ok_and(|n_bytes| n_bytes > 0) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_tungstenite::WebSocketStream;

    const QUICK: Pace =
        Pace { ping_every: Duration::from_millis(20), silent_after: Duration::from_millis(200) };

    async fn pair(
        pace: Pace,
    ) -> (Socket<tokio::io::DuplexStream>, WebSocketStream<tokio::io::DuplexStream>) {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let client = WebSocketStream::from_raw_socket(theirs, Role::Client, None).await;
        (Socket::new(ours, 100, pace).await, client)
    }

    #[tokio::test]
    async fn a_socket_that_answers_no_ping_is_gone() {
        let (mut socket, _client) = pair(QUICK).await;
        assert_eq!(socket.receive().await, Received::Gone);
    }

    #[tokio::test]
    async fn a_socket_that_answers_pings_stays_and_what_it_says_arrives() {
        let (mut socket, mut client) = pair(QUICK).await;
        let start = Instant::now();
        let answering = async {
            let mut n_pings = 0;
            // Reading answers pings; twice the time of silence is fifteen of them and more.
            while let Some(Ok(message)) = client.next().await {
                n_pings += usize::from(message.is_ping());
                if n_pings == 15 {
                    client.send(Message::text("here")).await.expect("the server reads");
                }
            }
        };
        tokio::select! {
            received = socket.receive() => assert_eq!(received, Received::Text("here".into())),
            () = answering => panic!("the server closed"),
        }
        assert!(start.elapsed() > QUICK.silent_after);
    }

    #[tokio::test]
    async fn sizes_and_farewells_are_counted_as_the_protocol_counts_them() {
        let (mut socket, mut client) = pair(PACE).await;
        for (message, expected) in [
            (Message::text("x".repeat(100)), Received::Text("x".repeat(100))),
            (Message::binary(vec![0]), Received::Binary),
            (Message::text("x".repeat(101)), Received::TooLarge),
        ] {
            client.send(message).await.expect("the server is there");
            assert_eq!(socket.receive().await, expected);
        }
        let closing = tokio::spawn(socket.close(CloseReason::TooLarge));
        let last = client.next().await.expect("a farewell").expect("a good one");
        let Message::Close(Some(frame)) = last else { panic!("{last:?}") };
        assert_eq!(frame.code, CloseCode::Size);
        drop(client);
        closing.await.expect("it ends when the client has gone");
    }

    #[tokio::test]
    async fn whoever_breaks_the_rules_is_told_which() {
        // Unmasked; of a kind that there is not; no UTF-8; a close that is too short.
        let cases: [(&[u8], CloseReason, [u8; 2]); 4] = [
            (&[0x81, 1, b'a'], CloseReason::Protocol, [0x03, 0xea]),
            (&[0x83, 0x80, 0, 0, 0, 0], CloseReason::Protocol, [0x03, 0xea]),
            (&[0x81, 0x81, 0, 0, 0, 0, 0xff], CloseReason::NotText, [0x03, 0xef]),
            (&[0x88, 0x81, 0, 0, 0, 0, 1], CloseReason::Protocol, [0x03, 0xea]),
        ];
        for (bytes, reason, code) in cases {
            let (ours, mut client) = tokio::io::duplex(1 << 16);
            let mut socket = Socket::new(ours, 100, PACE).await;
            client.write_all(bytes).await.expect("the server is there");
            assert_eq!(socket.receive().await, Received::Broken(reason), "{bytes:?}");
            let closing = tokio::spawn(socket.close(reason));
            let mut frame = [0; 4];
            client.read_exact(&mut frame).await.expect("a farewell");
            assert_eq!(frame, [0x88, 2, code[0], code[1]], "{bytes:?}");
            drop(client);
            closing.await.expect("it ends when the client has gone");
        }
        let (ours, client) = tokio::io::duplex(1 << 16);
        let mut socket = Socket::new(ours, 100, PACE).await;
        drop(client);
        assert_eq!(socket.receive().await, Received::Gone, "that breaks no rule");
    }
}

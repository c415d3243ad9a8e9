//! A signaling client over wss.

use futures_util::{SinkExt, StreamExt};
use parlor::protocol::{ErrorCode, Outgoing, ServerMessage};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, handshake::client::Request},
};

use crate::house::{House, PATIENCE};

/// A client's socket.
pub(crate) struct Client {
    socket: WebSocketStream<TlsStream<TcpStream>>,
}

impl Client {
    /// Opens a socket as a program of this machine would, or says with which status it was refused.
    pub(crate) async fn open(house: &House, origin: Option<&str>) -> Result<Self, u16> {
        let mut request: Request =
            format!("wss://{}/api/v1/signal", house.host()).into_client_request().expect("a URL");
        if let Some(origin) = origin {
            request.headers_mut().insert("Origin", origin.parse().expect("a header"));
        }
        Self::upgrade(house, request).await
    }

    /// Opens a socket from this address, where the box trusts the proxy that says so, and says hello.
    pub(crate) async fn greeted_from(house: &House, from: &str) -> Result<Self, u16> {
        Self::greeted_with(house, &[("X-Forwarded-For", from)]).await
    }

    /// Opens a socket with these header fields, and says hello.
    pub(crate) async fn greeted_with(
        house: &House,
        fields: &[(&'static str, &str)],
    ) -> Result<Self, u16> {
        let mut request: Request =
            format!("wss://{}/api/v1/signal", house.host()).into_client_request().expect("a URL");
        for (name, value) in fields {
            request.headers_mut().insert(*name, value.parse().expect("a header"));
        }
        let mut client = Self::upgrade(house, request).await?;
        client.say(r#"{"id":0,"type":"hello","version":1}"#).await;
        assert!(matches!(client.hear().await.message, ServerMessage::Welcome { version: 1, .. }));
        Ok(client)
    }

    async fn upgrade(house: &House, request: Request) -> Result<Self, u16> {
        match client_async(request, house.tls("http/1.1").await).await {
            Ok((socket, _)) => Ok(Self { socket }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Opens a socket and says hello.
    pub(crate) async fn greeted(house: &House) -> Self {
        let mut client = Self::open(house, None).await.expect("an upgrade");
        client.say(r#"{"id":0,"type":"hello","version":1}"#).await;
        assert!(matches!(client.hear().await.message, ServerMessage::Welcome { version: 1, .. }));
        client
    }

    /// Opens a socket and joins; the answer is `joined`.
    pub(crate) async fn joined(house: &House, join: serde_json::Value) -> (Self, ServerMessage) {
        let mut client = Self::greeted(house).await;
        client.say(&join.to_string()).await;
        let joined = client.hear().await;
        assert_eq!(joined.re, Some(1), "{joined:?}");
        (client, joined.message)
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.send(Message::text(text)).await;
    }

    pub(crate) async fn send(&mut self, message: Message) {
        // The server may have closed already: what it said is read all the same.
        let _ = self.socket.send(message).await;
    }

    /// The next message of the server; `Err` is its close code.
    pub(crate) async fn next(&mut self) -> Result<Outgoing, Option<u16>> {
        loop {
            let message = timeout(PATIENCE, self.socket.next()).await.expect("in time");
            match message {
                Some(Ok(Message::Text(text))) => {
                    return Ok(serde_json::from_str(text.as_str()).expect("a server's message"));
                }
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map(|frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    pub(crate) async fn hear(&mut self) -> Outgoing {
        self.next().await.expect("a message")
    }

    /// Hears on until a message is such.
    pub(crate) async fn hear_until(&mut self, such: impl Fn(&ServerMessage) -> bool) -> Outgoing {
        loop {
            let outgoing = self.hear().await;
            if such(&outgoing.message) {
                return outgoing;
            }
        }
    }

    /// Hears an error.
    pub(crate) async fn hear_error(&mut self) -> (Option<u32>, ErrorCode) {
        let outgoing = self.hear().await;
        let ServerMessage::Error { code, message } = outgoing.message else {
            panic!("no error: {outgoing:?}")
        };
        assert!(!message.is_empty());
        (outgoing.re, code)
    }

    /// The close code, after whatever else comes.
    pub(crate) async fn hear_close(&mut self) -> Option<u16> {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }
}

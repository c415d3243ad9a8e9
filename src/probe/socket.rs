//! The signaling socket (RFC 6455), as far as the box's welcome.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::timeout;
use tokio_tungstenite::{
    client_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _, http::HeaderValue},
};

use super::{https::Client, link::Fault};

const HELLO: &str = r#"{"id":0,"type":"hello","version":1}"#;

/// Opens a socket, says hello and hears the welcome.
pub(super) async fn welcomed(client: &Client) -> Result<(), Fault> {
    let (stream, _) = client.tls().await?;
    let authority = client.url.authority();
    let request = format!("wss://{authority}/api/v1/signal").into_client_request();
    let mut request = request.map_err(|_| Fault::Strange("the URL is none for a socket"))?;
    let headers = request.headers_mut();
    let values = [("Origin", Some(format!("https://{authority}"))), ("Cookie", client.cookie())];
    for (name, value) in values {
        if let Some(Ok(value)) = value.map(|value| HeaderValue::from_str(&value)) {
            headers.insert(name, value);
        }
    }
    let talking = async {
        let (mut socket, _) = client_async(request, stream).await.map_err(fault)?;
        // overflow: awaited, it is the network's.
        socket.send(Message::text(HELLO)).await.map_err(fault)?;
        match socket.next().await {
            Some(Ok(Message::Text(text))) if text.contains("\"welcome\"") => Ok(()),
            Some(Ok(_)) => Err(Fault::Strange("the box has said something else than welcome")),
            Some(Err(error)) => Err(fault(error)),
            None => Err(Fault::Strange("the box has closed the socket")),
        }
    };
    let patience = client.patience;
    timeout(patience, talking).await.map_err(|_| Fault::Silent(patience))?
}

fn fault(error: Error) -> Fault {
    match error {
        Error::Http(answer) => Fault::Refused(answer.status().as_u16()),
        Error::Io(error) => Fault::Io(error),
        other => Fault::Io(std::io::Error::other(other)),
    }
}

//! What is read of a request's body: so many bytes, within so much time.

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{StatusCode, body::Incoming};
use tokio::time::timeout;

use super::super::reply::{self, Reply};
use crate::{config::Settings, protocol::ErrorCode};

/// A body of at most so many bytes, which a key says.
pub(in crate::http) async fn read_body(
    settings: &Settings,
    (max_len, key): (usize, &str),
    body: Incoming,
) -> Result<Bytes, Reply> {
    let within = settings.http.slow_timeout;
    let collected = timeout(within, Limited::new(body, max_len).collect()).await;
    match collected {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let detail = format!("the body has more than {max_len} bytes ({key})");
            Err(reply::problem(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::TooLarge, &detail))
        }
        Ok(Err(error)) => {
            let detail = format!("the body could not be read: {error}");
            Err(reply::problem(StatusCode::BAD_REQUEST, ErrorCode::MessageMalformed, &detail))
        }
        Err(_) => Err(reply::problem(
            StatusCode::REQUEST_TIMEOUT,
            ErrorCode::MessageMalformed,
            "the body did not arrive in time (http.slow_timeout)",
        )),
    }
}

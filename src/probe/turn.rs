//! A client of TURN (RFC 8656), as far as it takes to see whether a relay carries anything.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::{
    link::{Fault, Link},
    stun::{answer_to, transaction_id},
};
use crate::stun::{
    Class, Integrity, Kind, Message, Method, Writer,
    attribute::{
        DATA, LIFETIME, NONCE, REALM, REQUESTED_TRANSPORT, USERNAME, XOR_PEER_ADDRESS,
        XOR_RELAYED_ADDRESS,
    },
    credential::{LongTermKey, PasswordAlgorithm},
};

/// UDP, as IANA numbers protocols.
const UDP: [u8; 4] = [17, 0, 0, 0];
/// What is sent through a relay.
const PAYLOAD: &[u8] = b"parlor";

/// Who asks.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relaying {
    /// The relay's address.
    pub relay: SocketAddr,
    /// Whether what was sent through it arrived; `None`: it was not tried.
    pub carries: Option<bool>,
    /// How long all took.
    pub took: Duration,
}

struct Client<'a> {
    link: Link,
    user: &'a User,
    patience: Duration,
    realm: Vec<u8>,
    nonce: Vec<u8>,
}

/// Has a relay opened; with another link a second one as well, sends from one to the other, and sees
/// whether it arrives. The relays are given back.
///
/// # Errors
/// See [`Fault`]; [`Fault::Refused`] is the server's.
pub async fn relay(
    link: Link,
    other: Option<Link>,
    user: &User,
    patience: Duration,
) -> Result<Relaying, Fault> {
    let started = Instant::now();
    let mut client = Client::new(link, user, patience);
    let relay = client.allocate().await?;
    let carries = match other {
        None => None,
        Some(other) => {
            let mut other = Client::new(other, user, patience);
            let peer = other.allocate().await?;
            let carries = client.reaches(relay, &mut other, peer).await?;
            other.release().await;
            Some(carries)
        }
    };
    client.release().await;
    Ok(Relaying { relay, carries, took: started.elapsed() })
}

impl<'a> Client<'a> {
    fn new(link: Link, user: &'a User, patience: Duration) -> Self {
        Self { link, user, patience, realm: Vec::new(), nonce: Vec::new() }
    }

    async fn allocate(&mut self) -> Result<SocketAddr, Fault> {
        let answer = self
            .request(Method::ALLOCATE, |writer| {
                writer.put(REQUESTED_TRANSPORT, &UDP);
            })
            .await?;
        let message = Message::parse(&answer).map_err(|_| Fault::Strange("no STUN"))?;
        message.xor_address(XOR_RELAYED_ADDRESS).ok_or(Fault::Strange("no relay in the answer"))
    }

    /// Whether what one relay sends the other passes on.
    async fn reaches(
        &mut self,
        own: SocketAddr,
        other: &mut Client<'_>,
        peer: SocketAddr,
    ) -> Result<bool, Fault> {
        let permit = |address| {
            move |writer: &mut Writer<'_>| {
                writer.put_xor_address(XOR_PEER_ADDRESS, address);
            }
        };
        self.request(Method::CREATE_PERMISSION, permit(peer)).await?;
        other.request(Method::CREATE_PERMISSION, permit(own)).await?;
        let mut sent = Vec::new();
        let indication = Kind::indication(Method::SEND);
        let mut writer = Writer::new(&mut sent, indication, transaction_id());
        writer.put_xor_address(XOR_PEER_ADDRESS, peer).put(DATA, PAYLOAD);
        // What we put in fits.
        let _ = writer.finish(Integrity::None);
        // overflow: awaited, it is the network's.
        self.link.send(&sent).await?;
        let arriving = async {
            loop {
                let bytes = other.link.receive().await?;
                let message = Message::parse(&bytes).ok();
                if message.and_then(|message| message.find(DATA)) == Some(PAYLOAD) {
                    return Ok::<(), Fault>(());
                }
            }
        };
        Ok(tokio::time::timeout(self.patience, arriving).await.is_ok_and(|arrived| arrived.is_ok()))
    }

    /// Gives the relay back; whether that is heard is the server's affair.
    async fn release(&mut self) {
        let _ = self
            .request(Method::REFRESH, |writer| {
                writer.put_u32(LIFETIME, 0);
            })
            .await;
    }

    /// Asks; where the server wants to know who asks, or has another nonce by now, once more.
    async fn request(
        &mut self,
        method: Method,
        fill: impl Fn(&mut Writer<'_>),
    ) -> Result<Vec<u8>, Fault> {
        let mut n_challenges = 0;
        loop {
            let answer = self.ask(method, &fill).await?;
            let message = Message::parse(&answer).map_err(|_| Fault::Strange("no STUN"))?;
            if message.kind().class == Class::Success {
                return Ok(answer);
            }
            let code = message.error_code().map_or(0, |(code, _)| code);
            let nonce = message.find(NONCE).unwrap_or_default().to_vec();
            let realm = message.find(REALM).unwrap_or_default().to_vec();
            // The first is the question who asks; a second one means that the answer is not taken.
            let is_asked = code == 401 && self.nonce.is_empty() || code == 438;
            if !is_asked || nonce.is_empty() || n_challenges == 2 {
                return Err(Fault::Refused(code));
            }
            n_challenges += 1;
            self.nonce = nonce;
            if !realm.is_empty() {
                self.realm = realm;
            }
        }
    }

    async fn ask(
        &mut self,
        method: Method,
        fill: &impl Fn(&mut Writer<'_>),
    ) -> Result<Vec<u8>, Fault> {
        let id = transaction_id();
        let mut question = Vec::new();
        let mut writer = Writer::new(&mut question, Kind::request(method), id);
        fill(&mut writer);
        let (name, password) = (self.user.name.as_bytes(), self.user.password.as_bytes());
        let realm = String::from_utf8_lossy(&self.realm).into_owned();
        let key = LongTermKey::new(PasswordAlgorithm::Md5, name, &realm, password);
        let integrity = if self.nonce.is_empty() {
            Integrity::None
        } else {
            writer.put(USERNAME, name).put(REALM, &self.realm).put(NONCE, &self.nonce);
            Integrity::Sha1(key.as_bytes())
        };
        writer.finish(integrity).map_err(|_| Fault::Strange("a name too long for TURN"))?;
        self.link.ask(&question, self.patience, |bytes| answer_to(&id, bytes)).await
    }
}

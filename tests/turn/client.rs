//! A TURN client on our own STUN, by UDP or a stream: it asks, is challenged, signs, and sends.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use parlor::stun::{
    Class, Integrity, Kind, Message, Method, Writer,
    attribute::{self, AttributeType},
    credential::{LongTermKey, PasswordAlgorithm},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

/// Longest wait for anything; reached only when something is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// By what it speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wire {
    Udp,
    Tcp,
    Tls,
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

enum Link {
    Udp(UdpSocket),
    Stream(Box<dyn Stream>, Vec<u8>),
}

/// One client, with one five-tuple.
pub(crate) struct Client {
    link: Link,
    username: String,
    password: String,
    n_asked: u64,
    /// What came while an answer was waited for.
    others: VecDeque<Vec<u8>>,
}

/// An answer or an indication.
pub(crate) struct Answer(Vec<u8>);

impl Answer {
    fn message(&self) -> Message<'_> {
        Message::parse(&self.0).expect("it was parsed")
    }

    pub(crate) fn code(&self) -> u16 {
        self.message().error_code().map_or(0, |(code, _)| code)
    }

    pub(crate) fn good(self) -> Self {
        assert_eq!(self.message().error_code(), None);
        self
    }

    pub(crate) fn address(&self, kind: AttributeType) -> SocketAddr {
        self.message().xor_address(kind).expect("an address")
    }

    pub(crate) fn data(&self) -> &[u8] {
        self.message().find(attribute::DATA).expect("data")
    }

    pub(crate) fn u32(&self, kind: AttributeType) -> u32 {
        self.message().u32(kind).expect("a number")
    }
}

impl Client {
    pub(crate) async fn connect(wire: Wire, port: u16) -> Self {
        Self::connect_at(wire, (Ipv4Addr::LOCALHOST, port).into()).await
    }

    pub(crate) async fn connect_at(wire: Wire, at: SocketAddr) -> Self {
        match wire {
            Wire::Udp => {
                let socket = UdpSocket::bind((at.ip(), 0)).await.expect("a free port");
                socket.connect(at).await.expect("an address");
                Self::by(Link::Udp(socket))
            }
            _ => Self::over(Box::new(TcpStream::connect(at).await.expect("the port is open"))),
        }
    }

    pub(crate) fn over(stream: Box<dyn Stream>) -> Self {
        Self::by(Link::Stream(stream, Vec::new()))
    }

    fn by(link: Link) -> Self {
        let (username, password) = (String::new(), String::new());
        Self { link, username, password, n_asked: 0, others: VecDeque::new() }
    }

    pub(crate) fn named(mut self, username: &str, password: &str) -> Self {
        (self.username, self.password) = (username.to_owned(), password.to_owned());
        self
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        match &mut self.link {
            Link::Udp(socket) => drop(socket.send(bytes).await.expect("loopback sends")),
            Link::Stream(stream, _) => {
                stream.write_all(bytes).await.expect("it is open");
                stream.flush().await.expect("it is open");
            }
        }
    }

    /// So many bytes of a stream, whatever they are.
    pub(crate) async fn read(&mut self, len: usize) -> Vec<u8> {
        let Link::Stream(stream, read) = &mut self.link else { panic!("no stream") };
        let reading = async {
            while read.len() < len {
                assert_ne!(stream.read_buf(read).await.expect("it is open"), 0, "it has ended");
            }
        };
        timeout(PATIENCE, reading).await.expect("it comes");
        read.drain(..len).collect()
    }

    pub(crate) async fn read_to_end(&mut self) -> Vec<u8> {
        let Link::Stream(stream, read) = &mut self.link else { panic!("no stream") };
        // The end may come without TLS's goodbye.
        let _ = timeout(PATIENCE, stream.read_to_end(read)).await.expect("it ends");
        std::mem::take(read)
    }

    /// The next message: STUN or ChannelData.
    async fn frame(&mut self) -> Vec<u8> {
        if let Link::Udp(socket) = &self.link {
            let mut bytes = vec![0; 2048];
            let len = timeout(PATIENCE, socket.recv(&mut bytes))
                .await
                .expect("it comes")
                .expect("a socket");
            bytes.truncate(len);
            return bytes;
        }
        let head = self.read(4).await;
        let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let rest = if head[0] < 4 { 16 + len } else { len.next_multiple_of(4) };
        [head, self.read(rest).await].concat()
    }

    async fn ask(
        &mut self,
        method: Method,
        fill: impl Fn(&mut Writer<'_>),
        signed: Option<(&LongTermKey, &[u8])>,
    ) -> Answer {
        self.n_asked += 1;
        let mut id = [0; 12];
        id[4..].copy_from_slice(&self.n_asked.to_be_bytes());
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, Kind::request(method), id);
        fill(&mut writer);
        let integrity = match signed {
            None => Integrity::None,
            Some((key, nonce)) => {
                writer.put(attribute::USERNAME, self.username.as_bytes());
                writer.put(attribute::REALM, b"parlor").put(attribute::NONCE, nonce);
                Integrity::Sha1(key.as_bytes())
            }
        };
        writer.finish(integrity).expect("short");
        self.write(&bytes).await;
        loop {
            let frame = self.frame().await;
            let is_answer =
                Message::parse(&frame).is_ok_and(|message| message.transaction_id() == id);
            if is_answer {
                return Answer(frame);
            }
            self.others.push_back(frame);
        }
    }

    pub(crate) async fn plain(&mut self, method: Method) -> Answer {
        self.ask(method, |_| {}, None).await
    }

    async fn signed(&mut self, method: Method, fill: impl Fn(&mut Writer<'_>)) -> Answer {
        let challenge = self.plain(Method::REFRESH).await;
        let nonce = challenge.message().find(attribute::NONCE).expect("a nonce").to_vec();
        self.signed_with(&nonce, method, fill).await
    }

    async fn signed_with(
        &mut self,
        nonce: &[u8],
        method: Method,
        fill: impl Fn(&mut Writer<'_>),
    ) -> Answer {
        let (user, password) = (self.username.as_bytes(), self.password.as_bytes());
        let key = LongTermKey::new(PasswordAlgorithm::Md5, user, "parlor", password);
        let answer = self.ask(method, fill, Some((&key, nonce))).await;
        let is_challenge = [401, 438].contains(&answer.code());
        assert!(is_challenge || answer.message().signed_by(key.as_bytes()));
        answer
    }

    pub(crate) async fn asked(
        &mut self,
        method: Method,
        attributes: &[(AttributeType, &[u8])],
    ) -> Answer {
        let fill = |writer: &mut Writer<'_>| {
            for (kind, value) in attributes {
                writer.put(*kind, value);
            }
        };
        self.signed(method, fill).await
    }

    /// The same, with a nonce of one's own making.
    pub(crate) async fn asked_with(&mut self, nonce: &[u8], method: Method) -> Answer {
        self.signed_with(nonce, method, |_| {}).await
    }

    /// An allocation by UDP, and its address.
    pub(crate) async fn allocated(&mut self) -> SocketAddr {
        let udp = (attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0][..]);
        let answer = self.asked(Method::ALLOCATE, &[udp]).await.good();
        answer.address(attribute::XOR_RELAYED_ADDRESS)
    }

    pub(crate) async fn permit(&mut self, peer: SocketAddr) -> Answer {
        let fill = |writer: &mut Writer<'_>| {
            writer.put_xor_address(attribute::XOR_PEER_ADDRESS, peer);
        };
        self.signed(Method::CREATE_PERMISSION, fill).await
    }

    pub(crate) async fn connect_to(&mut self, peer: SocketAddr) -> Answer {
        let fill = |writer: &mut Writer<'_>| {
            writer.put_xor_address(attribute::XOR_PEER_ADDRESS, peer);
        };
        self.signed(Method::CONNECT, fill).await
    }

    pub(crate) async fn bind(&mut self, number: u16, peer: SocketAddr) -> Answer {
        let fill = |writer: &mut Writer<'_>| {
            writer.put_u32(attribute::CHANNEL_NUMBER, u32::from(number) << 16);
            writer.put_xor_address(attribute::XOR_PEER_ADDRESS, peer);
        };
        self.signed(Method::CHANNEL_BIND, fill).await
    }

    /// ChannelData, padded where that must be.
    pub(crate) async fn send(&mut self, number: u16, payload: &[u8]) {
        let mut bytes = number.to_be_bytes().to_vec();
        bytes.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        bytes.extend_from_slice(payload);
        if matches!(self.link, Link::Stream(..)) {
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        self.write(&bytes).await;
    }

    async fn other(&mut self) -> Vec<u8> {
        match self.others.pop_front() {
            Some(frame) => frame,
            None => self.frame().await,
        }
    }

    /// A Send indication: it has no answer.
    pub(crate) async fn indicate(&mut self, peer: SocketAddr, payload: &[u8]) {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, Kind::indication(Method::SEND), [9; 12]);
        writer.put_xor_address(attribute::XOR_PEER_ADDRESS, peer).put(attribute::DATA, payload);
        writer.finish(Integrity::None).expect("short");
        self.write(&bytes).await;
    }

    /// The next ChannelData: number and contents.
    pub(crate) async fn receive(&mut self) -> (u16, Vec<u8>) {
        channel_data(&self.other().await)
    }

    /// ChannelData that came while an answer was waited for.
    pub(crate) fn had(&mut self) -> Option<(u16, Vec<u8>)> {
        self.others.pop_front().map(|frame| channel_data(&frame))
    }

    pub(crate) async fn indication(&mut self) -> Answer {
        let frame = self.other().await;
        let message = Message::parse(&frame).expect("an indication");
        assert_eq!(message.kind().class, Class::Indication);
        Answer(frame)
    }
}

fn channel_data(frame: &[u8]) -> (u16, Vec<u8>) {
    let number = u16::from_be_bytes([frame[0], frame[1]]);
    let len = usize::from(u16::from_be_bytes([frame[2], frame[3]]));
    (number, frame[4..4 + len].to_vec())
}

//! The client's checks, and its answers to those of the server. By the library's codec: it is not to
//! make our mistakes, and benchmarks know no other.

use rtc::stun::{
    attributes::{ATTR_ICE_CONTROLLING, ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_USERNAME},
    fingerprint::FINGERPRINT,
    integrity::MessageIntegrity,
    message::{BINDING_REQUEST, BINDING_SUCCESS, Message, Setter, TransactionId},
};

use super::{Client, PASSWORD};

impl Client {
    pub(super) fn check(&mut self) {
        let Some(remote) = &self.remote else { return };
        self.n_checks = self.n_checks.wrapping_add(1);
        let mut request = Message::new();
        let transaction = TransactionId([self.n_checks; 12]);
        let built = request.build(&[Box::new(BINDING_REQUEST), Box::new(transaction)]);
        built.expect("a header can be written");
        request.add(ATTR_USERNAME, format!("{}:{}", remote.ufrag, self.ufrag).as_bytes());
        request.add(ATTR_PRIORITY, &[110, 0, 0, 255]);
        request.add(ATTR_ICE_CONTROLLING, &[1; 8]);
        request.add(ATTR_USE_CANDIDATE, &[]);
        let password = remote.pwd.clone();
        self.send_signed(request, &password);
    }

    fn send_signed(&mut self, mut message: Message, password: &str) {
        let crypto = self.shared.provider.crypto();
        MessageIntegrity::new_raw_integrity_with_provider(password, crypto)
            .add_to(&mut message)
            .expect("integrity can be added");
        FINGERPRINT.add_to(&mut message).expect("a fingerprint can be added");
        self.out.push(message.raw);
    }

    /// As a full agent does (RFC 8445 7.3).
    pub(super) fn answer_check(&mut self, datagram: &[u8]) {
        let mut check = Message::new();
        check.unmarshal_binary(datagram).expect("the server sends what is well-formed");
        if check.typ != BINDING_REQUEST || !self.answers_checks {
            return;
        }
        let expected =
            self.remote.as_ref().map(|remote| format!("{}:{}", self.ufrag, remote.ufrag));
        let user = check.get(ATTR_USERNAME).unwrap_or_default();
        if expected.is_none_or(|expected| expected.as_bytes() != user) {
            return; // for somebody else
        }
        FINGERPRINT.check(&check).expect("the fingerprint is right");
        let crypto = self.shared.provider.crypto();
        MessageIntegrity::check(&mut check, PASSWORD.as_bytes(), crypto).expect("and signed");
        let mut reply = Message::new();
        let built = reply.build(&[Box::new(BINDING_SUCCESS), Box::new(check.transaction_id)]);
        built.expect("a header can be written");
        self.send_signed(reply, PASSWORD);
    }
}

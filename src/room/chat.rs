//! What is said: checked, kept within bounds, told to all, taken back.

use std::collections::VecDeque;

use super::{Now, Room, SeatId};
use crate::{
    ids::text,
    protocol::{ChatLine, ErrorCode, MAX_CHAT_CHARS, Rank, ServerMessage},
};

/// Lines that whoever joins is given.
pub const CHAT_HISTORY: usize = 200;

/// Bytes of text and names in them: `joined` has to go into one message, and a thousand rooms into
/// the memory of a small box.
pub const CHAT_HISTORY_BYTES: usize = 256 * 1024;

/// The last lines of a room.
#[derive(Debug)]
pub(super) struct History {
    lines: VecDeque<ChatLine>,
    n_bytes: usize,
    next_seq: u64,
}

impl History {
    pub(super) fn new() -> Self {
        Self { lines: VecDeque::new(), n_bytes: 0, next_seq: 1 }
    }

    /// Bytes that its lines take.
    pub(super) fn n_bytes(&self) -> usize {
        self.n_bytes
    }

    /// All lines, oldest first.
    pub(super) fn lines(&self) -> Vec<ChatLine> {
        self.lines.iter().cloned().collect()
    }

    fn push(&mut self, line: ChatLine) {
        self.next_seq = line.seq + 1;
        self.n_bytes += cost(&line);
        self.lines.push_back(line);
        self.trim(CHAT_HISTORY_BYTES);
    }

    /// Forgets the oldest lines until it is no larger; the newest stays as long as it fits.
    pub(super) fn trim(&mut self, max_bytes: usize) {
        while self.lines.len() > CHAT_HISTORY || self.n_bytes > max_bytes {
            let Some(line) = self.lines.pop_front() else { break };
            self.n_bytes -= cost(&line);
        }
    }

    fn remove(&mut self, seq: u64) {
        if let Some(at) = self.lines.iter().position(|line| line.seq == seq)
            && let Some(line) = self.lines.remove(at)
        {
            self.n_bytes -= cost(&line);
        }
    }

    fn find(&self, seq: u64) -> Option<&ChatLine> {
        self.lines.iter().find(|line| line.seq == seq)
    }
}

/// What a line takes in memory, roughly; its JSON is no more than twice that.
fn cost(line: &ChatLine) -> usize {
    size_of::<ChatLine>() + line.name.len() + line.text.len()
}

impl Room {
    /// Bytes that this room's history takes.
    pub fn history_bytes(&self) -> usize {
        self.chat.n_bytes()
    }

    pub(super) fn say(&mut self, now: Now, seat: SeatId, id: u32, text: &str) {
        let n_chars = text.trim().chars().count();
        if n_chars == 0 || n_chars > MAX_CHAT_CHARS {
            let message =
                format!("the message has {n_chars} characters; 1 to {MAX_CHAT_CHARS} are allowed");
            return self.refuse(seat, id, ErrorCode::ChatInvalid, message);
        }
        let text = match text::said(text) {
            Ok(text) => text,
            Err(fault) => {
                let message = match fault {
                    text::TextFault::Forbidden(c) => {
                        format!("the message contains {c:?}, which is not allowed")
                    }
                    text::TextFault::Piled => {
                        format!("the message has more than {} marks on one letter", text::MAX_MARKS)
                    }
                    text::TextFault::Invisible => "nothing of the message can be seen".to_owned(),
                };
                return self.refuse(seat, id, ErrorCode::ChatInvalid, message);
            }
        };
        let Some(place) = self.places.get(&seat.member) else { return };
        let line = ChatLine {
            seq: self.chat.next_seq,
            from: seat.member,
            name: place.name.clone(),
            text,
            at_ms: now.unix_ms,
        };
        self.chat.push(line.clone());
        self.answer(seat, id, ServerMessage::Done);
        self.tell_all(&ServerMessage::Chat { line });
    }
    /// Deletes a line for everybody.
    pub(super) fn take_back(&mut self, seat: SeatId, id: u32, seq: u64) {
        let place = self.places.get(&seat.member);
        let is_moderator = place.is_some_and(|place| place.rank >= Rank::Moderator);
        match self.chat.find(seq) {
            None => {
                let message = format!("no line {seq} is kept");
                self.refuse(seat, id, ErrorCode::LineUnknown, message);
            }
            Some(line) if line.from != seat.member && !is_moderator => {
                let message = "its author, moderators and the owner may take a line back";
                self.refuse(seat, id, ErrorCode::Forbidden, message);
            }
            Some(_) => {
                self.chat.remove(seq);
                self.answer(seat, id, ServerMessage::Done);
                self.tell_all(&ServerMessage::ChatDeleted { seq });
            }
        }
    }
}

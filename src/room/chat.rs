//! What is said: checked, kept within bounds, told to all, taken back.
//!
//! The newest lines are here; whoever performs what the room says keeps them all, and hands older ones in
//! when the room asks for them ([`Action::Keep`], [`Action::Older`], [`Action::Recall`]).

use std::collections::VecDeque;

use super::{Action, Now, Room, SeatId};
use crate::{
    ids::{MemberId, text},
    protocol::{ChatLine, ErrorCode, MAX_CHAT_CHARS, Rank, ServerMessage},
};

/// Lines that whoever joins is given, and that one page of older ones has at most.
pub const CHAT_HISTORY: usize = 200;

/// Bytes of text and names in them: `joined` has to go into one message, and a thousand rooms into
/// the memory of a small box.
pub const CHAT_HISTORY_BYTES: usize = 256 * 1024;

/// What tells an author again after a new join or a restart: made of the browser's own secret, so that
/// the secret itself is not kept.
pub type Author = [u8; 16];

/// A line and whose it is for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// As members see it.
    pub line: ChatLine,
    /// `None`: only the member who said it is its author.
    pub author: Option<Author>,
}

/// The last lines of a room.
#[derive(Debug)]
pub(super) struct History {
    lines: VecDeque<Kept>,
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

    fn push(&mut self, kept: Kept) {
        self.next_seq = self.next_seq.max(kept.line.seq.saturating_add(1));
        self.n_bytes += cost(&kept.line);
        self.lines.push_back(kept);
        self.trim(CHAT_HISTORY_BYTES);
    }

    /// Forgets the oldest lines until it is no larger; the newest stays as long as it fits.
    pub(super) fn trim(&mut self, max_bytes: usize) {
        while self.lines.len() > CHAT_HISTORY || self.n_bytes > max_bytes {
            let Some(kept) = self.lines.pop_front() else { break };
            self.n_bytes -= cost(&kept.line);
        }
    }

    fn remove(&mut self, seq: u64) {
        if let Some(at) = self.lines.iter().position(|kept| kept.line.seq == seq)
            && let Some(kept) = self.lines.remove(at)
        {
            self.n_bytes -= cost(&kept.line);
        }
    }

    fn find(&self, seq: u64) -> Option<&Kept> {
        self.lines.iter().find(|kept| kept.line.seq == seq)
    }

    /// Whether there may be lines before this one that are not here.
    fn is_before(&self, seq: u64) -> bool {
        self.lines.front().map_or(self.next_seq, |kept| kept.line.seq) > seq
    }
}

/// What a line takes in memory, roughly; its JSON is no more than twice that.
fn cost(line: &ChatLine) -> usize {
    size_of::<Kept>() + line.name.len() + line.text.len()
}

impl Room {
    /// Bytes that this room's history takes.
    pub fn history_bytes(&self) -> usize {
        self.chat.n_bytes()
    }

    /// What was said before this run of the box, oldest first. Before anybody has said anything.
    pub fn restore(&mut self, lines: Vec<Kept>) {
        for kept in lines {
            self.chat.push(kept);
        }
    }

    /// The last lines as one member sees them.
    pub(super) fn chat_for(&self, member: MemberId) -> Vec<ChatLine> {
        self.chat.lines.iter().map(|kept| self.seen_by(member, kept)).collect()
    }

    /// Whoever said a line in an earlier stay sees it as their own.
    fn seen_by(&self, member: MemberId, kept: &Kept) -> ChatLine {
        let mut line = kept.line.clone();
        if !self.places.contains_key(&line.from) && self.is_author(member, kept) {
            line.from = member;
        }
        line
    }

    fn is_author(&self, member: MemberId, kept: &Kept) -> bool {
        let author = self.places.get(&member).and_then(|place| place.author);
        kept.line.from == member || (author.is_some() && author == kept.author)
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
        let kept = Kept { line: line.clone(), author: place.author };
        self.chat.push(kept.clone());
        self.actions.push(Action::Keep(kept));
        self.answer(seat, id, ServerMessage::Done);
        self.tell_all(&ServerMessage::Chat { line });
    }

    /// Older lines are asked for, and come by [`super::Input::Older`].
    pub(super) fn ask_older(&mut self, seat: SeatId, id: u32, before: u64) {
        self.actions.push(Action::Older { seat, id, before });
    }

    /// Older lines for somebody who asked, oldest first.
    pub(super) fn show_older(&mut self, seat: SeatId, id: u32, lines: &[Kept], more: bool) {
        let lines = lines.iter().map(|kept| self.seen_by(seat.member, kept)).collect();
        self.answer(seat, id, ServerMessage::History { lines, more });
    }

    /// Deletes a line for everybody. One that is not here any more is recalled first.
    pub(super) fn take_back(&mut self, seat: SeatId, id: u32, seq: u64) {
        match self.chat.find(seq).cloned() {
            None if self.chat.is_before(seq) => {
                self.actions.push(Action::Recall { seat, id, seq });
            }
            found => self.take_back_found(seat, id, seq, found.as_ref()),
        }
    }

    pub(super) fn take_back_found(
        &mut self,
        seat: SeatId,
        id: u32,
        seq: u64,
        found: Option<&Kept>,
    ) {
        let place = self.places.get(&seat.member);
        let is_moderator = place.is_some_and(|place| place.rank >= Rank::Moderator);
        match found {
            None => {
                let message = format!("no line {seq} is kept");
                self.refuse(seat, id, ErrorCode::LineUnknown, message);
            }
            Some(kept) if !is_moderator && !self.is_author(seat.member, kept) => {
                let message = "its author, moderators and the owner may take a line back";
                self.refuse(seat, id, ErrorCode::Forbidden, message);
            }
            Some(_) => {
                self.chat.remove(seq);
                self.actions.push(Action::TakenBack { seq });
                self.answer(seat, id, ServerMessage::Done);
                self.tell_all(&ServerMessage::ChatDeleted { seq });
            }
        }
    }
}

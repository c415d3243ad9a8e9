//! Whether what let somebody in still holds, for as long as they are here.
//!
//! Signing out, an invite that is voided, an account that is removed or has another password, an expiry:
//! each ends what was begun by it (sockets, WHIP, WHEP), and not only the next request. Looked at when
//! anything of that kind happens here, and now and then, for `parlor owner reset` is another process.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Interval, MissedTickBehavior, interval},
};

use super::{Access, Visitor};
use crate::store::{InviteId, Spent, TokenHash};

/// How long an end that nobody here has brought about may go unnoticed.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// What lets somebody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// A session, by a cookie or as a bearer token.
    Session(TokenHash),
    /// An invite as a bearer token.
    Invite(InviteId),
}

/// One visitor's standing; see [`Standing::ended`].
pub struct Standing {
    access: Arc<Access>,
    /// Nothing of whoever is here by where they come from.
    by: Option<Credential>,
    endings: watch::Receiver<()>,
    look: Interval,
    /// Something has happened and was not looked at yet.
    is_due: bool,
}

impl Standing {
    /// Returns when what let the visitor in holds no more; never for a guest. May be dropped while it
    /// waits, and forgets nothing.
    pub async fn ended(&mut self) {
        let Some(by) = self.by else { return std::future::pending().await };
        loop {
            if !self.is_due {
                tokio::select! {
                    // Its sender lives as long as `access`, which is ours.
                    _ = self.endings.changed() => {}
                    _ = self.look.tick() => {}
                }
                self.is_due = true;
            }
            if !self.access.holds(by).await {
                return;
            }
            self.is_due = false;
        }
    }
}

impl Access {
    /// A visitor's standing, to be watched by whatever they have begun.
    pub fn standing(self: &Arc<Self>, visitor: &Visitor) -> Standing {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick is at once: what has ended since the visitor was looked at is seen.
        let (access, by) = (self.clone(), visitor.by);
        Standing { access, by, endings: self.endings().subscribe(), look, is_due: false }
    }

    /// Whether it lets anybody in. A store that cannot be read ends no call.
    async fn holds(&self, by: Credential) -> bool {
        let now = self.now();
        let _turn = self.turn_to_look().await;
        match by {
            Credential::Session(hash) => !matches!(self.store().session(hash, now).await, Ok(None)),
            Credential::Invite(id) => !matches!(
                self.store().look_at_invite(id, now).await,
                // Used up is what it is by this very visitor.
                Ok(Spent::Void | Spent::Expired)
            ),
        }
    }

    /// Something has ended: whoever is here by it is to look.
    pub(super) fn has_ended(&self) {
        // overflow: none, a watch channel is a mark only.
        self.endings().send_replace(());
    }
}

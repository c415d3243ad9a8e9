//! Where the owner changes settings: `http` asks, `app`, which holds them, answers.

use std::collections::BTreeMap;

use tokio::sync::{mpsc, oneshot};

use crate::config::{Fault, ShownKey};

/// Changes that wait for the one before them.
const QUEUE_LEN: usize = 8;

/// Why nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeskRefusal {
    /// What is wrong, all of it.
    Faults(Vec<Fault>),
    /// They are not what the asker believes that they are.
    Changed,
    /// They cannot be kept; a predicate about the store.
    NotKept(String),
    /// The box is stopping, or too many change settings at once.
    Busy,
}

/// The settings as they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Each key.
    pub keys: Vec<ShownKey>,
    /// Grows with each change of the page's, since the start.
    pub revision: u64,
    /// Keys whose value is in force from the next start on only.
    pub waiting: Vec<&'static str>,
}

/// What is asked for.
#[derive(Debug)]
pub struct DeskAsk {
    /// JSON by full key, `None` to take back what the page said; empty to be shown them only.
    pub changes: BTreeMap<String, Option<String>>,
    /// The revision that the asker has seen.
    pub expected: Option<u64>,
    /// Who asks, for the audit log.
    pub who: String,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Result<Shown, DeskRefusal>>,
}

/// Asks for settings and changes them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Desk(mpsc::Sender<DeskAsk>);

impl Desk {
    /// A desk, and where its asks arrive.
    pub fn new() -> (Self, mpsc::Receiver<DeskAsk>) {
        let (sender, asks) = mpsc::channel(QUEUE_LEN);
        (Self(sender), asks)
    }

    /// The settings as they are.
    ///
    /// # Errors
    /// [`DeskRefusal::Busy`]
    pub async fn show(&self) -> Result<Shown, DeskRefusal> {
        self.change(BTreeMap::new(), None, String::new()).await
    }

    /// Changes keys, all of them or none; the settings as they are then.
    ///
    /// # Errors
    /// See [`DeskRefusal`].
    pub async fn change(
        &self,
        changes: BTreeMap<String, Option<String>>,
        expected: Option<u64>,
        who: String,
    ) -> Result<Shown, DeskRefusal> {
        let (reply, answer) = oneshot::channel();
        let ask = DeskAsk { changes, expected, who, reply };
        // overflow: DROPS the ask, and the asker is told: nobody changes settings that often.
        self.0.try_send(ask).map_err(|_| DeskRefusal::Busy)?;
        answer.await.map_err(|_| DeskRefusal::Busy)?
    }
}

//! What a person wants of the running client, on its way to whoever does it.

use std::sync::Arc;

use inhaul_core::event::EventId;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::{
    history::Ruling,
    hold::Hold,
    pipeline::{Signing, Verifier},
    replay::{Plan, Preview, Sent},
    row::{Attempt, EventRow},
};

/// Replays asked for and not begun.
pub(super) const REPLAYS: usize = 64;
/// Decisions that are not on record yet.
const DECISIONS: usize = 64;
/// Plans that are not looked at yet, and outcomes of one that are not passed on yet.
const PLANS: usize = 16;

/// Somebody wants an event sent again.
#[derive(Debug)]
pub struct ReplayRequest {
    /// Which event.
    pub id: EventId,
    /// Where to, if not to the targets the client has.
    pub to: Option<String>,
    /// How it is signed.
    pub signing: Signing,
    /// Where the finished attempt goes, or the reason why there is none.
    pub answer: oneshot::Sender<Result<Attempt, String>>,
}

/// Somebody wants to know what a plan would send, or to have it sent.
#[derive(Debug)]
pub struct PlanRequest {
    /// What is to be sent.
    pub plan: Plan,
    /// What is wanted.
    pub wanted: Wanted,
}

/// What is wanted of a plan.
#[derive(Debug)]
pub enum Wanted {
    /// To know what it would send.
    Preview(oneshot::Sender<Result<Preview, String>>),
    /// To have it sent; each request that is done goes here. When the other end goes, or it is stopped, no more is begun.
    Sent(mpsc::Sender<Sent>, CancellationToken),
}

/// Somebody decided on a held event.
#[derive(Debug)]
pub struct Decision {
    /// Which event.
    pub id: EventId,
    /// It is forwarded, or goes nowhere.
    pub ruling: Ruling,
    /// Where the event's row goes once that is on record, or the reason why it is not.
    pub answer: oneshot::Sender<Result<EventRow, String>>,
}

/// Where a person's wishes go.
#[derive(Clone, Debug)]
pub struct Orders {
    /// What is to be sent again.
    pub replays: mpsc::Sender<ReplayRequest>,
    /// Many of them, with a plan.
    pub plans: mpsc::Sender<PlanRequest>,
    /// What becomes of held events.
    pub decisions: mpsc::Sender<Decision>,
    /// Which events are held.
    pub hold: Hold,
    /// What checks signatures anew.
    pub verifier: Verifier,
    reconnect: Arc<Notify>,
}

/// Where a person's wishes come out.
#[derive(Debug)]
pub struct Ordered {
    /// What is to be sent again.
    pub replays: mpsc::Receiver<ReplayRequest>,
    /// Many of them, with a plan.
    pub plans: mpsc::Receiver<PlanRequest>,
    /// What becomes of held events.
    pub decisions: mpsc::Receiver<Decision>,
    /// That a connection is wanted now.
    pub reconnect: Arc<Notify>,
}

impl Orders {
    /// Both ends of the queues, with what is held and what verifies.
    pub fn new(hold: Hold, verifier: Verifier) -> (Self, Ordered) {
        let ((replays, asked), (decisions, decided)) = (mpsc::channel(REPLAYS), mpsc::channel(DECISIONS));
        let (plans, planned) = mpsc::channel(PLANS);
        let reconnect = Arc::new(Notify::new());
        let ordered =
            Ordered { replays: asked, plans: planned, decisions: decided, reconnect: Arc::clone(&reconnect) };
        (Self { replays, plans, decisions, hold, verifier, reconnect }, ordered)
    }

    /// Connects to the relay now, whatever the client waits for; where it is connected, it asks at once whether the connection lives.
    pub fn reconnect_now(&self) {
        self.reconnect.notify_waiters();
    }

    /// Has it decided what becomes of a held event, and waits until that is on record.
    ///
    /// # Errors
    /// With a sentence for a person.
    pub async fn decide(&self, id: EventId, ruling: Ruling) -> Result<EventRow, String> {
        let (answer, answered) = oneshot::channel();
        // When its queue is full, it takes a moment longer.
        let asked = self.decisions.send(Decision { id, ruling, answer }).await;
        asked.map_err(|_| "it is stopping".to_owned())?;
        answered.await.unwrap_or_else(|_| Err("it stopped before the decision was on record".to_owned()))
    }

    /// What a plan would send.
    ///
    /// # Errors
    /// With a sentence for a person.
    pub async fn preview(&self, plan: Plan) -> Result<Preview, String> {
        let (answer, answered) = oneshot::channel();
        let asked = self.plans.send(PlanRequest { plan, wanted: Wanted::Preview(answer) }).await;
        asked.map_err(|_| "it is stopping".to_owned())?;
        answered.await.unwrap_or_else(|_| Err("it is stopping".to_owned()))
    }

    /// Has a plan carried out; what comes of each request is received. No more is begun when nobody receives any more, or after `stop`; of those
    /// under way then it is received what comes.
    ///
    /// # Errors
    /// When it is stopping.
    pub async fn carry_out(
        &self,
        plan: Plan,
        stop: CancellationToken,
    ) -> Result<mpsc::Receiver<Sent>, String> {
        let (sent, done) = mpsc::channel(PLANS);
        let asked = self.plans.send(PlanRequest { plan, wanted: Wanted::Sent(sent, stop) }).await;
        asked.map(|()| done).map_err(|_| "it is stopping".to_owned())
    }
}

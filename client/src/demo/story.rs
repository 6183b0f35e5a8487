//! The scenes of the demo, and the one who plays them.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use inhaul_core::{
    event::{EventId, Header},
    signature::{Provider, Secret, SignError, SignRequest},
};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use super::Handler;
use crate::{
    clock,
    control::ReplayRequest,
    forward::TargetError,
    live::Live,
    pipeline::Signing,
    row::Outcome,
    sender::{SendError, Sender},
};

/// The header in which the relay tells the sender the event's id.
const ID_HEADER: &str = "x-inhaul-event-id";

/// How fast the scenes follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// For somebody who watches.
    ForWatching,
    /// One after the other.
    AtOnce,
}

/// Time between two scenes for somebody who watches.
const PAUSE: Duration = Duration::from_millis(800);

/// One request, and what is said about it.
struct Scene {
    said: &'static str,
    body: &'static str,
    forged: bool,
    status: u16,
}

const fn scene(said: &'static str, body: &'static str) -> Scene {
    Scene { said, body, forged: false, status: 200 }
}

const CHARGED: &str = include_str!("../../../assets/demo/call.billing.charged.json");

/// Six events, one of them twice and one forged.
const SCENES: [Scene; 8] = [
    scene(
        "CallPayMin tells that a call was created. It is stored, its signature checked, forwarded, and your answer passed back.",
        include_str!("../../../assets/demo/call.created.json"),
    ),
    scene("The call is answered …", include_str!("../../../assets/demo/call.started.json")),
    scene("… and ends.", include_str!("../../../assets/demo/call.ended.json")),
    scene("It is charged: money moves, so this must happen once.", CHARGED),
    scene(
        "Its sender did not hear the answer and sends it again. The handler knows the id and charges nobody.",
        CHARGED,
    ),
    Scene {
        said: "Somebody else tries to charge, without the secret. The event is marked, and the handler refuses it.",
        body: CHARGED,
        forged: true,
        status: 401,
    },
    scene("A balance runs low.", include_str!("../../../assets/demo/user.balance_low.json")),
    scene("The summary of the call is ready.", include_str!("../../../assets/demo/summary.ready.json")),
];

/// Why the story did not go as told.
#[derive(Debug, Error)]
pub enum StoryError {
    /// A post failed.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The endpoint has no URL.
    #[error(transparent)]
    Url(#[from] TargetError),
    /// A request could not be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The handler answered otherwise than told.
    #[error("the sender heard {heard} where {told} was told")]
    Status {
        /// What it heard.
        heard: u16,
        /// What the story says.
        told: u16,
    },
    /// The answer names no event.
    #[error("the relay's answer names no event")]
    NoId,
    /// The replay did not end as told.
    #[error("the replay did not end as told: {0}")]
    Replay(String),
    /// The handler did something else than each event once.
    #[error("the handler did {0:?}")]
    Done(Vec<String>),
    /// The client ended.
    #[error("the client ended before the story did")]
    Ended,
}

/// Who plays.
pub struct Cast {
    /// Who sends.
    pub provider: Arc<Provider>,
    /// What the sender signs with, and the handler checks with.
    pub secret: Secret,
    /// Who receives.
    pub handler: Handler,
    /// Takes what is to be sent again.
    pub replays: mpsc::Sender<ReplayRequest>,
    /// What happens.
    pub live: mpsc::Receiver<Live>,
    /// Takes what is shown: what happens, with words between.
    pub shown: mpsc::Sender<Live>,
}

struct Stage {
    cast: Cast,
    url: String,
}

/// Plays the story, and returns whoever played it.
///
/// # Errors
/// When something else happens than is told.
pub async fn play(cast: Cast, pace: Pace) -> Result<Cast, StoryError> {
    let mut stage = Stage { cast, url: String::new() };
    stage.wait_for(|live| matches!(live, Live::Ready(_))).await?;
    let mut charged = None;
    for scene in &SCENES {
        let id = stage.scene(scene).await?;
        if scene.body == CHARGED {
            charged.get_or_insert(id);
        }
        stage.pause(pace).await;
    }
    if let Some(id) = charged {
        stage.replay(id).await?;
    }
    stage.curtain().await?;
    Ok(stage.cast)
}

impl Stage {
    async fn scene(&mut self, scene: &Scene) -> Result<EventId, StoryError> {
        self.say(scene.said).await;
        let forger = Secret::new("forged", "a guess");
        let secret = if scene.forged { &forger } else { &self.cast.secret };
        let body = Bytes::from_static(scene.body.as_bytes());
        let request = SignRequest {
            method: b"POST",
            url: Some(&self.url),
            body: &body,
            at: clock::now(),
            id: None,
            event_type: None,
        };
        let mut headers = vec![
            Header { name: "User-Agent".into(), value: "CallPayMin-Webhooks/1.0 (demo)".into() },
            Header { name: "Content-Type".into(), value: "application/json".into() },
        ];
        headers.extend(self.cast.provider.sign(&request, secret)?);
        let target = self.url.parse()?;
        let answer = Sender::default().post(&target, &headers, body).await?;
        let id = answer.headers().get(ID_HEADER).and_then(|id| id.to_str().ok()?.parse::<EventId>().ok());
        let id = id.ok_or(StoryError::NoId)?;
        self.wait_for(|live| matches!(live, Live::Attempt(row, _) if row.id == id)).await?;
        let heard = answer.status().as_u16();
        let words = String::from_utf8_lossy(answer.body()).into_owned();
        self.say(&format!("The sender heard {heard}: {words}.")).await;
        if heard == scene.status { Ok(id) } else { Err(StoryError::Status { heard, told: scene.status }) }
    }

    async fn replay(&mut self, id: EventId) -> Result<(), StoryError> {
        self.say("You replay the charge from the history: a second attempt on its record, and still nobody is charged twice.").await;
        let (answer, answered) = oneshot::channel();
        let request = ReplayRequest { id, to: None, signing: Signing::AsReceived, answer };
        self.cast.replays.send(request).await.map_err(|_| StoryError::Ended)?;
        let attempt = answered.await.map_err(|_| StoryError::Ended)?.map_err(StoryError::Replay)?;
        self.wait_for(|live| matches!(live, Live::Attempt(_, shown) if *shown == attempt)).await?;
        if attempt.number == 2 && matches!(attempt.outcome, Outcome::Answered { status: 200, .. }) {
            return Ok(());
        }
        Err(StoryError::Replay(format!("attempt {}: {:?}", attempt.number, attempt.outcome)))
    }

    async fn curtain(&mut self) -> Result<(), StoryError> {
        let told = [
            "call.created",
            "call.started",
            "call.ended",
            "call.billing.charged",
            "user.balance_low",
            "summary.ready",
        ];
        let done = self.cast.handler.done(told.len()).await;
        if done != told {
            return Err(StoryError::Done(done));
        }
        let (requests, done) = (SCENES.len(), told.len());
        self.say(&format!(
            "{requests} requests came, {requests} are stored, 1 was forged and refused, and the handler did {done} events, each once."
        ))
        .await;
        self.say(
            "Your turn: `inhaul listen 3000` gives you a URL whose webhooks reach http://localhost:3000.",
        )
        .await;
        Ok(())
    }

    async fn pause(&mut self, pace: Pace) {
        if pace == Pace::ForWatching {
            let over = tokio::time::sleep(PAUSE);
            // What happens meanwhile is shown at once; that the client ends is noticed by the next scene.
            tokio::select! {
                () = over => {}
                _ = self.wait_for(|_| false) => {}
            }
        }
    }

    /// Shows what happens until this has happened.
    async fn wait_for(&mut self, until: impl Fn(&Live) -> bool) -> Result<(), StoryError> {
        loop {
            let live = self.cast.live.recv().await.ok_or(StoryError::Ended)?;
            if let Live::Ready(ready) = &live {
                self.url.clone_from(&ready.endpoint_url);
            }
            let enough = until(&live);
            self.cast.shown.send(live).await.map_err(|_| StoryError::Ended)?;
            if enough {
                return Ok(());
            }
        }
    }

    async fn say(&self, text: &str) {
        // Nobody watches any more; the next scene notices.
        let _ = self.cast.shown.send(Live::Told(text.to_owned())).await;
    }
}

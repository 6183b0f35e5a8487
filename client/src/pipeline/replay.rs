//! Stored events sent again because a person asks for it: what replays of any kind have in common.

use std::sync::Arc;

use inhaul_core::event::{Event, EventId};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{Pipeline, Signing, resign::signer};
use crate::{
    draft::{self, Sign},
    forward::{Target, request_head},
    replay::{PREVIEW_BODY_BYTES, Plan, Preview, Sent},
    row::{Attempt, AttemptCause, EventRow},
};

/// Rows read at once to find out where a plan goes.
const ROWS_AT_ONCE: usize = 1000;

/// Events read whole to find out where a plan goes, because their rows do not say which route takes them.
const READ_MAX: usize = 100;

/// An event with its row, read once for many requests.
type Found = Arc<(Event, EventRow)>;

impl Pipeline {
    /// Sends a stored event once more.
    ///
    /// # Errors
    /// With a sentence for a person.
    pub async fn replay(&self, id: EventId, to: Option<Target>, signing: Signing) -> Result<Attempt, String> {
        let plan = Plan::of_one(id, to, signing.into());
        let found = self.found(id).await?;
        self.send_one(&plan, &found).await
    }

    /// What a plan would send, without sending anything. The first event is looked at whole.
    ///
    /// # Errors
    /// With a sentence for a person: the plan is too much, or does not fit the first event.
    pub async fn preview(&self, plan: &Plan) -> Result<Preview, String> {
        plan.check().map_err(|error| error.to_string())?;
        let first = *plan.ids.first().ok_or("there is nothing to send")?;
        let (event, row) = self.found(first).await?;
        let (sent, changed) = self.with_draft(&event, &row, &plan.draft)?;
        let targets = self.targets_of(plan).await?;
        let target = match &plan.to {
            Some(target) => target.clone(),
            None => self.usual_target(&event, &row)?,
        };
        let sent = match plan.draft.changes.mark {
            true => draft::marked(&sent, row.id, row.attempts_made() + 1),
            false => sent,
        };
        let signer = signer(&row, self.place_again(&event, &row).route, self.routes.catalogue());
        let renews_id = draft::renews_id(&sent, plan.draft.changes.id, signer.provider.as_deref());
        let head = request_head(&sent, &target).map_err(|error| error.to_string())?;
        let keeps_signature = plan.draft.changes.sign == Sign::Keep;
        Ok(Preview {
            requests: plan.requests(),
            external: targets
                .iter()
                .filter(|target| !target.is_loopback())
                .map(ToString::to_string)
                .collect(),
            targets: targets.iter().map(ToString::to_string).collect(),
            changes: changed.map(|_| plan.draft.words(renews_id)).unwrap_or_default(),
            signature_is_old: row.is_signed() && keeps_signature && !plan.draft.keeps_content(),
            head: String::from_utf8_lossy(&head).into_owned(),
            body_bytes: sent.body.len() as u64,
            body_text: text_of(&sent.body),
        })
    }

    /// Carries a plan out, and tells of each request when it is done. After `stop`, or when nobody listens any more, none is begun; those
    /// under way come to their ends.
    pub async fn replay_all(&self, plan: Plan, done: &mpsc::Sender<Sent>, stop: &CancellationToken) {
        let plan = Arc::new(plan);
        let mut left = plan.order().into_iter().peekable();
        // Each by itself, so that whoever is told slowly makes no request look slow.
        let mut under_way = JoinSet::new();
        let mut next_at = Instant::now();
        let mut stopped = false;
        // Of many requests of one event, its bytes are read once.
        let mut read: Option<(EventId, Found)> = None;
        while !under_way.is_empty() || (!stopped && left.peek().is_some()) {
            let has_room = !stopped && under_way.len() < plan.pace.concurrency && left.peek().is_some();
            tokio::select! {
                biased;
                () = stop.cancelled(), if !stopped => stopped = true,
                () = done.closed(), if !stopped => stopped = true,
                Some(sent) = under_way.join_next() => {
                    if let Ok(sent) = sent {
                        // Nobody may listen any more; the attempt is on record.
                        let _ = done.send(sent).await;
                    }
                }
                () = sleep_until(next_at), if has_room => {
                    let Some(id) = left.next() else { continue };
                    next_at = Instant::now() + plan.pace.wait((self.random)());
                    let found = match read.take().filter(|(known, _)| *known == id) {
                        Some((_, found)) => Ok(found),
                        None => self.found(id).await.map(Arc::new),
                    };
                    read = found.as_ref().ok().filter(|_| plan.ids.len() == 1).map(|found| (id, Arc::clone(found)));
                    let (pipeline, plan) = (self.clone(), Arc::clone(&plan));
                    under_way.spawn(async move {
                        let result = match found {
                            Ok(found) => pipeline.send_one(&plan, &found).await,
                            Err(reason) => Err(reason),
                        };
                        Sent { id, result }
                    });
                }
            }
        }
    }

    async fn found(&self, id: EventId) -> Result<(Event, EventRow), String> {
        let found = self.history.event(id).await.map_err(|error| error.to_string())?;
        found.ok_or_else(|| no_event(id))
    }

    async fn send_one(&self, plan: &Plan, (event, row): &(Event, EventRow)) -> Result<Attempt, String> {
        let target = match &plan.to {
            Some(target) => target.clone(),
            None => self.usual_target(event, row)?,
        };
        let (sent, changed) = self.with_draft(event, row, &plan.draft)?;
        if changed.as_ref().is_some_and(|changed| changed.edit.is_some()) {
            let recorded = self.history.record_draft(row.id, plan.draft.clone()).await;
            recorded.map_err(|error| error.to_string())?;
        }
        let begun = self.begin(row.id, &target, (AttemptCause::Replay, changed)).await;
        let begun = begun.map_err(|error| error.to_string())?;
        let sent = match plan.draft.changes.mark {
            true => draft::marked(&sent, row.id, begun.number),
            false => sent,
        };
        let attempt = self.send_begun(&sent, &target, begun, false).await.attempt;
        self.record(row.id, attempt.clone(), false).await.map_err(|error| error.to_string())?;
        Ok(attempt)
    }

    /// Where the requests of a plan go, each target once. Rows say so for most events; of the others so many are read whole, and beyond
    /// that every target counts that one of them could go to.
    async fn targets_of(&self, plan: &Plan) -> Result<Vec<Target>, String> {
        if let Some(target) = &plan.to {
            return Ok(vec![target.clone()]);
        }
        let (mut targets, mut read) = (Vec::new(), 0);
        for ids in plan.ids.chunks(ROWS_AT_ONCE) {
            let rows = self.history.rows_of(ids.to_vec()).await.map_err(|error| error.to_string())?;
            // They are in the order that was asked for.
            let is_there = |(at, id): (usize, &EventId)| rows.get(at).is_some_and(|row| row.id == *id);
            if let Some(missing) = ids.iter().enumerate().find(|place| !is_there(*place)) {
                return Err(no_event(*missing.1));
            }
            for row in &rows {
                let found = match self.routes.by_path(row.target.as_bytes()) {
                    Some(lane) => vec![self.target_of(Some(lane), row)?],
                    None if read < READ_MAX => {
                        read += 1;
                        let (event, row) = self.found(row.id).await?;
                        vec![self.usual_target(&event, &row)?]
                    }
                    None => self.possible_targets(row),
                };
                for target in found {
                    if !targets.contains(&target) {
                        targets.push(target);
                    }
                }
            }
        }
        Ok(targets)
    }

    /// Where an event goes when nobody says: the first target of its route, or where it went before.
    fn usual_target(&self, event: &Event, row: &EventRow) -> Result<Target, String> {
        self.target_of(self.place_again(event, row).lane, row)
    }

    fn target_of(&self, lane: Option<usize>, row: &EventRow) -> Result<Target, String> {
        let of_route = lane.and_then(|lane| self.routes.at(lane).targets.first().cloned());
        of_route
            .or_else(|| target_before(row))
            .ok_or_else(|| "there is no target; say one with `--to`".to_owned())
    }

    /// Every target an event can have by its path, whatever the filters of its routes say.
    fn possible_targets(&self, row: &EventRow) -> Vec<Target> {
        let fitting = self.routes.fitting(row.target.as_bytes());
        fitting.filter_map(|(_, route)| route.targets.first().cloned()).chain(target_before(row)).collect()
    }
}

/// Where an event was sent last by itself: where a person sent it once says nothing of where it belongs.
fn target_before(row: &EventRow) -> Option<Target> {
    let by_itself = row.attempts.iter().rfind(|attempt| attempt.cause != AttemptCause::Replay);
    by_itself.and_then(|attempt| attempt.target.parse().ok())
}

fn no_event(id: EventId) -> String {
    format!("there is no event {id}")
}

/// The beginning of a body that is text.
fn text_of(body: &[u8]) -> Option<String> {
    let beginning = &body[..body.len().min(PREVIEW_BODY_BYTES)];
    match std::str::from_utf8(beginning) {
        Ok(text) => Some(text.to_owned()),
        // The cut may be within a letter.
        Err(error) if error.error_len().is_none() && beginning.len() < body.len() => {
            std::str::from_utf8(&beginning[..error.valid_up_to()]).ok().map(str::to_owned)
        }
        Err(_) => None,
    }
}

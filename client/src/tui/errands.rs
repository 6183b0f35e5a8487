//! What the inspector has done outside, beside its pictures; what comes of it are messages.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use inhaul_core::{
    event::{Event, EventId},
    filter::Filter,
    signature::{Catalogue, Digests},
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    content::Opened,
    editor,
    exchange::Exchange,
    message::{Effect, Message},
    pager,
    piping::News,
    queue::in_order,
    scenario::outside::Scenarios,
    shell::{self, Bounds, Ending},
    state::Thread,
    used,
    verifying::Verified,
};
use crate::{
    annotation::Annotation,
    clock,
    config::{save_filters, saved_filters},
    control::{Orders, ReplayRequest},
    draft::Draft,
    export::Mask,
    filtering::{self, Filtered},
    history::{History, Relation, Ruling},
    jq::{Answer, Bounds as JqBounds, Jq},
    listen::Shown,
    live::Live,
    output::body::{self, Form},
    pipeline::Signing,
    replay::Plan,
    row::{Attempt, EventState},
    thread::{THREAD_EVENTS_MAX, thread},
};

/// Results that the inspector has not taken in yet; what brings more waits.
const RESULTS: usize = 64;

/// Rows read from the history at once.
const PAGE_ROWS: usize = 1000;

/// Does what is to be done outside, and brings back what came of it. A clone is another handle of the same.
#[derive(Clone)]
pub(super) struct Errands {
    history: History,
    orders: Orders,
    catalogue: Catalogue,
    exchange: Exchange,
    scenarios: Scenarios,
    results: mpsc::Sender<Message>,
    /// For the programs of filters.
    judging: Jq,
    /// For the program that is typed.
    querying: Jq,
    /// What ends the reading of events for a filter.
    judged: Arc<Mutex<CancellationToken>>,
    /// What ends the replays and commands under way, by their numbers.
    runs: Arc<Mutex<HashMap<u64, CancellationToken>>>,
    /// How many changes of the filters that were used are written.
    used_written: Arc<Mutex<u64>>,
}

impl Errands {
    /// With where their results come out.
    pub(super) fn new(history: History, orders: Orders, shown: Shown) -> (Self, mpsc::Receiver<Message>) {
        let (results, come_back) = mpsc::channel(RESULTS);
        let Shown { catalogue, mask, ignore, library, player, ui, .. } = shown;
        let scenarios = Scenarios { history: history.clone(), mask: mask.clone(), library, player };
        let exchange = Exchange { history: history.clone(), mask, ignore, clipboard: ui.clipboard };
        let (judging, querying, runs) = (Jq::default(), Jq::default(), Arc::default());
        let errands = Self {
            history,
            orders,
            catalogue,
            exchange,
            scenarios,
            results,
            judging,
            querying,
            judged: Arc::default(),
            runs,
            used_written: Arc::default(),
        };
        (errands, come_back)
    }

    /// Sets out; what comes of it is a message. Nobody waits for it when the inspector has ended.
    pub(super) fn go(&self, effect: Effect) {
        if let Effect::Stop(number) = effect {
            let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
            return runs.get(&number).into_iter().for_each(CancellationToken::cancel);
        }
        if effect == Effect::Reconnect {
            return self.orders.reconnect_now();
        }
        // What ends it is there before it begins.
        let (number, stop) = (number(&effect), CancellationToken::new());
        if matches!(effect, Effect::Judge(..) | Effect::StopJudging) {
            let mut judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *judged, stop.clone()).cancel();
        }
        if let Some(number) = number {
            self.runs.lock().unwrap_or_else(PoisonError::into_inner).insert(number, stop.clone());
        }
        let errands = self.clone();
        tokio::spawn(async move {
            let message = errands.run(effect, &stop).await;
            if let Some(number) = number {
                errands.runs.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
            }
            if let Some(message) = message {
                let _ = errands.results.send(message).await;
            }
        });
    }

    async fn run(&self, effect: Effect, stop: &CancellationToken) -> Option<Message> {
        Some(match effect {
            Effect::LoadRows(before) => self.rows(before).await,
            Effect::Load(id) => Message::Loaded(id, self.load(id).await),
            Effect::LoadRowsOf(ids) => {
                let rows = self.history.rows_of(ids.clone()).await.unwrap_or_default();
                Message::RowsOf(ids, rows)
            }
            Effect::Annotate(ids, annotation) => self.annotate(ids, annotation).await,
            Effect::Delete(ids) => Message::Deleted(self.history.delete_all(ids).await),
            Effect::Restore(ids) => self.restore(ids).await,
            Effect::SaveFilter(name, text) => save_filter(&self.history, &name, &text),
            Effect::SaveUsed(number, texts) => return self.save_used(number, &texts),
            Effect::LoadThread(id) => Message::Thread(id, self.thread(id).await),
            Effect::LoadDigests(id) => Message::Digests(id, self.digests(id).await),
            Effect::Verify(ids) => Message::Verified(self.verify(ids).await),
            Effect::Replay(id, signing) => Message::Replayed(self.replay(id, signing).await),
            Effect::Judge(number, filter, events) => return self.judge(number, &filter, events, stop).await,
            Effect::Preview(number, plan) => Message::Previewed(number, self.orders.preview(*plan).await),
            Effect::CarryOut(number, plan) => {
                self.carry_out(number, *plan, stop).await;
                Message::Sent(number, None)
            }
            Effect::Hold(change) => {
                Message::Hold(self.orders.hold.change(&change).map_err(|error| error.to_string()))
            }
            Effect::Decide(ids, ruling) => {
                let what = if matches!(ruling, Ruling::Forward(_)) { "released" } else { "dropped" };
                Message::Decided(what, self.decide(ids, ruling).await)
            }
            Effect::ReleaseAll(queue) => Message::Decided("released", self.release_all(&queue).await),
            Effect::Copy { id, what, masks, text } => {
                Message::Copied(self.exchange.copy(id, what, masks, text, &self.catalogue).await)
            }
            Effect::SaveBody(id) => Message::Saved(self.exchange.save_body(id).await),
            Effect::SaveScenario(saving) => self.scenarios.save(*saving).await,
            Effect::Play(number, name) => {
                self.scenarios.play(number, &name, &self.results, stop).await;
                return None;
            }
            Effect::Compare(left, right) => Message::Compared(self.exchange.compare(left, right).await),
            Effect::Query(number, id, program, masks) => {
                Message::Queried(number, id, self.query(id, &program, masks, stop).await)
            }
            Effect::Pipe(number, ids, command) => {
                self.pipe(number, ids, &command, stop).await;
                Message::Piped(number, News::Done)
            }
            Effect::Edit(..)
            | Effect::Page(..)
            | Effect::Stop(_)
            | Effect::Reconnect
            | Effect::StopJudging
            | Effect::TakeMouse(_)
            | Effect::Clipboard(_)
            | Effect::Redraw
            | Effect::Suspend
            | Effect::Quit { .. } => return None,
        })
    }

    async fn load(&self, id: EventId) -> Result<Box<Opened>, String> {
        let (event, row) = self.exchange.whole(id).await?;
        opened(event, row.provider, self.catalogue.clone(), self.exchange.mask.clone()).await
    }

    /// Releases every held event, the oldest first but for what the queue says.
    async fn release_all(&self, queue: &[EventId]) -> Result<u64, String> {
        let held = self.history.in_state(EventState::Held, None, usize::MAX).await;
        let rows = held.map_err(|error| error.to_string())?;
        let oldest_first = rows.into_iter().rev().map(|row| row.id);
        self.decide(in_order(oldest_first, queue), Ruling::Forward(Draft::default())).await
    }

    async fn rows(&self, before: Option<EventId>) -> Message {
        match self.history.rows(before, PAGE_ROWS).await {
            Ok(rows) => Message::Rows { whole: rows.len() < PAGE_ROWS, rows },
            Err(error) => {
                let text = format!("older events cannot be read: {error}");
                let _ = self.results.send(Message::Live(Live::Notice(text))).await;
                Message::Rows { rows: Vec::new(), whole: true }
            }
        }
    }

    async fn replay(&self, id: EventId, signing: Signing) -> Result<Attempt, String> {
        let (answer, answered) = oneshot::channel();
        let stopping = || Err("the client is stopping".to_owned());
        match self.orders.replays.send(ReplayRequest { id, to: None, signing, answer }).await {
            Ok(()) => answered.await.unwrap_or_else(|_| stopping()),
            Err(_) => stopping(),
        }
    }

    async fn thread(&self, id: EventId) -> Thread {
        thread_of(&self.history, &self.catalogue, id).await
    }

    /// What the signature of an event should have been, with the secrets of now.
    async fn digests(&self, id: EventId) -> Option<Digests> {
        let (event, row) = self.exchange.whole(id).await.ok()?;
        self.orders.verifier.digests(&event, &row)
    }

    /// Checks events anew, until one cannot be.
    async fn verify(&self, ids: Vec<EventId>) -> Verified {
        let verifier = &self.orders.verifier;
        let mut verdicts = Vec::new();
        if let Err(reason) = verifier.reread().await {
            return (verdicts, Some(reason));
        }
        for id in ids {
            match verifier.verify(id).await {
                Ok(row) => {
                    verdicts.extend(row.verdict.clone());
                    let _ = self.results.send(Message::Live(Live::Changed(Box::new(row)))).await;
                }
                Err(reason) => return (verdicts, Some(reason)),
            }
        }
        (verdicts, None)
    }

    /// Notes something on each of some events, until one cannot be.
    async fn annotate(&self, ids: Vec<EventId>, annotation: Annotation) -> Message {
        let mut noted = 0;
        for id in ids {
            match self.history.annotate(id, annotation.clone()).await {
                Ok(row) => {
                    noted += 1;
                    let _ = self.results.send(Message::Live(Live::Changed(Box::new(row)))).await;
                }
                Err(error) => return Message::Annotated(noted, Some(error.to_string())),
            }
        }
        Message::Annotated(noted, None)
    }

    /// Brings events back, as far as they can be.
    async fn restore(&self, ids: Vec<EventId>) -> Message {
        let (mut rows, mut why_not) = (Vec::new(), None);
        for id in ids {
            match self.history.restore(id).await {
                Ok(row) => rows.push(row),
                Err(error) => why_not = Some(error.to_string()),
            }
        }
        Message::Restored(rows, why_not)
    }

    /// Writes the filters that were used, unless later ones are written already. Says only what went wrong.
    fn save_used(&self, number: u64, texts: &[String]) -> Option<Message> {
        let mut written = self.used_written.lock().unwrap_or_else(PoisonError::into_inner);
        if number <= *written {
            return None;
        }
        *written = number;
        let result = used::write(&self.history.data_dir().used_filters(), texts);
        let told = |error| Live::Notice(format!("the filters used are not kept: {error}"));
        result.err().map(|error| Message::Live(told(error)))
    }

    /// Tells of each request that is done, until all are, or those that had begun when it was stopped.
    async fn carry_out(&self, number: u64, plan: Plan, stop: &CancellationToken) {
        match self.orders.carry_out(plan, stop.clone()).await {
            Ok(mut done) => {
                while let Some(sent) = done.recv().await {
                    if self.results.send(Message::Sent(number, Some(sent))).await.is_err() {
                        break;
                    }
                }
            }
            Err(reason) => drop(self.results.send(Message::Live(Live::Notice(reason))).await),
        }
    }

    /// Runs a command for each of some events, one after another, until it is stopped or has printed too much.
    async fn pipe(&self, number: u64, ids: Vec<EventId>, command: &str, stop: &CancellationToken) {
        let mut left = shell::OUTPUT_MAX_BYTES;
        for id in ids {
            self.tell(number, News::Begun(id)).await;
            let ending = match self.exchange.whole(id).await {
                Ok((event, row)) => {
                    let bounds = Bounds { time: shell::TIME_MAX, output_bytes: &mut left, stop };
                    shell::run(command, &event, &row, bounds, |bytes| self.tell(number, News::Printed(bytes)))
                        .await
                }
                Err(reason) => Ending::Failed(reason),
            };
            let is_last = matches!(ending, Ending::Stopped | Ending::TooMuch);
            self.tell(number, News::Ended(ending)).await;
            if is_last {
                break;
            }
        }
    }

    /// Finds out which events pass a filter, unless it is stopped before that.
    async fn judge(
        &self,
        number: u64,
        filter: &Filter,
        events: Vec<(EventId, bool)>,
        stop: &CancellationToken,
    ) -> Option<Message> {
        tokio::select! {
            () = stop.cancelled() => None,
            judged = judge(&self.history, filter, events, &self.judging) => Some(Message::Judged(number, judged)),
        }
    }

    /// Runs a jq program on a body, unless it is stopped before it is done.
    async fn query(
        &self,
        id: EventId,
        program: &str,
        masks: bool,
        stop: &CancellationToken,
    ) -> Result<Answer, String> {
        let (event, _) = self.exchange.seen(id, masks).await?;
        tokio::select! {
            () = stop.cancelled() => Err("another was asked for".to_owned()),
            answer = self.querying.run(program, &event.body, JqBounds::AT_ONCE) => answer,
        }
    }

    async fn tell(&self, number: u64, news: News) {
        let _ = self.results.send(Message::Piped(number, news)).await;
    }

    async fn decide(&self, ids: Vec<EventId>, ruling: Ruling) -> Result<u64, String> {
        let mut decided = 0;
        for id in ids {
            self.orders.decide(id, ruling.clone()).await?;
            decided += 1;
        }
        Ok(decided)
    }

    /// Has a body edited on the terminal, which must be free; what comes of it is a message.
    pub(super) async fn edit(&self, id: EventId, edited: Option<Bytes>, stop: &CancellationToken) {
        let edited = match self.exchange.whole(id).await {
            Ok((event, row)) => {
                let body = edited.unwrap_or(event.body);
                let edited = editor::edit(&body, row.content_type.as_deref(), stop).await;
                edited.map(|edited| (edited != body).then_some(edited))
            }
            Err(reason) => Err(reason),
        };
        self.bring(Message::Edited(id, edited));
    }

    /// Shows a whole body on the terminal, which must be free, in a pager; what goes wrong is a message.
    pub(super) async fn page(&self, id: EventId, form: Form, masks: bool, stop: &CancellationToken) {
        let shown = match self.exchange.seen(id, masks).await {
            Ok((event, row)) => {
                let text = move || body::whole(&event.body, row.content_type.as_deref(), form);
                match tokio::task::spawn_blocking(text).await {
                    Ok(text) => pager::show(text, stop).await,
                    Err(_) => Err("the body cannot be laid out".to_owned()),
                }
            }
            Err(reason) => Err(reason),
        };
        if let Err(reason) = shown {
            self.bring(Message::Failed(reason));
        }
    }

    /// Has a message taken in once the inspector has its terminal again.
    fn bring(&self, message: Message) {
        let results = self.results.clone();
        tokio::spawn(async move { results.send(message).await });
    }
}

/// What goes under a number and can be ended.
fn number(effect: &Effect) -> Option<u64> {
    if let Effect::CarryOut(number, _)
    | Effect::Play(number, _)
    | Effect::Query(number, ..)
    | Effect::Pipe(number, ..) = effect
    {
        return Some(*number);
    }
    None
}

/// Takes an event apart where nobody waits for it: a body may be long.
async fn opened(
    event: Event,
    provider: Option<String>,
    catalogue: Catalogue,
    mask: Mask,
) -> Result<Box<Opened>, String> {
    let opened = move || Box::new(Opened::new(event, provider.as_deref(), &catalogue, &mask));
    tokio::task::spawn_blocking(opened).await.map_err(|_| "the event cannot be taken apart".to_owned())
}

/// Saves a filter beside those saved before.
fn save_filter(history: &History, name: &str, text: &str) -> Message {
    let path = history.data_dir().filters();
    let saved = saved_filters(&path).map_err(|error| error.to_string()).and_then(|mut saved| {
        saved.insert(name, text);
        save_filters(&path, &saved).map_err(|error| error.to_string())
    });
    Message::Live(Live::Notice(match saved {
        Ok(()) => format!("the filter is saved as @{name}"),
        Err(error) => format!("the filter is not saved: {error}"),
    }))
}

/// The events of the same object.
async fn thread_of(history: &History, catalogue: &Catalogue, id: EventId) -> Thread {
    let rows = history.related(id, Relation::SameObject, THREAD_EVENTS_MAX).await;
    let rows = rows.map_err(|error| error.to_string())?;
    let this = rows.iter().find(|row| row.id == id);
    let object = this.and_then(|row| row.object_id.clone());
    let object = object.ok_or("its provider does not say what this event is about")?;
    let provider = this.and_then(|row| row.provider.as_deref()).and_then(|name| catalogue.provider(name));
    let stages = provider.map(|provider| provider.stages().to_vec()).unwrap_or_default();
    Ok((object, thread(rows, &stages)))
}

/// Whether events pass a filter, by their rows, and by all there is of those whose rows do not tell. One that cannot be read does not.
async fn judge(
    history: &History,
    filter: &Filter,
    events: Vec<(EventId, bool)>,
    jq: &Jq,
) -> Vec<(EventId, bool)> {
    let now = clock::now();
    let rows = history.rows_of(events.iter().map(|(id, _)| *id).collect()).await.unwrap_or_default();
    let marked: HashMap<EventId, bool> = events.into_iter().collect();
    let mut verdicts: HashMap<EventId, bool> = marked.keys().map(|id| (*id, false)).collect();
    for row in rows {
        let is_marked = marked.get(&row.id).copied().unwrap_or(false);
        let told = filter.test(&Filtered::listed(&row, now).marked(is_marked));
        let passes = match told {
            Some(told) => Some(told),
            None => match history.event(row.id).await {
                Ok(Some((event, row))) => {
                    let whole = Filtered::whole(&row, &event, now).marked(is_marked);
                    Some(filtering::passes(filter, whole, jq).await)
                }
                Ok(None) | Err(_) => None,
            },
        };
        verdicts.insert(row.id, passes.unwrap_or(false));
    }
    verdicts.into_iter().collect()
}

//! What becomes of the state when something happens: no I/O, no clock.

use std::time::Duration;

use inhaul_core::event::{EventId, UnixMillis};

use super::{
    deleting, dialog, holding,
    keys::View,
    message::{Effect, Message},
    next_try, piping, query, queue, scenario, sight,
    state::{State, Toast, ToastKind},
    traffic::Counted,
    verifying,
    view::{self, list},
};
use crate::{
    connection::ConnectionState,
    live::Live,
    output::attempt_text,
    row::{Attempt, AttemptCause, EventRow, Outcome},
};

mod body;
mod exchange;
mod filter;
mod folding;
mod going;
mod leaving;
mod mouse;
mod notes;
mod order;
mod press;

pub(super) use filter::set_filter;
pub(super) use press::layout_text;

/// How many events are read at once to see whether they pass the filter: enough to be quick, and soon done when it changes.
const JUDGED_AT_ONCE: usize = 256;

/// Takes messages in, and says what is to be done. Many at once cost one refresh.
pub(super) fn update(state: &mut State, messages: Vec<Message>) -> Vec<Effect> {
    let mut effects = Vec::new();
    let mut is_by_key = false;
    let before = state.detail.as_ref().map(|detail| detail.id);
    for message in messages {
        // A key means what is on the screen, so what came before it is put in place first.
        if matches!(message, Message::Key(_) | Message::Mouse(_)) {
            state.refresh();
            sight::keep(state, 0);
            state.lay_out();
        }
        is_by_key |= matches!(message, Message::Key(_));
        one(state, message, &mut effects);
    }
    queue::tidy(state);
    state.refresh();
    sight::keep(state, if is_by_key { sight::MARGIN } else { 0 });
    state.lay_out();
    let detail = state.detail.as_ref().map(|detail| detail.id);
    if let Some(id) = detail.filter(|_| detail != before) {
        effects.push(Effect::Load(id));
    }
    if state.events.stops_judging() {
        effects.push(Effect::StopJudging);
    }
    if let Some((number, ids)) = state.events.wanted_judged(JUDGED_AT_ONCE) {
        effects.push(Effect::Judge(number, state.events.list().filter().clone(), ids));
    }
    if let Some(oldest) = state.events.wanted_older() {
        effects.push(Effect::LoadRows(oldest));
    }
    effects.extend(state.used.unsaved().map(|(number, texts)| Effect::SaveUsed(number, texts)));
    let shown: Vec<EventId> = list::shown(state).collect();
    let wanted = state.events.wanted_rows(shown.into_iter());
    if !wanted.is_empty() {
        effects.push(Effect::LoadRowsOf(wanted));
    }
    effects
}

fn one(state: &mut State, message: Message, effects: &mut Vec<Effect>) {
    match message {
        Message::Key(key) => press::press(state, key, effects),
        Message::Paste(text) => press::paste(state, &text, effects),
        Message::Mouse(event) => mouse::mouse(state, event),
        Message::Resize(width, height) => (state.width, state.height) = (width, height),
        Message::Live(live) => happened(state, live, effects),
        Message::Rows { rows, whole } => state.events.put_older(rows, whole, state.now),
        Message::RowsOf(asked, rows) => state.events.put_rows(asked, rows),
        Message::Loaded(id, opened) => {
            if let Some(detail) = state.detail.as_mut().filter(|detail| detail.id == id) {
                detail.opened = Some(opened);
                state.laid = view::detail::Laid::default();
                query::ask(state, effects);
                verifying::ask_for_digests(state, id, effects);
            }
        }
        Message::Judged(number, verdicts) => state.events.judged(number, &verdicts),
        Message::Time(now) => {
            state.now = now;
            state.events.tick(now);
            state.traffic.tick(now);
            if let ConnectionState::Waiting { retry_in, .. } = &mut state.connection {
                *retry_in = Duration::from_millis(state.retry_at.0.saturating_sub(now.0));
            }
        }
        Message::Previewed(number, preview) => dialog::previewed(state, number, preview, effects),
        Message::Sent(number, sent) => dialog::sent(state, number, sent),
        Message::Hold(hold) => holding::changed(state, hold),
        Message::Decided(what, decided) => holding::decided(state, what, decided),
        Message::Edited(id, edited) => match edited {
            Ok(body) => dialog::edited(state, id, body, effects),
            Err(reason) => state.tell(reason, ToastKind::Bad),
        },
        Message::Queried(number, id, answer) => query::answered(state, number, id, answer),
        Message::Piped(number, news) => piping::told(state, number, news),
        Message::Failed(reason) => state.tell(reason, ToastKind::Bad),
        Message::Annotated(count, error) => notes::annotated(state, count, error),
        Message::Deleted(deletions) => deleting::deleted(state, deletions),
        Message::Restored(rows, why_not) => deleting::restored(state, rows, why_not),
        Message::Thread(id, thread) => {
            if state.selected == Some(id) {
                state.thread = Some(thread);
                if state.view == Some(View::Thread) {
                    state.view_scroll = view::thread::line_of(state, id).unwrap_or(0);
                }
            }
        }
        Message::Digests(id, digests) => verifying::found(state, id, digests),
        Message::Verified(verified) => verifying::told(state, verified),
        Message::Replayed(result) => replayed(state, result),
        Message::Copied(result) => exchange::copied(state, result, effects),
        Message::Saved(result) => exchange::saved(state, result),
        Message::ScenarioSaved(name, saved) => scenario::saved(state, &name, saved),
        Message::PlayBegun(number, begun) => scenario::begun(state, number, begun),
        Message::Played(number, played) => scenario::played(state, number, played),
        Message::Compared(result) => exchange::compared(state, result),
    }
}

fn happened(state: &mut State, live: Live, effects: &mut Vec<Effect>) {
    match live {
        Live::Ready(ready) => state.ready = Some(*ready),
        Live::Event(row) => {
            state.traffic.count(Counted::Event);
            state.events.put(*row, state.now);
        }
        Live::Attempt(row, attempt) => {
            attempted(state, &row, &attempt);
            next_try::attempted(state, &row, &attempt);
            state.events.put(*row, state.now);
        }
        Live::Changed(row) => {
            let id = row.id;
            next_try::changed(state, &row);
            state.events.put(*row, state.now);
            verifying::ask_for_digests(state, id, effects);
        }
        Live::NextTry(id, next) => drop(state.next_tries.insert(id, next)),
        Live::Gone(ids) => deleting::gone(state, &ids),
        Live::Hold(hold) => holding::changed(state, Ok(hold)),
        Live::Connection(connection) => connected(state, connection),
        Live::Notice(text) | Live::Told(text) => state.tell(text, ToastKind::Note),
    }
}

fn attempted(state: &mut State, row: &EventRow, attempt: &Attempt) {
    let is_success = attempt.outcome.is_success();
    state.traffic.count(if is_success { Counted::Answered } else { Counted::Failed });
    let failure = match &attempt.outcome {
        Outcome::Answered { status, .. } if !is_success => Some(format!("{status} from {}", attempt.target)),
        Outcome::Failed { message, .. } => Some(message.clone()),
        Outcome::Answered { .. } | Outcome::Begun | Outcome::Rejected => None,
    };
    // What came of a replay is told to whom asked for it.
    if let Some(failure) = failure.filter(|_| attempt.cause != AttemptCause::Replay) {
        let what = row.event_type.clone().unwrap_or_else(|| format!("{} {}", row.method, row.target));
        state.tell_failure(format!("{what}: {failure}"));
    }
    state.targets.insert(origin(&attempt.target).to_owned(), is_success);
}

/// Scheme and host of a URL: so many targets there are, however many paths.
pub(super) fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    url[host..].find(['/', '?']).map_or(url, |length| &url[..host + length])
}

fn connected(state: &mut State, connection: ConnectionState) {
    state.traffic.connection(&state.connection, &connection, state.now);
    let is_connected = |state: &ConnectionState| matches!(state, ConnectionState::Connected { .. });
    match &connection {
        ConnectionState::Waiting { reason, retry_in } => {
            let wait = u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX);
            state.retry_at = UnixMillis(state.now.0.saturating_add(wait));
            state.note(Toast { text: format!("not connected: {reason}"), kind: ToastKind::Bad });
        }
        ConnectionState::Refused { reason } => {
            state.note(Toast { text: format!("refused: {reason}"), kind: ToastKind::Bad });
        }
        ConnectionState::Connected { .. } if !is_connected(&state.connection) => {
            state.note(Toast { text: "connected".to_owned(), kind: ToastKind::Good });
        }
        ConnectionState::Connected { .. } | ConnectionState::Connecting { .. } => {}
    }
    state.connection = connection;
}

fn replayed(state: &mut State, result: Result<Attempt, String>) {
    state.replaying = state.replaying.saturating_sub(1);
    match result {
        Ok(attempt) => {
            let kind = if attempt.outcome.is_success() { ToastKind::Good } else { ToastKind::Bad };
            state.tell(format!("attempt {}: {}", attempt.number, attempt_text(&attempt, None)), kind);
        }
        Err(reason) => state.tell(format!("not replayed: {reason}"), ToastKind::Bad),
    }
}

/// The beginning of an id that is enough for people.
fn short(id: EventId) -> String {
    id.to_string().chars().take(13).collect()
}

//! What becomes of the dialog when it is opened, when a key is pressed in it, and when what it sends is on its way.

use bytes::Bytes;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use inhaul_core::event::EventId;

use super::{
    super::{
        marks,
        message::Effect,
        scenario::Saving,
        state::{State, ToastKind},
    },
    Dialog, Field, Run, Stage,
};
use crate::{
    draft::Sign,
    history::Ruling,
    replay::{Plan, Preview, Sent, Tally},
};

/// Opens the dialog for the marked events, or for the selected one.
pub(in super::super) fn open(state: &mut State, effects: &mut Vec<Effect>) {
    let ids = state.chosen();
    if !ids.is_empty() {
        begin(state, Dialog::new(ids), effects);
    }
}

/// Shows a dialog, and asks where what it sends would go.
fn begin(state: &mut State, mut dialog: Dialog, effects: &mut Vec<Effect>) {
    if let Ok(plan) = dialog.plan() {
        state.runs += 1;
        dialog.asked = Some(state.runs);
        effects.push(Effect::Preview(state.runs, Box::new(plan)));
    }
    state.dialog = Some(dialog);
}

/// The body of an event was edited, or was left as it was: into the dialog that is open for it, else into a new one.
pub(in super::super) fn edited(
    state: &mut State,
    id: EventId,
    body: Option<Bytes>,
    effects: &mut Vec<Effect>,
) {
    match state.dialog.as_mut().filter(|dialog| dialog.ids == [id]) {
        Some(dialog) => {
            if body.is_some() {
                dialog.body = body;
            }
        }
        None => {
            let sign = if body.is_some() { Sign::Fresh } else { Sign::Keep };
            // Edited bytes are signed anew, unless somebody wants to see what a handler does otherwise.
            begin(state, Dialog { body, sign, ..Dialog::new(vec![id]) }, effects);
        }
    }
}

/// A key while the dialog is open.
pub(in super::super) fn press(state: &mut State, key: KeyEvent, effects: &mut Vec<Effect>) {
    let Some(dialog) = &mut state.dialog else { return };
    let with_control = key.modifiers.contains(KeyModifiers::CONTROL);
    let is_warned = std::mem::take(&mut dialog.is_warned);
    match (key.code, with_control) {
        (KeyCode::Esc, _) if dialog.is_sending() && !dialog.is_stopping() => {
            if let Some(run) = &mut dialog.run {
                run.stage = Stage::Stopping;
                effects.push(Effect::Stop(run.number));
            }
        }
        (KeyCode::Esc, _) if dialog.is_changed() && dialog.run.is_none() && !is_warned => {
            dialog.is_warned = true;
            state.tell("what you changed was not sent; esc again drops it".to_owned(), ToastKind::Note);
        }
        (KeyCode::Esc, _) => state.dialog = None,
        (code, _) if code != KeyCode::F(5) && !dialog.may_change() => {}
        (KeyCode::Tab | KeyCode::Down, _) => dialog.step(1),
        (KeyCode::BackTab | KeyCode::Up, _) => dialog.step(Field::ALL.len() - 1),
        (KeyCode::F(5), _) => send(state, effects),
        (KeyCode::Enter, true) => send(state, effects),
        (KeyCode::F(6), _) => release(state, effects),
        (KeyCode::F(7), _) => save(state, effects),
        (KeyCode::Char('e') | KeyCode::Enter, _) if dialog.focus == Field::Body => {
            if let [id] = dialog.ids[..] {
                effects.push(Effect::Edit(id, dialog.body.clone()));
            } else {
                state.tell("the body of one event can be edited, not of several".to_owned(), ToastKind::Note);
            }
        }
        (KeyCode::Char('d'), _) if dialog.focus == Field::Body => dialog.body = None,
        (KeyCode::Char(' ') | KeyCode::Enter, _) if dialog.choose() => {}
        _ => dialog.type_key(key),
    }
}

fn send(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(dialog) = &mut state.dialog else { return };
    if dialog.is_sending() {
        return;
    }
    match dialog.plan() {
        Ok(plan) => {
            state.runs += 1;
            dialog.run = Some(Run {
                number: state.runs,
                requests: plan.requests(),
                tally: Tally::default(),
                stage: Stage::Asked,
            });
            effects.push(Effect::Preview(state.runs, Box::new(plan)));
        }
        Err(reason) => state.tell(reason, ToastKind::Bad),
    }
}

/// Saves what would be sent as a scenario.
fn save(state: &mut State, effects: &mut Vec<Effect>) {
    let masks = state.look.masks;
    let Some(dialog) = &mut state.dialog else { return };
    let name = dialog.value(Field::Scenario).to_owned();
    if name.is_empty() {
        dialog.focus = Field::Scenario;
        return state.tell("a scenario has a name".to_owned(), ToastKind::Note);
    }
    let replace = dialog.replaces.take().is_some_and(|there| there == name);
    match dialog.plan() {
        Ok(Plan { ids, to, draft, pace }) => {
            let saving = Saving { name, ids, to, draft, delay_ms: pace.delay_ms, masks, replace };
            effects.push(Effect::SaveScenario(Box::new(saving)));
        }
        Err(reason) => state.tell(reason, ToastKind::Bad),
    }
}

/// The events of the dialog that are held go on their way as they are edited here.
fn release(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(dialog) = &state.dialog else { return };
    let list = state.events.list();
    let mut ids: Vec<EventId> = dialog.ids.iter().copied().filter(|id| list.is_held(*id)).collect();
    match dialog.draft() {
        Ok(_) if ids.is_empty() => {
            state.tell("it is not held; f5 sends it as a replay".to_owned(), ToastKind::Note);
        }
        Ok(draft) => {
            state.queue.sort(&mut ids);
            state.dialog = None;
            marks::set(state, &ids, false);
            effects.push(Effect::Decide(ids, Ruling::Forward(draft)));
        }
        Err(reason) => state.tell(reason, ToastKind::Bad),
    }
}

/// What it would send is known: it is sent, unless somebody has to agree first.
pub(in super::super) fn previewed(
    state: &mut State,
    number: u64,
    previewed: Result<Preview, String>,
    effects: &mut Vec<Effect>,
) {
    let Some(dialog) = state.dialog.as_mut() else { return };
    if dialog.asked == Some(number) {
        dialog.targets = previewed.map(|preview| preview.targets).unwrap_or_default();
        return;
    }
    if !dialog.run.as_ref().is_some_and(|run| run.number == number && run.stage == Stage::Asked) {
        return;
    }
    let external = previewed.as_ref().map(|preview| preview.external.join(", ")).unwrap_or_default();
    let is_agreed = external.is_empty() || dialog.external.as_ref() == Some(&external);
    match (previewed, dialog.plan()) {
        (Ok(_), Ok(plan)) if is_agreed => {
            if let Some(run) = dialog.run.as_mut() {
                run.stage = Stage::Sending;
            }
            effects.push(Effect::CarryOut(number, Box::new(plan)));
        }
        (Ok(_), Ok(_)) => {
            dialog.run = None;
            dialog.external = Some(external.clone());
            state
                .tell(format!("{external} is not on this machine; f5 again sends it there"), ToastKind::Note);
        }
        (Err(reason), _) | (Ok(_), Err(reason)) => {
            dialog.run = None;
            state.tell(format!("not sent: {reason}"), ToastKind::Bad);
        }
    }
}

/// One request is done, or with nothing all are.
pub(in super::super) fn sent(state: &mut State, number: u64, sent: Option<Sent>) {
    let run = state.dialog.as_mut().and_then(|dialog| dialog.run.as_mut());
    let Some(run) = run.filter(|run| run.number == number) else { return };
    match sent {
        Some(sent) => {
            run.tally.add(&sent.result);
            if run.tally.done >= run.requests {
                run.stage = Stage::Done;
            }
        }
        None if run.tally.done < run.requests => run.stage = Stage::Stopped,
        None => run.stage = Stage::Done,
    }
}

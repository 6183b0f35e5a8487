//! The replay dialog: a draft of what is to be sent, and what came of it. The stored events stay as they are.

use bytes::Bytes;
use crossterm::event::{Event as TerminalEvent, KeyCode, KeyEvent, KeyModifiers};
use inhaul_core::event::EventId;
use tui_input::{Input, backend::crossterm::EventHandler};

use super::{
    marks,
    message::Effect,
    scenario::Saving,
    state::{State, ToastKind},
    typing,
};
use crate::{
    cli::parse_duration,
    draft::{Changes, Draft, IdChange, Sign},
    forward::Target,
    history::Ruling,
    replay::{Pace, Plan, Preview, Sent, Tally},
};

/// What can be chosen of a signature, and how it is called.
pub(super) const SIGNS: [(Sign, &str); 5] = [
    (Sign::Keep, "as received"),
    (Sign::Fresh, "signed anew"),
    (Sign::BreakDigest, "wrong digest"),
    (Sign::BreakTime, "old time"),
    (Sign::BreakMissing, "left out"),
];

/// What parts one header, parameter or value from the next. Every letter of a keyboard may be in one of them, so it is none of those.
pub(super) const PART: char = '␤';

/// A line of the dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Target,
    Body,
    Values,
    Headers,
    Query,
    Sign,
    Id,
    Mark,
    Times,
    Delay,
    Jitter,
    Concurrency,
    Order,
    Scenario,
}

impl Field {
    /// In the order of the dialog, with their names and what to write.
    pub(super) const ALL: [(Self, &'static str, &'static str); 14] = [
        (Self::Target, "Target", "where it belongs; or a port, host:port or URL"),
        (Self::Body, "Body", "e edits it in your editor"),
        (Self::Values, "Set", "path=json; enter begins another"),
        (Self::Headers, "Headers", "Name: value or -Name; enter begins another"),
        (Self::Query, "Query", "name=value or -name; enter begins another"),
        (Self::Sign, "Signature", "space chooses"),
        (Self::Id, "Id", "space chooses"),
        (Self::Mark, "Replay header", "space chooses"),
        (Self::Times, "Times", "1; how often each is sent"),
        (Self::Delay, "Delay", "none; such as 200ms"),
        (Self::Jitter, "Jitter", "0; of the delay, in percent"),
        (Self::Concurrency, "Concurrency", "1; how many at once, at most 64"),
        (Self::Order, "Order", "space chooses"),
        (Self::Scenario, "Scenario", "a name, and f7 saves it for `inhaul play`"),
    ];
}

/// The dialog.
#[derive(Clone, Debug)]
pub(super) struct Dialog {
    pub(super) ids: Vec<EventId>,
    pub(super) focus: Field,
    texts: Vec<(Field, Input)>,
    pub(super) body: Option<Bytes>,
    pub(super) sign: Sign,
    pub(super) new_id: bool,
    /// Each copy says that it is a replay.
    pub(super) mark: bool,
    pub(super) shuffle: bool,
    /// Where it would go, not on this machine, and was not agreed to yet.
    pub(super) external: Option<String>,
    /// The scenario that is there and would be written over.
    pub(super) replaces: Option<String>,
    /// The question where it goes as it is, by its number.
    pub(super) asked: Option<u64>,
    /// Where it goes as it is, once that is known.
    pub(super) targets: Vec<String>,
    /// Somebody was told that closing it loses what was edited.
    is_warned: bool,
    pub(super) run: Option<Run>,
}

/// What was sent so far.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) number: u64,
    pub(super) requests: u64,
    pub(super) tally: Tally,
    pub(super) stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// What it would send is being found out.
    Asked,
    Sending,
    /// It was told to stop.
    Stopping,
    Done,
    Stopped,
}

impl Dialog {
    fn new(ids: Vec<EventId>) -> Self {
        let text = |field| (field, Input::default());
        let is_text = |field: &Field| {
            !matches!(field, Field::Body | Field::Sign | Field::Id | Field::Mark | Field::Order)
        };
        let texts = Field::ALL.iter().map(|(field, _, _)| *field).filter(is_text).map(text).collect();
        Self {
            ids,
            focus: Field::Target,
            texts,
            body: None,
            sign: Sign::Keep,
            new_id: false,
            mark: false,
            shuffle: false,
            external: None,
            replaces: None,
            asked: None,
            targets: Vec::new(),
            is_warned: false,
            run: None,
        }
    }

    /// What is typed into a field; nothing for one that is chosen.
    pub(super) fn text(&self, field: Field) -> Option<&Input> {
        self.texts.iter().find(|(known, _)| *known == field).map(|(_, input)| input)
    }

    fn value(&self, field: Field) -> &str {
        self.text(field).map_or("", |input| input.value().trim())
    }

    /// Whether something is being sent.
    pub(super) fn is_sending(&self) -> bool {
        let is_under_way = |run: &Run| matches!(run.stage, Stage::Asked | Stage::Sending | Stage::Stopping);
        self.run.as_ref().is_some_and(is_under_way)
    }

    /// Whether it was told to stop, and waits for what is under way.
    fn is_stopping(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.stage == Stage::Stopping)
    }

    /// What is different.
    fn draft(&self) -> Result<Draft, String> {
        let parts = |field| self.value(field).split(PART).map(str::trim).filter(|part| !part.is_empty());
        let mut changes = Changes {
            set_values: parts(Field::Values).map(str::to_owned).collect(),
            id: if self.new_id { IdChange::New } else { IdChange::Keep },
            sign: self.sign,
            mark: self.mark,
            ..Changes::default()
        };
        for part in parts(Field::Headers) {
            match (part.strip_prefix('-'), part.split_once(':')) {
                (Some(name), _) => changes.remove_headers.push(name.trim().to_owned()),
                (None, Some((name, value))) => {
                    changes.set_headers.push((name.trim().to_owned(), value.trim().to_owned()));
                }
                (None, None) => return Err(format!("{part:?} is no header: write Name: value")),
            }
        }
        for part in parts(Field::Query) {
            match (part.strip_prefix('-'), part.split_once('=')) {
                (Some(name), _) => changes.remove_query.push(name.to_owned()),
                (None, Some((name, value))) => changes.set_query.push((name.to_owned(), value.to_owned())),
                (None, None) => return Err(format!("{part:?} is no parameter: write name=value")),
            }
        }
        Ok(Draft { body: self.body.clone(), changes })
    }

    /// Where it would be sent, as far as that is known.
    pub(super) fn destination(&self) -> Option<String> {
        match self.value(Field::Target) {
            "" if self.targets.is_empty() => None,
            "" => Some(self.targets.join(", ")),
            text => text.parse::<Target>().ok().map(|target| target.to_string()),
        }
    }

    /// Where to, what is different, and how often, when that can be sent.
    fn parts(&self) -> Result<(Option<Target>, Draft, Pace), String> {
        let number = |field: Field, usual: u32, what: &str| match self.value(field).trim_end_matches('%') {
            "" => Ok(usual),
            text => text.trim_end().parse::<u32>().map_err(|_| format!("{what} is a whole number")),
        };
        let to = match self.value(Field::Target) {
            "" => None,
            text => Some(text.parse::<Target>().map_err(|error| error.to_string())?),
        };
        let delay_ms = match self.value(Field::Delay) {
            "" | "0" => 0,
            text => parse_duration(text).map_err(|error| error.to_string())?.as_millis(),
        };
        let pace = Pace {
            times: number(Field::Times, 1, "how often")?,
            delay_ms: u64::try_from(delay_ms).unwrap_or(u64::MAX),
            jitter_percent: u8::try_from(number(Field::Jitter, 0, "the jitter")?).unwrap_or(u8::MAX),
            concurrency: number(Field::Concurrency, 1, "how many at once")? as usize,
            shuffle: self.shuffle,
        };
        let draft = self.draft()?;
        pace.check(self.ids.len()).map_err(|error| error.to_string())?;
        Ok((to, draft, pace))
    }

    /// What is to be sent.
    pub(super) fn plan(&self) -> Result<Plan, String> {
        let (to, draft, pace) = self.parts()?;
        Ok(Plan { ids: self.ids.clone(), to, draft, pace })
    }

    /// How many requests that are.
    pub(super) fn requests(&self) -> Result<u64, String> {
        self.parts().map(|(_, _, pace)| pace.requests(self.ids.len()))
    }

    /// Whether the content changes under a signature that stays.
    pub(super) fn leaves_signature(&self) -> bool {
        self.sign == Sign::Keep && self.draft().is_ok_and(|draft| !draft.keeps_content())
    }

    /// Whether something was typed or chosen that closing it would lose.
    fn is_changed(&self) -> bool {
        let is_typed = self.texts.iter().any(|(_, input)| !input.value().trim().is_empty());
        let is_chosen = self.sign != Sign::Keep || self.new_id || self.mark || self.shuffle;
        self.body.is_some() || is_typed || is_chosen
    }

    /// What came of the last run gives way to what is typed; nothing is typed while it is sent.
    fn may_change(&mut self) -> bool {
        let is_sending = self.is_sending();
        if !is_sending {
            self.run = None;
        }
        !is_sending
    }

    /// A key for the line that is typed.
    fn type_key(&mut self, key: KeyEvent) {
        if key.code == KeyCode::Enter {
            if self.has_parts() {
                self.paste("\n");
            } else {
                self.step(1);
            }
            return;
        }
        let focus = self.focus;
        if let Some((_, input)) = self.texts.iter_mut().find(|(field, _)| *field == focus) {
            input.handle_event(&TerminalEvent::Key(key));
            self.external = None;
        }
    }

    /// Puts a text into the field, if it is one to type into. Says whether all of it had room.
    pub(super) fn paste(&mut self, text: &str) -> bool {
        if !self.may_change() {
            return true;
        }
        let focus = self.focus;
        let text = if self.has_parts() { text.replace('\n', &format!(" {PART} ")) } else { text.to_owned() };
        match self.texts.iter_mut().find(|(field, _)| *field == focus) {
            Some((_, input)) => {
                self.external = None;
                typing::paste(input, &text)
            }
            None => true,
        }
    }

    /// Goes to a field, unless something is being sent.
    pub(super) fn go_to(&mut self, field: Field) {
        if self.may_change() {
            self.focus = field;
        }
    }

    /// Whether the field takes one after another.
    fn has_parts(&self) -> bool {
        matches!(self.focus, Field::Values | Field::Headers | Field::Query)
    }

    fn step(&mut self, by: usize) {
        let at = Field::ALL.iter().position(|(field, _, _)| *field == self.focus).unwrap_or(0);
        self.focus = Field::ALL[(at + by) % Field::ALL.len()].0;
    }

    /// The next choice of the field; false when it is one to type into.
    fn choose(&mut self) -> bool {
        match self.focus {
            Field::Sign => {
                let at = SIGNS.iter().position(|(sign, _)| *sign == self.sign).unwrap_or(0);
                self.sign = SIGNS[(at + 1) % SIGNS.len()].0;
            }
            Field::Id => {
                self.new_id = !self.new_id;
                if self.new_id && self.sign == Sign::Keep {
                    self.sign = Sign::Fresh;
                }
            }
            Field::Mark => self.mark = !self.mark,
            Field::Order => self.shuffle = !self.shuffle,
            Field::Body
            | Field::Target
            | Field::Values
            | Field::Headers
            | Field::Query
            | Field::Times
            | Field::Delay
            | Field::Jitter
            | Field::Concurrency
            | Field::Scenario => return false,
        }
        true
    }
}

/// Opens the dialog for the marked events, or for the selected one.
pub(super) fn open(state: &mut State, effects: &mut Vec<Effect>) {
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
pub(super) fn edited(state: &mut State, id: EventId, body: Option<Bytes>, effects: &mut Vec<Effect>) {
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
pub(super) fn press(state: &mut State, key: KeyEvent, effects: &mut Vec<Effect>) {
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
pub(super) fn previewed(
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
pub(super) fn sent(state: &mut State, number: u64, sent: Option<Sent>) {
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

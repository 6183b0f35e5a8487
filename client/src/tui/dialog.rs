//! The replay dialog: a draft of what is to be sent, and what came of it. The stored events stay as they are.

use bytes::Bytes;
use crossterm::event::{Event as TerminalEvent, KeyCode, KeyEvent};
use inhaul_core::event::EventId;
use tui_input::{Input, backend::crossterm::EventHandler};

use super::typing;
use crate::{
    cli::parse_duration,
    draft::{Changes, Draft, IdChange, Sign},
    forward::Target,
    replay::{Pace, Plan, Tally},
};

mod press;

pub(super) use press::{edited, open, press, previewed, sent};

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

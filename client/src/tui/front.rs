//! The inspector before there is a history: it draws, takes keys, and keeps what they ask of the history until that is open.

use std::{future::Future, pin::pin};

use crossterm::event::EventStream;
use futures_util::StreamExt;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::{
    TICK, TuiError,
    message::{Effect, Message},
    state::{Start, State},
    state_of, suspended,
    terminal::Screen,
    terminal_message,
    update::update,
    used::UsedFilters,
    view::view,
};
use crate::{clock, commands::Failure, config::Settings, output::Color};

/// The terminal, what is on it, and its keys. Dropping it gives the terminal back.
pub struct Front {
    pub(super) screen: Screen,
    pub(super) state: State,
    pub(super) keys: EventStream,
    pub(super) ticks: Interval,
    /// What keys asked for that needs the history.
    pub(super) later: Vec<Effect>,
    /// What is in the state is on the terminal.
    pub(super) is_shown: bool,
}

impl Front {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn take(settings: &Settings, color: Color) -> Result<Self, TuiError> {
        let screen = Screen::take(settings.ui.mouse)?;
        let state = State {
            start: Some(Start::Opening),
            used: UsedFilters::early(),
            ..state_of(&screen, settings, color)?
        };
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { screen, state, keys: EventStream::new(), ticks, later: Vec::new(), is_shown: false })
    }

    /// Shows itself while something is opened, and says what came of it. What fails is explained until the user quits or `stop` comes; nothing
    /// comes back when they do before it is open.
    ///
    /// # Errors
    /// What kept it from being opened, or when the terminal cannot be used.
    pub async fn open<T>(
        mut self,
        opening: impl Future<Output = Result<T, Failure>>,
        stop: impl Future<Output = ()>,
    ) -> anyhow::Result<Option<(Self, T)>> {
        let (mut opening, mut stop) = (pin!(opening), pin!(stop));
        let mut failed = None;
        loop {
            self.draw()?;
            let message = tokio::select! {
                biased;
                () = &mut stop => break,
                key = self.keys.next() => match key {
                    Some(event) => terminal_message(event?),
                    None => break,
                },
                opened = &mut opening, if failed.is_none() => match opened {
                    Ok(opened) => {
                        self.state.start = None;
                        self.is_shown = false;
                        return Ok(Some((self, opened)));
                    }
                    Err(failure) => {
                        self.state.start = Some(Start::Failed(failure.explained()));
                        failed = Some(failure);
                        None
                    }
                },
                _ = self.ticks.tick() => None,
                () = self.screen.drawn(), if !self.is_shown => continue,
            };
            if self.take_in(message).await? {
                break;
            }
        }
        match failed {
            Some(failure) => Err(failure.into()),
            None => Ok(None),
        }
    }

    /// Draws the state, unless it is on the terminal already, or the terminal still has the last picture to take.
    pub(super) fn draw(&mut self) -> Result<(), TuiError> {
        if !self.is_shown && self.screen.is_drawn() {
            self.screen.draw(|frame| view(&self.state, frame))?;
            self.is_shown = true;
        }
        Ok(())
    }

    /// Takes in what happened; true when the user quits.
    async fn take_in(&mut self, message: Option<Message>) -> Result<bool, TuiError> {
        let messages = std::iter::once(Message::Time(clock::now())).chain(message).collect();
        self.is_shown = false;
        for effect in update(&mut self.state, messages) {
            if matches!(effect, Effect::Quit { .. }) {
                return Ok(true);
            }
            if effect == Effect::Suspend {
                self.screen.give_away();
                suspended().await;
                self.screen.take_back(self.state.look.mouse)?;
                self.keys = EventStream::new();
                continue;
            }
            self.later.extend(super::on_terminal(effect, &mut self.screen)?);
        }
        Ok(false)
    }
}

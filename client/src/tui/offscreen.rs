//! The inspector without a terminal and a client, for what measures and pictures it.

use inhaul_core::{
    event::{Event, EventId},
    signature::catalogue,
};
use jiff::tz::TimeZone;
use ratatui::{Terminal, backend::TestBackend, buffer::Buffer};

use super::{
    Keymap, LIST_PERCENT, Palette,
    content::Opened,
    message::Message,
    state::{Layout, Look, State, Times},
    theme::Theme,
    update::{set_filter, update},
    view::view,
};
use crate::{
    export::Mask,
    history::{Facts, arriving_row},
    listing::Order,
    live::Live,
    output::Color,
    row::EventRow,
};

/// An inspector that draws into memory.
pub struct OffScreen {
    state: State,
    terminal: Terminal<TestBackend>,
}

impl OffScreen {
    /// An inspector that has just begun.
    pub fn new(width: u16, height: u16) -> Self {
        let look = Look {
            theme: Theme::new(Palette::Dark, Color::On, false),
            times: Times::Utc,
            zone: TimeZone::UTC,
            layout: Layout::Auto,
            list_percent: LIST_PERCENT,
            hints: true,
            mouse: false,
            as_sent: false,
            masks: true,
        };
        let Ok(terminal) = Terminal::new(TestBackend::new(width, height));
        Self { state: State::new(width, height, look, Keymap::default()), terminal }
    }

    /// Older events come, the one stored last first; the history has none older when it `is_whole`.
    pub fn put_older(&mut self, rows: Vec<EventRow>, is_whole: bool) {
        update(&mut self.state, vec![Message::Rows { rows, whole: is_whole }]);
    }

    /// Keys are pressed, each a character.
    pub fn type_keys(&mut self, keys: &str) {
        use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
        for letter in keys.chars() {
            let key = KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE);
            update(&mut self.state, vec![Message::Key(key)]);
        }
    }

    /// Another filter is set.
    pub fn set_filter(&mut self, text: &str) {
        set_filter(&mut self.state, text);
    }

    /// The list has another order.
    pub fn set_order(&mut self, order: Order) {
        self.state.events.set_order(order);
    }

    /// An event is new or has changed.
    pub fn put(&mut self, row: EventRow) {
        update(&mut self.state, vec![Message::Live(Live::Changed(Box::new(row)))]);
    }

    /// An event comes and is opened, with its secrets hidden by `mask`.
    pub fn open(&mut self, event: Event, mask: &Mask) {
        use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
        let (id, row) = (event.id, arriving_row(&event, &Facts::default(), event.received_at));
        let opened = Opened::new(event, None, catalogue(), mask);
        let enter = KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE);
        self.put(row);
        update(&mut self.state, vec![Message::Key(enter), Message::Loaded(id, Ok(Box::new(opened)))]);
    }

    /// The selected event.
    pub fn selected(&self) -> Option<EventId> {
        self.state.selected
    }

    /// How many events pass the filter.
    pub fn shown(&self) -> usize {
        self.state.events.shown()
    }

    /// Draws the screen.
    pub fn draw(&mut self) -> &Buffer {
        let Ok(_) = self.terminal.draw(|frame| view(&self.state, frame));
        self.terminal.backend().buffer()
    }
}

//! The application behind a client: it answers in its time, well or not, or takes no connections.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use fastrand::Rng;
use inhaul::forward::{Answer, Application, Asking, Target};
use inhaul_core::event::{Event, EventId};

/// What happens at an application.
pub enum Happened {
    Asked(EventId),
    Answered { id: EventId, status: u16, text: String },
}

/// A clone is the same application.
#[derive(Clone)]
pub struct App(Arc<Mutex<State>>);

struct State {
    rng: Rng,
    is_away: bool,
    is_well: bool,
    asked: u64,
    happened: Vec<Happened>,
}

impl App {
    pub fn new(seed: u64) -> Self {
        let rng = Rng::with_seed(seed);
        Self(Arc::new(Mutex::new(State {
            rng,
            is_away: false,
            is_well: false,
            asked: 0,
            happened: Vec::new(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// It goes away, or comes back.
    pub fn come_and_go(&self) {
        let mut state = self.state();
        state.is_away = !state.is_away;
    }

    /// From now on it answers at once, and well.
    pub fn get_well(&self) {
        let mut state = self.state();
        (state.is_away, state.is_well) = (false, true);
    }

    pub fn what_happened(&self) -> Vec<Happened> {
        std::mem::take(&mut self.state().happened)
    }
}

impl State {
    fn status(&mut self) -> u16 {
        if self.is_well {
            return 200;
        }
        match self.rng.u32(..12) {
            0 => 500,
            1 => 404,
            2 => 503,
            _ => 200,
        }
    }

    /// Mostly soon; seldom later than its sender waits, or than its client does.
    fn takes(&mut self) -> Duration {
        if self.is_well {
            return Duration::ZERO;
        }
        Duration::from_millis(match self.rng.u32(..12) {
            0 => self.rng.u64(..40_000),
            1..4 => self.rng.u64(..5000),
            _ => self.rng.u64(..100),
        })
    }
}

impl Application for App {
    fn ask(&self, event: &Event, _: &Target) -> Asking {
        let (app, id) = (self.clone(), event.id);
        Box::pin(async move {
            let (number, status, takes) = {
                let mut state = app.state();
                if state.is_away {
                    return Err(io::ErrorKind::ConnectionRefused.into());
                }
                state.happened.push(Happened::Asked(id));
                state.asked += 1;
                (state.asked, state.status(), state.takes())
            };
            tokio::time::sleep(takes).await;
            let text = format!("{id}, asked as number {number}");
            app.state().happened.push(Happened::Answered { id, status, text: text.clone() });
            Ok(Answer { status, headers: Vec::new(), body: text.into() })
        })
    }

    fn takes_connections(&self) -> bool {
        !self.state().is_away
    }
}

//! Connections: frames come late, in order and once on each, unless a history says otherwise; an end may learn that the other is
//! gone, or hear nothing more.

use std::{collections::VecDeque, time::Instant};

use bytes::Bytes;

/// Frames the system keeps for a reader that is slow.
const SOCKET_FRAMES: usize = 6;

/// What comes out of a connection.
pub enum Arrived {
    Frame(Bytes),
    /// The other end closed it.
    End,
}

/// One direction of a connection.
#[derive(Default)]
pub struct Way {
    frames: VecDeque<(Instant, Bytes)>,
    ended: bool,
    /// What is sent from now on is lost.
    broken: bool,
    /// Nothing comes out of it any more, and nobody says so.
    silent: bool,
}

impl Way {
    pub fn has_room(&self) -> bool {
        self.frames.len() < SOCKET_FRAMES
    }

    pub fn send(&mut self, frame: Bytes, at: Instant) {
        if !self.broken {
            self.frames.push_back((at, frame));
        }
    }

    pub fn end(&mut self) {
        self.ended = true;
    }

    /// What is on its way is lost; the reader is told, or not.
    pub fn cut(&mut self, told: bool) {
        self.frames.clear();
        self.broken = true;
        self.ended |= told;
        self.silent |= !told;
    }

    /// What has arrived now.
    pub fn take(&mut self, now: Instant) -> Option<Arrived> {
        if self.silent {
            return None;
        }
        match self.frames.front() {
            Some((at, _)) if *at > now => None,
            Some(_) => self.frames.pop_front().map(|(_, frame)| Arrived::Frame(frame)),
            None => self.ended.then_some(Arrived::End),
        }
    }

    /// What was sent last arrives twice.
    pub fn repeat_last(&mut self) {
        self.frames.extend(self.frames.back().cloned());
    }
}

/// A connection from the client to the relay.
pub struct Link {
    pub number: u64,
    pub to_relay: Way,
    pub to_client: Way,
    /// Nothing arrives before.
    pub stalled_until: Instant,
}

impl Link {
    pub fn new(number: u64, now: Instant) -> Self {
        Self { number, to_relay: Way::default(), to_client: Way::default(), stalled_until: now }
    }
}

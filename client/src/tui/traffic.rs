//! How much came when, for the line of bars, and how the connection did.

use std::{collections::VecDeque, time::Duration};

use inhaul_core::event::UnixMillis;

use crate::connection::ConnectionState;

/// How long back events are counted.
pub(super) const SECONDS: usize = 600;

/// Round trips that are remembered.
const ROUND_TRIPS: usize = 60;

/// What came, counted by the second.
#[derive(Default)]
pub(super) struct Traffic {
    /// Events, answered well, failed; of each second, the newest last.
    seconds: VecDeque<[u32; 3]>,
    /// The second the last one counts.
    second: u64,
    pub(super) connected_since: Option<UnixMillis>,
    /// How often it was connected anew.
    pub(super) reconnects: u32,
    pub(super) round_trips: VecDeque<Duration>,
    pub(super) events: u64,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    Event = 0,
    Answered = 1,
    Failed = 2,
}

impl Traffic {
    /// It is this time: seconds in which nothing came count too.
    pub(super) fn tick(&mut self, now: UnixMillis) {
        let second = now.0 / 1000;
        if self.second == 0 || second < self.second {
            self.second = second;
            self.seconds.push_back([0; 3]);
        }
        let passed = usize::try_from(second - self.second).unwrap_or(usize::MAX).min(SECONDS);
        self.seconds.extend(std::iter::repeat_n([0; 3], passed));
        self.second = second;
        let over = self.seconds.len().saturating_sub(SECONDS);
        self.seconds.drain(..over);
    }

    pub(super) fn count(&mut self, what: Counted) {
        if what == Counted::Event {
            self.events += 1;
        }
        if let Some(second) = self.seconds.back_mut() {
            second[what as usize] += 1;
        }
    }

    /// The connection is like this now.
    pub(super) fn connection(&mut self, before: &ConnectionState, now: &ConnectionState, at: UnixMillis) {
        let is_connected = |state: &ConnectionState| matches!(state, ConnectionState::Connected { .. });
        if let ConnectionState::Connected { round_trip: Some(round_trip), .. } = now {
            if self.round_trips.len() == ROUND_TRIPS {
                self.round_trips.pop_front();
            }
            self.round_trips.push_back(*round_trip);
        }
        if is_connected(now) && !is_connected(before) {
            self.reconnects += u32::from(self.connected_since.is_some());
            self.connected_since = Some(at);
        }
    }

    /// The last seconds in so many bars, each a sum; the newest last.
    pub(super) fn bars(&self, what: Counted, bars: usize, seconds_each: usize) -> Vec<u32> {
        let newest_first = self.seconds.iter().rev().map(|second| second[what as usize]);
        let counts: Vec<u32> = newest_first.take(bars * seconds_each).collect();
        let mut sums: Vec<u32> = counts.chunks(seconds_each).map(|chunk| chunk.iter().sum()).collect();
        sums.resize(bars, 0);
        sums.reverse();
        sums
    }

    /// Events per second over the last ten whole seconds.
    pub(super) fn rate(&self) -> f64 {
        let whole = self.seconds.iter().rev().skip(1).take(10);
        let (count, seconds) =
            whole.fold((0, 0_u32), |(count, seconds), second| (count + second[0], seconds + 1));
        if seconds == 0 { 0.0 } else { f64::from(count) / f64::from(seconds) }
    }
}

/// A bar for each number, the highest as high as a letter.
pub(super) fn bars_text(numbers: &[u32]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let highest = numbers.iter().copied().max().unwrap_or(0).max(1);
    let bar = |number: u32| match number {
        0 => BARS[0],
        _ => BARS[(u64::from(number) * 7).div_ceil(u64::from(highest)).min(7) as usize],
    };
    numbers.iter().map(|&number| bar(number)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_in_which_nothing_came_count_too() {
        let mut traffic = Traffic::default();
        for (at, events) in [(1000, 2), (1500, 1), (4000, 4)] {
            traffic.tick(UnixMillis(at));
            (0..events).for_each(|_| traffic.count(Counted::Event));
        }
        assert_eq!(traffic.bars(Counted::Event, 5, 1), [0, 3, 0, 0, 4]);
        assert_eq!(traffic.bars(Counted::Event, 2, 2), [3, 4]);
        assert_eq!(traffic.bars(Counted::Failed, 2, 1), [0, 0]);
        assert!((traffic.rate() - 1.0).abs() < 0.001, "{}", traffic.rate());
        traffic.tick(UnixMillis(100_000_000));
        assert_eq!((traffic.bars(Counted::Event, SECONDS, 1).iter().sum::<u32>(), traffic.events), (0, 7));
        traffic.tick(UnixMillis(0));
        assert!(traffic.seconds.len() <= SECONDS, "a clock set back breaks nothing");
    }

    #[test]
    fn bars_are_as_high_as_the_highest() {
        assert_eq!(bars_text(&[0, 1, 4, 8]), "▁▂▅█");
        assert_eq!(bars_text(&[0, 0]), "▁▁");
    }
}

//! The relay: how the connection does, where to post, what came.

use std::time::Duration;

use inhaul_core::visible::visible;
use ratatui::{
    style::Style,
    text::{Line, Span},
};

use super::{
    super::{
        state::State,
        traffic::{Counted, bars_text},
    },
    page::hanging,
};
use crate::{
    connection::ConnectionState,
    output::{count_text, round_trip_text, time_text},
};

/// Bars of a line at most, and seconds of each: ten minutes.
const BARS: usize = 60;
const BAR_SECONDS: usize = 10;

/// Bars of a minute.
const MINUTE: usize = 60 / BAR_SECONDS;

/// Columns of a line that no bars have: its name, and how many there were.
const BESIDE_BARS: usize = 36;

/// The page.
pub(super) fn lines(state: &State, width: usize) -> Vec<Line<'static>> {
    let mut page = Page { state, width, lines: Vec::new() };
    page.connection();
    page.addresses();
    page.put("", "", Style::new());
    page.traffic();
    page.lines
}

/// How the relay's clock stands to this machine's, and whether that is as it should be. What is less than a second may be the way's.
fn clock_text(ahead_ms: i64) -> (String, bool) {
    let difference = Duration::from_millis(ahead_ms.unsigned_abs());
    if difference < Duration::from_secs(1) {
        return ("as this machine's, within a second".to_owned(), true);
    }
    let side = if ahead_ms > 0 { "ahead of" } else { "behind" };
    (format!("{} {side} this machine's; signatures are judged by the relay's", time_text(difference)), false)
}

struct Page<'a> {
    state: &'a State,
    width: usize,
    lines: Vec<Line<'static>>,
}

impl Page<'_> {
    fn put(&mut self, name: &str, text: &str, style: Style) {
        let name = Span::styled(format!(" {name:16}  "), self.state.theme().name());
        let lines = hanging(vec![name], text, self.width).into_iter();
        self.lines.extend(lines.map(|mut line| {
            line.spans.iter_mut().skip(1).for_each(|span| span.style = style);
            line
        }));
    }

    fn connection(&mut self) {
        let (theme, traffic) = (self.state.theme(), &self.state.traffic);
        let (text, style) = match &self.state.connection {
            ConnectionState::Connecting { attempt } => {
                (format!("connecting, try {attempt}"), theme.doubtful())
            }
            ConnectionState::Connected { .. } => ("connected".to_owned(), theme.good()),
            ConnectionState::Waiting { reason, retry_in } => {
                let wait = time_text(*retry_in);
                (format!("not connected, next try in {wait}: {}", visible(reason)), theme.bad())
            }
            ConnectionState::Refused { reason } => (format!("refused: {}", visible(reason)), theme.bad()),
        };
        self.put("state", &text, style);
        if let Some(since) = traffic.connected_since {
            let time = Duration::from_millis(self.state.now.0.saturating_sub(since.0));
            let again = match traffic.reconnects {
                0 => String::new(),
                count => format!(", connected anew {}", count_text(count.into(), "time")),
            };
            let is_connected = matches!(self.state.connection, ConnectionState::Connected { .. });
            let name = if is_connected { "since" } else { "connected at" };
            let at = since.to_string();
            let at = at.get(..19).unwrap_or(&at).replace('T', " ");
            self.put(name, &format!("{at}, {} ago{again}", time_text(time)), Style::new());
        }
        let ConnectionState::Connected { round_trip, backlog_events, clock_ahead_ms } =
            &self.state.connection
        else {
            return;
        };
        if let Some(time) = round_trip {
            let micros = |time: &Duration| u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
            let all: Vec<u32> = traffic.round_trips.iter().map(micros).collect();
            let slowest = all.iter().copied().max().unwrap_or(0);
            let text = format!(
                "{}  {}  slowest {:.1} ms of {}",
                round_trip_text(*time),
                bars_text(&all),
                f64::from(slowest) / 1000.0,
                all.len()
            );
            self.put("round trip", &text, Style::new());
        }
        let style = if *backlog_events == 0 { Style::new() } else { theme.doubtful() };
        self.put("backlog at relay", &count_text(*backlog_events, "event"), style);
        if let Some(ahead) = *clock_ahead_ms {
            let (text, is_right) = clock_text(ahead);
            self.put("its clock", &text, if is_right { Style::new() } else { theme.doubtful() });
        }
    }

    fn addresses(&mut self) {
        let theme = self.state.theme();
        if let Some(ready) = &self.state.ready {
            self.put("relay", &visible(&ready.relay_url).to_string(), Style::new());
            self.put("endpoint", &ready.endpoint.to_string(), Style::new());
            self.put("post to", &visible(&ready.endpoint_url).to_string(), theme.strong());
            if let Some(ca_file) = &ready.ca_file {
                self.put("trusted by", &visible(ca_file).to_string(), Style::new());
            }
            for target in &ready.targets {
                self.put("forwarded to", &visible(target).to_string(), Style::new());
            }
            if ready.targets.is_empty() {
                let text = "nothing: events are stored and shown";
                self.put("forwarded to", text, theme.doubtful());
            }
            self.put("kept in", &visible(&ready.data_dir).to_string(), Style::new());
        }
        for (target, took) in &self.state.targets {
            let (text, style) = match took {
                true => ("took the last event", theme.good()),
                false => ("did not take the last event", theme.bad()),
            };
            self.put("application", &format!("{} {text}", visible(target)), style);
        }
    }

    fn traffic(&mut self) {
        let traffic = &self.state.traffic;
        let minutes = (BARS.min(self.width.saturating_sub(BESIDE_BARS)) / MINUTE).max(1);
        for (name, what) in
            [("received", Counted::Event), ("answered", Counted::Answered), ("failed", Counted::Failed)]
        {
            let counts = traffic.bars(what, minutes * MINUTE, BAR_SECONDS);
            let sum: u32 = counts.iter().sum();
            self.put(name, &format!("{}  {sum} in {minutes} min", bars_text(&counts)), Style::new());
        }
        let rate = format!("{:.1} events a second over the last ten", traffic.rate());
        self.put("rate", &rate, Style::new());
        self.put("since start", &count_text(traffic.events, "event"), Style::new());
    }
}

#[cfg(test)]
mod tests {
    use super::clock_text;

    #[test]
    fn a_clock_that_is_off_is_told_with_its_side() {
        for (ahead_ms, text) in [
            (999, "as this machine's, within a second"),
            (-999, "as this machine's, within a second"),
            (90_000, "1 min 30 s ahead of this machine's; signatures are judged by the relay's"),
            (-7_200_000, "2 h behind this machine's; signatures are judged by the relay's"),
        ] {
            let (told, is_right) = clock_text(ahead_ms);
            assert_eq!((told.as_str(), is_right), (text, ahead_ms.abs() < 1000));
        }
    }
}

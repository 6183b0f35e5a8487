//! Which route takes an event, by its path and its filter, and with that how it is verified.

use inhaul_core::event::{Event, Head, UnixMillis};

use super::{
    Pipeline,
    verify::{Recognised, recognise, sender_url},
};
use crate::{
    config::{Route, Routes},
    filtering::Filtered,
    history::{Facts, HistoryError, arriving_row},
    row::EventRow,
};

/// Where an event belongs.
pub(super) struct Placed<'r> {
    /// The place of its route in [`Routes::iter`]; none when no route takes it.
    pub(super) lane: Option<usize>,
    /// That route, else the last whose path fits: it is verified as that one says.
    pub(super) route: &'r Route,
    /// What is known of it with that route's provider and secrets.
    pub(super) recognised: Recognised,
}

/// The first route that fits and takes the event. Each verifies it in its own way, which filters may ask for.
pub(super) fn place<'r>(
    event: &Event,
    head: &Head,
    routes: &'r Routes,
    endpoint_url: &str,
    facts: &Facts,
    now: UnixMillis,
) -> Placed<'r> {
    let mut last = None;
    for (at, route) in routes.fitting(&event.app_target(head)) {
        let recognised = recognise(event, head, routes, route, endpoint_url);
        let takes = route.when.as_ref().is_none_or(|when| {
            let row = row_with(event, facts, &recognised, now);
            when.test(&Filtered::whole(&row, event, now)).unwrap_or(false)
        });
        if takes {
            return Placed { lane: Some(at), route, recognised };
        }
        last = Some((route, recognised));
    }
    let (route, recognised) = last.unwrap_or_else(|| (routes.catch_all(), Recognised::nothing()));
    Placed { lane: None, route, recognised }
}

/// The row an event would have, with what was recognised.
pub(super) fn row_with(event: &Event, facts: &Facts, recognised: &Recognised, now: UnixMillis) -> EventRow {
    let row = arriving_row(event, facts, now);
    EventRow {
        provider: recognised.provider.clone(),
        event_type: recognised.event_type.clone(),
        provider_event_id: recognised.provider_event_id.clone(),
        verdict: recognised.verdict.clone(),
        ..row
    }
}

/// Where a stored event belongs, by the configuration of now and by what the event was when it came. Without the endpoint's URL, that is the
/// one its sender most likely used.
pub(super) fn place_stored<'r>(
    routes: &'r Routes,
    event: &Event,
    row: &EventRow,
    endpoint_url: Option<&str>,
) -> Placed<'r> {
    let facts = Facts {
        missed: row.missed,
        late: row.late,
        sender_waits: row.sender_waited,
        taken_when_late: row.taken_when_late,
        forward: true,
        ..Facts::default()
    };
    match event.parsed_head() {
        Ok(head) => {
            let url = endpoint_url.map(str::to_owned).or_else(|| sender_url(event, &head));
            place(event, &head, routes, &url.unwrap_or_default(), &facts, row.stored_at)
        }
        Err(_) => Placed { lane: None, route: routes.catch_all(), recognised: Recognised::nothing() },
    }
}

impl Pipeline {
    /// Where a stored event belongs now.
    pub(super) fn place_again<'r>(&'r self, event: &Event, row: &EventRow) -> Placed<'r> {
        place_stored(&self.routes, event, row, None)
    }

    /// The lane of a stored event; the event is read only when its path does not say. None when no route takes it.
    ///
    /// # Errors
    /// When the event cannot be read.
    pub(super) async fn lane_again(&self, row: &EventRow) -> Result<Option<usize>, HistoryError> {
        if let Some(lane) = self.routes.by_path(row.target.as_bytes()) {
            return Ok(Some(lane));
        }
        let found = self.history.event(row.id).await?;
        Ok(found.and_then(|(event, row)| self.place_again(&event, &row).lane))
    }
}

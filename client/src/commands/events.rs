//! `inhaul events`: what is in the history, newest first.

use std::{
    io::{self, IsTerminal, Write},
    path::Path,
};

use inhaul_core::{
    event::EventId,
    filter::{Filter, FilterError, Saved},
};

use crate::{
    access::Access,
    cli::EventsArgs,
    clock,
    commands::{
        Exit, Failure,
        lookup::{self, PAGE_ROWS},
    },
    config::load_filters,
    data_dir::DataDir,
    filtering::{self, Filtered},
    jq::Jq,
    output::{Color, PrintError, json, listed_line, write_stdout},
    row::{EventRow, EventState},
};

/// Lists events.
///
/// # Errors
/// When the history cannot be read or nothing can be printed.
pub async fn run(data: Option<&Path>, args: &EventsArgs) -> anyhow::Result<Exit> {
    let color = Color::of_output(io::stdout().is_terminal());
    let filter = filter(&args.filter.join(" "), data, args.config.as_deref())?;
    let access = lookup::open(data).await?;
    let print = |rows: &[EventRow]| {
        let text: String = rows.iter().map(|row| line(row, args.json, color)).collect();
        write_stdout(text.as_bytes())
    };
    let (state, nothing) = match (args.given_up, args.held) {
        (true, _) => (Some(EventState::GivenUp), "no event is given up"),
        (_, true) => (Some(EventState::Held), "no event is held"),
        (false, false) if filter.is_empty() => (None, "no events yet; `inhaul listen` receives them"),
        (false, false) => (None, "no event passes the filter"),
    };
    let listed = list(&access, state, &filter, args.limit, PAGE_ROWS, print).await?;
    access.close().await.map_err(Failure::from)?;
    if listed == 0 && args.limit > 0 && !args.json {
        let _ = writeln!(io::stderr(), "{nothing}");
    }
    Ok(Exit::Success)
}

/// Hands the newest events, of those in a state if one is named, to `print`, a page at a time, and counts them.
pub(super) async fn list(
    access: &Access,
    state: Option<EventState>,
    filter: &Filter,
    limit: usize,
    page_rows: usize,
    mut print: impl FnMut(&[EventRow]) -> Result<(), PrintError>,
) -> anyhow::Result<usize> {
    let mut before = None;
    let mut listed = 0;
    while listed < limit {
        let page = if filter.is_empty() { page_rows.min(limit - listed) } else { page_rows };
        let mut rows = access.rows(state, before, page).await.map_err(Failure::from)?;
        let Some(last) = rows.last() else { break };
        before = Some(last.id);
        if !filter.is_empty() {
            rows = passing(access, filter, rows).await?;
            rows.truncate(limit - listed);
        }
        print(&rows)?;
        listed += rows.len();
    }
    Ok(listed)
}

/// The newest events that pass, newest first, and no more than `limit`.
pub(super) async fn ids(access: &Access, filter: &Filter, limit: usize) -> Result<Vec<EventId>, Failure> {
    let (mut ids, mut before) = (Vec::new(), None);
    while ids.len() < limit {
        let rows = access.rows(None, before, PAGE_ROWS).await?;
        let Some(last) = rows.last() else { break };
        before = Some(last.id);
        ids.extend(passing(access, filter, rows).await?.into_iter().map(|row| row.id));
    }
    ids.truncate(limit);
    Ok(ids)
}

/// The rows that pass; events are read only where their rows do not tell.
async fn passing(access: &Access, filter: &Filter, rows: Vec<EventRow>) -> Result<Vec<EventRow>, Failure> {
    let (now, jq) = (clock::now(), Jq::default());
    let mut passing = Vec::new();
    for row in rows {
        let passes = match filter.test(&Filtered::listed(&row, now)) {
            Some(passes) => passes,
            None => match access.event(row.id).await? {
                Some((event, row)) => {
                    filtering::passes(filter, Filtered::whole(&row, &event, now), &jq).await
                }
                None => false,
            },
        };
        passing.extend(passes.then_some(row));
    }
    Ok(passing)
}

/// The filter that the arguments mean. Files with saved ones are read only when one is named.
///
/// # Errors
/// When they mean none; the message shows where.
pub(super) fn filter(text: &str, data: Option<&Path>, config: Option<&Path>) -> Result<Filter, Failure> {
    let saved =
        if text.contains('@') { load_filters(config, &DataDir::open(data)?)? } else { Saved::default() };
    let filter = Filter::parse_with(text, &saved).and_then(|filter| filtering::checked(text, filter));
    filter.map_err(|error: FilterError| {
        let wrong = error.span.clone();
        Failure::new(error)
            .at(text, wrong)
            .hint("`inhaul filters` prints the language; a word with a sign in it stands in quotes")
    })
}

fn line(row: &EventRow, as_json: bool, color: Color) -> String {
    if as_json { json::line(&json::stored_event(row)) } else { listed_line(row, color) }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use inhaul_core::event::{Event, Peer, PeerSource, UnixMillis};
    use uuid::Builder;

    use super::*;
    use crate::history::Facts;

    fn id(number: u8) -> EventId {
        EventId(Builder::from_unix_timestamp_millis(1_763_970_070_118, &[number; 10]).into_uuid())
    }

    fn event(number: u8) -> Event {
        Event {
            id: id(number),
            endpoint: "orders".parse().unwrap(),
            received_at: UnixMillis(1_763_970_070_118),
            peer: Peer { address: "127.0.0.1:1".to_owned(), source: PeerSource::Socket },
            prefix_bytes: 0,
            head: Bytes::from_static(b"POST /a HTTP/1.1\r\n\r\n"),
            body: Bytes::new(),
            body_sha256: Event::digest(b""),
        }
    }

    #[tokio::test]
    async fn the_newest_come_first_and_no_more_than_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let access = Access::open(dir.path()).await.unwrap();
        let Access::Direct(history) = &access else { panic!("nobody else has it") };
        for number in 1..=5 {
            let facts = Facts { forward: false, ..Facts::default() };
            history.store(event(number), facts).await.unwrap();
        }
        for (limit, expected) in [(0, &[][..]), (1, &[5]), (4, &[5, 4, 3, 2]), (9, &[5, 4, 3, 2, 1])] {
            let mut ids = Vec::new();
            let print = |rows: &[EventRow]| {
                ids.extend(rows.iter().map(|row| row.id));
                Ok(())
            };
            assert_eq!(
                list(&access, None, &Filter::default(), limit, 2, print).await.unwrap(),
                expected.len()
            );
            assert_eq!(ids, expected.iter().map(|&number| id(number)).collect::<Vec<_>>(), "{limit}");
        }
        assert_eq!(lookup::event_id(&access, &id(3).to_string()).await.unwrap(), id(3));
        assert!(lookup::event_id(&access, "0199").await.is_err());
        access.close().await.unwrap();
    }
}

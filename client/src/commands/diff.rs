//! `inhaul diff A [B]`: what differs between two events.

use std::{
    io::{self, IsTerminal, Write},
    path::Path,
};

use inhaul_core::event::{Event, EventId};

use crate::{
    access::Access,
    cli::DiffArgs,
    commands::{
        Exit, Failure,
        lookup::{self, PAGE_ROWS},
    },
    config::load_file,
    diff::{self, Ignore, lines::Layout},
    output::{Color, json, listed_line, write_stdout},
    row::EventRow,
};

/// Columns of a terminal from which on there are two columns.
const SIDE_BY_SIDE_COLUMNS: u16 = 100;

/// Columns where there is no terminal.
const COLUMNS: u16 = 120;

/// Compares two events.
///
/// # Errors
/// When one of them is not there, the history cannot be read or nothing can be printed.
pub async fn run(data: Option<&Path>, args: &DiffArgs) -> anyhow::Result<Exit> {
    let named = load_file(args.config.as_deref()).map_err(Failure::from)?.map(|file| file.diff);
    let named = named.unwrap_or_default();
    let ignore = Ignore {
        headers: [named.headers, args.ignore_header.clone()].concat(),
        json: [named.json, args.ignore_json.clone()].concat(),
    };
    let access = lookup::open(data).await?;
    let found = both(&access, args).await;
    access.close().await.map_err(Failure::from)?;
    // Here status 1 says that something differs, not that something is not there.
    let ((left, left_row), (right, right_row)) = found.map_err(Failure::as_trouble)?;
    let diff = diff::events((&left, &left_row), (&right, &right_row), &ignore);
    let on_terminal = io::stdout().is_terminal();
    let color = Color::of_output(on_terminal);
    if args.json {
        write_stdout(json::line(&json::diff(left.id, right.id, &diff)).as_bytes())?;
    } else if diff.is_empty() {
        let _ = writeln!(io::stderr(), "no difference");
    } else {
        let sides = [&left_row, &right_row].map(|row| listed_line(row, color));
        let text = diff::lines::text(&diff, layout(args, on_terminal), args.context, color);
        write_stdout(format!("- {}+ {}\n{text}", sides[0], sides[1]).as_bytes())?;
    }
    Ok(if diff.is_empty() { Exit::Success } else { Exit::No })
}

type Whole = (Event, EventRow);

async fn both(access: &Access, args: &DiffArgs) -> Result<(Whole, Whole), Failure> {
    let a = lookup::event_id(access, &args.a).await?;
    let a = whole(access, a).await?;
    match &args.b {
        Some(b) => {
            let b = lookup::event_id(access, b).await?;
            Ok((a, whole(access, b).await?))
        }
        None => {
            let before = before(access, &a.1).await?;
            Ok((whole(access, before).await?, a))
        }
    }
}

async fn whole(access: &Access, id: EventId) -> Result<Whole, Failure> {
    access.event(id).await?.ok_or_else(|| Failure::new(format!("the event {id} is gone")))
}

/// The event of the same endpoint and type stored before another one.
async fn before(access: &Access, row: &EventRow) -> Result<EventId, Failure> {
    let mut last = row.id;
    loop {
        let page = access.rows(None, Some(last), PAGE_ROWS).await?;
        let Some(oldest) = page.last() else {
            return Err(Failure::new(format!("no event of the same endpoint and type is before {}", row.id))
                .hint("`inhaul diff A B` compares any two events"));
        };
        last = oldest.id;
        if let Some(found) = page.iter().find(|other| other.is_like(row)) {
            return Ok(found.id);
        }
    }
}

fn layout(args: &DiffArgs, on_terminal: bool) -> Layout {
    let columns = crossterm::terminal::size().ok().filter(|_| on_terminal).map(|(columns, _)| columns);
    let is_wide = columns.is_some_and(|columns| columns >= SIDE_BY_SIDE_COLUMNS);
    if args.side_by_side || (is_wide && !args.unified) {
        Layout::SideBySide(columns.unwrap_or(COLUMNS).into())
    } else {
        Layout::Unified
    }
}

//! `inhaul show ID`: everything known of one event.

use std::{
    fmt::Write,
    io::{self, IsTerminal},
    path::Path,
};

use bytes::Bytes;
use inhaul_core::{
    event::{Event, Head, PeerSource},
    visible::{visible, visible_bytes},
};

use crate::{
    access::Access,
    cli::ShowArgs,
    commands::{Exit, Failure, lookup},
    export::request,
    history::Relation,
    output::{
        Color, attempt_text, body,
        json::{self, RequestRecord},
        remark_texts, size_text, verdict_line, write_stdout,
    },
    row::EventRow,
    thread::outcome_word,
};

mod elsewhere;

/// Most deliveries of the same event that are listed: the newest ones.
const DELIVERIES_MAX: usize = 20;

/// Shows an event.
///
/// # Errors
/// When there is no such event, the history cannot be read or nothing can be printed.
pub async fn run(data: Option<&Path>, args: &ShowArgs) -> anyhow::Result<Exit> {
    let access = lookup::open(data).await?;
    let id = lookup::event_id(&access, &args.id).await?;
    let found = access.event(id).await.map_err(Failure::from)?;
    let deliveries = access.related(id, Relation::SameEvent, DELIVERIES_MAX).await.map_err(Failure::from)?;
    let (event, row) = found.ok_or_else(|| Failure::new(format!("the event {id} is gone")).as_answer())?;
    if let Some(number) = args.edited {
        let text = edited(&access, &row, number).await?;
        access.close().await.map_err(Failure::from)?;
        write_stdout(&text)?;
        return Ok(Exit::Success);
    }
    if let Some(format) = args.format.filter(|_| !args.raw) {
        let found = (event, row);
        elsewhere::print_as(&access, format, found, args.unmasked, args.config.as_deref()).await?;
        access.close().await.map_err(Failure::from)?;
        return Ok(Exit::Success);
    }
    access.close().await.map_err(Failure::from)?;
    if args.raw {
        write_stdout(&event.head)?;
        write_stdout(&event.body)?;
        return Ok(Exit::Success);
    }
    if let Some(program) = &args.jq {
        elsewhere::print_jq(program, &event.body).await?;
        return Ok(Exit::Success);
    }
    let head = event.parsed_head().map_err(Failure::new)?;
    let text = if args.json {
        let deliveries = deliveries.iter().map(|delivery| delivery.id).collect();
        json::line(&json::whole_event(&row, RequestRecord { deliveries, ..request(&event, &head) }))
    } else {
        let on_terminal = io::stdout().is_terminal();
        let color = Color::of_output(on_terminal);
        page(&event, &head, &row, &deliveries, on_terminal, color)
    };
    write_stdout(text.as_bytes())?;
    Ok(Exit::Success)
}

/// The edited body that an attempt sent, else what else of the request was changed.
async fn edited(access: &Access, row: &EventRow, number: u32) -> Result<Bytes, Failure> {
    let nothing = |what: &str| Failure::new(format!("attempt {number} {what}")).as_answer();
    let attempt = row.attempts.iter().find(|attempt| attempt.number == number);
    let attempt = attempt.ok_or_else(|| nothing("is not one of those `inhaul show` lists"))?;
    let changed = attempt.changed.as_ref().ok_or_else(|| nothing("sent what was received"))?;
    let edit = match changed.edit {
        Some(edit) => access.draft(row.id, edit).await?,
        None => return Err(nothing(&format!("kept what was received, but for: {}", changed.what))),
    };
    let draft = edit.ok_or_else(|| nothing("has its draft no more: only the latest can be found"))?.draft;
    Ok(match draft.body {
        Some(body) => body,
        None => json::line(&draft.changes).into(),
    })
}

/// The event for people: request line and headers, what is known, attempts, body.
fn page(
    event: &Event,
    head: &Head,
    row: &EventRow,
    deliveries: &[EventRow],
    reformat: bool,
    color: Color,
) -> String {
    let mut out = format!(
        "{} {} {}\n",
        visible_bytes(&head.method),
        visible_bytes(&head.target),
        head.version.as_str()
    );
    for header in &head.headers {
        let _ = writeln!(out, "{}: {}", visible_bytes(&header.name), visible_bytes(&header.value));
    }
    out.push('\n');
    for (name, value) in facts(event, row, color) {
        let _ = writeln!(out, "{name:<9} {value}");
    }
    for attempt in &row.attempts {
        let (number, at) = (attempt.number, attempt.started_at);
        let _ = writeln!(
            out,
            "attempt   #{number}  {at}  {}  {}",
            attempt_text(attempt, row.verdict.as_ref()),
            visible(&attempt.target)
        );
    }
    let listed = u32::try_from(row.attempts.len()).unwrap_or(u32::MAX);
    let left_out = row.attempts_made().saturating_sub(listed);
    if left_out > 0 {
        let _ = writeln!(out, "attempt   and {left_out} earlier replays, which are not listed");
    }
    if row.attempts.is_empty() {
        out.push_str("attempt   none\n");
    }
    if deliveries.len() > 1 {
        for delivery in deliveries {
            let here = if delivery.id == row.id { "  this one" } else { "" };
            let (at, outcome) = (delivery.received_at, outcome_word(delivery));
            let _ = writeln!(out, "delivery  {at}  {outcome:8}  {}{here}", delivery.id);
        }
    }
    if !event.body.is_empty() {
        out.push('\n');
        out.push_str(&body::text(&event.body, row.content_type.as_deref(), reformat));
    }
    out
}

fn facts(event: &Event, row: &EventRow, color: Color) -> Vec<(&'static str, String)> {
    let from = match event.peer.source {
        PeerSource::Socket => visible(&event.peer.address).to_string(),
        PeerSource::TrustedProxy => format!("{}, as a proxy says", visible(&event.peer.address)),
    };
    let mut facts = vec![
        ("event", event.id.to_string()),
        ("endpoint", event.endpoint.to_string()),
        ("received", format!("{} from {from}", event.received_at)),
        ("stored", row.stored_at.to_string()),
    ];
    facts.extend(remark_texts(row));
    if let Some(provider) = &row.provider {
        facts.push(("provider", visible(provider).to_string()));
    }
    if let Some(event_type) = &row.event_type {
        facts.push(("type", visible(event_type).to_string()));
    }
    if let Some(id) = &row.provider_event_id {
        facts.push(("their id", visible(id).to_string()));
    }
    if let Some(object) = &row.object_id {
        facts.push(("object", visible(object).to_string()));
    }
    if !row.tags.is_empty() {
        facts.push(("tags", visible(&row.tags.join(" ")).to_string()));
    }
    if let Some(comment) = &row.comment {
        facts.push(("comment", visible(comment).to_string()));
    }
    let verdict = row.verdict.as_ref();
    let verdict = verdict.map_or("not checked yet".to_owned(), |verdict| verdict_line(verdict, color));
    facts.push(("verdict", verdict));
    let size = size_text(row.body_bytes);
    facts.push(("body", format!("{size}, SHA-256 {}", hex::encode(event.body_sha256))));
    facts
}

#[cfg(test)]
mod tests;

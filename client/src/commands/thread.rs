//! `inhaul thread ID`: the events of the same object in order, what is missing between them, and what came out of order.

use std::{fmt::Write, path::Path};

use inhaul_core::visible::visible;
use serde_json::{Value, json};

use crate::{
    cli::ThreadArgs,
    commands::{Exit, Failure, lookup},
    config::load_catalogue,
    history::Relation,
    output::{count_text, fit, json as records, time_text, write_stdout},
    row::EventRow,
    thread::{Place, Step, THREAD_EVENTS_MAX, outcome_word, thread},
};

/// Widest column of a type.
const TYPE_MAX: usize = 40;

/// Shows a thread.
///
/// # Errors
/// When there is no such event, its provider names no object, or the history cannot be read.
pub async fn run(data: Option<&Path>, args: &ThreadArgs) -> anyhow::Result<Exit> {
    let catalogue = load_catalogue(args.config.as_deref()).map_err(Failure::from)?;
    let access = lookup::open(data).await?;
    let id = lookup::event_id(&access, &args.id).await?;
    let rows = access.related(id, Relation::SameObject, THREAD_EVENTS_MAX).await.map_err(Failure::from)?;
    access.close().await.map_err(Failure::from)?;
    let Some(EventRow { object_id: Some(object), provider, .. }) = rows.iter().find(|row| row.id == id)
    else {
        return Err(Failure::new("it is not known what this event is about")
            .hint("`object` in the table of its provider says where the id of the object is (docs/signatures.md)")
            .as_answer()
            .into());
    };
    let (object, provider) = (object.clone(), provider.clone().unwrap_or_default());
    let stages = catalogue.provider(&provider).map(|provider| provider.stages().to_vec()).unwrap_or_default();
    let steps = thread(rows, &stages);
    let text = if args.json {
        records::line(&record(&object, &provider, &steps))
    } else {
        page(&object, &provider, &steps)
    };
    write_stdout(text.as_bytes())?;
    Ok(Exit::Success)
}

fn page(object: &str, provider: &str, steps: &[Step]) -> String {
    let events = steps.iter().filter(|step| matches!(step, Step::Event { .. })).count() as u64;
    let mut out = format!("{} of {}: {}\n", visible(object), visible(provider), count_text(events, "event"));
    for step in steps {
        let _ = match step {
            Step::Event { row, gap, place } => {
                let time = row.received_at.to_string();
                let gap = gap.map_or_else(String::new, |gap| format!("+{}", time_text(gap)));
                let remark = match place {
                    Place::InOrder => "",
                    Place::OutOfOrder => "  out of order",
                    Place::Repeat => "  repeat",
                };
                let kind = fit(row.event_type.as_deref().unwrap_or("-"), 24, TYPE_MAX);
                let outcome = outcome_word(row);
                writeln!(out, "{}  {gap:14} {kind}  {outcome:8}  {}{remark}", clock(&time), row.id)
            }
            Step::Missing(kind) => writeln!(out, "{:10}  {:14} {}  missing", "", "", fit(kind, 24, TYPE_MAX)),
            Step::Expected(kind) => {
                writeln!(out, "{:10}  {:14} {}  not yet here", "", "", fit(kind, 24, TYPE_MAX))
            }
        };
    }
    out
}

/// `07:41:10Z`, from a whole time.
fn clock(time: &str) -> String {
    time.get(11..19).map_or_else(|| time.to_owned(), |clock| format!("{clock}Z "))
}

fn record(object: &str, provider: &str, steps: &[Step]) -> Value {
    let step = |step: &Step| match step {
        Step::Event { row, gap, place } => json!({
            "step": "event",
            "id": row.id,
            "event_type": row.event_type,
            "received_at": row.received_at.to_string(),
            "gap_ms": gap.map(|gap| u64::try_from(gap.as_millis()).unwrap_or(u64::MAX)),
            "place": place.word(),
            "outcome": outcome_word(row),
        }),
        Step::Missing(kind) => json!({ "step": "missing", "event_type": kind }),
        Step::Expected(kind) => json!({ "step": "expected", "event_type": kind }),
    };
    json!({
        "schema": records::SCHEMA,
        "kind": "thread",
        "object": object,
        "provider": provider,
        "steps": steps.iter().map(step).collect::<Vec<_>>(),
    })
}

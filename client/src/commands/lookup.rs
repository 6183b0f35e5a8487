//! From the beginning of an id to the event, and from the arguments to the history.

use std::path::Path;

use inhaul_core::event::{Event, EventId};

use crate::{
    access::{Access, AccessError},
    commands::Failure,
    data_dir::DataDir,
    export::{Exported, Mask, edits},
    history::Found,
    row::{EventRow, EventState},
};

/// How many rows are asked for at once.
pub(super) const PAGE_ROWS: usize = 200;

/// Events that are named where several are meant.
const NAMED_MAX: usize = 3;

/// The way to the history of the data directory named, which is there, or of the user's own.
///
/// # Errors
/// When there is none.
pub async fn open(data: Option<&Path>) -> Result<Access, Failure> {
    is_there(data)?;
    open_or_make(data).await
}

/// Whether the data directory that is named is there: a slip in its name would make a second one.
///
/// # Errors
/// When it is not.
pub fn is_there(data: Option<&Path>) -> Result<(), Failure> {
    match data.filter(|path| !path.exists()) {
        Some(missing) => Err(Failure::new(format!("there is no history in {}", missing.display()))
            .hint("`--data` names the directory that `inhaul listen` was started with, which makes it")),
        None => Ok(()),
    }
}

/// The same, where one is made when there is none.
///
/// # Errors
/// When it cannot be opened.
pub async fn open_or_make(data: Option<&Path>) -> Result<Access, Failure> {
    let data = DataDir::open(data)?;
    Ok(Access::open(data.path()).await?)
}

/// The one event whose id begins like that.
///
/// # Errors
/// When there is none, which is an answer, or several, of which some are named.
pub async fn event_id(access: &Access, beginning: &str) -> Result<EventId, Failure> {
    let found = access.find(beginning).await;
    one(beginning, found)
}

/// An event as it is exported, if it is asked for with what attempts sent in its place; nothing when it has no head that can be read,
/// which the relay never stores.
///
/// # Errors
/// When a draft cannot be read.
pub async fn exported(
    access: &Access,
    (event, row): (Event, EventRow),
    mask: Option<&Mask>,
    with_edits: bool,
) -> Result<Option<Exported>, AccessError> {
    let (whole, edits) = (event.clone(), edits(&row));
    let exported = match mask {
        Some(mask) => mask.apply(event, row),
        None => Exported::whole(event, row),
    };
    let Ok(mut exported) = exported else { return Ok(None) };
    for id in edits.into_iter().filter(|_| with_edits) {
        if let Some(edit) = access.draft(whole.id, id).await? {
            exported.add_draft(&whole, id, &edit.draft, mask);
        }
    }
    Ok(Some(exported))
}

/// Whether a word is written as ids and their beginnings are, and is long enough to be meant as one.
pub fn looks_like_an_id(word: &str) -> bool {
    let is_written_so = word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    is_written_so && word.bytes().filter(u8::is_ascii_hexdigit).count() >= 8
}

/// Every event in a state, oldest first.
///
/// # Errors
/// When the rows cannot be had.
pub async fn ids_in_state(access: &Access, state: EventState) -> Result<Vec<EventId>, Failure> {
    let mut ids = Vec::new();
    loop {
        let page = access.rows(Some(state), ids.last().copied(), PAGE_ROWS).await?;
        if page.is_empty() {
            ids.reverse();
            return Ok(ids);
        }
        ids.extend(page.into_iter().map(|row| row.id));
    }
}

fn one(beginning: &str, found: Result<Found, AccessError>) -> Result<EventId, Failure> {
    match found? {
        Found::One(id) => Ok(id),
        Found::None => Err(Failure::new(format!("there is no event {beginning:?}"))
            .hint("`inhaul events` lists the events there are")
            .as_answer()),
        Found::Many(ids) => {
            let named: Vec<String> = ids.iter().take(NAMED_MAX).map(ToString::to_string).collect();
            let more = match ids.len().saturating_sub(NAMED_MAX) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            Err(Failure::new(format!(
                "{beginning:?} is the beginning of several events: {}{more}",
                named.join(", ")
            ))
            .hint("give more of the id"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::failure::report;

    #[test]
    fn a_word_of_eight_digits_looks_like_an_id() {
        for word in ["0193586a", "0193586A-0000", "0193586a-0000-7000-8000-000000000001"] {
            assert!(looks_like_an_id(word), "{word}");
        }
        for word in ["0193586", "type:ping", "-------8", "deadbeefs", "0193 586a", ""] {
            assert!(!looks_like_an_id(word), "{word}");
        }
    }

    #[test]
    fn none_is_an_answer_and_several_are_a_question() {
        let (a, b): (EventId, EventId) = (
            "0193586a-0000-7000-8000-000000000001".parse().unwrap(),
            "0193586a-0000-7000-8000-000000000002".parse().unwrap(),
        );
        assert_eq!(one("0193", Ok(Found::One(a))).unwrap(), a);
        let shown = |found| report(&one("0193", Ok(found)).unwrap_err().into());
        let (text, code) = shown(Found::None);
        assert!(text.starts_with("error: there is no event \"0193\"\n\nhint: `inhaul events`"), "{text}");
        assert_eq!(code, 1.into());
        let (text, code) = shown(Found::Many(vec![a, b]));
        assert!(text.contains(&format!("{a}, {b}\n\nhint: give more")), "{text}");
        let (text, _) = shown(Found::Many(vec![a; 13]));
        assert!(text.contains(&format!("{a}, {a}, {a} and 10 more\n")), "{text}");
        assert_eq!(code, 2.into());
    }
}

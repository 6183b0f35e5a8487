//! `inhaul tag ID... +word -word`: words a person gives to stored events.

use std::path::{Path, PathBuf};

use crate::{
    annotation::{Annotation, TagChange},
    cli::TagArgs,
    commands::{Exit, Failure, lookup},
    output::write_stdout,
};

/// Gives tags to events and takes them away, and prints the tags they have then.
///
/// # Errors
/// When a word is no tag, there is no such event, or it could not be written.
pub async fn run(data: Option<&Path>, args: &TagArgs) -> anyhow::Result<Exit> {
    let (words, named) = without_data(&args.words)?;
    let data = named.as_deref().or(data);
    if let Some(option) = words.iter().find(|word| word.starts_with("--")) {
        return Err(Failure::new(format!("{option:?} is no tag"))
            .hint("a tag is taken away with one `-` in front of it")
            .into());
    }
    let (words, beginnings): (Vec<&str>, Vec<&str>) =
        words.into_iter().partition(|word| word.starts_with(['+', '-']));
    let change = TagChange::parse(words).map_err(Failure::new)?;
    if beginnings.is_empty() {
        return Err(no("event is named").into());
    }
    if change.is_empty() {
        return Err(no("tag is named").into());
    }
    let access = lookup::open(data).await?;
    let mut ids = Vec::new();
    for beginning in beginnings {
        ids.push(lookup::event_id(&access, beginning).await?);
    }
    let mut text = String::new();
    for id in ids {
        let row = access.annotate(id, Annotation::Tags(change.clone())).await.map_err(Failure::from)?;
        text.push_str(&format!("{id}  {}\n", row.tags.join(" ")));
    }
    access.close().await.map_err(Failure::from)?;
    write_stdout(text.as_bytes())?;
    Ok(Exit::Success)
}

/// The words without `--data DIR`, which may stand among them, and that directory.
fn without_data(words: &[String]) -> Result<(Vec<&str>, Option<PathBuf>), Failure> {
    let (mut others, mut data) = (Vec::new(), None);
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let named = match word.strip_prefix("--data") {
            Some("") => Some(words.next().unwrap_or_default()),
            Some(rest) => rest.strip_prefix('='),
            None => None,
        };
        match named {
            Some("") => return Err(Failure::new("a directory follows `--data`")),
            Some(named) => data = Some(PathBuf::from(named)),
            None => others.push(word),
        }
    }
    Ok((others, data))
}

fn no(what: &str) -> Failure {
    Failure::new(format!("no {what}"))
        .hint("`inhaul tag 0197a2c4 +slow -fine` gives the tag slow and takes fine away")
}

//! `inhaul comment ID [TEXT]`: what a person writes about a stored event.

use std::path::Path;

use inhaul_core::visible::visible;

use crate::{
    annotation::{Annotation, Comment},
    cli::CommentArgs,
    commands::{Exit, Failure, lookup},
    output::write_stdout,
};

/// Writes the comment of an event, in place of the one before; without a text it prints the one there is.
///
/// # Errors
/// When it is too long, there is no such event, or it could not be written.
pub async fn run(data: Option<&Path>, args: &CommentArgs) -> anyhow::Result<Exit> {
    let comment = Comment::new(&args.text.join(" ")).map_err(Failure::new)?;
    let access = lookup::open(data).await?;
    let id = lookup::event_id(&access, &args.id).await?;
    if args.text.is_empty() {
        let found = access.event(id).await.map_err(Failure::from)?;
        access.close().await.map_err(Failure::from)?;
        if let Some(comment) = found.and_then(|(_, row)| row.comment) {
            write_stdout(format!("{}\n", visible(&comment)).as_bytes())?;
        }
        return Ok(Exit::Success);
    }
    access.annotate(id, Annotation::Comment(comment)).await.map_err(Failure::from)?;
    access.close().await.map_err(Failure::from)?;
    Ok(Exit::Success)
}

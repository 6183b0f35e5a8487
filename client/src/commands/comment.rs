//! `inhaul comment ID TEXT`: what a person writes about a stored event.

use std::path::Path;

use crate::{
    annotation::{Annotation, Comment},
    cli::CommentArgs,
    commands::{Exit, Failure, lookup},
};

/// Writes the comment of an event, in place of the one before.
///
/// # Errors
/// When it is too long, there is no such event, or it could not be written.
pub async fn run(data: Option<&Path>, args: &CommentArgs) -> anyhow::Result<Exit> {
    let comment = Comment::new(&args.text.join(" ")).map_err(Failure::new)?;
    let access = lookup::open(data).await?;
    let id = lookup::event_id(&access, &args.id).await?;
    access.annotate(id, Annotation::Comment(comment)).await.map_err(Failure::from)?;
    access.close().await.map_err(Failure::from)?;
    Ok(Exit::Success)
}

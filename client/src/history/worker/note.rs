//! What a person notes on an event.

use inhaul_core::event::EventId;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    super::{HistoryError, record::Change},
    Answer, Reply, Worker,
};
use crate::{
    annotation::{Annotation, AnnotationError, TAGS_MAX},
    row::EventRow,
};

impl Worker {
    /// Records tags or a comment. Tags are recorded as what is given and taken, so that of two changes at once neither is lost.
    pub(super) fn annotate(
        &mut self,
        id: EventId,
        annotation: Annotation,
        answer: Answer<EventRow>,
        room: OwnedSemaphorePermit,
    ) {
        let change = match annotation {
            Annotation::Tags(change) => change,
            Annotation::Comment(comment) => {
                return self.change(id, Change::Comment(comment), Reply::Row(answer), room);
            }
        };
        match self.periods.locate(id) {
            Ok(Some((period, entry))) => {
                let mut tags = entry.row.tags;
                change.apply(&mut tags);
                if tags.len() > TAGS_MAX {
                    return drop(answer.send(Err(AnnotationError::TooManyTags.into())));
                }
                self.append(period, id, Change::Tags(change), Reply::Row(answer), room);
            }
            Ok(None) => drop(answer.send(Err(HistoryError::Unknown(id)))),
            Err(error) => drop(answer.send(Err(error))),
        }
    }
}

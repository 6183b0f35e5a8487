//! What a person notes on events, and what events have in common, stays on record.

use super::*;
use crate::annotation::{Annotation, AnnotationError, Comment, TAGS_MAX, TagChange};

fn tags<'t>(words: impl IntoIterator<Item = &'t str>) -> Annotation {
    Annotation::Tags(TagChange::parse(words).unwrap())
}

fn of_call(id: &str) -> Facts {
    Facts { provider: Some("callpaymin".into()), object_id: Some(id.into()), ..forwarded() }
}

async fn store(history: &History, number: u64, facts: Facts) -> EventId {
    history.store(sample_event(number, &body(number)), facts).await.unwrap();
    sample_event(number, b"").id
}

#[tokio::test]
async fn tags_and_comments_are_on_record() {
    let world = World::new();
    let history = world.open_well();
    let id = store(&history, 1, forwarded()).await;
    let (first, second) = tokio::join!(
        history.annotate(id, tags(["+slow", "+todo"])),
        history.annotate(id, tags(["+bug/12", "-todo"])),
    );
    assert_eq!(first.unwrap().tags, ["slow", "todo"]);
    assert_eq!(second.unwrap().tags, ["bug/12", "slow"], "of two at once, neither is lost");
    let comment = |text: &str| Annotation::Comment(Comment::new(text).unwrap());
    history.annotate(id, comment("old")).await.unwrap();
    let row = history.annotate(id, comment("who sent this?")).await.unwrap();
    assert_eq!(row.comment.as_deref(), Some("who sent this?"));

    // The journal is the truth, also for an index that is made again and for another day.
    let (rows, pending) = everything(&history).await;
    history.close().await.unwrap();
    fs::remove_dir_all(world.periods()[0].join("index.sled")).unwrap();
    world.advance(DAY);
    let history = world.open_well();
    store(&history, 2, forwarded()).await;
    assert_eq!(everything(&history).await.0[0], rows[0]);
    assert_eq!(pending, [id]);
    let row = history.annotate(id, comment("")).await.unwrap();
    assert_eq!((row.comment, row.tags.len()), (None, 2));
    let none_left = history.annotate(id, tags(["-slow", "-bug/12"])).await.unwrap();
    assert_eq!(none_left.tags, Vec::<String>::new());
    history.close().await.unwrap();
}

#[tokio::test]
async fn an_event_has_so_many_tags_and_no_more() {
    let world = World::new();
    let history = world.open_well();
    let id = store(&history, 1, forwarded()).await;
    let names: Vec<String> = (0..TAGS_MAX).map(|number| format!("tag-{number}")).collect();
    history.annotate(id, tags(names.iter().map(String::as_str))).await.unwrap();
    let refused = history.annotate(id, tags(["+more"])).await.unwrap_err();
    assert!(matches!(refused, HistoryError::Annotation(AnnotationError::TooManyTags)), "{refused}");
    let exchanged = history.annotate(id, tags(["+more", "-tag-0"])).await.unwrap();
    assert_eq!(exchanged.tags.len(), TAGS_MAX);
    let unchecked = TagChange { add: vec!["two words".into()], remove: Vec::new() };
    assert!(history.annotate(id, Annotation::Tags(unchecked)).await.is_err());
    history.close().await.unwrap();
}

#[tokio::test]
async fn events_of_one_object_are_found_over_days() {
    let world = World::new();
    let history = world.open_well();
    let ids = |rows: Vec<EventRow>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
    let first = store(&history, 1, of_call("call_1")).await;
    let other = store(&history, 2, of_call("call_2")).await;
    let second = store(&history, 3, of_call("call_1")).await;
    let none = store(&history, 4, forwarded()).await;
    world.advance(DAY);
    let third = store(&history, 5, of_call("call_1")).await;
    for later in [6, 7] {
        let thread = |id, limit| history.related(id, Relation::SameObject, limit);
        assert_eq!(ids(thread(second, 9).await.unwrap()), [first, second, third]);
        assert_eq!(ids(thread(other, 9).await.unwrap()), [other]);
        assert_eq!(ids(thread(none, 9).await.unwrap()), [none], "nothing is known of its object");
        assert_eq!(
            ids(thread(first, 2).await.unwrap()),
            [first, second, third],
            "itself is among the newest"
        );
        world.advance(DAY);
        store(&history, later, forwarded()).await;
    }
    let rows = history.related(third, Relation::SameEvent, 9).await.unwrap();
    assert_eq!(ids(rows), [third], "that they are of one object makes them no repeats");
    history.close().await.unwrap();
    for period in world.periods() {
        fs::remove_dir_all(period.join("index.sled")).unwrap();
        let _ = fs::remove_file(period.join("same.keys"));
    }
    let history = world.open_well();
    assert_eq!(ids(history.related(second, Relation::SameObject, 9).await.unwrap()), [first, second, third]);
    history.close().await.unwrap();
}

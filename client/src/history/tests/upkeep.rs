//! Looking after a history: what is checked, repaired and pruned.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::row::EventState;

fn look_after(world: &World, repair: bool) -> Vec<Checked> {
    let mut all = Vec::new();
    let mut each = |checked| all.push(checked);
    let options = world.options();
    if repair {
        History::repair(&world.path(), &options, &mut each).unwrap();
    } else {
        History::check(&world.path(), &options, &mut each).unwrap();
    }
    all
}

fn problems(checked: &[Checked]) -> Vec<String> {
    checked.iter().flat_map(|checked| checked.problems.clone()).collect()
}

/// Two days of events, closed.
async fn two_days(world: &World) -> Vec<EventRow> {
    let history = world.open_well();
    busy_history(&history, 1..30).await;
    world.advance(DAY);
    busy_history(&history, 30..60).await;
    let (rows, _) = everything(&history).await;
    history.close().await.unwrap();
    rows
}

/// Turns a bit in the middle of an event's body, in whatever file it is.
fn damage_event(world: &World, number: u64) {
    let body = body(number);
    for path in world.periods().iter().flat_map(|period| fs::read_dir(period.join("journal")).unwrap()) {
        let path = path.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        if let Some(at) = bytes.windows(body.len()).position(|window| window == body) {
            bytes[at + body.len() / 2] ^= 1;
            return fs::write(&path, bytes).unwrap();
        }
    }
    panic!("the body of {number} is in no file");
}

#[tokio::test]
async fn a_whole_history_is_found_whole_and_stays_as_it_is() {
    let world = World::new();
    assert_eq!(look_after(&world, false), []);
    let rows = two_days(&world).await;
    for repair in [false, true] {
        let checked = look_after(&world, repair);
        assert_eq!(checked.iter().map(|checked| checked.events).sum::<u64>(), rows.len() as u64);
        assert!(checked.iter().all(|checked| checked.kept.is_none()), "{checked:?}");
        assert_eq!(problems(&checked), Vec::<String>::new());
    }
    assert_eq!(everything(&world.open_well()).await.0, rows);
}

#[tokio::test]
async fn damage_is_named_and_a_repair_leaves_what_can_be_read() {
    let world = World::new();
    let rows = two_days(&world).await;
    damage_event(&world, 7);
    let checked = look_after(&world, false);
    assert!(!problems(&checked).is_empty() && checked[1].problems.is_empty(), "{checked:?}");
    assert!(!problems(&look_after(&world, false)).is_empty(), "a check repairs nothing");
    let repaired = look_after(&world, true);
    let kept = repaired[0].kept.clone().unwrap();
    assert!(kept.file_name().unwrap().to_str().unwrap().starts_with("journal.damaged-"), "{kept:?}");
    assert!(kept.is_dir() && repaired[1].kept.is_none());
    let mode = fs::metadata(kept.with_file_name("journal")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(problems(&look_after(&world, false)), Vec::<String>::new());
    let damaged = sample_event(7, b"").id;
    let left: Vec<EventRow> = rows.into_iter().filter(|row| row.id != damaged).collect();
    let history = world.open_well();
    assert_eq!(everything(&history).await.0, left);
    for row in &left {
        assert!(history.event(row.id).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_repair_that_is_killed_at_any_step_loses_nothing() {
    let world = World::new();
    let rows = two_days(&world).await;
    let period = world.periods().remove(0);
    let journal = period.join("journal");
    // Killed while it copied.
    copy_directory(&journal, &period.join("journal.repairing"));
    assert_eq!(everything(&world.killed_now().open_well()).await.0, rows);
    // Killed with the copy complete, and then between the two names.
    fs::rename(period.join("journal.repairing"), period.join("journal.repaired")).unwrap();
    assert_eq!(everything(&world.killed_now().open_well()).await.0, rows);
    fs::rename(&journal, period.join("journal.damaged-1")).unwrap();
    assert_eq!(everything(&world.killed_now().open_well()).await.0, rows);
}

#[tokio::test]
async fn old_periods_go_whole_and_never_with_something_left_to_do() {
    let world = World::new();
    let history = world.open_well();
    for day in 0..5_u64 {
        let facts = if day == 1 { forwarded() } else { Facts::default() };
        history.store(sample_event(day, &body(day)), facts).await.unwrap();
        world.advance(DAY);
    }
    history.store(sample_event(9, b"x"), Facts::default()).await.unwrap();
    let names: Vec<String> = history.periods().await.unwrap().into_iter().map(|period| period.name).collect();
    assert_eq!(names.len(), 6);
    let prune =
        |days: u64, dry_run| Prune { before: Some(UnixMillis(NOW + days * DAY)), keep_bytes: None, dry_run };
    let pruned = async |prune| {
        let pruned = history.prune(prune).await.unwrap();
        let days = pruned.events.iter().map(|id| (0..=9).position(|day| sample_event(day, b"").id == *id));
        assert_eq!(pruned.events.len(), if prune.dry_run { 0 } else { pruned.periods.len() });
        assert!(days.into_iter().all(|day| day.is_some()), "one event each");
        pruned.periods.into_iter().map(|period| period.name).collect::<Vec<_>>()
    };
    assert_eq!(pruned(prune(3, true)).await, [&*names[0], &*names[2]]);
    assert_eq!(history.periods().await.unwrap().len(), 6, "it was only asked");
    assert_eq!(pruned(prune(3, false)).await, [&*names[0], &*names[2]], "an event is pending in the other");
    assert_eq!(history.event(sample_event(0, b"").id).await.unwrap(), None);
    assert_eq!(history.status().await.unwrap().events, 4);
    let all = Prune { before: None, keep_bytes: Some(0), dry_run: false };
    assert_eq!(pruned(all).await, [&*names[3], &*names[4]], "the current one stays");
    history.settle(sample_event(1, b"").id).await.unwrap();
    assert_eq!(pruned(all).await, [&*names[1]]);

    // What a kill left of a period that was going is no period.
    history.close().await.unwrap();
    assert_eq!(fs::read_dir(world.path().join("history")).unwrap().count(), 2, "`format`, and one period");
    fs::create_dir(world.path().join("history/pruned-2025-11-24.1")).unwrap();
    let history = world.open_well();
    assert!(!world.path().join("history/pruned-2025-11-24.1").exists());
    let rows = history.in_state(EventState::Settled, None, 9).await.unwrap();
    assert_eq!(rows, [], "of settled events there is no list");
    assert_eq!(history.rows(None, 9).await.unwrap().len(), 1);
}

/// One period that cannot be opened keeps no other from being looked at.
#[tokio::test]
async fn a_period_that_cannot_be_opened_is_a_problem_and_not_the_end() {
    let world = World::new();
    two_days(&world).await;
    let journal = world.periods()[0].join("journal");
    fs::rename(&journal, world.temp.path().join("aside")).unwrap();
    fs::write(&journal, "in the way").unwrap();
    for repair in [false, true] {
        let checked = look_after(&world, repair);
        assert_eq!(checked.len(), 2);
        assert_eq!((checked[0].problems.len(), checked[1].problems.len()), (1, 0), "{checked:?}");
        assert!(checked[0].problems[0].contains("journal"), "{checked:?}");
        assert_eq!(checked[1].events, 30);
    }
}

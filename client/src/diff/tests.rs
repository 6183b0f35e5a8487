//! What differs is found, nothing else is, and either side can be read off the result.

use proptest::prelude::*;
use serde_json::Value;

use super::{json::PATH_MAX_BYTES, lines::Layout, *};
use crate::{
    history::tests::sample_event,
    json_text::tests::any_json,
    output::{
        Color,
        tests::{answered, row},
    },
};

fn none() -> Ignore {
    Ignore::default()
}

fn compare(left: &str, right: &str) -> Vec<Row> {
    body(left.as_bytes(), right.as_bytes(), &none())
}

/// The differences, one a line: what, where, left and right.
fn changed(rows: &[Row]) -> Vec<String> {
    let counted = rows.iter().filter(|row| row.change.counts());
    let text = |text: &Option<String>| text.as_deref().map_or("-", str::trim).to_owned();
    let line = |row: &Row| {
        let (left, right) = (text(&row.left), text(&row.right));
        format!("{:?} {} | {left} | {right}", row.change, text(&row.path))
    };
    counted.map(line).collect()
}

/// What one side says, from its column.
fn side(rows: &[Row], of: fn(&Row) -> &Option<String>) -> String {
    rows.iter().filter_map(|row| of(row).as_deref()).collect::<Vec<_>>().join("\n")
}

#[test]
fn names_may_be_in_any_order_and_numbers_keep_their_digits() {
    assert!(
        compare(r#"{"a":1,"b":[1,2]}"#, r#"{ "b": [1, 2], "a": 1 }"#).iter().all(|row| !row.change.counts())
    );
    assert!(compare(r#"{"a":"\u00fc"}"#, r#"{"a":"ü"}"#).iter().all(|row| !row.change.counts()));
    let rows =
        compare(r#"{"a":1.10,"n":12345678901234567890123}"#, r#"{"n":12345678901234567890124,"a":1.1}"#);
    assert_eq!(
        changed(&rows),
        [
            r#"Changed $.a | "a": 1.10, | "a": 1.1,"#,
            r#"Changed $.n | "n": 12345678901234567890123 | "n": 12345678901234567890124"#,
        ]
    );
}

/// A sender chooses names, and every difference has its place.
#[test]
fn a_place_with_long_names_is_left_out_and_the_difference_stays() {
    let json = |name: usize, value: &str| format!("{{\"{}\":[{value},{value}]}}", "n".repeat(name));
    let places = |name| {
        let rows = compare(&json(name, "1"), &json(name, "2"));
        let counted = rows.into_iter().filter(|row| row.change.counts());
        counted.map(|row| row.path).collect::<Vec<_>>()
    };
    let long = PATH_MAX_BYTES - "$.[0]".len();
    let place = |index| Some(format!("$.{}[{index}]", "n".repeat(long)));
    assert_eq!(places(long), [place(0), place(1)]);
    assert_eq!(places(long + 1), [None, None]);
}

#[test]
fn items_are_aligned_by_their_id_or_where_they_fit() {
    let rows = compare(
        r#"{"items":[{"id":1,"n":1},{"id":2,"n":2},{"id":3,"n":3}]}"#,
        r#"{"items":[{"id":2,"n":9},{"id":3,"n":3},{"id":4,"n":4}]}"#,
    );
    let found = changed(&rows);
    assert_eq!(found[0], "Removed $.items[0] | { | -");
    assert!(found.iter().any(|line| line == r#"Changed $.items[1].n | "n": 2 | "n": 9"#), "{found:#?}");
    assert!(found.iter().any(|line| line == r#"Added - | - | "id": 4,"#), "{found:#?}");
    assert!(!found.iter().any(|line| line.contains(r#""id": 3"#)), "{found:#?}");
    let rows = compare("[1,2,3,4]", "[0,1,2,4]");
    assert_eq!(changed(&rows), ["Added $[0] | - | 0,", "Removed $[2] | 3, | -"]);
}

#[test]
fn what_is_ignored_differs_and_does_not_count() {
    let ignore = Ignore {
        headers: vec!["X-Request-Id".to_owned()],
        json: ["created", "items[*].at"].map(|path| JsonPath::parse(path).unwrap()).to_vec(),
    };
    let left = br#"{"created":1,"items":[{"at":1,"n":1}]}"#;
    let right = br#"{"created":{"x":2},"items":[{"at":2,"n":1}]}"#;
    let rows = body(left, right, &ignore);
    assert!(rows.iter().all(|row| !row.change.counts()));
    assert!(rows.iter().any(|row| row.change == Change::Ignored));
    assert!(
        !body(left, br#"{"created":1,"items":[{"at":1,"n":2}]}"#, &ignore)
            .iter()
            .all(|row| !row.change.counts())
    );
    let header = |value: &str| vec![("x-request-id".to_owned(), value.to_owned())];
    let rows = headers::compare(&header("1"), &header("2"), &ignore);
    assert_eq!(rows[0].change, Change::Ignored);
    assert_eq!(headers::compare(&header("1"), &[], &ignore)[0].change, Change::Ignored);
}

#[test]
fn headers_are_a_multiset() {
    let lines = |text: &str| -> Vec<(String, String)> {
        text.split_whitespace()
            .map(|line| line.split_once(':').unwrap())
            .map(|(a, b)| (a.into(), b.into()))
            .collect()
    };
    let rows = headers::compare(&lines("a:1 b:2 b:3 c:4"), &lines("C:4 b:3 a:1 b:5 d:6"), &none());
    assert_eq!(changed(&rows), ["Changed - | b: 2 | b: 5", "Added - | - | d: 6"]);
}

#[test]
fn what_is_no_json_is_compared_by_lines_and_bytes_in_rows() {
    let rows = compare("a\nb\nc\n", "a\nB\nc\nd\n");
    assert_eq!(changed(&rows), ["Changed - | b | B", "Added - | - | d"]);
    let (left, mut right) = (vec![0xff; 200_000], vec![0xff; 200_000]);
    assert!(body(&left, &right, &none()).iter().all(|row| !row.change.counts()));
    right[150_000] = 0;
    let rows = body(&left, &right, &none());
    let last = rows.last().unwrap();
    assert!(last.left.as_ref().unwrap().ends_with("different from byte 150000 on"), "{last:?}");
}

#[test]
fn a_large_difference_is_one_difference() {
    let text = |from: usize| (from..from + 30_000).map(|number| format!("{number}\n")).collect::<String>();
    let rows = compare(&format!("same\n{}", text(0)), &format!("same\n{}", text(100_000)));
    assert_eq!(rows[0].change, Change::Same);
    let section = Section { part: Part::Body, rows };
    assert_eq!(section.differences(), 1);
}

#[test]
fn equal_rows_are_folded_but_for_those_around_a_difference() {
    let left: String = (0..40).map(|number| format!("{number}\n")).collect();
    let rows = compare(&left, &left.replace("20\n", "x\n"));
    let section = Section { part: Part::Body, rows };
    let hunks = section.hunks(2);
    let shape: Vec<usize> = hunks
        .iter()
        .map(|hunk| match hunk {
            Hunk::Rows(rows) => rows.len(),
            Hunk::Folded(count) => *count,
        })
        .collect();
    assert_eq!(shape, [18, 5, 18]);
    assert!(matches!(hunks[0], Hunk::Folded(_)) && matches!(hunks[1], Hunk::Rows(_)));
}

fn two_events() -> (Event, EventRow, Event, EventRow) {
    let left = sample_event(1, br#"{"id":"evt_1","amount":100,"created":1,"lines":[1,2,3,4,5,6,7,8,9]}"#);
    let mut right = sample_event(
        2,
        br#"{"id":"evt_2","created":2,"amount":100,"lines":[1,2,3,4,5,6,7,8,9],"x":"\u001b[2J"}"#,
    );
    right.head =
        "PUT /in/orders-1/hook?n=1 HTTP/1.1\r\nX-New: \x1b[31m\r\nContent-Type: text/plain\r\n\r\n".into();
    let with = |status| EventRow { attempts: vec![answered(1, status)], ..row() };
    (left, with(200), right, with(500))
}

#[test]
fn every_part_is_shown_in_one_column_and_in_two() {
    let (left, left_row, right, right_row) = two_events();
    let diff = events((&left, &left_row), (&right, &right_row), &none());
    assert!(!diff.is_empty());
    let unified = lines::text(&diff, Layout::Unified, 2, Color::Off);
    let beside = lines::text(&diff, Layout::SideBySide(60), 2, Color::Off);
    insta::assert_snapshot!(format!("{unified}\n{beside}"));
    let colored = lines::text(&diff, Layout::SideBySide(20), 2, Color::On);
    assert!(!colored.contains("\x1b[2J"), "{colored:?}");
}

#[test]
fn an_event_does_not_differ_from_itself() {
    let (left, left_row, ..) = two_events();
    let diff = events((&left, &left_row), (&left, &left_row), &none());
    assert!(diff.is_empty());
    assert_eq!(diff.differences(), 0);
}

proptest! {
    #[test]
    fn either_document_can_be_read_off_its_column(left in any_json(), right in any_json()) {
        let (left_text, right_text) = (left.to_string(), serde_json::to_string_pretty(&right).unwrap());
        let rows = compare(&left_text, &right_text);
        let read = |text: String| serde_json::from_str::<Value>(&text).unwrap();
        prop_assert_eq!(read(side(&rows, |row| &row.left)), left.clone());
        prop_assert_eq!(read(side(&rows, |row| &row.right)), right.clone());
        let is_empty = rows.iter().all(|row| !row.change.counts());
        prop_assert_eq!(is_empty, left == right);
    }

    #[test]
    fn either_text_can_be_read_off_its_column(left in "([ab]\n|x){0,12}", right in "([ab]\n|x){0,12}") {
        let rows = text::compare(&left, &right);
        prop_assert_eq!(side(&rows, |row| &row.left), left.clone());
        prop_assert_eq!(side(&rows, |row| &row.right), right.clone());
        prop_assert_eq!(rows.iter().all(|row| !row.change.counts()), left == right);
    }

    #[test]
    fn equal_bodies_do_not_differ(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(body(&bytes, &bytes, &none()).iter().all(|row| !row.change.counts()));
    }
}

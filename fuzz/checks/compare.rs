//! Any two bodies side by side, parted by a zero byte: nothing is lost of either, and a body does not differ from itself.

use inhaul::diff::{Ignore, Part, Row, Section, body};

fn section(rows: Vec<Row>) -> Section {
    Section { part: Part::Body, rows }
}

pub(crate) fn check(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |&byte| byte == 0);
    let [left, right] = [(); 2].map(|()| parts.next().unwrap_or_default());
    let ignore = Ignore::default();
    let there = section(body(left, right, &ignore));
    let back = section(body(right, left, &ignore));
    assert_eq!(there.differences() == 0, back.differences() == 0, "{left:?} {right:?}");
    for (one, other) in [(left, left), (right, right)] {
        let same = section(body(one, other, &ignore));
        assert_eq!(same.differences(), 0, "{one:?} differs from itself");
    }
    if there.differences() == 0 && !left.is_empty() && !right.is_empty() {
        assert!(
            left == right || is_json(left) && is_json(right),
            "{left:?} and {right:?} are taken to be the same"
        );
    }
    for row in &there.rows {
        assert!(row.left.is_some() || row.right.is_some(), "a row of nothing");
    }
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

//! Attempts that sent something else than was received.

use super::*;
use crate::{
    draft::{Changes, Draft, IdChange, Sign},
    row::{Attempt, Changed},
};

fn draft() -> Draft {
    let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let changes = Changes {
        set_values: vec!["n=2".to_owned()],
        set_query: pair("q", "7"),
        set_headers: pair("X-New", "1"),
        mark: true,
        ..Changes::default()
    };
    Draft { body: None, changes }
}

/// The second attempt of an event that was sent as this draft says, with such a body.
fn replayed(draft: &Draft, sent_body: &[u8], is_on_record: bool, masks: bool) -> serde_json::Value {
    let headers = [("Authorization", "Bearer s3cret"), ("Content-Type", "application/json")];
    let headers = headers.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    let mut exported =
        exported_of("POST", "/a?token=abc", &headers, br#"{"n":1, "card":{"number":"4012888"}}"#);
    let changed = Changed {
        what: draft.words(false).join(", "),
        edit: (!draft.keeps_content()).then(|| draft.id()),
        body_bytes: sent_body.len() as u64,
        body_sha256: Event::digest(sent_body),
    };
    exported.row.attempts = vec![answered(1, 500), Attempt { changed: Some(changed), ..answered(2, 200) }];
    let whole = exported.event.clone();
    let json = [JsonPath::parse("card.number").unwrap()];
    let mask = masks.then(|| Mask::new(catalogue(), &[], &json));
    if let Some(mask) = &mask {
        exported = mask.apply(exported.event, exported.row).unwrap();
    }
    for edit in edits(&exported.row).into_iter().filter(|_| is_on_record) {
        exported.add_draft(&whole, edit, draft, mask.as_ref());
    }
    let received = exported.event.clone();
    let entries = har::entries(&exported);
    let first = serde_json::to_value(&entries[0]).unwrap();
    assert!(first["_inhaul"].get("changed").is_none() && first.get("comment").is_none(), "{first}");
    // Whichever entry is read, the event is the one that was received.
    for entry in &entries {
        let (begin, end) = har::frame();
        let archive = format!("{begin}{}{end}", serde_json::to_string(entry).unwrap());
        let read = import::har::read(archive.as_bytes(), &"imported".parse().unwrap()).unwrap();
        assert_eq!((&read[0].event.head, &read[0].event.body), (&received.head, &received.body));
    }
    serde_json::to_value(&entries[1]).unwrap()
}

#[test]
fn an_edited_request_is_written_as_it_was_sent() {
    let body = r#"{"n":2, "card":{"number":"4012888"}}"#;
    let entry = replayed(&draft(), body.as_bytes(), true, false);
    let request = &entry["request"];
    assert_eq!(request["url"], "http://localhost:3000/a?token=abc&q=7");
    assert_eq!(request["queryString"][1]["value"], "7");
    assert_eq!(request["postData"]["text"], body);
    let headers = request["headers"].as_array().unwrap();
    let mark = format!("of={}; n=2", row().id);
    for (name, value) in [("X-New", "1"), ("X-Inhaul-Replay", &*mark)] {
        assert!(headers.contains(&serde_json::json!({"name": name, "value": value})), "{request}");
    }
    assert_eq!(entry["comment"], format!("sent changed: {}", draft().words(false).join(", ")));
    let changed = &entry["_inhaul"]["changed"];
    assert_eq!((&changed["request"], &changed["body_bytes"]), (&"sent".into(), &body.len().into()));
}

#[test]
fn an_edited_request_is_masked_too() {
    let entry = replayed(&draft(), br#"{"n":2, "card":{"number":"4012888"}}"#, true, true);
    let text = entry.to_string();
    assert!(
        !["token=abc", "s3cret", "4012888", "orders-0f0f"].iter().any(|secret| text.contains(secret)),
        "{text}"
    );
    assert_eq!(entry["request"]["url"], "http://localhost:3000/a?token=***&q=7");
    assert_eq!(entry["request"]["postData"]["text"], r#"{"n":2, "card":{"number":"***"}}"#);
    assert_eq!(entry["_inhaul"]["changed"]["request"], "sent");
}

#[test]
fn what_is_not_on_record_any_more_is_said() {
    let received = r#"{"n":1, "card":{"number":"4012888"}}"#;
    let said = |draft: &Draft, sent_body: &[u8], is_on_record| {
        let entry = replayed(draft, sent_body, is_on_record, false);
        let word = entry["_inhaul"]["changed"]["request"].as_str().unwrap().to_owned();
        (word, entry["comment"].as_str().unwrap().to_owned(), entry["request"]["postData"]["text"].clone())
    };
    let (word, comment, body) = said(&draft(), b"x", false);
    assert_eq!((&*word, body), ("received", received.into()));
    assert!(comment.contains("set n") && comment.ends_with("so this is what was received"), "{comment}");

    let mut signed = draft();
    signed.changes.sign = Sign::Fresh;
    let (word, comment, body) = said(&signed, br#"{"n":2, "card":{"number":"4012888"}}"#, true);
    assert_eq!((&*word, body), ("partly", r#"{"n":2, "card":{"number":"4012888"}}"#.into()));
    assert!(comment.ends_with("the signature and the id made for it are not on record"), "{comment}");

    // The digest tells that its body was another one.
    assert_eq!(said(&draft(), b"another body", true).0, "partly");

    let changes = Changes { sign: Sign::Fresh, id: IdChange::NewInHeader, ..Changes::default() };
    let (word, comment, _) = said(&Draft { body: None, changes }, received.as_bytes(), true);
    assert_eq!(word, "received");
    assert!(comment.contains("signed anew; what was made for it is not on record"), "{comment}");
}

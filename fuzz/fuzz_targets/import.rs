//! Any bytes as a file that is imported or played: events, or an error that names its place; what was read is an event that can be stored, and
//! reads back from its record.

#![no_main]

use std::path::Path;

use inhaul::{
    export::fixture::{EVENT_FILE, HEAD_FILE},
    import::{self, FileKind, Imported, fixture, har, ndjson},
    scenario::Scenario,
};
use inhaul_core::{event::Event, signature::catalogue};
use libfuzzer_sys::fuzz_target;

fn check(mut imported: Imported) {
    import::recognise(&mut imported, catalogue());
    let event = imported.event;
    let head = event.parsed_head().expect("its head is one");
    assert!(event.prefix_bytes <= head.target.len());
    assert_eq!(event.body_sha256, Event::digest(&event.body));
    let record = [&event.record_prefix()[..], &event.body].concat();
    assert_eq!(Event::from_record(record.into()).expect("its record is one"), event);
}

fuzz_target!(|bytes: &[u8]| {
    let otherwise = "imported".parse().expect("it is a name");
    let read = match import::kind_of(bytes) {
        FileKind::Har => har::read(bytes, &otherwise),
        FileKind::Ndjson => ndjson::read(bytes, &otherwise),
    };
    match read {
        Ok(events) => events.into_iter().for_each(check),
        Err(error) => assert!(!error.place.is_empty(), "{error}"),
    }
    // A fixture has three files; a zero byte parts them here.
    let mut files = bytes.splitn(3, |&byte| byte == 0);
    let [event, head, body] = [(); 3].map(|()| files.next().unwrap_or_default().to_vec());
    let file = |name: &str| match name {
        EVENT_FILE => Ok(event.clone()),
        HEAD_FILE => Ok(head.clone()),
        _ => Ok(body.clone()),
    };
    if let Ok(imported) = fixture::read(file, &otherwise) {
        check(imported);
    }
    let _ = Scenario::parse(Path::new("/nowhere/scenario.toml"), bytes);
});

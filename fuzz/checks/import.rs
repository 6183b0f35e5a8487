//! Any bytes as a file that is imported or played: events, or an error that names its place; what was read is an event that can be stored, and
//! reads back from its record, and from what is exported of it.

use std::path::Path;

use inhaul::{
    export::{
        Exported,
        fixture::{EVENT_FILE, HEAD_FILE, fixture},
        har as archive,
    },
    history::arriving_row,
    import::{self, FileKind, ImportError, Imported, har, ndjson},
    scenario::Scenario,
};
use inhaul_core::{event::Event, signature::catalogue};

fn check_event(mut imported: Imported) {
    import::recognise(&mut imported, catalogue());
    let event = &imported.event;
    let head = event.parsed_head().expect("its head is one");
    assert!(event.prefix_bytes <= head.target.len());
    assert_eq!(event.body_sha256, Event::digest(&event.body));
    let record = [&event.record_prefix()[..], &event.body].concat();
    assert_eq!(&Event::from_record(record.into()).expect("its record is one"), event);
    check_exports(&imported);
}

fn only(read: Result<Vec<Imported>, ImportError>) -> Imported {
    let mut events = read.expect("what was exported is read");
    assert_eq!(events.len(), 1, "one event is exported as one");
    events.remove(0)
}

/// Whatever was read and is exported is read again the same.
fn check_exports(imported: &Imported) {
    let otherwise = "other".parse().expect("it is a name");
    let row = arriving_row(&imported.event, &imported.facts, imported.event.received_at);
    let exported = Exported::whole(imported.event.clone(), row).expect("its head is one");

    let entries = archive::entries(&exported);
    let entries: Vec<String> =
        entries.iter().map(|entry| serde_json::to_string(entry).expect("it has a JSON form")).collect();
    let (begin, end) = archive::frame();
    let file = format!("{begin}{}{end}", entries.join(","));
    assert_eq!(&only(har::read(file.as_bytes(), &otherwise)), imported, "{file}");

    let files = fixture(&exported).files;
    let file = |name: &str| {
        let file = files.iter().find(|(known, _)| known == name);
        file.map(|(_, bytes)| bytes.to_vec()).ok_or_else(|| format!("{name} is not there"))
    };
    assert_eq!(import::fixture::read(file, &otherwise).as_ref(), Ok(imported), "{files:?}");

    // Here the head is written anew from its fields.
    let line = exported.json_line();
    let mut again = only(ndjson::read(line.as_bytes(), &otherwise));
    assert_eq!(again.event.parsed_head().expect("its head is one"), exported.head, "{line}");
    again.event.head = imported.event.head.clone();
    assert_eq!(&again, imported, "{line}");
}

pub(crate) fn check(bytes: &[u8]) {
    let otherwise = "imported".parse().expect("it is a name");
    let read = match import::kind_of(bytes) {
        FileKind::Har => har::read(bytes, &otherwise),
        FileKind::Ndjson => ndjson::read(bytes, &otherwise),
    };
    match read {
        Ok(events) => events.into_iter().for_each(check_event),
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
    if let Ok(imported) = import::fixture::read(file, &otherwise) {
        check_event(imported);
    }
    let _ = Scenario::parse(Path::new("/nowhere/scenario.toml"), bytes);
}

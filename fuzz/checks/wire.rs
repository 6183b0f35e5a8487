//! Any bytes as frames: each is an error, or is written and read back the same; and both ends of a session take any frames in any
//! order without a panic, and with no more memory than the window.

use std::time::{Duration, Instant};

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use inhaul_core::{
    event::{EndpointName, UnixMillis},
    session::{
        Admitted, ClientCommand, ClientConfig, ClientEnd, Lane, Read, RelayCommand, RelayConfig, RelayEnd,
        Timing,
    },
    wire::{Credit, Frame, HelloEndpoint, WelcomeEndpoint},
};
use uuid::Uuid;

/// What a client lets be on its way.
const WINDOW: Credit = Credit { events: 4, bytes: 4096 };

/// The largest event it takes.
const EVENT_MAX_BYTES: u64 = 8192;

#[derive(Arbitrary, Debug)]
enum Step {
    /// A message as it came.
    Message(Vec<u8>),
    /// A frame whose lengths fit: its type, JSON and raw part.
    Framed { kind: u8, json: String, raw: Vec<u8> },
    /// Time passes.
    Wait(u8),
    /// The client has stored the first event it was given.
    Stored,
}

fn orders() -> EndpointName {
    "orders".parse().expect("it is a name")
}

fn message(step: &Step) -> Option<Bytes> {
    match step {
        Step::Message(bytes) => Some(bytes.clone().into()),
        Step::Framed { kind, json, raw } => {
            let length = u32::try_from(json.len()).ok()?.to_be_bytes();
            Some([&[*kind], &length[..], json.as_bytes(), raw].concat().into())
        }
        Step::Wait(_) | Step::Stored => None,
    }
}

/// What is read is written and read again.
fn decode(bytes: Bytes) -> Result<Option<Frame>, String> {
    let decoded = Frame::decode(bytes).map_err(|error| error.to_string())?;
    if let Some(frame) = &decoded {
        let again = Frame::decode(frame.encode()).expect("what was written is read");
        assert_eq!(again.as_ref(), Some(frame));
    }
    Ok(decoded)
}

fn client(steps: &[Step]) {
    let mut now = Instant::now();
    let config = ClientConfig {
        client_id: Uuid::from_u128(1),
        software: "fuzz".into(),
        endpoints: vec![HelloEndpoint { name: orders(), token: "t".into(), resume: None, sharing: None }],
        window: WINDOW,
        max_event_bytes: EVENT_MAX_BYTES,
        timing: Timing::default(),
    };
    let mut end = ClientEnd::new(config, now);
    let mut unstored: Vec<(u64, u64)> = Vec::new();
    for step in steps {
        match (step, message(step).map(decode)) {
            (_, Some(Ok(Some(frame)))) => end.handle_frame(frame, now),
            (_, Some(Err(reason))) => end.handle_bad_frame(&reason),
            (Step::Wait(seconds), _) => {
                now += Duration::from_secs((*seconds).into());
                end.handle_timeout(now);
            }
            (Step::Stored, _) if !unstored.is_empty() => end.handle_stored(&orders(), unstored.remove(0).0),
            (_, _) => {}
        }
        while let Some(command) = end.poll_command() {
            if let ClientCommand::Store(delivery) = command {
                let bytes = delivery.event.head.len() + delivery.event.body.len();
                unstored.push((delivery.seq, bytes as u64));
            }
        }
        let bytes: u64 = unstored.iter().map(|(_, bytes)| bytes).sum();
        let within = unstored.len() as u64 <= WINDOW.events && bytes <= WINDOW.bytes;
        assert!(unstored.len() <= 1 || within, "{bytes} bytes in {} events", unstored.len());
        assert!(bytes <= EVENT_MAX_BYTES.max(WINDOW.bytes), "{bytes} bytes");
        for _ in 0..100 {
            let Some(frame) = end.poll_frame() else { break };
            decode(frame.encode()).expect("an end writes frames");
        }
    }
}

fn relay(steps: &[Step]) {
    let mut now = Instant::now();
    let config = RelayConfig {
        timing: Timing::default(),
        software: "fuzz".into(),
        max_answer_bytes: 4096,
        max_unfinished_bytes: 8192,
    };
    let mut end = RelayEnd::new(config, now);
    for step in steps {
        match (step, message(step).map(decode)) {
            (_, Some(Ok(Some(frame)))) => end.handle_frame(frame, now),
            (_, Some(Err(reason))) => end.handle_bad_frame(&reason),
            (Step::Wait(seconds), _) => {
                now += Duration::from_secs((*seconds).into());
                end.handle_timeout(now);
            }
            (_, _) => {}
        }
        for _ in 0..100 {
            match end.poll_command() {
                Some(RelayCommand::Admit(hello)) => {
                    let lane = |asked: HelloEndpoint| Lane {
                        welcome: WelcomeEndpoint {
                            name: asked.name,
                            url: "https://relay.example/in/o".into(),
                            spool: Uuid::from_u128(2),
                            backlog_events: 0,
                            backlog_bytes: 0,
                            sharing: None,
                            expired: None,
                            taken_when_late: false,
                        },
                        cursor: 5,
                    };
                    let lanes = hello.endpoints.into_iter().map(lane).collect();
                    end.handle_admitted(Admitted { generation: 1, lanes, time: UnixMillis(0) });
                }
                Some(RelayCommand::ReadNext { endpoint, .. }) => end.handle_read(&endpoint, Read::Empty),
                // A client that was sent nothing has stored nothing new.
                Some(RelayCommand::Forget(stored)) => {
                    assert!(stored.up_to <= 5 && stored.plus.iter().all(|seq| *seq <= 5), "{stored:?}");
                }
                Some(RelayCommand::Answer { id, .. }) => panic!("nobody waits for {id}"),
                Some(RelayCommand::Close) | None => break,
            }
        }
        for _ in 0..100 {
            let Some(frame) = end.poll_frame(now) else { break };
            decode(frame.encode()).expect("an end writes frames");
        }
    }
}

pub(crate) fn check(bytes: &[u8]) {
    let Ok(steps) = Vec::<Step>::arbitrary_take_rest(Unstructured::new(bytes)) else { return };
    client(&steps);
    relay(&steps);
}

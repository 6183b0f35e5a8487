//! Frames of every kind with numbers that fit and numbers that do not, in any order: an end closes or goes on, and never holds more
//! than it granted.

use proptest::prelude::*;

use super::*;

/// An event's number, id and length of body; and whether its EVENT says all that as it is.
fn event_frame() -> impl Strategy<Value = Frame> {
    (0..6_u64, 0..4_u64, prop_oneof![Just(0), 1..3000_usize], any::<bool>(), 0..3_usize).prop_map(
        |(seq, id, body_bytes, right, prefix_bytes)| {
            let sample = event(id, vec![5; body_bytes]);
            let mut meta = EventMeta::of(&sample);
            meta.prefix_bytes = prefix_bytes;
            if !right {
                meta.body_bytes *= 1000;
                meta.head_bytes += seq as usize % 2;
            }
            Frame::Event(
                EventHeader { meta, seq, deadline_ms: (id == 1).then_some(seq), missed: id == 2 },
                sample.head,
            )
        },
    )
}

fn chunk_frame() -> impl Strategy<Value = Frame> {
    (0..4_u128, prop_oneof![Just(0), Just(1000), any::<u64>()], prop_oneof![Just(1000), 0..3000_usize])
        .prop_map(|(id, offset, bytes)| {
            Frame::Chunk(Chunk { id: EventId(Uuid::from_u128(id)), offset }, vec![5; bytes].into())
        })
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let stored = (0..9_u64, prop::collection::vec(0..9_u64, 0..4))
        .prop_map(|(up_to, plus)| Frame::Stored(Stored { endpoint: orders(), up_to, plus }));
    let result = (0..4_u128, any::<u64>()).prop_map(|(id, body_bytes)| {
        let kind = ResultKind::Answered { status: 200, body_bytes };
        Frame::Result(ResultHeader { id: EventId(Uuid::from_u128(id)), kind, latency_ms: 1 }, Bytes::new())
    });
    let hello =
        Hello { versions: vec![1], software: "t".into(), client_id: Uuid::nil(), endpoints: Vec::new() };
    prop_oneof![
        6 => event_frame(),
        8 => chunk_frame(),
        3 => stored,
        2 => result,
        2 => (any::<u64>(), any::<u64>()).prop_map(|(events, bytes)| Frame::Credit(Credit { events, bytes })),
        1 => any::<u64>().prop_map(|time| Frame::Ping(Echo { time })),
        1 => any::<u64>().prop_map(|time| Frame::Pong(Echo { time })),
        1 => any::<u64>().prop_map(|after_ms| Frame::Drain(Drain { after_ms })),
        1 => Just(Frame::Hello(hello)),
    ]
}

/// An end of a session that has begun, and its number of events that wait in the spool.
fn begun(now: Instant) -> (RelayEnd, ClientEnd) {
    let (mut relay, mut client) = (relay(now), client(now, WINDOW, None));
    relay.handle_frame(client.poll_frame().unwrap(), now);
    assert!(matches!(relay.poll_command(), Some(RelayCommand::Admit(_))));
    relay.handle_admitted(admitted(0));
    client.handle_frame(relay.poll_frame(now).unwrap(), now);
    (relay, client)
}

proptest! {
    #[test]
    fn a_client_holds_no_more_than_it_granted_whatever_comes(
        frames in prop::collection::vec((any_frame(), any::<bool>(), 0..20_u64), 0..60)
    ) {
        let mut now = Instant::now();
        let (_, mut client) = begun(now);
        let mut unstored: Vec<(u64, u64)> = Vec::new();
        for (frame, stores, seconds) in frames {
            client.handle_frame(frame, now);
            while let Some(command) = client.poll_command() {
                if let ClientCommand::Store(delivery) = command {
                    let bytes = delivery.event.head.len() + delivery.event.body.len();
                    unstored.push((delivery.seq, bytes as u64));
                }
            }
            let bytes: u64 = unstored.iter().map(|(_, bytes)| bytes).sum();
            prop_assert!(unstored.len() <= 1 || (unstored.len() as u64 <= WINDOW.events && bytes <= WINDOW.bytes));
            if stores && !unstored.is_empty() {
                client.handle_stored(&orders(), unstored.remove(0).0);
            }
            while client.poll_frame().is_some() {}
            now = after(now, seconds);
            client.handle_timeout(now);
        }
    }

    #[test]
    fn a_relay_sends_no_more_than_it_was_granted_whatever_comes(
        frames in prop::collection::vec((any_frame(), 0..20_u64), 0..60), waiting in 0..9_u64
    ) {
        let mut now = Instant::now();
        let (mut relay, _) = begun(now);
        let mut granted = Credit::default();
        let (mut sent, mut stored) = (0, 0);
        for (frame, seconds) in frames {
            if let Frame::Credit(credit) = &frame {
                granted.events = granted.events.max(credit.events);
            }
            relay.handle_frame(frame, now);
            while let Some(command) = relay.poll_command() {
                match command {
                    RelayCommand::ReadNext { after, .. } => {
                        let read = if after < waiting { outgoing(after + 1, vec![5; 10]) } else { Read::Empty };
                        relay.handle_read(&orders(), read);
                    }
                    RelayCommand::Forget(said) => stored = said.plus.iter().copied().fold(said.up_to, u64::max).max(stored),
                    RelayCommand::Answer { .. } => prop_assert!(false, "nobody waits"),
                    RelayCommand::Admit(_) | RelayCommand::Close => {}
                }
                while let Some(frame) = relay.poll_frame(now) {
                    sent += u64::from(matches!(frame, Frame::Event(..)));
                }
            }
            prop_assert!(stored <= sent, "{stored} is forgotten, {sent} were sent");
            // One may go when nothing is in flight, so at most one for each that is stored.
            prop_assert!(sent <= granted.events.max(stored) + 1, "{sent} sent, {granted:?}, {stored} stored");
            while relay.poll_frame(now).is_some() {}
            now = after(now, seconds);
            relay.handle_timeout(now);
        }
    }
}

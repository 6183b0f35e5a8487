//! What each side says to what the other said.

use super::*;

/// Moves every frame that is ready from one end to the other, until both are quiet; commands are left where they are.
fn exchange(relay: &mut RelayEnd, client: &mut ClientEnd, now: Instant) {
    loop {
        let to_client = relay.poll_frame(now);
        let to_relay = client.poll_frame();
        if to_client.is_none() && to_relay.is_none() {
            return;
        }
        if let Some(frame) = to_client {
            client.handle_frame(Frame::decode(frame.encode()).unwrap().unwrap(), now);
        }
        if let Some(frame) = to_relay {
            relay.handle_frame(Frame::decode(frame.encode()).unwrap().unwrap(), now);
        }
    }
}

fn open(now: Instant) -> (RelayEnd, ClientEnd) {
    let (mut relay, mut client) = (relay(now), client(now, WINDOW, None));
    exchange(&mut relay, &mut client, now);
    assert!(matches!(relay.poll_command(), Some(RelayCommand::Admit(_))));
    relay.handle_admitted(admitted(0));
    exchange(&mut relay, &mut client, now);
    assert!(matches!(client.poll_command(), Some(ClientCommand::Opened(_))));
    (relay, client)
}

fn reads(relay: &mut RelayEnd) -> (u64, u64) {
    match relay.poll_command() {
        Some(RelayCommand::ReadNext { after, max_bytes, .. }) => (after, max_bytes),
        other => panic!("{other:?}"),
    }
}

fn store(client: &mut ClientEnd) -> Delivery {
    match client.poll_command() {
        Some(ClientCommand::Store(delivery)) => *delivery,
        other => panic!("{other:?}"),
    }
}

fn closes(client: &mut ClientEnd) -> SessionError {
    match client.poll_command() {
        Some(ClientCommand::Close(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_event_is_forgotten_only_after_it_is_stored() {
    let now = Instant::now();
    let (mut relay, mut client) = open(now);
    assert_eq!(reads(&mut relay).0, 0);
    let body: Vec<u8> = (0..200_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    relay.handle_read(&orders(), outgoing(3, body.clone()));
    exchange(&mut relay, &mut client, now);
    let delivery = store(&mut client);
    assert_eq!(delivery.event, event(3, body));
    exchange(&mut relay, &mut client, now);
    assert!(
        matches!(relay.poll_command(), None | Some(RelayCommand::ReadNext { .. })),
        "nothing is forgotten yet"
    );
    client.handle_stored(&orders(), 3);
    exchange(&mut relay, &mut client, now);
    match relay.poll_command() {
        Some(RelayCommand::Forget(stored)) => {
            assert_eq!(stored, Stored { endpoint: orders(), up_to: 3, plus: vec![] });
        }
        other => panic!("{other:?}"),
    }
}

/// It keeps its place at the relay, and makes room for another.
#[test]
fn what_cannot_be_stored_is_passed_by() {
    let now = Instant::now();
    let (mut relay, mut client) = open(now);
    let (last, mut told) = (3 * WINDOW.events, Vec::new());
    for seq in 1..=last {
        exchange(&mut relay, &mut client, now);
        loop {
            match relay.poll_command() {
                Some(RelayCommand::Forget(stored)) => {
                    assert_eq!(stored.up_to, 0);
                    told.extend(stored.plus);
                }
                Some(RelayCommand::ReadNext { .. }) => break,
                other => panic!("{seq}: {other:?}"),
            }
        }
        relay.handle_read(&orders(), outgoing(seq, vec![1]));
        exchange(&mut relay, &mut client, now);
        store(&mut client);
        if seq % 2 == 1 {
            client.handle_not_stored(&orders(), seq);
            client.handle_not_stored(&orders(), seq);
        } else {
            client.handle_stored(&orders(), seq);
        }
    }
    let stored: Vec<u64> = (1..last).filter(|seq| seq % 2 == 0).collect();
    assert_eq!(told, stored, "each once");
    assert_eq!(client.resume()[0].resume, Some(Cursor { spool: SPOOL, up_to: 0 }));
}

#[test]
fn stored_out_of_order_is_told_in_plus() {
    let now = Instant::now();
    let (mut relay, mut client) = open(now);
    for seq in [2, 5, 9] {
        reads(&mut relay);
        relay.handle_read(&orders(), outgoing(seq, vec![1]));
        exchange(&mut relay, &mut client, now);
        store(&mut client);
    }
    client.handle_stored(&orders(), 9);
    assert_eq!(
        client.poll_frame(),
        Some(Frame::Stored(Stored { endpoint: orders(), up_to: 1, plus: vec![9] }))
    );
    client.handle_stored(&orders(), 2);
    client.handle_stored(&orders(), 5);
    assert_eq!(
        client.poll_frame(),
        Some(Frame::Stored(Stored { endpoint: orders(), up_to: 9, plus: vec![] }))
    );
    assert_eq!(client.resume()[0].resume, Some(Cursor { spool: SPOOL, up_to: 9 }));
}

/// Seed 143 of the simulation: the answer to an older question left the event behind for good.
#[test]
fn an_event_found_too_large_while_room_was_made_is_read_again() {
    let now = Instant::now();
    let (mut relay, mut client) = open(now);
    reads(&mut relay);
    relay.handle_read(&orders(), outgoing(1, vec![7; 40_000]));
    exchange(&mut relay, &mut client, now);
    store(&mut client);
    let (after, max_bytes) = reads(&mut relay);
    assert!(after == 1 && max_bytes < WINDOW.bytes, "{max_bytes}");
    // The first is stored while the second is looked for.
    client.handle_stored(&orders(), 1);
    exchange(&mut relay, &mut client, now);
    assert!(matches!(relay.poll_command(), Some(RelayCommand::Forget(_))));
    relay.handle_read(&orders(), Read::TooLarge);
    assert_eq!(reads(&mut relay), (1, u64::MAX));
    relay.handle_read(&orders(), Read::TooLarge);
    assert!(relay.poll_command().is_none(), "it is not asked for again and again");
}

#[test]
fn without_credit_only_one_event_goes_out() {
    let now = Instant::now();
    let (mut relay, mut client) = open(now);
    let too_large_for_the_window = vec![7; 100_000];
    reads(&mut relay);
    relay.handle_read(&orders(), outgoing(1, too_large_for_the_window));
    exchange(&mut relay, &mut client, now);
    store(&mut client);
    assert!(relay.poll_command().is_none(), "the window is used up");
    client.handle_stored(&orders(), 1);
    exchange(&mut relay, &mut client, now);
    assert!(matches!(relay.poll_command(), Some(RelayCommand::Forget(_))));
    assert_eq!(reads(&mut relay), (1, u64::MAX), "nothing is in flight, so any size may go");
}

#[test]
fn an_event_larger_than_what_is_left_waits_for_credit() {
    let now = Instant::now();
    let (mut relay, mut client) = open(now);
    reads(&mut relay);
    relay.handle_read(&orders(), outgoing(1, vec![7; 60_000]));
    exchange(&mut relay, &mut client, now);
    let (_, left) = reads(&mut relay);
    assert!(left < 6_000, "{left}");
    relay.handle_read(&orders(), Read::TooLarge);
    relay.handle_news(&orders());
    assert!(relay.poll_command().is_none());
    store(&mut client);
    client.handle_stored(&orders(), 1);
    exchange(&mut relay, &mut client, now);
    assert!(matches!(relay.poll_command(), Some(RelayCommand::Forget(_))));
    assert_eq!(reads(&mut relay).0, 1);
}

#[test]
fn news_during_a_read_is_not_missed() {
    let now = Instant::now();
    let (mut relay, _) = open(now);
    reads(&mut relay);
    relay.handle_news(&orders());
    relay.handle_read(&orders(), Read::Empty);
    reads(&mut relay);
    relay.handle_read(&orders(), Read::Empty);
    assert!(relay.poll_command().is_none());
}

#[test]
fn the_apps_answer_comes_back_whole_and_once() {
    let now = Instant::now();
    let (mut relay, mut client) = open(now);
    reads(&mut relay);
    let waiting = Outgoing { event: event(1, vec![]), seq: 1, deadline: Some(after(now, 8)), missed: false };
    relay.handle_read(&orders(), Read::Event(Box::new(waiting)));
    exchange(&mut relay, &mut client, now);
    let delivery = store(&mut client);
    assert_eq!(delivery.deadline, Some(after(now, 8)));
    let body = Bytes::from(vec![9; 150_000]);
    let headers = Bytes::from_static(b"X-Odd: 1\r\nx-odd: 2\r\n\r\n");
    let header = ResultHeader {
        id: delivery.event.id,
        kind: ResultKind::Answered { status: 418, body_bytes: body.len() as u64 },
        latency_ms: 3,
    };
    client.handle_result(header.clone(), headers.clone(), body.clone());
    client.handle_result(header, headers.clone(), body.clone());
    exchange(&mut relay, &mut client, now);
    let answers: Vec<_> = std::iter::from_fn(|| relay.poll_command())
        .filter_map(|command| match command {
            RelayCommand::Answer { answer, .. } => Some(answer),
            RelayCommand::Admit(_)
            | RelayCommand::ReadNext { .. }
            | RelayCommand::Forget(_)
            | RelayCommand::Close => None,
        })
        .collect();
    assert_eq!(answers, [AppAnswer::Answered { status: 418, headers, body }]);
}

#[test]
fn the_client_is_told_what_is_left_of_the_deadline_when_its_frame_goes() {
    let now = Instant::now();
    for (later, left) in [(0, 8000), (5, 3000), (9, 0)] {
        let (mut relay, _) = open(now);
        reads(&mut relay);
        let event = event(1, vec![]);
        let waiting = Outgoing { event, seq: 1, deadline: Some(after(now, 8)), missed: false };
        relay.handle_read(&orders(), Read::Event(Box::new(waiting)));
        // The socket takes no frame before that.
        let Some(Frame::Event(header, _)) = relay.poll_frame(after(now, later)) else {
            panic!("EVENT is due")
        };
        assert_eq!(header.deadline_ms, Some(left));
    }
}

#[test]
fn control_goes_before_data() {
    let now = Instant::now();
    let (mut relay, _) = open(now);
    reads(&mut relay);
    relay.handle_read(&orders(), outgoing(1, vec![0; 300_000]));
    assert!(matches!(relay.poll_frame(now), Some(Frame::Event(..))));
    assert!(matches!(relay.poll_frame(now), Some(Frame::Chunk(..))));
    relay.handle_frame(Frame::Ping(Echo { time: 4 }), now);
    assert_eq!(relay.poll_frame(now), Some(Frame::Pong(Echo { time: 4 })));
    assert!(matches!(relay.poll_frame(now), Some(Frame::Chunk(..))));
}

#[test]
fn silence_ends_both_sides_with_a_reason() {
    let now = Instant::now();
    let (mut relay, mut client) = open(now);
    relay.handle_timeout(after(now, 24));
    client.handle_timeout(after(now, 24));
    assert!(matches!(relay.poll_frame(now), Some(Frame::Ping(_))));
    assert!(matches!(client.poll_frame(), Some(Frame::Ping(_))));
    relay.handle_timeout(after(now, 25));
    client.handle_timeout(after(now, 25));
    let Some(Frame::Error(error)) = relay.poll_frame(now) else { panic!("an ERROR is due") };
    assert_eq!(error.code, ErrorCode::Silent);
    assert!(matches!(relay.poll_command(), Some(RelayCommand::Close)));
    assert!(relay.poll_command().is_none());
    assert!(matches!(client.poll_frame(), Some(Frame::Error(_))));
    assert_eq!(closes(&mut client).code, ErrorCode::Silent);
}

#[test]
fn no_hello_and_no_welcome_end_in_time() {
    let now = Instant::now();
    let (mut relay, mut client) = (relay(now), client(now, WINDOW, None));
    assert_eq!(relay.poll_timeout(), Some(after(now, 10)));
    relay.handle_timeout(after(now, 10));
    assert!(matches!(relay.poll_frame(now), Some(Frame::Error(_))));
    client.poll_frame();
    client.handle_timeout(after(now, 10));
    client.poll_frame();
    assert!(closes(&mut client).retryable);
}

#[test]
fn the_round_trip_is_measured() {
    let now = Instant::now();
    let (mut relay, mut client) = open(now);
    client.handle_timeout(now);
    relay.handle_frame(client.poll_frame().unwrap(), now);
    let pong = std::iter::from_fn(|| relay.poll_frame(now)).find(|frame| matches!(frame, Frame::Pong(_)));
    client.handle_frame(pong.unwrap(), now + Duration::from_millis(40));
    match client.poll_command() {
        Some(ClientCommand::RoundTrip(time)) => assert_eq!(time, Duration::from_millis(40)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_drained_session_gets_no_new_events() {
    let now = Instant::now();
    let (mut relay, mut client) = open(now);
    relay.drain(Duration::from_secs(2));
    assert!(relay.poll_command().is_none());
    exchange(&mut relay, &mut client, now);
    assert!(matches!(client.poll_command(), Some(ClientCommand::Draining(_))));
}

/// A frame and the words its refusal must contain.
#[test]
fn who_breaks_the_protocol_is_told_why() {
    let now = Instant::now();
    let stored = |up_to| Frame::Stored(Stored { endpoint: orders(), up_to, plus: vec![] });
    let other = Frame::Stored(Stored { endpoint: "other".parse().unwrap(), up_to: 0, plus: vec![] });
    for (frame, words) in [
        (stored(1), "STORED says 1"),
        (other, "not in this session"),
        (Frame::Drain(Drain { after_ms: 0 }), "DRAIN was not expected"),
    ] {
        let (mut relay, _) = open(now);
        relay.handle_frame(frame, now);
        let Some(Frame::Error(error)) = relay.poll_frame(now) else { panic!("an ERROR is due for {words}") };
        assert!(error.text.contains(words), "{}", error.text);
    }
}

#[test]
fn a_relay_that_breaks_the_protocol_is_left() {
    let now = Instant::now();
    let whole = event(1, vec![1, 2, 3]);
    let header = |change: &dyn Fn(&mut EventHeader)| {
        let meta = crate::event::EventMeta::of(&whole);
        let mut header = EventHeader { meta, seq: 1, deadline_ms: None, missed: false };
        change(&mut header);
        Frame::Event(header, whole.head.clone())
    };
    let chunk =
        |offset, data: &'static [u8]| Frame::Chunk(Chunk { id: whole.id, offset }, Bytes::from_static(data));
    let cases: [(&str, Vec<Frame>); 8] = [
        ("announced as", vec![header(&|header| header.meta.head_bytes += 1)]),
        ("this client takes", vec![header(&|header| header.meta.body_bytes = usize::MAX)]),
        ("not asked for", vec![header(&|header| header.meta.endpoint = "x".parse().unwrap())]),
        ("number 0", vec![header(&|header| header.seq = 0)]),
        ("offset 1 where 0", vec![header(&|_| ()), chunk(1, b"2")]),
        ("beyond the end", vec![header(&|_| ()), chunk(0, b"1234")]),
        ("digest", vec![header(&|_| ()), chunk(0, b"124")]),
        ("has no EVENT", vec![chunk(0, b"1")]),
    ];
    for (words, frames) in cases {
        let (_, mut client) = open(now);
        for frame in frames {
            client.handle_frame(frame, now);
        }
        assert!(matches!(client.poll_frame(), Some(Frame::Error(_))), "{words}");
        let error = closes(&mut client);
        assert!(error.text.contains(words), "{} should say {words}", error.text);
    }
}

#[test]
fn more_than_the_credit_is_not_taken() {
    let now = Instant::now();
    let (_, mut client) = open(now);
    for seq in 1..=WINDOW.events + 1 {
        let one = event(seq, vec![]);
        let meta = crate::event::EventMeta::of(&one);
        client.handle_frame(
            Frame::Event(EventHeader { meta, seq, deadline_ms: None, missed: false }, one.head),
            now,
        );
    }
    let Some(Frame::Error(error)) = client.poll_frame() else { panic!("an ERROR is due") };
    assert!(error.text.contains("beyond the credit"), "{}", error.text);
}

#[test]
fn a_relay_that_does_not_know_how_to_share_is_left_with_the_reason() {
    let now = Instant::now();
    for (given, is_left) in [(None, true), (Some(Sharing::Balance), true), (Some(Sharing::Share), false)] {
        let mut endpoints = client(now, WINDOW, None).resume();
        endpoints[0].sharing = Some(Sharing::Share);
        let (mut relay, mut client) = (relay(now), client_of(now, WINDOW, endpoints));
        exchange(&mut relay, &mut client, now);
        let Some(RelayCommand::Admit(hello)) = relay.poll_command() else { panic!("a client asks") };
        assert_eq!(hello.endpoints[0].sharing, Some(Sharing::Share));
        let mut admitted = admitted(0);
        admitted.lanes[0].welcome.sharing = given;
        relay.handle_admitted(admitted);
        exchange(&mut relay, &mut client, now);
        if is_left {
            let error = closes(&mut client);
            assert!(error.text.contains("`--share`") && !error.retryable, "{}", error.text);
        } else {
            assert!(matches!(client.poll_command(), Some(ClientCommand::Opened(_))));
        }
    }
}

#[test]
fn the_client_keeps_to_the_relays_silence_within_bounds() {
    for (asked_ms, kept_ms) in [(2_000, 2_000), (0, 1_000), (u64::MAX, 120_000)] {
        let now = Instant::now();
        let mut client = client(now, WINDOW, None);
        let welcome = Welcome {
            version: PROTOCOL_VERSION,
            software: "test".into(),
            generation: 1,
            endpoints: vec![admitted(0).lanes[0].welcome.clone()],
            ping_interval_ms: 1,
            dead_after_ms: asked_ms,
            max_answer_bytes: 1,
            time_ms: None,
        };
        client.handle_frame(Frame::Welcome(welcome), now);
        let kept = Duration::from_millis(kept_ms);
        client.handle_timeout(now + kept - Duration::from_millis(1));
        assert!(!client.is_ending(), "{asked_ms}");
        client.handle_timeout(now + kept);
        assert!(client.is_ending(), "{asked_ms}");
    }
}

#[test]
fn after_a_sleep_the_client_asks_at_once_and_gives_up_soon() {
    let now = Instant::now();
    let (mut relay, mut client) = open(now);
    client.handle_timeout(now);
    exchange(&mut relay, &mut client, now);
    let woken = after(now, 3);
    client.handle_wake(woken);
    assert_eq!(client.poll_timeout(), Some(woken));
    client.handle_timeout(woken);
    assert!(matches!(client.poll_frame(), Some(Frame::Ping(_))));
    let interval = client.poll_timeout().unwrap() - woken;
    assert!(interval < Timing::default().dead / 2, "{interval:?}");
    client.handle_timeout(woken + interval);
    assert!(client.is_ending());
    // And not when the relay is there.
    let (mut relay, mut client) = open(now);
    client.handle_wake(woken);
    client.handle_timeout(woken);
    exchange(&mut relay, &mut client, woken);
    client.handle_timeout(woken + interval);
    assert!(!client.is_ending());
}

#[test]
fn an_answer_that_never_comes_is_forgotten_after_its_deadline() {
    let now = Instant::now();
    let (mut relay, mut client) = open(now);
    reads(&mut relay);
    let waiting = Outgoing { event: event(1, vec![]), seq: 1, deadline: Some(after(now, 1)), missed: false };
    relay.handle_read(&orders(), Read::Event(Box::new(waiting)));
    exchange(&mut relay, &mut client, now);
    store(&mut client);
    client.handle_stored(&orders(), 1);
    exchange(&mut relay, &mut client, now);
    assert!(!relay.is_idle(), "an answer is awaited");
    let later = now + Timing::default().ping;
    relay.handle_timeout(later);
    assert!(relay.is_idle());
}

/// Half a frame is a sign of life, for either end.
#[test]
fn bytes_that_are_no_whole_frame_yet_count_as_life() {
    let now = Instant::now();
    let (mut relay, mut client) = open(now);
    let dead = Timing::default().dead;
    let heard_at = now + dead / 2;
    relay.handle_heard(heard_at);
    client.handle_heard(heard_at);
    // One that was noted before something else was heard takes nothing back.
    relay.handle_heard(now);
    client.handle_heard(now);
    relay.handle_timeout(now + dead);
    client.handle_timeout(now + dead);
    assert!(!relay.is_ending() && !client.is_ending());
    relay.handle_timeout(heard_at + dead);
    client.handle_timeout(heard_at + dead);
    assert!(relay.is_ending() && client.is_ending());
}

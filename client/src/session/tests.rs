//! A session with what pretends to be its relay.

use bytes::Bytes;
use futures_util::stream::SplitStream;
use inhaul_core::{
    event::{Event, EventId, EventMeta, Peer, PeerSource},
    wire::{Chunk, EventHeader, PROTOCOL_VERSION, ResultHeader, ResultKind, SUB_PROTOCOL, WelcomeEndpoint},
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
};
use tokio_tungstenite::{
    accept_hdr_async,
    tungstenite::handshake::server::{Request, Response},
};
use uuid::Uuid;

use super::*;

/// A client that runs, and the other ends of its channels.
struct Client {
    arrived: mpsc::Receiver<Arrival>,
    news: mpsc::Receiver<SessionNews>,
    reconnect: Arc<Notify>,
    reports: mpsc::Sender<Report>,
}

impl Client {
    fn start(relay: &TcpListener) -> Self {
        Self::started(relay).0
    }

    fn started(relay: &TcpListener) -> (Self, JoinHandle<Result<(), SessionRefused>>) {
        let url = format!("http://{}", relay.local_addr().unwrap()).parse().unwrap();
        let endpoint = HelloEndpoint {
            name: "orders".parse().unwrap(),
            token: "ih_t".into(),
            resume: None,
            sharing: None,
        };
        let config =
            SessionConfig { relay: Relay { url, tls: None }, client_id: Uuid::from_u128(1), endpoint };
        let (arrivals, arrived) = mpsc::channel(usize::try_from(WINDOW.events).unwrap());
        let ((reports, reported), (told, news)) = (mpsc::channel(1), mpsc::channel(64));
        let reconnect = Arc::new(Notify::new());
        let ports =
            SessionPorts { arrivals, reports: reported, news: told, reconnect: Arc::clone(&reconnect) };
        let running = tokio::spawn(run(config, ports));
        (Self { arrived, news, reconnect, reports }, running)
    }

    async fn state(&mut self) -> ConnectionState {
        loop {
            if let SessionNews::State(state) = self.news.recv().await.unwrap() {
                return state;
            }
        }
    }
}

#[tokio::test]
async fn a_person_who_wants_a_connection_need_not_wait() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = Client::start(&listener);
    assert!(matches!(client.state().await, ConnectionState::Connecting { attempt: 1 }));
    // It is taken and never answered, so dialling goes on.
    let first = listener.accept().await.unwrap();
    client.reconnect.notify_waiters();
    let state = client.state().await;
    assert!(matches!(state, ConnectionState::Connecting { attempt: 1 }), "{state:?}");
    let second = listener.accept().await.unwrap();
    drop((first, second));
}

/// As at the end of a client.
#[tokio::test]
async fn a_dial_that_is_not_answered_holds_up_no_stop() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (mut client, running) = Client::started(&listener);
    assert!(matches!(client.state().await, ConnectionState::Connecting { attempt: 1 }));
    // It is taken and never answered, so dialling goes on.
    let taken = listener.accept().await.unwrap();
    let Client { arrived, news, reports, .. } = client;
    // The pipeline is gone, whoever shows things is not.
    drop((arrived, reports));
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    assert!(matches!(running.await.unwrap(), Err(SessionRefused::Stopping)));
    assert_eq!(began.elapsed(), Duration::ZERO, "no timer of the dial ended it");
    drop((taken, news));
}

/// A session that was there is not a failed try.
#[tokio::test]
async fn tries_are_counted_since_the_last_session() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = Client::start(&listener);
    drop(welcome(&listener).await);
    let mut attempts = Vec::new();
    while attempts.len() < 3 {
        if let ConnectionState::Connecting { attempt } = client.state().await {
            attempts.push(attempt);
            if attempts.len() == 2 {
                // The second connection is lost before it is a session.
                drop(listener.accept().await.unwrap());
            }
        }
    }
    assert_eq!(attempts, [1, 1, 2]);
}

async fn next_frame(stream: &mut SplitStream<WebSocketStream<TcpStream>>) -> Frame {
    let Message::Binary(bytes) = stream.next().await.unwrap().unwrap() else { panic!("frames are binary") };
    Frame::decode(bytes).unwrap().unwrap()
}

/// A relay with an open session that takes no more than two seconds of silence.
async fn welcome(listener: &TcpListener) -> WebSocketStream<TcpStream> {
    let (stream, _) = listener.accept().await.unwrap();
    #[expect(clippy::result_large_err, reason = "tungstenite wants an answer for a refusal")]
    let handshake = |_: &Request, mut response: Response| {
        response.headers_mut().insert("Sec-WebSocket-Protocol", SUB_PROTOCOL.parse().unwrap());
        Ok(response)
    };
    let (mut sink, mut stream) = accept_hdr_async(stream, handshake).await.unwrap().split();
    assert!(matches!(next_frame(&mut stream).await, Frame::Hello(_)));
    let endpoint = WelcomeEndpoint {
        name: "orders".parse().unwrap(),
        url: "https://relay.example/in/orders".into(),
        spool: Uuid::from_u128(7),
        backlog_events: 0,
        backlog_bytes: 0,
        sharing: None,
        expired: None,
        taken_when_late: false,
    };
    let welcome = Frame::Welcome(Welcome {
        version: PROTOCOL_VERSION,
        software: "test".into(),
        generation: 1,
        endpoints: vec![endpoint],
        ping_interval_ms: 1000,
        dead_after_ms: 2000,
        max_answer_bytes: 1 << 20,
        time_ms: None,
    });
    sink.send(Message::Binary(welcome.encode())).await.unwrap();
    while !matches!(next_frame(&mut stream).await, Frame::Credit(_)) {}
    sink.reunite(stream).unwrap()
}

fn sample_event(body: &Bytes) -> Event {
    Event {
        id: EventId(Uuid::from_u128(9)),
        endpoint: "orders".parse().unwrap(),
        received_at: UnixMillis(1),
        peer: Peer { address: "203.0.113.9:40001".into(), source: PeerSource::Socket },
        prefix_bytes: 5,
        head: Bytes::from_static(b"POST /in/o HTTP/1.1\r\nHost: a\r\n\r\n"),
        body_sha256: Event::digest(body),
        body: body.clone(),
    }
}

/// What was left comes by another session, which does not wait, and before which the senders that wait have their answers.
#[tokio::test]
async fn what_was_left_is_asked_for_by_another_session_when_no_sender_waits() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = Client::start(&listener);
    let mut relay = welcome(&listener).await;
    let event = sample_event(&Bytes::new());
    let deadline_ms = Some(600_000);
    let header = EventHeader { meta: EventMeta::of(&event), seq: 1, deadline_ms, missed: false };
    relay.send(Message::Binary(Frame::Event(header, event.head.clone()).encode())).await.unwrap();
    assert_eq!(client.arrived.recv().await.unwrap().delivery.event, event);
    for session in [0, 1] {
        client.reports.send(Report::Again { session }).await.unwrap();
    }
    let header = ResultHeader { id: event.id, kind: ResultKind::NoApp, latency_ms: 0 };
    let (headers, body) = (Bytes::new(), Bytes::new());
    client.reports.send(Report::Result { session: 1, header, headers, body }).await.unwrap();
    let mut answered = false;
    while let Some(Ok(Message::Binary(bytes))) = relay.next().await {
        answered |= matches!(Frame::decode(bytes).unwrap(), Some(Frame::Result(..)));
    }
    assert!(answered);
    let mut states = Vec::new();
    let second = welcome(&listener);
    let mut second = std::pin::pin!(second);
    let relay = loop {
        tokio::select! {
            relay = &mut second => break relay,
            state = client.state() => states.push(state),
        }
    };
    assert!(!states.iter().any(|state| matches!(state, ConnectionState::Waiting { .. })), "{states:?}");
    drop(relay);
}

/// 300 bytes in three seconds, and no whole frame in all that time.
#[tokio::test]
async fn a_frame_that_takes_longer_than_the_silence_allowed_ends_no_session() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = Client::start(&listener);
    let mut relay = welcome(&listener).await;
    let body = Bytes::from(vec![b'x'; 240]);
    let event = sample_event(&body);
    let header = EventHeader { meta: EventMeta::of(&event), seq: 1, deadline_ms: None, missed: false };
    relay.send(Message::Binary(Frame::Event(header, event.head.clone()).encode())).await.unwrap();
    let chunk = Frame::Chunk(Chunk { id: event.id, offset: 0 }, body).encode();
    // One final binary frame of a server, RFC 6455 section 5.2.
    let length = u16::try_from(chunk.len()).unwrap();
    let mut bytes = vec![0x82, 126];
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&chunk);
    let pause = Duration::from_secs(3) / u32::from(length);
    let trickle = async {
        for byte in bytes {
            relay.get_mut().write_all(&[byte]).await.unwrap();
            tokio::time::sleep(pause).await;
        }
        std::future::pending::<()>().await;
    };
    let mut trickle = std::pin::pin!(trickle);
    let arrival = loop {
        tokio::select! {
            () = &mut trickle => {}
            arrival = client.arrived.recv() => break arrival.unwrap(),
            news = client.news.recv() => {
                if let SessionNews::State(ConnectionState::Waiting { reason, .. }) = news.unwrap() {
                    panic!("{reason}");
                }
            }
        }
    };
    assert_eq!((arrival.session, arrival.delivery.event), (1, event));
}

//! Numbered events from many connections, and an account of what became of each.
//!
//! Every sender posts one event after the other on a connection it keeps, with a number no other event has, and never posts a
//! number again. So a number is lost, stored twice or out of order if and only if an event is.

use std::{
    collections::HashMap,
    fmt,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    handler::{Got, Handler, Reply},
    world::{PATIENCE, World},
};

/// Connections that post at the same time.
const SENDERS: u64 = 16;

/// News that nobody has heard yet.
const UNHEARD: usize = 64;

/// What takes disk in advance. A relay goes on without it where it had it before, and the other way round.
pub const RESERVE: [&str; 2] = ["--spool-reserve-bytes", "67108864"];

/// Options of a relay: its limits are far beyond what the senders do.
pub const RELAY: [&str; 6] = ["--tls", "off", "--requests-per-second", "1000000", "--burst", "1000000"];

/// Numbers that look random and follow from a seed (Marsaglia's xorshift).
pub struct Numbers(u64);

impl Numbers {
    /// Follows from the variable of this name, or from the time.
    pub fn from_environment(name: &str) -> (Self, u64) {
        let seed = std::env::var(name).map_or_else(
            |_| std::time::UNIX_EPOCH.elapsed().unwrap().as_secs(),
            |value| value.parse().expect("a seed is a number"),
        );
        // Zero would stay zero.
        (Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1), seed)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// The number in an environment variable, or another one.
pub fn number_from(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |value| value.parse().unwrap_or_else(|_| panic!("{name}: {value}")))
}

/// What was heard of one number.
#[derive(Default)]
struct Account {
    outcome: Option<Outcome>,
    deliveries: u64,
    stored: bool,
}

enum Outcome {
    /// The relay answered 2xx and said this id.
    Acknowledged(String),
    /// The connection ended without an answer: it may be stored or not.
    Unknown,
    /// The relay answered that it did not store it.
    Refused,
}

enum News {
    Said { number: u64, outcome: Outcome },
    Delivered { sender: u64, number: u64, id: String },
}

/// Senders and the application, and what was heard from them.
pub struct Traffic {
    gate: Arc<Gate>,
    senders: Vec<JoinHandle<()>>,
    news: Receiver<News>,
    /// Where the application listens.
    pub target: String,
    books: Books,
    window: u64,
    began: Instant,
}

/// What was heard of every number. Whatever contradicts the promises is a panic.
#[derive(Default)]
struct Books {
    accounts: HashMap<u64, Account>,
    newest_of_sender: HashMap<u64, u64>,
    /// What the application got last.
    last: Option<(u64, String)>,
    figures: Figures,
}

/// What happened, in numbers.
#[derive(Clone, Copy, Default)]
pub struct Figures {
    pub acknowledged: u64,
    /// Of those acknowledged, how many the application got at least once.
    pub delivered: u64,
    /// Deliveries of events the application had got before.
    pub repeated: u64,
    pub unknown: u64,
    pub refused: u64,
    pub relay_deaths: u64,
    pub client_deaths: u64,
    pub seconds: f64,
}

impl fmt::Display for Figures {
    #[expect(clippy::cast_precision_loss, reason = "a rate need not be exact")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acknowledged, repeated, unknown, refused, relay_deaths, client_deaths, seconds, .. } =
            self;
        let rate = *acknowledged as f64 / seconds;
        write!(
            f,
            "{acknowledged} events acknowledged in {seconds:.0} s ({rate:.0}/s end to end); the relay died {relay_deaths} times \
             and the client {client_deaths} times; lost: 0; stored twice: 0; out of order: 0; delivered again: {repeated}; \
             without an answer: {unknown}; refused: {refused}"
        )
    }
}

/// What senders wait for.
#[derive(Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
    next_number: AtomicU64,
}

#[derive(Clone, Copy, Default)]
struct GateState {
    /// Counts the relay's lives; 0 before the first.
    relay_life: u64,
    full: bool,
    over: bool,
}

impl Gate {
    fn change(&self, change: impl FnOnce(&mut GateState)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    /// Waits until an event may be sent, in a later life of the relay than `dead`; the life, or `None` when all is over.
    fn pass(&self, dead: u64) -> Option<u64> {
        let closed = |state: &mut GateState| !state.over && (state.full || state.relay_life <= dead);
        let state = self.changed.wait_while(self.state.lock().unwrap(), closed).unwrap();
        (!state.over).then_some(state.relay_life)
    }
}

impl Traffic {
    /// Starts an application, and senders to an endpoint's URL that wait for the relay. They also wait while the application
    /// has not got a `window` of acknowledged events.
    pub fn start(url: &str, window: u64) -> Self {
        Self::start_with(Reply::ok(), url, window)
    }

    /// As [`Traffic::start`], with an application that answers otherwise.
    pub fn start_with(reply: Reply, url: &str, window: u64) -> Self {
        // Full while nobody listens, so that no more is sent than the window allows.
        let (news, heard) = sync_channel(UNHEARD);
        let from_handler = news.clone();
        let port = Handler::start(reply).hand_on(move |got| {
            // The test may be over.
            let _ = from_handler.send(delivered(&got));
        });
        let gate = Arc::new(Gate::default());
        let start = |sender| {
            let (gate, news, url) = (Arc::clone(&gate), news.clone(), url.to_owned());
            thread::spawn(move || post_all(sender, &url, &gate, &news))
        };
        Self {
            senders: (0..SENDERS).map(start).collect(),
            gate,
            news: heard,
            target: port.to_string(),
            books: Books::default(),
            window,
            began: Instant::now(),
        }
    }

    /// A relay takes events, the first one or one after another's death.
    pub fn relay_is_there(&self) {
        self.gate.change(|state| state.relay_life += 1);
    }

    pub fn relay_died(&mut self) {
        self.books.figures.relay_deaths += 1;
    }

    pub fn client_died(&mut self) {
        self.books.figures.client_deaths += 1;
    }

    pub fn acknowledged(&self) -> u64 {
        self.books.figures.acknowledged
    }

    pub fn delivered(&self) -> u64 {
        self.books.figures.delivered
    }

    /// Goes on until so many events are acknowledged.
    pub fn until_acknowledged(&mut self, count: u64) {
        self.until(|figures| figures.acknowledged >= count);
    }

    /// Goes on until the application has got so many of the acknowledged events.
    pub fn until_delivered(&mut self, count: u64) {
        self.until(|figures| figures.delivered >= count);
    }

    /// Lets nothing be sent until everything acknowledged is delivered.
    pub fn drain(&mut self) {
        let window = std::mem::take(&mut self.window);
        self.open_or_close();
        self.until(|figures| figures.delivered == figures.acknowledged);
        self.window = window;
        self.open_or_close();
    }

    fn until(&mut self, enough: impl Fn(&Figures) -> bool) {
        while !enough(&self.books.figures) {
            let news = self.news.recv_timeout(PATIENCE);
            self.books.take(news.expect("events go on to be acknowledged and delivered"));
            self.open_or_close();
        }
    }

    fn open_or_close(&self) {
        let Figures { acknowledged, delivered, .. } = self.books.figures;
        self.gate.change(|state| state.full = acknowledged - delivered >= self.window);
    }

    /// Lets no event be sent any more, and waits until all that were acknowledged are delivered.
    pub fn end(&mut self) {
        self.gate.change(|state| state.over = true);
        // Listened to until the last has said how its last event went.
        while !self.senders.iter().all(JoinHandle::is_finished) {
            if let Ok(news) = self.news.recv_timeout(Duration::from_millis(10)) {
                self.books.take(news);
            }
        }
        for sender in self.senders.drain(..) {
            sender.join().unwrap();
        }
        let posted = self.gate.next_number.load(Ordering::Relaxed);
        self.until(|figures| {
            let heard = figures.acknowledged + figures.unknown + figures.refused;
            heard == posted && figures.delivered == figures.acknowledged
        });
        self.books.figures.seconds = self.began.elapsed().as_secs_f64();
    }

    /// Compares the client's history with what was heard. The client has ended.
    pub fn compare(self, world: &World) -> Figures {
        self.books.compare(|each| world.each_event(each))
    }
}

impl Books {
    fn take(&mut self, news: News) {
        match news {
            News::Said { number, outcome } => self.take_outcome(number, outcome),
            News::Delivered { sender, number, id } => self.take_delivery(sender, number, id),
        }
    }

    fn take_outcome(&mut self, number: u64, outcome: Outcome) {
        let account = self.accounts.entry(number).or_default();
        match outcome {
            Outcome::Acknowledged(_) => {
                self.figures.acknowledged += 1;
                self.figures.delivered += u64::from(account.deliveries > 0);
            }
            Outcome::Unknown => self.figures.unknown += 1,
            Outcome::Refused => self.figures.refused += 1,
        }
        assert!(account.outcome.replace(outcome).is_none(), "a number is posted once");
    }

    fn take_delivery(&mut self, sender: u64, number: u64, id: String) {
        let account = self.accounts.entry(number).or_default();
        account.deliveries += 1;
        if account.deliveries > 1 {
            // One that failed, or was under way when the client died, is the next one sent.
            let before = self.last.as_ref();
            assert_eq!(before, Some(&(number, id.clone())), "event {number} came again after another one");
            self.figures.repeated += 1;
        } else {
            self.figures.delivered += u64::from(matches!(account.outcome, Some(Outcome::Acknowledged(_))));
            let newest = self.newest_of_sender.insert(sender, number);
            assert!(newest < Some(number), "event {number} of sender {sender} came after {newest:?}");
        }
        self.last = Some((number, id));
    }

    /// Compares with a history: `each_event` hands on its events, newest first.
    fn compare(mut self, each_event: impl FnOnce(&mut dyn FnMut(Value))) -> Figures {
        let mut oldest_of_sender = HashMap::new();
        each_event(&mut |event| {
            let (sender, number) = numbers_in(event["target"].as_str().unwrap());
            let account = self.accounts.get_mut(&number).unwrap_or_else(|| panic!("nobody sent {number}"));
            assert!(!account.stored, "event {number} is in the history twice");
            account.stored = true;
            match account.outcome.as_ref().unwrap() {
                Outcome::Acknowledged(id) => assert_eq!(event["id"], *id, "event {number}"),
                Outcome::Unknown => {}
                Outcome::Refused => panic!("event {number} was refused, and is in the history"),
            }
            check_attempts(account.deliveries, event["attempts"].as_array().unwrap());
            let later = oldest_of_sender.insert(sender, number);
            assert!(later.is_none_or(|later| number < later), "event {number} is stored after {later:?}");
        });
        let acknowledged = |account: &&Account| matches!(account.outcome, Some(Outcome::Acknowledged(_)));
        let lost = self.accounts.values().filter(acknowledged).filter(|account| !account.stored).count();
        assert_eq!(lost, 0, "acknowledged, and not in the history");
        let delivered = self.accounts.values().filter(|account| account.deliveries > 0);
        assert!(delivered.into_iter().all(|account| account.stored), "delivered, and not in the history");
        assert_eq!(self.figures.delivered, self.figures.acknowledged);
        self.figures
    }
}

/// Each delivery is on record, and there was another one only after an attempt that failed or that the client's death ended.
fn check_attempts(deliveries: u64, attempts: &[Value]) {
    let failed = |attempt: &Value| attempt["error"]["kind"] == "stopped" || attempt["status"] == 503;
    let all_before_failed = attempts.iter().rev().skip(1).all(failed);
    assert!(
        all_before_failed && deliveries <= attempts.len() as u64,
        "{deliveries} deliveries, and on record: {attempts:?}"
    );
}

/// One sender: posts until all is over.
fn post_all(sender: u64, url: &str, gate: &Gate, news: &SyncSender<News>) {
    let (authority, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut kept: Option<BufReader<TcpStream>> = None;
    let mut dead = 0;
    while let Some(life) = gate.pass(dead) {
        let connection = match kept.take().map_or_else(|| connect(authority), Ok) {
            Ok(connection) => connection,
            Err(_) => {
                dead = life;
                continue;
            }
        };
        let number = gate.next_number.fetch_add(1, Ordering::Relaxed);
        let body = body(number);
        let length = body.len();
        let request = format!(
            "POST /{path}/{sender}/{number} HTTP/1.1\r\nHost: {authority}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let outcome = match exchange(connection, request.as_bytes()) {
            Ok((connection, status, id)) => {
                kept = Some(connection);
                match status {
                    200 => Outcome::Acknowledged(id.expect("a 200 names the event")),
                    503 => Outcome::Refused,
                    other => panic!("{number} was answered {other}"),
                }
            }
            Err(_) => Outcome::Unknown,
        };
        news.send(News::Said { number, outcome }).unwrap();
    }
}

fn connect(authority: &str) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(authority)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(BufReader::new(stream))
}

/// Posts on a connection that is kept; the status, and the event's id.
fn exchange(
    mut connection: BufReader<TcpStream>,
    request: &[u8],
) -> io::Result<(BufReader<TcpStream>, u16, Option<String>)> {
    connection.get_mut().write_all(request)?;
    let mut line = String::new();
    connection.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or(io::ErrorKind::UnexpectedEof)?;
    let (mut id, mut body_bytes) = (None, 0);
    loop {
        line.clear();
        connection.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                body_bytes = value.parse().unwrap();
            }
            Some((name, value)) if name.eq_ignore_ascii_case("x-inhaul-event-id") => {
                id = Some(value.to_owned());
            }
            Some(_) => {}
            None if line == "\r\n" => break,
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
    let body_there = io::copy(&mut connection.by_ref().take(body_bytes), &mut io::sink())? == body_bytes;
    if body_there { Ok((connection, status, id)) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// The body of an event: its number, and as much behind it as follows from the number.
fn body(number: u64) -> String {
    format!("{number} {}", ".".repeat(usize::try_from(number % 700).unwrap()))
}

/// The sender and the number in a path.
fn numbers_in(path: &str) -> (u64, u64) {
    let (before, number) = path.rsplit_once('/').unwrap();
    let sender = before.rsplit_once('/').unwrap().1;
    (sender.parse().unwrap(), number.parse().unwrap())
}

fn delivered(got: &Got) -> News {
    let (sender, number) = numbers_in(got.request_line().split(' ').nth(1).unwrap());
    assert_eq!(got.body, body(number).as_bytes());
    News::Delivered { sender, number, id: got.header("x-inhaul-event-id").unwrap().to_owned() }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use serde_json::json;

    use super::*;

    const EVENTS: u64 = 3;

    fn id(number: u64) -> String {
        format!("id-{number}")
    }

    /// What is heard when one sender's events go well.
    fn news() -> Vec<News> {
        let acknowledged = |number| News::Said { number, outcome: Outcome::Acknowledged(id(number)) };
        let delivered = |number| News::Delivered { sender: 0, number, id: id(number) };
        (0..EVENTS).flat_map(|number| [acknowledged(number), delivered(number)]).collect()
    }

    /// The history then, newest first.
    fn history() -> Vec<Value> {
        let event = |number| json!({ "id": id(number), "target": format!("/in/a/0/{number}"), "attempts": [{ "status": 200 }] });
        (0..EVENTS).rev().map(event).collect()
    }

    fn account_for(news: Vec<News>, history: Vec<Value>) -> Result<Figures, String> {
        let told = catch_unwind(AssertUnwindSafe(|| {
            let mut books = Books::default();
            news.into_iter().for_each(|news| books.take(news));
            books.compare(|each| history.into_iter().for_each(each))
        }));
        told.map_err(|panic| {
            panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "another panic".to_owned())
        })
    }

    #[test]
    fn what_goes_well_is_accounted_for() {
        let figures = account_for(news(), history()).unwrap();
        assert_eq!((figures.acknowledged, figures.delivered, figures.repeated), (EVENTS, EVENTS, 0));
    }

    #[test]
    fn every_broken_promise_is_noticed() {
        type Break = fn(&mut Vec<News>, &mut Vec<Value>);
        let breaks: [(&str, Break); 9] = [
            ("acknowledged, and not in the history", |_, history| drop(history.remove(1))),
            ("is in the history twice", |_, history| history.insert(1, history[1].clone())),
            ("is stored after", |_, history| history.swap(0, 1)),
            ("came after", |news, _| news.swap(1, 3)),
            ("came again after another one", |news, _| {
                news.push(News::Delivered { sender: 0, number: 1, id: id(1) });
            }),
            ("left == right", |news, _| drop(news.remove(3))),
            ("was refused, and is in the history", |news, _| {
                news[2] = News::Said { number: 1, outcome: Outcome::Refused };
            }),
            ("deliveries, and on record", |news, _| {
                news.push(News::Delivered { sender: 0, number: 2, id: id(2) });
            }),
            ("deliveries, and on record", |_, history| {
                history[0]["attempts"] = json!([{ "status": 200 }, { "status": 200 }]);
            }),
        ];
        for (said, change) in breaks {
            let (mut news, mut history) = (news(), history());
            change(&mut news, &mut history);
            let error = account_for(news, history).map(|figures| figures.to_string()).unwrap_err();
            assert!(error.contains(said), "{error}, where {said:?} is meant");
        }
    }
}

//! Any bytes as a body in the inspector, of a type that its first line says: drawn folded and unfolded, as sent, searched, with secrets and
//! without, wide and narrow; and as `inhaul show` and a pager have it. Nothing that would drive a terminal is shown, and what is laid out is not
//! much longer than the body.

use std::sync::LazyLock;

use inhaul::{
    export::Mask,
    output::body::{Form, text, whole},
    tui::OffScreen,
};
use inhaul_core::{
    event::{Event, EventId, Peer, PeerSource, UnixMillis},
    filter::JsonPath,
    signature::catalogue,
};
use uuid::Uuid;

static MASK: LazyLock<Mask> = LazyLock::new(|| {
    let path = JsonPath::parse("card.number").expect("it is a path");
    Mask::new(catalogue(), &["X-Own-Secret".to_owned()], &[path])
});

/// What is done to an opened body: fold and unfold all, go down, fold one, go to the end, as sent, secrets shown.
const KEYS: [&str; 3] = ["zMzR", "jjjjhG", "tS"];

fn event(kind: &[u8], body: &[u8]) -> Event {
    let kind: Vec<u8> = kind.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)).collect();
    Event {
        id: EventId(Uuid::from_u128(1)),
        endpoint: "orders".parse().expect("it is a name"),
        received_at: UnixMillis(1_763_970_070_000),
        peer: Peer { address: "127.0.0.1:1".to_owned(), source: PeerSource::Socket },
        prefix_bytes: 0,
        head: [&b"POST / HTTP/1.1\r\nContent-Type: "[..], &kind, b"\r\n\r\n"].concat().into(),
        body_sha256: Event::digest(body),
        body: body.to_vec().into(),
    }
}

fn assert_harmless(text: &str) {
    for letter in text.chars() {
        let harmful = (letter.is_control() && letter != '\n' && letter != '\t')
            || matches!(u32::from(letter), 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xe0000..=0xe007f);
        assert!(!harmful, "{letter:?} is shown");
    }
}

/// Draws, and looks at every cell.
fn draw(screen: &mut OffScreen) {
    screen.draw().content().iter().for_each(|cell| assert_harmless(cell.symbol()));
}

/// A body without the inspector.
fn print(kind: &[u8], body: &[u8]) {
    let kind = String::from_utf8_lossy(kind);
    for shown in [
        text(body, Some(&kind), true),
        text(body, Some(&kind), false),
        whole(body, Some(&kind), Form::Readable),
        whole(body, Some(&kind), Form::AsSent),
    ] {
        assert_harmless(&shown);
        // A byte is at most a line of its own, with an indent that is bounded, or a line of a dump.
        assert!(shown.len() <= body.len() * 80 + 200, "{} bytes became {}", body.len(), shown.len());
    }
}

pub(crate) fn check(bytes: &[u8]) {
    let line_end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(0);
    let (kind, body) = bytes.split_at(line_end);
    let body = body.strip_prefix(b"\n").unwrap_or(body);
    print(kind, body);
    // The screen is wide or narrow by the length of the input, so that both are tried.
    let width = if body.len() % 2 == 0 { 80 } else { 40 };
    let mut screen = OffScreen::new(width, 12);
    screen.open(event(kind, body), &MASK);
    draw(&mut screen);
    for keys in KEYS {
        screen.type_keys(keys);
        draw(&mut screen);
    }
}

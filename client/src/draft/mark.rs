//! The header that tells a replay from what the sender sent, for those who ask for it.

use inhaul_core::event::{Event, EventId, Head, Header};

/// Its name.
pub const MARK: &str = "X-Inhaul-Replay";

/// The event with a header that says which event it is a copy of, and which attempt this is: `X-Inhaul-Replay: of=<id>; n=<number>`. It
/// takes the place of one that was received. An event without a head that can be read stays as it is.
#[must_use]
pub fn marked(event: &Event, of: EventId, number: u32) -> Event {
    let Ok(mut head) = event.parsed_head() else { return event.clone() };
    head.headers.retain(|header| !header.is(MARK));
    let value = format!("of={of}; n={number}");
    head.headers.push(Header { name: MARK.into(), value: value.into() });
    let line_end = event.head.windows(2).position(|pair| pair == b"\r\n").map_or(0, |end| end + 2);
    let head = [&event.head[..line_end], &Head::write_headers(&head.headers)].concat();
    Event { head: head.into(), ..event.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::tests::sample_event;

    #[test]
    fn a_mark_takes_the_place_of_one_that_was_received_and_the_rest_stays() {
        let event = sample_event(1, b"body");
        let once = marked(&event, event.id, 2);
        let added = format!("X-Inhaul-Replay: of={}; n=2\r\n\r\n", event.id);
        let received = event.head.strip_suffix(b"\r\n").unwrap();
        assert_eq!(once.head, [received, added.as_bytes()].concat());
        assert_eq!(once.body, event.body);
        let twice = marked(&once, event.id, 3);
        assert_eq!(twice.parsed_head().unwrap().headers.iter().filter(|header| header.is(MARK)).count(), 1);
        assert!(String::from_utf8_lossy(&twice.head).contains("; n=3"));
    }
}

//! What is taken in between two pictures, so that nothing outside waits for a picture.

use std::{future::Future, pin::pin};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::message::{Effect, Message};
use crate::{clock, live::Live};

/// Most things taken in before the screen is drawn again, of each kind.
const BATCH: usize = 4096;

/// What comes until the next picture is due, behind the `first`. Results are taken at once, because what is sent waits for them; where more is
/// asked for with a result, it is not kept until the picture.
pub(super) async fn gather(
    first: Option<Message>,
    due: Instant,
    live: &mut mpsc::Receiver<Live>,
    results: &mut mpsc::Receiver<Message>,
) -> Vec<Message> {
    let mut messages = vec![Message::Time(clock::now())];
    let is_by_hand = matches!(first, Some(Message::Key(_) | Message::Mouse(_)));
    let mut goes_on = first.as_ref().is_some_and(asks_for_more);
    messages.extend(first);
    if is_by_hand {
        return messages;
    }
    let mut due = pin!(sleep_until(due));
    while !goes_on {
        tokio::select! {
            biased;
            () = &mut due => break,
            Some(result) = results.recv(), if messages.len() < BATCH => {
                goes_on = asks_for_more(&result);
                messages.push(result);
            }
        }
    }
    // What comes in a burst is drawn once.
    messages.extend(std::iter::from_fn(|| live.try_recv().ok()).take(BATCH).map(Message::Live));
    messages
}

/// Whether the next page or the next events for a filter are asked for when this one is taken in.
fn asks_for_more(message: &Message) -> bool {
    matches!(message, Message::Rows { .. } | Message::Judged(..))
}

/// Takes in what happens until something is done, while the terminal is somebody else's: what shows nothing must not hold up what is
/// forwarded or sent again. What the terminal is needed for comes back.
pub(super) async fn until(
    done: impl Future<Output = ()>,
    live: &mut mpsc::Receiver<Live>,
    results: &mut mpsc::Receiver<Message>,
    mut take_in: impl FnMut(Vec<Message>) -> Vec<Effect>,
    go: impl Fn(Effect),
) -> Vec<Effect> {
    let mut done = pin!(done);
    let mut for_terminal = Vec::new();
    loop {
        let message = tokio::select! {
            biased;
            () = &mut done => return for_terminal,
            Some(result) = results.recv() => result,
            Some(happened) = live.recv() => Message::Live(happened),
        };
        for effect in take_in(vec![Message::Time(clock::now()), message]) {
            if matches!(effect, Effect::Clipboard(_) | Effect::TakeMouse(_) | Effect::Redraw) {
                for_terminal.push(effect);
            } else {
                go(effect);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, time::Duration};

    use tokio::{sync::oneshot, time::timeout};

    use super::*;

    const MANY: u64 = 500;

    /// So many requests of a replay are done, each told when there is room.
    fn done(results: mpsc::Sender<Message>) -> tokio::task::JoinHandle<()> {
        tokio::spawn(async move {
            for _ in 0..MANY {
                results.send(Message::Sent(1, None)).await.unwrap();
            }
        })
    }

    fn sent(messages: &[Message]) -> usize {
        messages.iter().filter(|message| matches!(message, Message::Sent(..))).count()
    }

    #[tokio::test(start_paused = true)]
    async fn many_requests_of_a_replay_are_done_between_two_pictures() {
        let (results, mut come_back) = mpsc::channel(8);
        let (_keep, mut live) = mpsc::channel(1);
        done(results.clone());
        let due = Instant::now() + Duration::from_millis(16);
        let first = come_back.recv().await;
        let messages = gather(first, due, &mut live, &mut come_back).await;
        assert_eq!(sent(&messages), usize::try_from(MANY).unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_page_of_events_is_asked_for_before_the_next_picture() {
        let (results, mut come_back) = mpsc::channel(8);
        let (_keep, mut live) = mpsc::channel(1);
        let rows = || Message::Rows { rows: Vec::new(), whole: false };
        let now = Instant::now();
        let due = now + Duration::from_millis(16);
        gather(Some(rows()), due, &mut live, &mut come_back).await;
        results.send(Message::Sent(1, None)).await.unwrap();
        results.send(rows()).await.unwrap();
        let messages = gather(None, due, &mut live, &mut come_back).await;
        assert_eq!((messages.len(), Instant::now()), (3, now), "no time passes");
        gather(None, due, &mut live, &mut come_back).await;
        assert_eq!(Instant::now(), due);
    }

    #[tokio::test(start_paused = true)]
    async fn a_replay_goes_on_while_an_editor_has_the_terminal() {
        let (results, mut come_back) = mpsc::channel(8);
        let (_keep, mut live) = mpsc::channel(1);
        let (end, ended) = oneshot::channel::<()>();
        let replay = done(results.clone());
        // The editor ends when the replay has.
        tokio::spawn(async move {
            replay.await.unwrap();
            results.send(Message::Failed("no".to_owned())).await.unwrap();
            let _all_taken = results.reserve_many(8).await.unwrap();
            end.send(()).unwrap();
        });
        let went = RefCell::new(Vec::new());
        let take_in = |messages: Vec<Message>| match sent(&messages) {
            0 => vec![Effect::Redraw],
            _ => vec![Effect::Reconnect],
        };
        let editor = async { ended.await.unwrap() };
        let later =
            until(editor, &mut live, &mut come_back, take_in, |effect| went.borrow_mut().push(effect));
        // The clock moves when nobody goes on.
        let later = timeout(Duration::from_secs(1), later).await.expect("the replay goes on");
        assert_eq!(later, [Effect::Redraw], "the terminal is not free");
        assert_eq!(went.into_inner().len(), usize::try_from(MANY).unwrap());
    }
}

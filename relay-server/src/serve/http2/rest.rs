//! What becomes of the rest of a request that is answered before it was read. hyper resets the stream of one that nobody reads any more, right behind
//! the answer. RFC 9113 §8.1 allows that, but senders such as libcurl drop the answer then. So the rest is read and thrown away: for a while before
//! the answer, as over HTTP/1.1, and when there is still more to come, for a while behind it.

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use tokio::time::timeout;

use super::super::{Server, raw_heads::MOST_BYTES};

/// Reads the rest before the answer is sent, as far as that goes; what is still to come then is read behind the answer, while its sender sees that.
pub(super) async fn read_rest(server: &Server, mut body: Incoming) {
    let longest = server.ingest.limits.refused_timeout;
    if timeout(longest, read(&mut body, MOST_BYTES)).await == Ok(true) {
        return;
    }
    let stop_now = server.stop_now.clone();
    server.connections.spawn(async move {
        tokio::select! {
            _ = timeout(longest, read(&mut body, usize::MAX)) => {}
            () = stop_now.cancelled() => {}
        }
    });
}

/// Throws a body away, or so much of it; whether it is over.
async fn read(body: &mut Incoming, most_bytes: usize) -> bool {
    let mut left = most_bytes;
    while left > 0 {
        let Some(Ok(frame)) = body.frame().await else { return true };
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
    }
    false
}

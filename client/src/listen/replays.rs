//! What is sent again while a client listens.

use std::pin::pin;

use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    control::{PlanRequest, ReplayRequest, Wanted},
    forward::Target,
    pipeline::Pipeline,
};

/// Replays that are being sent, each asked for by itself. When there are as many, the next ones wait.
pub(crate) const REPLAYS_AT_ONCE: usize = 64;

/// Sends again what is asked for, each beside the others, as many as that; the next ones wait where they are asked for.
pub(crate) async fn replay(
    pipeline: Pipeline,
    mut requests: mpsc::Receiver<ReplayRequest>,
    mut plans: mpsc::Receiver<PlanRequest>,
    stop: CancellationToken,
) {
    let mut under_way = JoinSet::new();
    loop {
        let has_room = under_way.len() < REPLAYS_AT_ONCE;
        let request = tokio::select! {
            () = stop.cancelled() => break,
            // How it ended was said to whoever asked.
            Some(_) = under_way.join_next() => continue,
            Some(plan) = plans.recv(), if has_room => {
                under_way.spawn(carry_out(pipeline.clone(), plan, stop.clone()));
                continue;
            }
            request = requests.recv(), if has_room => request,
        };
        let Some(ReplayRequest { id, to, signing, answer }) = request else { break };
        let pipeline = pipeline.clone();
        under_way.spawn(async move {
            let target = to.map(|to| to.parse::<Target>().map_err(|error| error.to_string())).transpose();
            let attempted = match target {
                Ok(target) => pipeline.replay(id, target, signing).await,
                Err(reason) => Err(reason),
            };
            // Whoever asked may have gone; the attempt is on record.
            let _ = answer.send(attempted);
        });
    }
    while under_way.join_next().await.is_some() {}
}

/// Looks at a plan, or has it sent until the client or whoever asked stops.
pub(crate) async fn carry_out(pipeline: Pipeline, request: PlanRequest, stop: CancellationToken) {
    let PlanRequest { plan, wanted } = request;
    match wanted {
        // Whoever asked may have gone.
        Wanted::Preview(answer) => drop(answer.send(pipeline.preview(&plan).await)),
        Wanted::Sent(sent, asked_to_stop) => {
            let either = stop.child_token();
            let mut sending = pin!(pipeline.replay_all(plan, &sent, &either));
            tokio::select! {
                () = &mut sending => return,
                () = asked_to_stop.cancelled() => either.cancel(),
            }
            sending.await;
        }
    }
}

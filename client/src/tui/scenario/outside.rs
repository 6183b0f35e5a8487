//! Scenarios written to their directory, and played, where nobody waits for it.

use std::{path::PathBuf, time::Duration};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Begun, Saved, Saving};
use crate::{
    export::Mask,
    history::History,
    scenario::{
        BODIES_MAX_BYTES, Library, LibraryError, PlayOptions, Player, Playing, Recording, STEPS_MAX, write,
    },
    tui::message::Message,
};

/// What saves and plays scenarios.
#[derive(Clone)]
pub(in super::super) struct Scenarios {
    pub(in super::super) history: History,
    pub(in super::super) mask: Mask,
    pub(in super::super) library: Library,
    pub(in super::super) player: Player,
}

impl Scenarios {
    /// Reads the events and writes their scenario.
    pub(in super::super) async fn save(&self, saving: Saving) -> Message {
        let name = saving.name.clone();
        Message::ScenarioSaved(name, self.try_save(saving).await.unwrap_or_else(Saved::Failed))
    }

    async fn try_save(&self, saving: Saving) -> Result<Saved, String> {
        let Saving { name, ids, to, draft, delay_ms, masks, replace } = saving;
        let (mut events, mut body_bytes) = (Vec::new(), 0);
        if ids.len() > STEPS_MAX {
            return Err(format!(
                "{} events are too many for a scenario; {STEPS_MAX} are the most",
                ids.len()
            ));
        }
        for id in ids {
            let found = self.history.event(id).await.map_err(|error| error.to_string())?;
            let (event, row) = found.ok_or_else(|| format!("event {id} is gone"))?;
            body_bytes += event.body.len() as u64;
            if body_bytes > BODIES_MAX_BYTES {
                return Err(format!("their bodies are more than {} MiB", BODIES_MAX_BYTES >> 20));
            }
            events.push((event, row));
        }
        let steps = events.len();
        let delay = (delay_ms > 0).then(|| Duration::from_millis(delay_ms));
        let recording =
            Recording { name: name.clone(), to, draft, delay, mask: masks.then(|| self.mask.clone()) };
        let (library, catalogue) = (self.library.clone(), self.player.routes.catalogue().clone());
        let saving = move || -> Result<(Result<PathBuf, LibraryError>, bool), String> {
            let written = write(events, &recording, &catalogue)?;
            Ok((library.save(&name, &written, replace), written.masked))
        };
        let (saved, masked) =
            tokio::task::spawn_blocking(saving).await.map_err(|_| "it broke off".to_owned())??;
        match saved {
            Ok(path) => Ok(Saved::At { path, steps, masked }),
            Err(LibraryError::Exists(path)) => Ok(Saved::Exists(path)),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Plays a scenario, and tells of each step, until all are done or it is stopped.
    pub(in super::super) async fn play(
        &self,
        number: u64,
        name: &str,
        results: &mpsc::Sender<Message>,
        stop: &CancellationToken,
    ) {
        let prepared = self.prepare(name).await;
        let begun =
            prepared.as_ref().map(|playing| Begun { name: name.to_owned(), cues: playing.cues().to_vec() });
        let begun = Message::PlayBegun(number, begun.map_err(Clone::clone));
        let (Ok(mut playing), Ok(())) = (prepared, results.send(begun).await) else { return };
        loop {
            let played = tokio::select! {
                () = stop.cancelled() => None,
                played = playing.next() => played,
            };
            let is_over = played.is_none();
            if results.send(Message::Played(number, played)).await.is_err() || is_over {
                return;
            }
        }
    }

    async fn prepare(&self, name: &str) -> Result<Playing, String> {
        let (library, wanted) = (self.library.clone(), name.to_owned());
        let read = tokio::task::spawn_blocking(move || match library.read(&wanted) {
            Ok(scenario) => Ok(scenario),
            Err(error @ LibraryError::Missing(_)) => {
                let names = library.names().unwrap_or_default().join(", ");
                let there =
                    if names.is_empty() { "there are none".to_owned() } else { format!("there are {names}") };
                Err(format!("{error}; {there}"))
            }
            Err(error) => Err(error.to_string()),
        });
        let scenario = read.await.map_err(|_| "it cannot be read".to_owned())??;
        let prepared = self.player.prepare(scenario, &PlayOptions::default());
        let playing = prepared.map_err(|error| error.to_string())?;
        let external = playing.external();
        if external.is_empty() {
            Ok(playing)
        } else {
            let targets = external.join(", ");
            Err(format!("{targets} is not on this machine; `inhaul play {name} --yes` sends it there"))
        }
    }
}

//! `kill -9` of a process that stores: what it said to be stored is there, in order, once.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use super::*;

/// Names the data directory; set only for the process that is to be killed.
const VICTIM: &str = "INHAUL_TEST_HISTORY_VICTIM";

/// Not a test of its own: the process that stores until it is killed, a few events at once.
#[tokio::test]
async fn victim() {
    let Some(path) = std::env::var_os(VICTIM) else { return };
    let history = History::open(Path::new(&path)).unwrap().history;
    let first = history.status().await.unwrap().events * 1000;
    for group in 0.. {
        let numbers = first + group * 8..first + group * 8 + 8;
        let stores = numbers.map(|number| {
            let history = history.clone();
            async move {
                let event = sample_event(number, &body(number));
                let id = event.id;
                history.store(event, forwarded()).await.unwrap();
                println!("stored {id}");
            }
        });
        futures_util::future::join_all(stores).await;
    }
}

/// Starts the victim, and gives back each line it says.
fn start(path: &Path) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "history::tests::kill::victim", "--nocapture"])
        .env(VICTIM, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let ids = lines.filter_map(|line| line.split_once("stored ").map(|(_, id)| id.trim().to_owned()));
    (child, ids)
}

#[tokio::test]
async fn nothing_that_was_said_to_be_stored_is_lost() {
    let world = World::new();
    let mut said = Vec::new();
    for round in 0..4 {
        let (mut child, mut ids) = start(&world.path());
        said.extend(ids.by_ref().take(40 + round * 37));
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said before the kill and was not read yet counts too.
        said.extend(ids);

        let history = world.open_well();
        let (rows, pending) = everything(&history).await;
        let stored: Vec<String> = rows.iter().map(|row| row.id.to_string()).collect();
        let mut unique = stored.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), stored.len(), "an event is there twice");
        assert_eq!(unique, stored, "the order of storing is not that of the calls");
        // Of events stored together, a later one may be heard of first.
        let lost: Vec<&String> = said.iter().filter(|id| unique.binary_search(id).is_err()).collect();
        assert!(lost.is_empty(), "said to be stored and not there: {lost:?}");
        assert_eq!(pending.len(), rows.len());
        for row in rows.iter().rev().take(20) {
            let (event, _) = history.event(row.id).await.unwrap().unwrap();
            assert_eq!(Event::digest(&event.body), event.body_sha256);
        }
        history.close().await.unwrap();
    }
}

//! Scenarios saved of marked events and from the dialog, and what is shown while one is played.

use std::path::Path;

use super::{Stage, id, row};
use crate::{
    config::Routes,
    draft::{Draft, Sign},
    forward::{ForwardOptions, Forwarder},
    live::Live,
    row::{FailureKind, Outcome},
    scenario::{PlayOptions, Played, Player, Scenario},
    tui::{
        message::{Effect, Message},
        scenario::{Begun, Saved, Saving},
    },
};

fn three() -> Stage {
    let mut stage = Stage::new(120, 30);
    for number in 1..=3 {
        stage.tell(Message::Live(Live::Event(Box::new(row(number)))));
    }
    stage.effects.clear();
    stage
}

/// The scenarios that are to be saved or played since the last time.
fn asked(stage: &mut Stage) -> Vec<Effect> {
    let effects = std::mem::take(&mut stage.effects);
    let is_asked =
        |effect: &Effect| matches!(effect, Effect::SaveScenario(_) | Effect::Play(..) | Effect::Stop(_));
    effects.into_iter().filter(is_asked).collect()
}

fn saving(name: &str) -> Saving {
    Saving {
        name: name.to_owned(),
        ids: vec![id(1), id(2)],
        to: None,
        draft: Draft::default(),
        delay_ms: 0,
        masks: true,
        replace: false,
    }
}

#[test]
fn marked_events_are_saved_by_a_command() {
    let mut stage = three();
    stage.keys("gg  :save orders");
    assert!(stage.screen().contains("▸save what is marked as the scenario orders"), "{}", stage.screen());
    stage.keys("<enter>");
    assert_eq!(asked(&mut stage), [Effect::SaveScenario(Box::new(saving("orders")))]);
    let there = Saved::Exists(Path::new("inhaul.d/orders.toml").to_owned());
    stage.tell(Message::ScenarioSaved("orders".to_owned(), there));
    assert!(stage.screen().contains("is there already; :save! orders writes over it"));
    stage.keys("Sgsorders<enter>");
    assert_eq!(
        asked(&mut stage),
        [Effect::SaveScenario(Box::new(Saving { masks: false, ..saving("orders") }))],
        "credentials are in it when they are shown"
    );
    stage.keys(":save body<enter>");
    assert!(asked(&mut stage).is_empty(), "that is another command's name");
}

#[test]
fn the_dialog_saves_what_it_would_send_and_writes_over_only_when_told_twice() {
    let mut stage = three();
    stage.keys("gg  R3001<f7>");
    assert!(stage.screen().contains("a scenario has a name"));
    stage.keys("orders<S-tab><S-tab><S-tab><S-tab><S-tab><S-tab><S-tab><S-tab>");
    // The signature is before id, mark, times, delay, jitter, concurrency, order and the name.
    stage.keys(" <f7>");
    let mut draft = Draft::default();
    draft.changes.sign = Sign::Fresh;
    let saving = Saving { to: Some("3001".parse().unwrap()), draft, ..saving("orders") };
    assert_eq!(asked(&mut stage), [Effect::SaveScenario(Box::new(saving.clone()))]);
    let there = Saved::Exists(Path::new("inhaul.d/orders.toml").to_owned());
    stage.tell(Message::ScenarioSaved("orders".to_owned(), there));
    assert!(stage.screen().contains("F7 again writes over it"), "{}", stage.screen());
    stage.keys("<f7>");
    let again = Saving { replace: true, ..saving };
    assert_eq!(asked(&mut stage), [Effect::SaveScenario(Box::new(again))]);
    let path = Path::new("inhaul.d/orders.toml").to_owned();
    stage.tell(Message::ScenarioSaved("orders".to_owned(), Saved::At { path, steps: 2, masked: true }));
    let told = "inhaul.d/orders.toml, 2 steps; credentials are masked; `inhaul play orders` plays it";
    assert!(stage.screen().contains(told), "{}", stage.screen());
}

/// The begin of a play of three steps.
fn begun() -> Begun {
    let text = "to = 3000\n[[step]]\nname = \"charge.failed\"\n[[step]]\nname = \"evil \\u001b[2J\"\n[[step]]\nname = \"last\"";
    let scenario = Scenario::parse(Path::new("orders.toml"), text.as_bytes()).unwrap();
    let routes = Routes::new(crate::config::Route::catch_all(), Vec::new());
    let player = Player { forwarder: Forwarder::new(ForwardOptions::default()), routes: routes.into() };
    let playing = player.prepare(scenario, &PlayOptions::default()).unwrap();
    Begun { name: "orders".to_owned(), cues: playing.cues().to_vec() }
}

#[test]
fn what_is_played_is_shown_step_by_step() {
    let mut stage = three();
    stage.keys(":play orders<enter>");
    assert_eq!(asked(&mut stage), [Effect::Play(1, "orders".to_owned())]);
    stage.tell(Message::PlayBegun(1, Ok(begun())));
    let answered = super::answered(1, 200).outcome;
    let failed = Outcome::Failed { kind: FailureKind::Connect, message: "refused".to_owned(), latency_ms: 3 };
    let expected = Some("expected 2xx".to_owned());
    stage
        .tell(Message::Played(1, Some(Played { round: 1, step: 0, result: Ok(answered), unexpected: None })));
    stage.tell(Message::Played(
        1,
        Some(Played { round: 1, step: 1, result: Ok(failed), unexpected: expected }),
    ));
    insta::assert_snapshot!(stage.screen());
    stage.keys("<esc>");
    assert_eq!(asked(&mut stage), [Effect::Stop(1)], "the first time it stops it");
    stage.tell(Message::Played(1, None));
    assert!(stage.screen().contains("orders: 1 of 3 answers as expected"), "{}", stage.screen());
    stage.keys("<esc>");
    assert!(!stage.screen().contains("charge.failed"), "then it closes the page");
    stage.keys("P");
    assert!(stage.screen().contains("charge.failed"));
}

#[test]
fn what_cannot_be_played_is_said() {
    let mut stage = three();
    stage.keys("gpnothing<enter>");
    assert_eq!(asked(&mut stage), [Effect::Play(1, "nothing".to_owned())]);
    stage.tell(Message::PlayBegun(1, Err("there is no scenario".to_owned())));
    assert!(stage.screen().contains("not played: there is no scenario"));
    stage.keys("P");
    assert!(stage.screen().contains("no scenario was played"));
}

//! `inhaul demo --once` tells the whole story and ends by itself.

use crate::world::World;

#[test]
fn the_demo_tells_its_story() {
    let world = World::new();
    let output = world.stdout(&["demo", "--once"]);
    let text = String::from_utf8(output).unwrap();
    for event_type in [
        "call.created",
        "call.started",
        "call.ended",
        "call.billing.charged",
        "user.balance_low",
        "summary.ready",
    ] {
        assert!(text.contains(event_type), "{event_type} in {text}");
    }
    assert_eq!(text.matches("✓ valid").count(), 7, "{text}");
    assert_eq!(text.matches("✗ invalid").count(), 1, "{text}");
    assert_eq!(text.matches("→ 200").count(), 8, "{text}");
    assert_eq!(text.matches("→ 401").count(), 1, "{text}");
    assert!(text.contains("known already, not done again"), "{text}");
    // With a data directory of its own, the history stays.
    assert_eq!(world.events().len(), 8);
    let twice = world.events().into_iter().filter(|event| event["attempts"].as_array().unwrap().len() == 2);
    assert_eq!(twice.count(), 1, "one event was replayed");
}

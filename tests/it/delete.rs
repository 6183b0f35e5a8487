//! Events that are deleted: by a command beside a running client, and without one.

use crate::{sender::Sender, world::World};

fn ids(world: &World, filter: &str) -> Vec<String> {
    let listed = world.json(&["events", "--json", filter]);
    listed.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_is_deleted_is_gone_and_does_not_come_back() {
    let world = World::new();
    let client = world.listen(&["--port", "0"]);
    let sender = Sender::new(client.endpoint_url(), None);
    let post = |path: &str| sender.send("POST", path, &[], format!("secret of {path}").as_bytes()).event_id();
    let (one, two, three) = (post("/one"), post("/two"), post("/three"));
    let (code, said) = world.fails(&["delete", &one]);
    assert!(code == 2 && said.contains("nobody can be asked") && said.contains("`--yes`"), "{said}");
    assert_eq!(ids(&world, "").len(), 3);
    assert!(world.run(&["delete", "--yes", &one[..23]]).status.success());
    assert_eq!(ids(&world, ""), [three.clone(), two.clone()]);
    assert_eq!(world.fails(&["show", &one]).0, 1);
    assert!(client.program.stop().success());

    world.stdout(&["comment", &three, &two]);
    let deleted = world.run(&["delete", "path:/two", "--yes"]);
    assert!(String::from_utf8_lossy(&deleted.stderr).contains("1 event deleted"), "{deleted:?}");
    assert_eq!(ids(&world, ""), std::slice::from_ref(&three));
    for (args, code, why) in [
        (&["delete", "--yes", &two][..], 1, "there is no event"),
        (&["delete", "--yes", &two, &two], 1, "there is no event"),
        (&["delete", "--yes", "path:/nowhere"], 1, "no event passes the filter"),
        (&["delete", "--yes", ""], 2, "an empty filter means every event"),
        (&["delete", "--yes", "is:marked"], 2, "marks are known to the inspector alone"),
        (&["delete", "--yes", &three, &two], 1, "there is no event"),
    ] {
        let (exit, said) = world.fails(args);
        assert!(exit == code && said.contains(why), "{args:?}: {exit} {said}");
    }
    assert_eq!(ids(&world, ""), [three], "what names no event deletes none");
    assert!(
        String::from_utf8(world.stdout(&["history", "check"])).unwrap().contains("all of it can be read")
    );
}

//! Events that are deleted: by a command beside a running client, and without one.

use std::{fs, path::PathBuf};

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

/// The journal of the only period.
fn journal(world: &World) -> PathBuf {
    let inside = fs::read_dir(world.path("client/history")).unwrap().map(|entry| entry.unwrap().path());
    inside.map(|period| period.join("journal")).find(|path| path.exists()).unwrap()
}

/// A repair keeps what it replaces, and with it what is deleted later.
#[test]
fn who_deletes_is_told_of_a_journal_that_may_still_have_it() {
    let world = World::new();
    let client = world.listen(&["--port", "0"]);
    let sender = Sender::new(client.endpoint_url(), None);
    let (damaged, deleted) = (sender.post(b"to be damaged"), sender.post(b"to be deleted").event_id());
    assert_eq!(damaged.status, 200);
    assert!(client.program.stop().success());
    let files = fs::read_dir(journal(&world)).unwrap().map(|entry| entry.unwrap().path());
    let segment = files.into_iter().find(|path| path.extension().is_some_and(|kind| kind == "seg")).unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    let at = bytes.windows(13).position(|window| window == b"to be damaged").unwrap();
    bytes[at] ^= 1;
    fs::write(&segment, bytes).unwrap();
    // What is damaged is said once by each.
    let checked = world.run(&["history", "check"]);
    assert!(checked.stderr.is_empty(), "{}", String::from_utf8_lossy(&checked.stderr));
    assert_eq!(checked.status.code(), Some(1), "{}", String::from_utf8_lossy(&checked.stdout));
    let listed = String::from_utf8(world.run(&["events"]).stderr).unwrap();
    let mut told: Vec<&str> = listed.lines().map(|line| line.split("history in").last().unwrap()).collect();
    let count = told.len();
    told.sort_unstable();
    told.dedup();
    assert!(count > 0 && told.len() == count, "{listed}");
    world.run(&["history", "repair"]);
    let said = |args: &[&str]| String::from_utf8(world.run(args).stderr).unwrap();
    let told = said(&["delete", "--yes", &deleted]);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], "1 event deleted", "{told}");
    let kept = lines[1].strip_prefix("note: ").unwrap().split(" is as a repair left it").next().unwrap();
    let holds = |directory: &str| {
        let files = fs::read_dir(directory).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
        files.into_iter().any(|bytes| bytes.windows(13).any(|window| window == b"to be deleted"))
    };
    assert!(holds(kept) && !holds(journal(&world).to_str().unwrap()), "{told}");
    let told = said(&["delete", "--yes", "path:/nowhere"]);
    assert!(!told.contains("note: "), "nothing is deleted: {told}");
    fs::remove_dir_all(kept).unwrap();
    let client = world.listen(&["--port", "0"]);
    let last = Sender::new(client.endpoint_url(), None).post(b"last").event_id();
    let told = said(&["delete", "--yes", &last]);
    assert!(told.contains("1 event deleted") && !told.contains("note: "), "{told}");
}

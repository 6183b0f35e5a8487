//! Endpoints that are added, changed and removed, by the relay's process and by another one.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn name(text: &str) -> EndpointName {
    text.parse().unwrap()
}

fn add(registry: &Registry, text: &str) -> (Endpoint, Token) {
    registry.add(&name(text), AnswerMode::Relay, OnAbsent::Accept).unwrap()
}

#[test]
fn a_running_relay_sees_what_another_process_changes() {
    let data = tempfile::tempdir().unwrap();
    let relay = Registry::open(data.path()).unwrap();
    let command = Registry::open(data.path()).unwrap();
    let (endpoint, token) = add(&command, "orders");
    let endpoint = Arc::new(endpoint);
    assert_eq!(relay.by_part(&endpoint.part), Some(Arc::clone(&endpoint)));
    assert_eq!(relay.authenticate("orders", token.reveal()), Ok(Arc::clone(&endpoint)));
    assert_eq!(relay.authenticate(&endpoint.part, token.reveal()), Ok(endpoint));
    let newer = command.rotate_token(&name("orders")).unwrap();
    relay.reload(&mut relay.shared.state.lock().unwrap());
    assert_eq!(relay.authenticate("orders", token.reveal()), Err(AuthError));
    assert!(relay.authenticate("orders", newer.reveal()).is_ok());
    command.remove(&name("orders")).unwrap();
    relay.reload(&mut relay.shared.state.lock().unwrap());
    assert!(relay.list().is_empty());
}

#[test]
fn who_watches_is_told_once_of_a_removed_endpoint_and_before_anybody_sees_another_of_its_name() {
    let data = tempfile::tempdir().unwrap();
    let command = Registry::open(data.path()).unwrap();
    add(&command, "orders");
    command.remove(&name("orders")).unwrap();
    for _start in 0..2 {
        let relay = Registry::open(data.path()).unwrap();
        let told: Arc<Mutex<Vec<(usize, usize)>>> = Arc::default();
        let tell = Arc::clone(&told);
        relay.watch(move |endpoints, removed| tell.lock().unwrap().push((endpoints.len(), removed.len())));
        assert_eq!(*told.lock().unwrap(), [(0, 1)], "as often as it is not taken off the file");
        let (second, _) = add(&command, "orders");
        assert!(relay.by_part(&second.part).is_some());
        assert_eq!(*told.lock().unwrap(), [(0, 1), (1, 0)]);
        command.remove(&name("orders")).unwrap();
        let (third, _) = add(&command, "orders");
        assert!(relay.by_part(&third.part).is_some());
        assert_eq!(*told.lock().unwrap(), [(0, 1), (1, 0), (1, 1)]);
        command.remove(&name("orders")).unwrap();
        relay.reload(&mut relay.shared.state.lock().unwrap());
        assert_eq!(told.lock().unwrap().last(), Some(&(0, 1)));
        relay.forget_removed().unwrap();
        assert!(read(&data.path().join("endpoints.json")).unwrap().0.removed.is_empty());
        add(&command, "orders");
        command.remove(&name("orders")).unwrap();
    }
}

#[test]
fn tokens_are_long_random_and_not_in_the_file() {
    let data = tempfile::tempdir().unwrap();
    let registry = Registry::open(data.path()).unwrap();
    let (first, token) = add(&registry, "a");
    let (second, other) = add(&registry, "b");
    assert_eq!(token.reveal().len(), 3 + 43);
    assert_ne!(token.reveal(), other.reveal());
    assert_ne!(first.part[2..], second.part[2..]);
    let path = data.path().join("endpoints.json");
    let file = fs::read_to_string(&path).unwrap();
    assert!(!file.contains(token.reveal()));
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    for wrong in ["", "ih_", other.reveal()] {
        assert_eq!(registry.authenticate("a", wrong), Err(AuthError));
    }
    assert_eq!(registry.authenticate("none", token.reveal()), Err(AuthError));
}

#[test]
fn names_are_taken_once_even_by_many_processes() {
    let data = tempfile::tempdir().unwrap();
    let added: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let data = data.path();
                scope.spawn(move || {
                    let registry = Registry::open(data).unwrap();
                    add(&registry, &format!("own-{thread}"));
                    let both = registry.add(&name("both"), AnswerMode::App, OnAbsent::Refuse);
                    usize::from(both.is_ok())
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(added, 1);
    assert_eq!(Registry::open(data.path()).unwrap().list().len(), 9);
}

#[test]
fn a_broken_file_is_an_error_at_the_start_and_ignored_later() {
    let data = tempfile::tempdir().unwrap();
    let registry = Registry::open(data.path()).unwrap();
    let (endpoint, _) = add(&registry, "orders");
    let path = data.path().join("endpoints.json");
    fs::write(&path, "{\"version\": 1,\n \"endpoints\": [oops]}").unwrap();
    registry.reload(&mut registry.shared.state.lock().unwrap());
    assert_eq!(registry.by_part(&endpoint.part.clone()), Some(Arc::new(endpoint)));
    let error = Registry::open(data.path()).err().unwrap().to_string();
    assert!(error.contains("endpoints.json") && error.contains("line 2 column"), "{error}");
    fs::write(&path, "{\"version\": 9}").unwrap();
    assert!(matches!(Registry::open(data.path()), Err(RegistryError::Version { version: 9, .. })));
    assert!(registry.add(&name("b"), AnswerMode::App, OnAbsent::Accept).is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"version\": 9}", "nothing is destroyed");
}

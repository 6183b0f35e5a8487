//! The rules between the packages, and between the program and its documents.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn dependencies(manifest: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join(manifest)).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    manifest["dependencies"].as_table().unwrap().keys().cloned().collect()
}

/// Every Rust file below a directory, with its text.
fn sources(directory: &str) -> Vec<(PathBuf, String)> {
    let (mut found, mut left) = (Vec::new(), vec![root().join(directory)]);
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(found.len() > 3, "{directory} has sources");
    found
}

#[test]
fn packages_depend_one_way() {
    for (manifest, allowed) in [
        ("Cargo.toml", &[][..]),
        ("journal/Cargo.toml", &[]),
        ("relay-server/Cargo.toml", &["inhaul-core", "inhaul-journal"]),
        ("client/Cargo.toml", &["inhaul-core", "inhaul-journal", "inhaul-relay"]),
    ] {
        let own: BTreeSet<String> =
            dependencies(manifest).into_iter().filter(|name| name.starts_with("inhaul")).collect();
        assert_eq!(own, allowed.iter().map(|&name| name.to_owned()).collect(), "{manifest}");
    }
}

#[test]
fn decisions_know_no_runtime_and_the_journal_knows_no_webhooks() {
    let runtime = ["tokio", "hyper", "rustls", "tokio-tungstenite", "sled", "ratatui", "crossterm"];
    for manifest in ["Cargo.toml", "journal/Cargo.toml"] {
        for name in runtime {
            assert!(!dependencies(manifest).contains(name), "{manifest} must not need {name}");
        }
    }
    for (path, text) in sources("src") {
        for word in ["std::fs", "std::net", "std::thread", "SystemTime", "Instant::now", "async fn"] {
            let code = text.split("#[cfg(test)]").next().unwrap();
            let in_test =
                path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
            assert!(in_test || !code.contains(word), "{} does {word}", path.display());
        }
    }
}

#[test]
fn only_the_listening_client_and_the_command_line_know_the_embedded_relay() {
    for (path, text) in sources("client/src") {
        let name = path.strip_prefix(root().join("client/src")).unwrap().to_owned();
        let allowed = ["listen.rs", "listen/embedded.rs", "cli.rs", "commands.rs", "commands/log.rs"];
        let knows = text.contains("inhaul_relay");
        assert!(!knows || allowed.iter().any(|allowed| name == Path::new(allowed)), "{}", path.display());
    }
}

#[test]
fn every_file_says_what_it_is_about() {
    for directory in ["src", "journal", "relay-server/src", "client/src", "tests", "benches"] {
        for (path, text) in sources(directory) {
            assert!(text.starts_with("//! "), "{} does not begin with a line about it", path.display());
        }
    }
}

/// What says of a line of code that it compares a secret, or what is made with one, in a time that depends on how much of it is right.
const HASTY_COMPARISON: &str = r"(?x)
    \b(secret|digest|made|mac|signature|token)(\.\w+(\(\))?)*\s*[=!]=[^=>]
    | [=!]=\s*[&*]?(secret|digest|made|mac|signature|token)\b
    | \b(secrets|digests|made|macs|signatures|tokens)\.contains\(";

#[test]
fn secrets_and_digests_are_compared_in_constant_time() {
    let hasty = regex::Regex::new(HASTY_COMPARISON).unwrap();
    for line in
        ["secret.text.as_bytes().trim_ascii() == token", "made.contains(&digest)", "if given != *digest {"]
    {
        assert!(hasty.is_match(line), "{line}");
    }
    for (path, text) in sources("src/signature") {
        let is_test = path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (at, line) in code.lines().enumerate().filter(|_| !is_test) {
            assert!(!hasty.is_match(line), "{}:{}: {line}", path.display(), at + 1);
        }
    }
}

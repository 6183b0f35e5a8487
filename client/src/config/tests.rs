//! The layers over each other, every bad file with its message, and the sample against the defaults.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Parser;
use inhaul_core::wire::Sharing;

use super::*;
use crate::cli::{AnswerMode, Cli, Command, OnAbsent, VerifyMode};

const SAMPLE: &str = include_str!("../../../assets/inhaul.toml");

fn listen(args: &str) -> ListenArgs {
    let words = ["inhaul", "listen"].into_iter().chain(args.split_whitespace());
    let Command::Listen(args) = Cli::try_parse_from(words).unwrap().command else { panic!("{args}") };
    *args
}

fn resolve(args: &str, variables: &[(&str, &str)], file: Option<&str>) -> Result<Settings, ConfigError> {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    let environment = |name: &str| variables.get(name).map(OsString::from);
    let file = file.map(|text| ConfigFile::parse(Path::new("inhaul.toml"), text)).transpose()?;
    Settings::resolve(&listen(args), &environment, file)
}

fn targets(route: &Route) -> Vec<String> {
    route.targets.iter().map(ToString::to_string).collect()
}

fn route_of<'s>(settings: &'s Settings, target: &str) -> &'s Route {
    settings.routes.at(settings.routes.by_path(target.as_bytes()).unwrap())
}

fn labels(route: &Route) -> Vec<String> {
    route.secrets.now().iter().map(|secret| secret.label().to_owned()).collect()
}

#[test]
fn every_bad_file_gets_its_message() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/bad-config");
    let mut seen = 0;
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let expected = text.lines().next().and_then(|line| line.strip_prefix("# must say: ")).unwrap();
        let environment = |name: &str| match name {
            "SET" => Some(OsString::from("a")),
            "EMPTY" => Some(OsString::new()),
            _ => None,
        };
        let error = ConfigFile::parse(Path::new(path.file_name().unwrap()), &text)
            .and_then(|file| Settings::resolve(&ListenArgs::default(), &environment, Some(file)))
            .unwrap_err();
        assert_eq!(error.to_string(), expected, "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 20, "{seen}");
}

#[test]
fn the_sample_says_the_defaults() {
    let is_default = |line: &&str| line.starts_with(|first: char| first.is_ascii_lowercase() || first == '[');
    let defaults: Vec<&str> =
        SAMPLE.lines().filter_map(|line| line.strip_prefix('#')).filter(is_default).collect();
    assert_eq!(defaults.len(), 28, "{defaults:#?}");
    let sample = resolve("", &[], Some(&defaults.join("\n"))).unwrap();
    let nothing = resolve("", &[], None).unwrap();
    assert!(resolve("", &[], Some("[[route]]\npath = '/'\nretry = '1s,2'\n")).is_err());
    assert_eq!(
        format!(
            "{:#?}",
            Settings {
                file: None,
                sources: Sources::default(),
                secret_source: SecretSource::default(),
                ..sample
            }
        ),
        format!(
            "{:#?}",
            Settings { sources: Sources::default(), secret_source: SecretSource::default(), ..nothing }
        )
    );
}

#[test]
fn a_team_shares_how_the_embedded_relay_answers_and_how_long_a_target_has() {
    let file = "timeout = '5s'\nport = 9000\nanswer = 'relay'\non_absent = 'refuse'\n";
    let embedded = |args: &str| {
        let settings = resolve(args, &[], Some(file)).unwrap();
        let RelaySettings::Embedded(embedded) = settings.relay else { panic!("{args}") };
        (settings.timeout, embedded)
    };
    let (timeout, of_file) = embedded("3000");
    assert_eq!((timeout, of_file.port), (Duration::from_secs(5), 9000));
    assert_eq!((of_file.answer, of_file.on_absent), (AnswerMode::Relay, OnAbsent::Refuse));
    let (timeout, of_arguments) = embedded("3000 --timeout 7s --port 0 --answer app --on-absent accept");
    assert_eq!((timeout, of_arguments.port), (Duration::from_secs(7), 0));
    assert_eq!((of_arguments.answer, of_arguments.on_absent), (AnswerMode::App, OnAbsent::Accept));
    for (wrong, said) in [
        ("timeout = 'soon'", "inhaul.toml:1: timeout: "),
        ("timeout = 30", "inhaul.toml:1: timeout: must be text such as \"30s\", not a number"),
        ("port = 70000", "inhaul.toml:1: port: 70000 is no port"),
        ("answer = 'me'", "\"me\""),
        ("on_absent = 'me'", "\"me\""),
    ] {
        let error = resolve("", &[], Some(wrong)).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn the_examples_of_the_page_about_signatures_can_be_used() {
    let page = include_str!("../../../docs/signatures.md");
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let file = ConfigFile::parse(Path::new("inhaul.toml"), example).unwrap();
    let ids: Vec<&str> = file.catalogue.providers().map(|provider| provider.id()).take(3).collect();
    assert_eq!(ids, ["acme", "globex", "callpaymin"]);
    for key in inhaul_core::signature::Provider::TABLE_KEYS {
        assert!(page.contains(&format!("`{key}`")), "{key}");
    }
    let route = format!("{example}[[route]]\npath = '/acme'\nprovider = 'acme'\n");
    let settings = resolve("", &[], Some(&route)).unwrap();
    assert_eq!(route_of(&settings, "/acme").provider.as_ref().unwrap().id(), "acme");
}

#[test]
fn the_examples_of_the_sample_can_be_used() {
    let examples: Vec<&str> = SAMPLE.lines().filter_map(|line| line.strip_prefix("#     ")).collect();
    let file = ConfigFile::parse(Path::new("inhaul.toml"), &examples.join("\n")).unwrap();
    assert!(file.relay.is_some() && file.token_file.is_some() && file.cacert.is_some());
    assert_eq!(file.sharing, Some(Sharing::Share));
    assert_eq!(file.inspector.keymap.unwrap().written("replay"), "r, f11");
    assert_eq!(file.routes.len(), 2);
    assert_eq!(file.routes[1].targets.len(), 2);
    assert_eq!(file.routes[0].verify, Some(VerifyMode::Reject));
}

#[test]
fn what_is_forwarded_and_held_may_be_said_by_saved_filters() {
    let file = "[filters]\nslow = 'size>900'\nlate = 'ms>900'\nasked = 'jq:.a'\n[hold]\nwhen = '@slow'\n[[route]]\npath = '/a'\nwhen = '@slow late'";
    let settings = resolve("", &[], Some(file)).unwrap();
    assert_eq!(settings.hold.as_ref().unwrap().to_string(), "size>900");
    let route = settings.routes.iter().find(|route| route.path.as_str() == "/a").unwrap();
    assert_eq!(route.when.as_ref().unwrap().to_string(), "size>900 late");
    let settings = resolve("--hold @slow --when @slow", &[], Some(file)).unwrap();
    assert_eq!(settings.hold.as_ref().unwrap().to_string(), "size>900");
    let error = |args: &str| resolve(args, &[], Some(file)).unwrap_err().to_string();
    assert!(error("--hold @asked").contains("not decided by a program"), "{}", error("--hold @asked"));
    assert!(error("--when @other").contains("no filter is saved"), "{}", error("--when @other"));
    for args in ["--hold @late", "--hold status:500", "--when is:replayed"] {
        assert!(error(args).contains("is not known then"), "{}", error(args));
    }
}

#[test]
fn filters_of_the_inspector_are_read_as_written_and_those_of_the_file_come_before() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("filters.toml");
    assert_eq!(saved_filters(&path).unwrap(), Saved::default(), "there is no file yet");
    let mut saved = Saved::default();
    saved.insert("slow", "ms>500");
    saved.insert("odd", "\"a \\\"b\\\" \" path~/^\\/a/ 'é'");
    save_filters(&path, &saved).unwrap();
    assert_eq!(saved_filters(&path).unwrap(), saved);
    let file =
        ConfigFile::parse(Path::new("inhaul.toml"), "[filters]\nslow = 'ms>900'\nall = '@slow OR is:late'")
            .unwrap();
    let both = saved.with(&file.filters);
    assert_eq!(both.text("slow"), Some("ms>900"));
    assert_eq!(both.iter().count(), 3);
    fs::write(&path, "[filters]\nslow = 'ms>x'").unwrap();
    assert!(
        saved_filters(&path)
            .unwrap_err()
            .to_string()
            .contains("filters.toml:2: filters.slow: expected a time")
    );
}

#[test]
fn every_key_is_documented() {
    let page = include_str!("../../../docs/configuration.md");
    for key in [file::KEYS, file::ROUTE_KEYS, file::MASK_KEYS, file::DIFF_KEYS, inspector::KEYS].concat() {
        assert!(page.contains(&format!("`{key}`")), "{key}");
        assert!(SAMPLE.contains(key), "{key}");
    }
    for number in [DEFAULT_PORT.to_string(), format!("{}s", DEFAULT_TIMEOUT.as_secs())] {
        assert!(page.contains(&number), "{number}");
    }
}

#[test]
fn defaults_are_an_embedded_relay_and_one_route() {
    let settings = resolve("", &[], None).unwrap();
    let RelaySettings::Embedded(EmbeddedSettings { endpoint, port, tls, answer, on_absent }) = settings.relay
    else {
        panic!("{settings:?}");
    };
    assert_eq!((endpoint.as_str(), port, tls), (DEFAULT_ENDPOINT, DEFAULT_PORT, false));
    assert_eq!((answer, on_absent), (AnswerMode::App, OnAbsent::Accept));
    assert_eq!(settings.timeout, Duration::from_secs(30));
    let routes: Vec<&Route> = settings.routes.iter().collect();
    assert_eq!(routes.len(), 1);
    assert!(routes[0].path.is_root() && routes[0].targets.is_empty() && routes[0].secrets.now().is_empty());
    assert_eq!(routes[0].verify, VerifyMode::Mark);
}

#[test]
fn an_endpoint_is_shared_as_the_file_or_the_argument_says() {
    let sharing = |args, file| resolve(args, &[], file).unwrap().sharing;
    assert_eq!(sharing("", None), None);
    assert_eq!(sharing("", Some("sharing = 'balance'")), Some(Sharing::Balance));
    assert_eq!(sharing("--share", Some("sharing = 'balance'")), Some(Sharing::Share));
    assert_eq!(sharing("--balance", None), Some(Sharing::Balance));
}

#[test]
fn arguments_come_before_the_environment_and_that_before_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let (named, in_file) = (dir.path().join("named"), dir.path().join("in_file"));
    fs::write(&named, "token-of-argument\n").unwrap();
    fs::write(&in_file, "token-of-file\n").unwrap();
    let file = format!(
        "relay = 'https://file.example'\nendpoint = 'file'\ncacert = 'file.pem'\ntoken_file = '{}'\n",
        in_file.display()
    );
    let variables = [
        ("INHAUL_RELAY", "https://variable.example"),
        ("INHAUL_ENDPOINT", "variable"),
        ("INHAUL_TOKEN", "token-of-variable"),
    ];
    let empty = variables.map(|(name, _)| (name, ""));
    let arguments = format!(
        "--relay https://argument.example --endpoint argument --cacert argument.pem --token-file {}",
        named.display()
    );
    for (arguments, variables, who, cacert) in [
        (arguments.as_str(), &variables[..], "argument", "argument.pem"),
        ("", &variables[..], "variable", "file.pem"),
        ("", &empty[..], "file", "file.pem"),
        ("", &[], "file", "file.pem"),
    ] {
        let settings = resolve(arguments, variables, Some(&file)).unwrap();
        assert_eq!(settings.cacert, Some(PathBuf::from(cacert)));
        let RelaySettings::Remote { url, endpoint, token } = settings.relay else { panic!("{who}") };
        assert_eq!(url.to_string(), format!("https://{who}.example"));
        assert_eq!(endpoint.as_str(), who);
        assert_eq!(token.expose(), format!("token-of-{who}"));
    }
}

#[test]
fn arguments_describe_the_route_for_everything_else() {
    let file = "
        [[route]]
        path = '/'
        target = 1
        provider = 'github'
        secret_env = 'OLD'
        [[route]]
        path = '/stripe'
        provider = 'stripe'
        secret_env = ['A', 'B']
        [[route]]
        path = '/own'
        target = [5, 'localhost:6']
        verify = 'mark'
    ";
    let variables = [("OLD", "1"), ("A", "2"), ("B", "3"), ("NEW", "4")];
    let settings = resolve("3000 4000 --secret-env NEW --verify reject", &variables, Some(file)).unwrap();
    let route = |target: &str| route_of(&settings, target);

    assert_eq!(targets(route("/")), ["http://localhost:3000", "http://localhost:4000"]);
    assert_eq!(labels(route("/")), ["NEW"]);
    assert_eq!(route("/").provider.as_ref().unwrap().id(), "github");
    assert_eq!(route("/").verify, VerifyMode::Reject);

    assert_eq!(targets(route("/stripe/x")), targets(route("/")));
    assert_eq!(labels(route("/stripe/x")), ["A", "B"]);
    assert_eq!(route("/stripe/x").provider.as_ref().unwrap().id(), "stripe");
    assert_eq!(route("/stripe/x").verify, VerifyMode::Reject);

    assert_eq!(targets(route("/own")), ["http://localhost:5", "http://localhost:6"]);
    assert!(route("/own").provider.is_none() && route("/own").secrets.now().is_empty());
    assert_eq!(route("/own").verify, VerifyMode::Mark);
}

#[test]
fn files_are_named_from_where_the_configuration_lies() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("secrets")).unwrap();
    fs::write(dir.path().join("secrets/stripe"), "whsec_abc\n").unwrap();
    let path = dir.path().join("inhaul.toml");
    fs::write(&path, "[[route]]\npath = '/'\nsecret_file = 'secrets/stripe'\n").unwrap();
    let args = listen(&format!("--config {}", path.display()));
    let settings = load(&args).unwrap();
    assert_eq!(labels(route_of(&settings, "/")), ["secrets/stripe"]);
    assert_eq!(settings.file, Some(path));
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let error = load(&listen("--config /no/such/inhaul.toml")).unwrap_err();
    assert!(error.to_string().starts_with("/no/such/inhaul.toml: cannot be read: No such file"), "{error}");
    assert!(error.hint().unwrap().contains("`--config FILE`"));
}

#[test]
fn what_does_not_go_together_is_said() {
    let relay = [("INHAUL_RELAY", "https://relay.example"), ("INHAUL_ENDPOINT", "a"), ("INHAUL_TOKEN", "t")];
    for (args, variables, expected) in [
        (
            "--port 1",
            &relay[..],
            "--port: is for the relay this program hosts, and INHAUL_RELAY names another",
        ),
        ("--tls", &relay[..], "--tls: is for the relay this program hosts, and INHAUL_RELAY names another"),
        ("--token-file t", &[], "--token-file: is for a remote relay, and none is named"),
        ("--relay https://a.example", &[], "--relay: a relay is named, and no endpoint"),
        ("--relay https://a.example --endpoint a", &[], "--relay: a relay is named, and no token"),
        ("--provider githup", &[], r#"--provider: unknown provider "githup"; did you mean "github"?"#),
        ("--secret-env NO", &[], r#"--secret-env: environment variable "NO" is not set"#),
        ("http://example.com", &[], "TARGET: http://example.com is not on this machine"),
        (
            "",
            &[("INHAUL_RELAY", "relay")],
            r#"INHAUL_RELAY: "relay" is not the URL of a relay, such as https://relay.example"#,
        ),
        (
            "",
            &[("INHAUL_RELAY", "https://a.example"), ("INHAUL_ENDPOINT", "a"), ("INHAUL_TOKEN", "a b")],
            "INHAUL_TOKEN: holds no token: a token is one line of letters, digits and signs",
        ),
    ] {
        let error = resolve(args, variables, None).unwrap_err();
        assert_eq!(error.to_string(), expected, "{args}");
    }
    let settings = resolve("http://example.com --allow-external", &[], None).unwrap();
    assert_eq!(targets(route_of(&settings, "/")).len(), 1);
    assert!(resolve("", &[("INHAUL_TOKEN", "left over")], None).is_ok());
}

#[test]
fn no_secret_is_in_what_is_printed_of_settings() {
    let variables = [("S", "hunter2"), ("INHAUL_TOKEN", "hunter3")];
    let args = "--secret-env S --relay https://a.example --endpoint a";
    let shown = format!("{:?}", resolve(args, &variables, None).unwrap());
    assert!(!shown.contains("hunter"), "{shown}");
}

#[test]
fn secrets_are_read_anew_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let write = |name: &str, text: &str| fs::write(path(name), text).unwrap();
    let route = |path: &str, secret: &str| {
        format!("[[route]]\npath = {path:?}\ntarget = [\"3000\"]\nsecret_file = {secret:?}\n")
    };
    write("one", "whsec_one");
    write("two", "whsec_two");
    write("inhaul.toml", &[route("/a", "one"), route("/b", "two")].concat());
    let file = ConfigFile::read(&path("inhaul.toml")).unwrap();
    let args = ListenArgs {
        signatures: crate::cli::SignatureArgs { secret_file: vec![path("one")], ..Default::default() },
        ..ListenArgs::default()
    };
    let settings = Settings::resolve(&args, &|_: &str| None, Some(file)).unwrap();
    let clone = settings.routes.clone();
    let is_signed_with = |target: &str, secret: &str| {
        let body = b"{}";
        let github = inhaul_core::signature::catalogue().provider("github").unwrap();
        let request = inhaul_core::signature::SignRequest {
            method: b"POST",
            url: None,
            body,
            at: inhaul_core::event::UnixMillis(0),
            id: None,
            event_type: None,
        };
        let of_secret = |secret| github.sign(&request, &secret).unwrap();
        let route = clone.at(clone.by_path(target.as_bytes()).unwrap());
        let own = route.secrets.now().first().cloned().unwrap();
        of_secret(own) == of_secret(inhaul_core::signature::Secret::new("s", secret))
    };
    assert!(
        is_signed_with("/a", "whsec_one")
            && is_signed_with("/b", "whsec_two")
            && is_signed_with("/", "whsec_one")
    );

    // A secret is mended, a route gets another one, and one is taken away.
    write("one", "whsec_mended");
    write("inhaul.toml", &[route("/a", "two"), route("/new", "two")].concat());
    settings.secret_source.reread(&settings.routes).unwrap();
    assert!(
        is_signed_with("/a", "whsec_two")
            && is_signed_with("/b", "whsec_two")
            && is_signed_with("/", "whsec_mended")
    );
    assert_eq!(settings.routes.iter().count(), 3, "the routes stay as they are");

    write("inhaul.toml", &route("/a", "gone"));
    let error = settings.secret_source.reread(&settings.routes).unwrap_err().to_string();
    assert!(error.contains("gone"), "{error}");
    assert!(is_signed_with("/a", "whsec_two") && is_signed_with("/", "whsec_mended"));
}

//! What `--help` says, and the arguments that are refused.

use clap::{CommandFactory, error::ErrorKind};

use super::*;

#[test]
fn the_definitions_are_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_line_of_short_help_fits_a_terminal() {
    fn check(command: &mut clap::Command) {
        for line in command.clone().term_width(100).render_help().to_string().lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
        for argument in command.get_arguments() {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            assert!((1..80).contains(&help.chars().count()), "{}: {help:?}", argument.get_id());
        }
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!((1..80).contains(&about.chars().count()), "{about:?}");
        command.get_subcommands_mut().filter(|sub| sub.get_name() != "relay").for_each(check);
    }
    let mut command = Cli::command();
    command.build();
    let command = command.get_subcommands_mut().filter(|sub| sub.get_name() != "help");
    command.filter(|sub| sub.get_name() != "relay").for_each(check);
}

#[cfg(feature = "relay")]
#[test]
fn the_help_of_a_relay_names_its_own_directory() {
    for args in [&["inhaul", "relay", "--help"][..], &["inhaul", "relay", "endpoint", "--help"]] {
        let help = Cli::try_parse_from(args).unwrap_err().to_string();
        assert!(help.contains("~/.local/share/inhaul-relay"), "{help}");
    }
}

#[test]
fn every_command_has_an_example_and_its_exit_status() {
    for name in [
        "listen", "events", "show", "replay", "tag", "comment", "delete", "thread", "export", "import",
        "diff", "demo",
    ] {
        let mut command = Cli::command();
        let help = command.find_subcommand_mut(name).unwrap().render_long_help().to_string();
        assert!(help.contains(&format!("inhaul {name}")), "{help}");
    }
    for name in ["listen", "show", "replay", "tag", "comment", "delete", "thread", "export", "import", "diff"]
    {
        let mut command = Cli::command();
        let help = command.find_subcommand_mut(name).unwrap().render_long_help().to_string();
        assert!(help.contains("Exit status:\n  0  "), "{help}");
    }
}

#[test]
fn release_says_how_it_ends_itself() {
    let mut command = Cli::command();
    let help = command.find_subcommand_mut("release").unwrap().render_long_help().to_string();
    let (_, status) = help.split_once("Exit status:").unwrap();
    assert!(status.contains("not held") && !status.contains("replay"), "{status}");
}

#[test]
fn secrets_are_no_arguments() {
    fn check(command: &clap::Command) -> usize {
        for argument in command.get_arguments().filter(|argument| argument.get_action().takes_values()) {
            let name = argument.get_id().as_str();
            let is_secret = |word: &str| matches!(word, "token" | "secret" | "password" | "key");
            // What ends otherwise says where the secret is, or is no secret.
            let last = name.rsplit(['_', '-']).next().unwrap_or(name);
            let is_file = argument.get_value_names().is_some_and(|names| names == ["FILE"]);
            assert!(!is_secret(last) || is_file, "{} {name}", command.get_name());
        }
        1 + command.get_subcommands().map(check).sum::<usize>()
    }
    assert!(check(&Cli::command()) > 20);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for (args, kind) in [
        ("", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
        ("lissen", ErrorKind::InvalidSubcommand),
        ("listen banana", ErrorKind::ValueValidation),
        ("listen --port 70000", ErrorKind::ValueValidation),
        ("listen --timeout 30", ErrorKind::ValueValidation),
        ("listen --answer maybe", ErrorKind::InvalidValue),
        ("listen --relay relay.example", ErrorKind::ValueValidation),
        ("listen --endpoint Orders", ErrorKind::ValueValidation),
        ("listen --token abc", ErrorKind::UnknownArgument),
        ("verify 01 --secret abc", ErrorKind::UnknownArgument),
        ("listen --share --balance", ErrorKind::ArgumentConflict),
        ("show", ErrorKind::MissingRequiredArgument),
        ("show 01 --raw --json", ErrorKind::ArgumentConflict),
        ("export", ErrorKind::MissingRequiredArgument),
        ("export --format xml", ErrorKind::InvalidValue),
        ("export --format fixture", ErrorKind::MissingRequiredArgument),
        ("import", ErrorKind::MissingRequiredArgument),
        ("diff 01 02 --unified --side-by-side", ErrorKind::ArgumentConflict),
        ("diff 01 --ignore-json a..b", ErrorKind::ValueValidation),
    ] {
        let words = ["inhaul"].into_iter().chain(args.split_whitespace());
        assert_eq!(Cli::try_parse_from(words).unwrap_err().kind(), kind, "{args}");
    }
}

/// Saved filters are in that file, and routes, whether anything is signed or not.
#[test]
fn a_replay_may_name_its_configuration() {
    for args in ["replay --filter @failed --config own.toml", "replay 0197 --config own.toml"] {
        let cli = Cli::try_parse_from(["inhaul"].into_iter().chain(args.split(' '))).unwrap();
        let Command::Replay(replay) = cli.command else { panic!("{args}") };
        assert_eq!(replay.config, Some(PathBuf::from("own.toml")), "{args}");
    }
}

#[test]
fn the_data_directory_can_stand_anywhere() {
    for args in ["--data d events", "events --data d"] {
        let cli = Cli::try_parse_from(["inhaul"].into_iter().chain(args.split(' '))).unwrap();
        assert_eq!(cli.data, Some(PathBuf::from("d")));
    }
}

#[test]
fn a_tag_that_is_taken_away_is_no_option() {
    for (args, words) in [
        ("tag 0197 +slow -fine", &["0197", "+slow", "-fine"][..]),
        ("tag --data d 0197 -handled -v", &["0197", "-handled", "-v"]),
        ("tag -x 0197", &["-x", "0197"]),
    ] {
        let cli = Cli::try_parse_from(["inhaul"].into_iter().chain(args.split(' '))).unwrap();
        let Command::Tag(tag) = cli.command else { panic!("{args}") };
        assert_eq!(tag.words, words, "{args}");
    }
}

#[cfg(feature = "relay")]
#[test]
fn the_relay_takes_the_data_directory_as_its_own_program_does() {
    for args in ["relay endpoint list --data d", "--data d relay endpoint list"] {
        let cli = Cli::try_parse_from(["inhaul"].into_iter().chain(args.split(' '))).unwrap();
        assert!(format!("{:?}", cli.command).contains("data: Some(\"d\")"), "{args}: {cli:?}");
    }
}

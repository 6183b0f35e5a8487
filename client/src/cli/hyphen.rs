//! Filters that begin with `-`, such as `-is:repeat`, where the parser would take them for options. `allow_hyphen_values` does not do for
//! them: behind the first word of a filter it takes real options for words too.

use std::ffi::OsString;

use clap::{Arg, Command, CommandFactory, Parser};

use super::Cli;

/// How an argument that takes a filter names its value, as a whole or as one of several.
const FILTER: &str = "FILTER";

/// Stands before a word that begins with `-` and is no option; [`filter_word`] takes it away.
const GUARD: char = ' ';

impl Cli {
    /// Reads the command line.
    ///
    /// # Errors
    /// When it cannot be read, and for `--help` and `--version`.
    pub fn of(args: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        Self::try_parse_from(guarded(&Self::command(), args))
    }
}

/// A filter, or a word of one.
#[expect(clippy::unnecessary_wraps, reason = "clap asks for a result")]
pub(super) fn filter_word(text: &str) -> Result<String, std::convert::Infallible> {
    Ok(text.strip_prefix(GUARD).filter(|word| word.starts_with('-')).unwrap_or(text).to_owned())
}

/// The words of the command line, those guarded that stand where a filter does and begin with `-`.
fn guarded(root: &Command, args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args = args.into_iter();
    let mut words: Vec<OsString> = args.next().into_iter().collect();
    let mut command: Option<&Command> = None;
    let mut option: Option<&Arg> = None;
    while let Some(word) = args.next() {
        let before = option.take();
        let Some(text) = word.to_str() else {
            words.push(word);
            continue;
        };
        if text == "--" {
            words.push(word);
            words.extend(args);
            break;
        }
        let takes_filter = match (before, command) {
            (Some(before), _) => is_filter(before),
            (None, Some(command)) => command.get_positionals().any(is_filter),
            (None, None) => false,
        };
        if takes_filter && !is_option(command, text) {
            words.push(format!("{GUARD}{text}").into());
            continue;
        }
        if let Some(name) = text.strip_prefix("--") {
            let known = command.into_iter().chain([root]).flat_map(Command::get_arguments);
            let mut known = known.filter(|argument| argument.get_action().takes_values());
            option = known.find(|argument| argument.get_long() == Some(name));
        } else if before.is_none() && command.is_none() {
            command = root.find_subcommand(text);
        }
        words.push(word);
    }
    words
}

fn is_filter(argument: &Arg) -> bool {
    let names = argument.get_value_names().unwrap_or_default();
    names.iter().any(|name| name.split('|').any(|name| name == FILTER))
}

/// Whether a word is no filter: it does not begin with one `-`, or has only letters of options behind it, or the name of an option that
/// is written with two.
fn is_option(command: Option<&Command>, text: &str) -> bool {
    let Some(rest) = text.strip_prefix('-').filter(|rest| !rest.is_empty() && !rest.starts_with('-')) else {
        return true;
    };
    let arguments = || command.into_iter().flat_map(Command::get_arguments);
    let is_letter = |letter| letter == 'h' || arguments().any(|known| known.get_short() == Some(letter));
    rest.chars().all(is_letter) || arguments().any(|known| known.get_long() == Some(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Command as Parsed;

    fn read(args: &[&str]) -> Result<Parsed, clap::Error> {
        let args = ["inhaul"].iter().chain(args).map(OsString::from);
        Cli::of(args).map(|cli| cli.command)
    }

    #[test]
    fn a_filter_that_begins_with_a_hyphen_is_one_and_options_stay_options() {
        let Parsed::Events(args) = read(&[
            "--data",
            "d",
            "events",
            "-is:repeat",
            "-is:repeat",
            "--limit",
            "5",
            "type:a",
            "-x",
            "--json",
        ])
        .unwrap() else {
            panic!()
        };
        assert_eq!(args.filter, ["-is:repeat", "-is:repeat", "type:a", "-x"]);
        assert!(args.limit == 5 && args.json);
        let Parsed::Export(args) =
            read(&["export", "-(a OR b)", "--format", "curl", "--limit", "1"]).unwrap()
        else {
            panic!()
        };
        assert_eq!((args.filter, args.limit), (vec!["-(a OR b)".to_owned()], Some(1)));
        for words in
            [&["delete", "-ping", "-y"][..], &["delete", "-y", "-ping"], &["delete", "--yes", "--", "-ping"]]
        {
            let Parsed::Delete(args) = read(words).unwrap() else { panic!() };
            assert_eq!((args.events, args.yes), (vec!["-ping".to_owned()], true), "{words:?}");
        }
        let Parsed::Hold(args) = read(&["hold", "-is:signed", "--json"]).unwrap() else { panic!() };
        assert_eq!((args.filter.as_deref(), args.json), (Some("-is:signed"), true));
        let Parsed::Replay(args) = read(&["replay", "--filter", "-is:repeat", "--to", "3000"]).unwrap()
        else {
            panic!()
        };
        assert!(args.filter.as_deref() == Some("-is:repeat") && args.to.is_some());
        let Parsed::Listen(args) = read(&["listen", "--when", "-a", "3000", "--hold", "-b"]).unwrap() else {
            panic!()
        };
        assert_eq!((args.when.as_deref(), args.hold.as_deref()), (Some("-a"), Some("-b")));
        assert_eq!(args.targets.len(), 1);
    }

    #[test]
    fn a_slip_is_not_taken_for_a_filter() {
        for words in [
            &["events", "-json"][..],
            &["events", "--jsn"],
            &["events", "-h"],
            &["delete", "-yes", "type:a"],
            &["replay", "--filter", "--to", "3000"],
            &["replay", "-is:repeat"],
            &["listen", "-is:repeat"],
            &["events", "--limit", "-5"],
        ] {
            assert!(read(words).is_err(), "{words:?}");
        }
    }
}

//! `inhaul completions` and `inhaul man`: what a shell and `man` know of the command line, made from the command line itself.

use std::{fs, io};

use clap::{Command, CommandFactory, builder::PossibleValuesParser};
use inhaul_core::signature::catalogue;

use crate::{
    cli::{Cli, CompletionsArgs, ManArgs},
    commands::{Exit, Failure},
    output::write_stdout,
};

/// Commands that take a provider, and what the argument is called there.
const TAKING_PROVIDERS: [(&str, &str); 5] = [
    ("listen", "provider"),
    ("verify", "provider"),
    ("sign", "provider"),
    ("trigger", "provider"),
    ("providers", "name"),
];

/// Prints the completions for a shell.
///
/// # Errors
/// When stdout is gone.
pub fn completions(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut with_providers(), "inhaul", &mut script);
    write_stdout(&script)?;
    Ok(Exit::Success)
}

/// The command line as people see it, with the providers that are known by themselves. One of the user's own may stand there too, so the program
/// takes any.
fn with_providers() -> Command {
    let ids: Vec<&'static str> = catalogue().providers().map(|provider| provider.id()).collect();
    let whole = Cli::command();
    // Some shells would offer hidden commands as well.
    let seen = whole.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    let command = Command::new("inhaul")
        .version(env!("CARGO_PKG_VERSION"))
        .args(whole.get_arguments().cloned())
        .subcommands(seen);
    TAKING_PROVIDERS.into_iter().fold(command, |command, (name, argument)| {
        let values = PossibleValuesParser::new(ids.clone());
        command.mut_subcommand(name, |command| {
            command.mut_arg(argument, |argument| argument.value_parser(values))
        })
    })
}

/// Writes the manual pages.
///
/// # Errors
/// When they cannot be written.
pub fn man(args: &ManArgs) -> anyhow::Result<Exit> {
    let directory = &args.directory;
    let written =
        fs::create_dir_all(directory).and_then(|()| clap_mangen::generate_to(Cli::command(), directory));
    written.map_err(|error: io::Error| {
        Failure::new(format!("{}: {error}", directory.display()))
            .hint("`inhaul man DIR` must name a place you can write to, such as ~/.local/share/man/man1")
    })?;
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use clap_complete::Shell;

    use super::*;

    #[test]
    fn every_shell_knows_commands_options_and_providers() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell, Shell::Elvish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut with_providers(), "inhaul", &mut script);
            let script = String::from_utf8(script).unwrap();
            for word in ["listen", "strict-order", "resign"] {
                assert!(script.contains(word), "{shell} {word}");
            }
            assert!(!script.contains("jq-worker"), "{shell}");
        }
    }

    #[test]
    fn each_command_has_a_page() {
        let temp = tempfile::tempdir().unwrap();
        let directory = temp.path().join("man1");
        man(&ManArgs { directory: directory.clone() }).unwrap();
        let page = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
        assert!(page("inhaul-listen.1").contains("strict\\-order"));
        assert!(page("inhaul.1").contains("inhaul\\-history(1)"));
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            assert!(directory.join(format!("inhaul-{}.1", command.get_name())).exists(), "{command}");
        }
        assert!(!directory.join("inhaul-jq-worker.1").exists());
        fs::write(temp.path().join("file"), "").unwrap();
        let refused = man(&ManArgs { directory: temp.path().join("file/man1") });
        assert!(refused.unwrap_err().to_string().contains("file/man1"));
    }
}

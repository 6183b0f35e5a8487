//! Whether output has colours, as the conventions of the command line have it.

use std::ffi::OsString;

/// `NO_COLOR` refuses them (no-color.org), else `CLICOLOR_FORCE` asks for them wherever the output goes, else `CLICOLOR=0` refuses them
/// (bixense.com/clicolors), and a terminal that is `dumb`, a file and a journal have none. `environment` gives the value of a variable.
pub fn wants_colors(is_terminal: bool, environment: &dyn Fn(&str) -> Option<OsString>) -> bool {
    let value = |name| environment(name).filter(|value| !value.is_empty());
    let is = |name, wanted: &str| value(name).is_some_and(|value| value == wanted);
    if value("NO_COLOR").is_some() {
        return false;
    }
    let is_forced = value("CLICOLOR_FORCE").is_some() && !is("CLICOLOR_FORCE", "0");
    is_forced || (is_terminal && !is("CLICOLOR", "0") && !is("TERM", "dumb"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_has_colors_unless_they_are_refused_and_a_file_has_none() {
        for (variables, on_terminal, elsewhere) in [
            (&[][..], true, false),
            (&[("NO_COLOR", "1")][..], false, false),
            (&[("NO_COLOR", "")][..], true, false),
            (&[("TERM", "dumb")][..], false, false),
            (&[("CLICOLOR", "0")][..], false, false),
            (&[("CLICOLOR_FORCE", "1")][..], true, true),
            (&[("CLICOLOR_FORCE", "0")][..], true, false),
            (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")][..], false, false),
        ] {
            let environment = |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
            };
            assert_eq!(wants_colors(true, &environment), on_terminal, "{variables:?}");
            assert_eq!(wants_colors(false, &environment), elsewhere, "{variables:?}");
        }
    }
}

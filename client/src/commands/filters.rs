//! `inhaul filters`: the filter language in a few lines.

use std::fmt::Write;

use crate::{commands::Exit, filter_help::LANGUAGE, output::write_stdout};

/// Columns of what can be written.
const COLUMNS: usize = 24;

/// Prints what can be written in a filter.
///
/// # Errors
/// When stdout is gone.
pub fn run() -> anyhow::Result<Exit> {
    write_stdout(text().as_bytes())?;
    Ok(Exit::Success)
}

fn text() -> String {
    let mut text = "A filter says which events are meant: `inhaul events FILTER`, `/` in the inspector, the `when` of\na route, and what is held.\n\n".to_owned();
    for (written, meaning) in LANGUAGE {
        let _ = writeln!(text, "  {written:COLUMNS$}  {meaning}");
    }
    text.push_str("\nExample: inhaul events 'type:charge.* data.object.amount>=1000 -is:repeat'\n");
    text
}

#[cfg(test)]
mod tests {
    use inhaul_core::filter::{Filter, Saved};

    use super::*;

    #[test]
    fn what_is_explained_can_be_written() {
        let mut saved = Saved::default();
        saved.insert("name", "word");
        let examples: Vec<&str> = LANGUAGE
            .iter()
            .map(|(written, _)| *written)
            .filter(|written| written.contains([':', '$', '@']))
            .collect();
        assert!(examples.len() >= 10);
        for example in examples {
            let text = example.replace("name:value", "type:value").replace(", ", " ");
            assert!(Filter::parse_for_list(&text, &saved).is_ok(), "{text}");
        }
        for word in ["is:marked", "sig:unchecked", "at:-10m..-5m", "resp.header.x", "attempts>2"] {
            let name = word.split([':', '>']).next().unwrap();
            assert!(text().contains(name) || text().contains("resp.header.NAME"), "{word}");
            assert!(Filter::parse_for_list(word, &saved).is_ok());
        }
    }
}

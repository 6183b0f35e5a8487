//! `inhaul config`: the settings in effect, each with what says it.

use inhaul_core::visible::visible;

use crate::{
    cli::ConfigArgs,
    commands::{Exit, Failure},
    config::{self, Setting},
    output::{fit, json, write_stdout},
};

/// Prints every setting that `listen` would have with these arguments, or says what is wrong with one.
///
/// # Errors
/// When a setting is wrong, or a secret cannot be read.
pub fn run(args: &ConfigArgs) -> anyhow::Result<Exit> {
    let settings = config::load(&args.listen).map_err(Failure::from)?.described();
    let widest = |text: fn(&Setting) -> &str| {
        settings.iter().map(|setting| visible(text(setting)).to_string().chars().count()).max().unwrap_or(0)
    };
    let (name_width, value_width) = (widest(|setting| &setting.name), widest(|setting| &setting.value));
    let mut text = String::new();
    for setting in &settings {
        if args.json {
            text.push_str(&json::line(&json::setting(setting)));
        } else {
            let name = fit(&setting.name, name_width, name_width);
            let value = fit(&setting.value, value_width, value_width);
            text.push_str(&format!("{name}  {value}  {}\n", setting.source));
        }
    }
    write_stdout(text.as_bytes())?;
    Ok(Exit::Success)
}

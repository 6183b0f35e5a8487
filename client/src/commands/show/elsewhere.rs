//! A stored event for other programs: in the formats of `inhaul export`, or as a jq program makes it.

use std::{
    io::{self, IsTerminal},
    path::Path,
};

use inhaul_core::{event::Event, signature::catalogue, visible::multiline_bytes};

use crate::{
    access::Access,
    commands::{Failure, lookup},
    config::load_file,
    export::{Mask, one},
    jq::{self, Bounds, Jq},
    output::write_stdout,
    row::EventRow,
};

/// Prints an event in a format, with its secrets masked unless they are asked for.
///
/// # Errors
/// When the configuration cannot be read, or the event has nothing of the kind.
pub(super) async fn print_as(
    access: &Access,
    format: one::Format,
    found: (Event, EventRow),
    unmasked: bool,
    config: Option<&Path>,
) -> anyhow::Result<()> {
    let file = load_file(config).map_err(Failure::from)?;
    let (providers, named) =
        file.map_or_else(|| (catalogue().clone(), Default::default()), |file| (file.catalogue, file.mask));
    let masks = !unmasked && format != one::Format::Signed;
    let mask = masks.then(|| Mask::new(&providers, &named.headers, &named.json));
    let exported = lookup::exported(access, found, mask.as_ref(), format == one::Format::Har)
        .await
        .map_err(Failure::from)?;
    let exported = exported.ok_or_else(|| Failure::new("the event has no head that can be read"))?;
    let written = one::written(format, &exported, &providers);
    write_stdout(&written.map_err(|reason| Failure::new(reason).as_answer())?)?;
    Ok(())
}

/// Prints what a jq program returns for the body.
///
/// # Errors
/// When it is no program, or goes wrong; its results before that are printed.
pub(super) async fn print_jq(program: &str, body: &[u8]) -> anyhow::Result<()> {
    jq::check(program).map_err(|error| {
        let span = error.span.clone();
        Failure::new(format!("jq: {error}")).at(program, span)
    })?;
    let answer = Jq::default().run(program, body, Bounds::COMMAND).await;
    let answer = answer.map_err(|error| Failure::new(format!("jq: {error}")))?;
    if io::stdout().is_terminal() {
        write_stdout(multiline_bytes(&answer.output).to_string().as_bytes())?;
    } else {
        write_stdout(&answer.output)?;
    }
    if answer.is_cut {
        let most = Bounds::COMMAND.output_bytes >> 20;
        return Err(Failure::new(format!("jq: it returned more than {most} MiB")).into());
    }
    match answer.error {
        Some(error) => Err(Failure::new(format!("jq: {error}")).into()),
        None => Ok(()),
    }
}

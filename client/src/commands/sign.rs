//! `inhaul sign`: the headers a provider would send with a body.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use inhaul_core::{
    event::{Head, UnixMillis},
    signature::{Secret, SignError, SignRequest},
};

use crate::{
    cli::{MessageArgs, SecretArgs, SignArgs},
    clock,
    commands::{Exit, Failure},
    config::{load_catalogue, load_secrets, provider_named},
    output::write_stdout,
};

/// Signs.
///
/// # Errors
/// When the secret or the body cannot be read, or the provider's signature cannot be made.
pub fn run(args: &SignArgs) -> anyhow::Result<Exit> {
    let catalogue = load_catalogue(args.secrets.config.as_deref()).map_err(Failure::from)?;
    let provider = provider_named(&args.provider, "--provider", &catalogue).map_err(Failure::from)?;
    let secrets = secrets(&args.secrets)?;
    let [secret] = secrets.as_slice() else {
        return Err(Failure::new("one secret is needed to sign")
            .hint("name it with `--secret-env NAME` or `--secret-file FILE`")
            .into());
    };
    let body = body(&args.message)?;
    let request = SignRequest {
        method: args.message.method.as_deref().unwrap_or("POST").as_bytes(),
        url: args.message.url.as_deref(),
        body: &body,
        at: args.message.at.map_or_else(clock::now, |seconds| UnixMillis(seconds.saturating_mul(1000))),
        id: args.id.as_deref(),
        event_type: args.event_type.as_deref(),
    };
    let headers = provider.sign(&request, secret).map_err(|error| {
        let hint = missing(&error);
        hint.into_iter().fold(Failure::new(error), Failure::hint)
    })?;
    let mut text = Head::write_headers(&headers);
    // No empty line: they are lines for `curl -H @-`, not a whole head.
    text.truncate(text.len() - 2);
    write_stdout(String::from_utf8_lossy(&text).replace("\r\n", "\n").as_bytes())?;
    Ok(Exit::Success)
}

/// The option that says what is missing, where there is one.
fn missing(error: &SignError) -> Option<&'static str> {
    let SignError::Missing(what) = error else { return None };
    match what.as_str() {
        "id" => Some("`--id ID` says it"),
        "url" => Some("`--url URL` says it"),
        _ => None,
    }
}

/// Every secret that is named.
pub(super) fn secrets(args: &SecretArgs) -> Result<Vec<Secret>, Failure> {
    Ok(load_secrets(&args.named())?)
}

/// The body's exact bytes.
pub(super) fn body(args: &MessageArgs) -> Result<Vec<u8>, Failure> {
    args.body_file.as_deref().map_or_else(|| Ok(Vec::new()), read_body)
}

/// The bytes of a file, or of stdin for `-`.
pub(super) fn read_body(path: &Path) -> Result<Vec<u8>, Failure> {
    let read = if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(path)
    };
    read.map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

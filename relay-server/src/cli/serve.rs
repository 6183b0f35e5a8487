//! `inhaul relay serve`: runs a relay until it is told to stop.

use std::{io, process::ExitCode};

use inhaul_journal::OpenError;
use tokio::signal::unix::{SignalKind, signal};

use super::{EXIT_FAILED, ServeArgs, address::Address, print_error, print_failure};
use crate::{
    data_dir::DataDirError,
    ready::Ready,
    registry::RegistryError,
    relay::{Relay, RelayHandle, SpawnError},
    spool::SpoolOpenError,
    tls::TlsError,
};

pub(super) async fn run(args: ServeArgs) -> ExitCode {
    let data = match args.data.directory() {
        Ok(data) => data,
        Err(text) => {
            print_failure(&text, None);
            return ExitCode::from(EXIT_FAILED);
        }
    };
    if let Err(error) = remove_ready_file(&args) {
        print_failure(&error, None);
        return ExitCode::from(EXIT_FAILED);
    }
    let relay = match Relay::spawn(args.config(data.clone())).await {
        Ok(relay) => relay,
        Err(error) => {
            print_error(&error, hint(&error));
            return ExitCode::from(EXIT_FAILED);
        }
    };
    if let Err(error) = announce(&relay, &args, &data) {
        print_failure(&error, None);
        relay.shutdown().await;
        return ExitCode::from(EXIT_FAILED);
    }
    match stopped().await {
        Ok(()) => {}
        Err(error) => print_failure(&format!("cannot listen for signals: {error}"), None),
    }
    if let Err(error) = remove_ready_file(&args) {
        print_failure(&error, None);
    }
    eprintln!("stopping; running requests may finish, a second signal stops at once");
    tokio::select! {
        () = relay.shutdown() => {}
        _ = stopped() => {}
    }
    ExitCode::SUCCESS
}

/// Nobody is to take the file of a relay that was killed for that of this one.
fn remove_ready_file(args: &ServeArgs) -> Result<(), String> {
    let Some(path) = &args.ready_file else { return Ok(()) };
    Ready::remove(path).map_err(|error| format!("cannot remove {}: {error}", path.display()))
}

/// Says where the relay is: on stderr, for `endpoint add`, and in the ready file.
fn announce(relay: &RelayHandle, args: &ServeArgs, data: &std::path::Path) -> Result<(), String> {
    let failed = |what: &str, error: io::Error| format!("cannot write {what}: {error}");
    let address =
        Address { public_url: relay.public_url().to_owned(), ca_file: relay.ca_file().map(Into::into) };
    address.store(data).map_err(|error| failed("the public URL", error))?;
    let admin_url = relay.admin_url();
    let ca_file = relay.ca_file().map(|path| path.display().to_string());
    if let Some(path) = &args.ready_file {
        let ready = Ready {
            public_url: relay.public_url().to_owned(),
            admin_url: admin_url.clone(),
            ca_file: ca_file.clone(),
            pid: std::process::id(),
            endpoint_url: None,
        };
        ready.write(path).map_err(|error| failed(&path.display().to_string(), error))?;
    }
    for problem in relay.recovered() {
        eprintln!("warning: {problem}");
    }
    if let Some(admin_url) = &admin_url {
        eprintln!("admin     {admin_url}/metrics");
    }
    if let Some(ca_file) = &ca_file {
        eprintln!("authority {ca_file} (clients need --cacert)");
    }
    eprintln!("relay     {}", relay.public_url());
    Ok(())
}

/// Returns at SIGINT or SIGTERM.
async fn stopped() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

/// For a directory that cannot be used.
const DATA_HINT: &str =
    "the relay must be able to read and write its data; `--data DIR` names another directory";

fn hint(error: &SpawnError) -> Option<&'static str> {
    match error {
        SpawnError::Listen { .. } => {
            Some("choose another address with `--listen ADDRESS:PORT`; port 0 takes a free one")
        }
        SpawnError::PlainHttp(_) => Some(
            "use `--tls self-signed` or `--tls files`; behind a proxy that speaks TLS, add `--behind-proxy`",
        ),
        SpawnError::Spool { source: SpoolOpenError::Open(error), .. } => match error {
            OpenError::Locked(_) => Some("is another relay running on this `--data` directory?"),
            OpenError::Version { .. } => {
                Some("install that release or a newer one, or use another `--data` directory")
            }
            OpenError::Io { .. } => Some(DATA_HINT),
        },
        SpawnError::Spool { source: SpoolOpenError::Append(_), .. }
        | SpawnError::Registry(RegistryError::Io { .. } | RegistryError::DataDir(DataDirError::Io { .. }))
        | SpawnError::Tls(TlsError::Io { what: "make" | "write", .. }) => Some(DATA_HINT),
        SpawnError::Tls(_) => {
            Some("`--tls files` takes PEM: `--cert` with the chain, `--key` with its private key")
        }
        SpawnError::Registry(_) | SpawnError::Interrupted => None,
    }
}

//! `inhaul import`: events from files. Everything is read and checked before anything is stored.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use inhaul_core::event::EndpointName;

use crate::{
    cli::ImportArgs,
    commands::{Exit, Failure, lookup},
    config::load_catalogue,
    data_dir::read_small_file,
    export::fixture::EVENT_FILE,
    history::Stored,
    import::{FILE_MAX_BYTES, FileKind, ImportError, Imported, fixture, har, kind_of, ndjson, recognise},
    output::{count_text, write_stdout},
};

/// Imports files.
///
/// # Errors
/// When something is wrong with a file, and nothing is stored then, or when an event could not be stored.
pub async fn run(data: Option<&Path>, args: &ImportArgs) -> anyhow::Result<Exit> {
    let catalogue = load_catalogue(args.config.as_deref()).map_err(Failure::from)?;
    let mut events = Vec::new();
    for path in &args.paths {
        events.extend(read(path, &args.endpoint)?);
    }
    for imported in &mut events {
        recognise(imported, &catalogue);
    }
    let access = lookup::open_or_make(data).await?;
    let (mut stored, mut known) = (0_u64, 0_u64);
    for Imported { event, facts } in events {
        match access.import(event, facts).await {
            Ok(Stored::New(_)) => stored += 1,
            Ok(Stored::Duplicate(_)) => known += 1,
            Err(error) => {
                let so_far = count_text(stored, "event");
                return Err(Failure::from(error)
                    .hint(format!("{so_far} of the files are stored; importing again stores the rest"))
                    .into());
            }
        }
    }
    access.close().await.map_err(Failure::from)?;
    let mut said = format!("{} imported", count_text(stored, "event"));
    if known > 0 {
        said.push_str(&format!(", {known} there already"));
    }
    write_stdout(format!("{said}\n").as_bytes())?;
    Ok(Exit::Success)
}

fn read(path: &Path, endpoint: &EndpointName) -> Result<Vec<Imported>, Failure> {
    let unreadable =
        |path: &Path, error: &io::Error| Failure::new(format!("{} cannot be read: {error}", path.display()));
    let wrong = |path: &Path, error: &ImportError| {
        Failure::new(format!("{}: {error}", path.display())).hint(
            "nothing was imported; files are HAR or NDJSON as `inhaul export` writes it, directories hold fixtures",
        )
    };
    if !path.is_dir() {
        let bytes = read_small_file(path, FILE_MAX_BYTES).map_err(|error| unreadable(path, &error))?;
        let read = match kind_of(&bytes) {
            FileKind::Har => har::read(&bytes, endpoint),
            FileKind::Ndjson => ndjson::read(&bytes, endpoint),
        };
        return read.map_err(|error| wrong(path, &error));
    }
    let directories = fixtures(path).map_err(|error| unreadable(path, &error))?;
    if directories.is_empty() {
        return Err(Failure::new(format!("{} holds no fixture", path.display()))
            .hint(format!("a fixture is a directory with a file `{EVENT_FILE}`")));
    }
    let read = |directory: &PathBuf| {
        let file = |name: &str| {
            read_small_file(&directory.join(name), FILE_MAX_BYTES).map_err(|error| error.to_string())
        };
        fixture::read(file, endpoint).map_err(|error| wrong(directory, &error))
    };
    directories.iter().map(read).collect()
}

/// The directory itself when it is a fixture, else those in it that are, by name.
fn fixtures(path: &Path) -> io::Result<Vec<PathBuf>> {
    let is_fixture = |path: &Path| path.join(EVENT_FILE).is_file();
    if is_fixture(path) {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        found.extend(Some(entry?.path()).filter(|path| is_fixture(path)));
    }
    found.sort();
    Ok(found)
}

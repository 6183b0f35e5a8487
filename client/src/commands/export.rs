//! `inhaul export`: events for other tools, oldest first.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use inhaul_core::{event::EventId, signature::catalogue, visible::visible};
use tempfile::NamedTempFile;

use crate::{
    access::{Access, AccessError},
    cli::{ExportArgs, ExportFormat},
    commands::{
        Exit, Failure,
        events::{filter, list},
        lookup::{self, PAGE_ROWS},
    },
    config::load_file,
    control::RemoteError,
    export::{Exported, Mask, curl, curl::BodyPlace, default_application, fetch, fixture, har, httpie, raw},
    forward::Target,
    output::{count_text, write_stdout},
};

/// Exports events.
///
/// # Errors
/// When the history cannot be read, or nothing can be written.
pub async fn run(data: Option<&Path>, args: &ExportArgs) -> anyhow::Result<Exit> {
    let filter = filter(&args.filter.join(" "), data, args.config.as_deref())?;
    let file = load_file(args.config.as_deref()).map_err(Failure::from)?;
    let (providers, named) =
        file.map_or_else(|| (catalogue().clone(), Default::default()), |file| (file.catalogue, file.mask));
    let mask = (!args.unmasked).then(|| Mask::new(&providers, &named.headers, &named.json));
    let access = lookup::open(data).await?;
    let mut ids: Vec<EventId> = Vec::new();
    let limit = args.limit.unwrap_or(usize::MAX);
    list(&access, None, &filter, limit, PAGE_ROWS, |rows| {
        ids.extend(rows.iter().map(|row| row.id));
        Ok(())
    })
    .await?;
    let mut writer = Writer::open(args)?;
    let (mut written, mut unread) = (0_u64, false);
    for id in ids.into_iter().rev() {
        match read(&access, id, mask.as_ref(), args.format).await {
            Ok(None) => {}
            Ok(Some(exported)) => {
                let application = args.app.clone().or_else(|| exported.application());
                writer.event(&exported, &application.unwrap_or_else(default_application))?;
                written += 1;
            }
            // Without the running process there is no next event either.
            Err(error @ AccessError::Remote(RemoteError::Silent { .. })) => {
                return Err(Failure::from(error).into());
            }
            Err(error) => {
                let _ = writeln!(io::stderr(), "not exported: {id}: {}", visible(&error.to_string()));
                unread = true;
            }
        }
    }
    access.close().await.map_err(Failure::from)?;
    writer.close()?;
    let masked =
        if args.unmasked || written == 0 { "" } else { "; secrets are masked, `--unmasked` leaves them in" };
    let _ = writeln!(io::stderr(), "{} exported{masked}", count_text(written, "event"));
    Ok(if unread { Exit::No } else { Exit::Success })
}

/// An event, masked if it is to be; nothing when it was removed meanwhile, or has no head that can be read, which the relay never stores.
async fn read(
    access: &Access,
    id: EventId,
    mask: Option<&Mask>,
    format: ExportFormat,
) -> Result<Option<Exported>, AccessError> {
    match access.event(id).await? {
        Some(found) => lookup::exported(access, found, mask, format == ExportFormat::Har).await,
        None => Ok(None),
    }
}

/// Where events go.
enum Place {
    Stdout,
    /// One file, which takes its name when all is written.
    File(NamedTempFile, PathBuf),
    /// A file for each event, or a directory.
    Directory(PathBuf),
}

struct Writer {
    format: ExportFormat,
    place: Place,
    is_first: bool,
}

impl Writer {
    fn open(args: &ExportArgs) -> anyhow::Result<Self> {
        let place = match &args.to {
            None => Place::Stdout,
            Some(path) if wants_directory(path, args.format) => {
                fs::create_dir_all(path).map_err(|error| cannot(path, &error))?;
                Place::Directory(path.clone())
            }
            Some(path) => {
                let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                let file = NamedTempFile::new_in(directory.unwrap_or(Path::new(".")));
                Place::File(file.map_err(|error| cannot(path, &error))?, path.clone())
            }
        };
        let mut writer = Self { format: args.format, place, is_first: true };
        if args.format == ExportFormat::Har {
            writer.text(har::frame().0.as_bytes())?;
        }
        Ok(writer)
    }

    fn event(&mut self, exported: &Exported, application: &Target) -> anyhow::Result<()> {
        let separator = if std::mem::replace(&mut self.is_first, false) { "" } else { "\n" };
        if let Place::Directory(directory) = &self.place {
            return Ok(write_files(directory, self.format, exported, application)?);
        }
        match self.format {
            ExportFormat::Har => {
                let mut separator = if separator.is_empty() { "" } else { ",\n" };
                for entry in har::entries(exported) {
                    let entry = serde_json::to_string(&entry)?;
                    self.text(format!("{separator}{entry}").as_bytes())?;
                    separator = ",\n";
                }
                Ok(())
            }
            ExportFormat::Ndjson => self.text(exported.json_line().as_bytes()),
            ExportFormat::Raw => self.text(&raw::request(exported, application)),
            ExportFormat::Curl | ExportFormat::Httpie | ExportFormat::Fetch | ExportFormat::Fixture => {
                let script = script(self.format, exported, application, BodyPlace::Piped);
                self.text(format!("{separator}{script}").as_bytes())
            }
        }
    }

    fn text(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        match &mut self.place {
            Place::Stdout => Ok(write_stdout(bytes)?),
            Place::File(file, path) => Ok(file.write_all(bytes).map_err(|error| cannot(path, &error))?),
            Place::Directory(_) => Ok(()),
        }
    }

    fn close(mut self) -> anyhow::Result<()> {
        if self.format == ExportFormat::Har {
            self.text(har::frame().1.as_bytes())?;
        }
        if let Place::File(file, path) = self.place {
            file.persist(&path).map_err(|error| cannot(&path, &error.error))?;
        }
        Ok(())
    }
}

/// Whether a path is meant as a directory: there is one, or it ends with a slash; fixtures are always in one.
fn wants_directory(path: &Path, format: ExportFormat) -> bool {
    let one_document = matches!(format, ExportFormat::Har | ExportFormat::Ndjson);
    let has_slash = path.as_os_str().as_encoded_bytes().ends_with(b"/");
    format == ExportFormat::Fixture || (!one_document && (has_slash || path.is_dir()))
}

fn script(format: ExportFormat, exported: &Exported, application: &Target, place: BodyPlace<'_>) -> String {
    match format {
        ExportFormat::Httpie => httpie::command(exported, application, place),
        ExportFormat::Fetch => fetch::script(exported, application),
        ExportFormat::Curl
        | ExportFormat::Raw
        | ExportFormat::Har
        | ExportFormat::Ndjson
        | ExportFormat::Fixture => curl::command(exported, application, place),
    }
}

/// The files of one event, in place of any of the same names.
fn write_files(
    directory: &Path,
    format: ExportFormat,
    exported: &Exported,
    application: &Target,
) -> Result<(), Failure> {
    let write = |directory: &Path, name: &str, bytes: &[u8]| {
        let path = directory.join(name);
        let mut file = NamedTempFile::new_in(directory).map_err(|error| cannot(&path, &error))?;
        file.write_all(bytes).map_err(|error| cannot(&path, &error))?;
        file.persist(&path).map(drop).map_err(|error| cannot(&path, &error.error))
    };
    let id = exported.event.id;
    if format == ExportFormat::Fixture {
        let fixture = fixture::fixture(exported);
        let directory = directory.join(&fixture.directory);
        fs::create_dir_all(&directory).map_err(|error| cannot(&directory, &error))?;
        return fixture.files.iter().try_for_each(|(name, bytes)| write(&directory, name, bytes));
    }
    if format == ExportFormat::Raw {
        return write(directory, &format!("{id}.http"), &raw::request(exported, application));
    }
    let body_name = format!("{id}.body");
    let takes_file =
        matches!(format, ExportFormat::Curl | ExportFormat::Httpie) && curl::wants_file(exported);
    if takes_file {
        write(directory, &body_name, &exported.event.body)?;
    }
    let extension = if format == ExportFormat::Fetch { "mjs" } else { "sh" };
    let script = script(format, exported, application, BodyPlace::File(&body_name));
    write(directory, &format!("{id}.{extension}"), script.as_bytes())
}

fn cannot(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("{} cannot be written: {error}", path.display()))
}

//! What an operator sees of the clients: a file the relay keeps current, which `endpoint clients` reads while the relay runs or not.

use std::{
    fs::{self, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use inhaul_core::{
    event::{EndpointName, UnixMillis},
    wire::Sharing,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    hub::{Connected, Hub},
    spool::{Backlog, Spool},
};

/// The version of the file.
const VERSION: u32 = 1;

/// How often what waits is counted, which costs more than to look who is connected.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// How often the file is written though nothing has changed, as a sign that the relay runs.
const WRITE_EVERY: Duration = Duration::from_secs(60);

/// After this time without a sign, the relay does not run.
const STALE: Duration = Duration::from_secs(150);

/// One client of one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientRow {
    /// The endpoint.
    pub endpoint: EndpointName,
    /// The client's id; it is in the file `client_id` of the client's data directory.
    pub client: Uuid,
    /// How it shares the endpoint; not at all when absent.
    pub sharing: Option<Sharing>,
    /// Whether it is here now.
    pub connected: bool,
    /// Events that wait for it; for those that have one cursor together, what waits for them all.
    pub backlog_events: u64,
    /// Their heads and bodies.
    pub backlog_bytes: u64,
    /// When it was last connected.
    pub seen_at_ms: UnixMillis,
}

/// The file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clients {
    version: u32,
    /// When the relay wrote it.
    pub written_at_ms: UnixMillis,
    /// The clients, by endpoint.
    pub clients: Vec<ClientRow>,
}

impl Clients {
    /// Reads the file of a data directory. There is none, and so nobody to show, before the relay's first start.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn read(data: &Path) -> io::Result<Option<Self>> {
        let text = match fs::read(path(data)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(serde_json::from_slice(&text)?))
    }

    /// Whether the relay that wrote it has given no sign of life since.
    pub fn is_stale(&self, now: UnixMillis) -> bool {
        u128::from(now.0.saturating_sub(self.written_at_ms.0)) > STALE.as_millis()
    }
}

/// [`Clients`] as it is written, row by row: there may be many.
#[derive(Serialize)]
struct ClientsNow<'a> {
    version: u32,
    written_at_ms: UnixMillis,
    clients: &'a [ClientRow],
}

/// Keeps the file current.
pub struct Board {
    file: PathBuf,
    connected: Vec<Connected>,
    counted: Option<Instant>,
    written: Option<(Instant, Vec<ClientRow>)>,
}

impl Board {
    /// A board for a data directory.
    pub fn new(data: &Path) -> Self {
        Self { file: path(data), connected: Vec::new(), counted: None, written: None }
    }

    /// Writes the file, if there is something new to say. To be called each second.
    pub fn show(&mut self, hub: &Hub, spool: &Spool, now: Instant, time: UnixMillis) {
        let connected = hub.connected();
        let counted = self.counted.is_some_and(|counted| now < counted + COUNT_EVERY);
        if counted && connected == self.connected {
            return;
        }
        self.counted = Some(now);
        let rows = rows(&connected, spool, time);
        self.connected = connected;
        let is_shown = self.written.as_ref().is_some_and(|(at, shown)| {
            now < *at + WRITE_EVERY && shown.iter().map(without_time).eq(rows.iter().map(without_time))
        });
        if is_shown {
            return;
        }
        match write(&self.file, time, &rows) {
            Ok(()) => self.written = Some((now, rows)),
            // The relay can do without; the next change tries again.
            Err(error) => {
                tracing::debug!(%error, "who is connected cannot be written for `endpoint clients`");
            }
        }
    }
}

/// A client is seen anew all the time; that alone is nothing to say.
fn without_time(row: &ClientRow) -> ClientRow {
    let seen_at_ms = if row.connected { UnixMillis(0) } else { row.seen_at_ms };
    ClientRow { seen_at_ms, ..row.clone() }
}

fn rows(connected: &[Connected], spool: &Spool, time: UnixMillis) -> Vec<ClientRow> {
    let shared = spool.shared_clients();
    let is_among_shared = |here: &&Connected| {
        shared.iter().any(|known| known.client == here.client && known.endpoint == here.endpoint)
    };
    let others = connected.iter().filter(|here| !is_among_shared(here)).map(|here| {
        let Backlog { events, bytes } = spool.backlog(&here.endpoint);
        ClientRow {
            endpoint: here.endpoint.clone(),
            client: here.client,
            sharing: here.sharing,
            connected: true,
            backlog_events: events,
            backlog_bytes: bytes,
            seen_at_ms: time,
        }
    });
    let sharing = shared.iter().map(|known| ClientRow {
        endpoint: known.endpoint.clone(),
        client: known.client,
        sharing: Some(Sharing::Share),
        connected: known.connected,
        backlog_events: known.backlog.events,
        backlog_bytes: known.backlog.bytes,
        seen_at_ms: if known.connected { time } else { known.seen_at },
    });
    let mut rows: Vec<ClientRow> = others.chain(sharing).collect();
    rows.sort_by(|one, other| (&one.endpoint, one.client).cmp(&(&other.endpoint, other.client)));
    rows
}

fn path(data: &Path) -> PathBuf {
    data.join("clients.json")
}

/// Replaces the file. It need not survive a power cut: the relay writes it anew.
fn write(file: &Path, time: UnixMillis, rows: &[ClientRow]) -> io::Result<()> {
    let clients = ClientsNow { version: VERSION, written_at_ms: time, clients: rows };
    let new = file.with_extension("json.new");
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    let mut opened = BufWriter::new(opened);
    serde_json::to_writer_pretty(&mut opened, &clients)?;
    opened.write_all(b"\n")?;
    opened.into_inner()?;
    fs::rename(&new, file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Asked;

    #[tokio::test]
    async fn the_file_tells_who_is_here_and_who_is_away() {
        let data = tempfile::tempdir().unwrap();
        let (spool, _) = Spool::open(&data.path().join("spool")).unwrap();
        let hub = Hub::default();
        let orders: EndpointName = "orders".parse().unwrap();
        let (mut board, mut now) = (Board::new(data.path()), Instant::now());
        spool.tick(now, UnixMillis(5), None);
        let share = Some(Sharing::Share);
        let (here, away) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let _reader = spool.join(&orders, here, share, None).unwrap();
        drop(spool.join(&orders, away, share, None).unwrap());
        assert_eq!(Clients::read(data.path()).unwrap(), None);
        board.show(&hub, &spool, now, UnixMillis(1000));
        let alone: EndpointName = "alone".parse().unwrap();
        let seat =
            hub.seat(here, vec![Asked { name: alone.clone(), token: [0; 32], sharing: None }]).ok().unwrap();
        board.show(&hub, &spool, now, UnixMillis(2000));
        let shown = Clients::read(data.path()).unwrap().unwrap();
        let row = |endpoint: &EndpointName, client, sharing, connected, seen| ClientRow {
            endpoint: endpoint.clone(),
            client,
            sharing,
            connected,
            backlog_events: 0,
            backlog_bytes: 0,
            seen_at_ms: UnixMillis(seen),
        };
        let orders_rows = [row(&orders, here, share, true, 2000), row(&orders, away, share, false, 5)];
        assert_eq!(shown.clients, [vec![row(&alone, here, None, true, 2000)], orders_rows.to_vec()].concat());
        // Nothing has changed, so nothing is written until it is time for a sign of life.
        now += COUNT_EVERY;
        board.show(&hub, &spool, now, UnixMillis(3000));
        assert_eq!(Clients::read(data.path()).unwrap().unwrap().written_at_ms, UnixMillis(2000));
        now += WRITE_EVERY;
        board.show(&hub, &spool, now, UnixMillis(4000));
        let shown = Clients::read(data.path()).unwrap().unwrap();
        assert!(!shown.is_stale(UnixMillis(60_000)) && shown.is_stale(UnixMillis(200_000)));
        drop(seat);
        board.show(&hub, &spool, now, UnixMillis(5000));
        assert_eq!(Clients::read(data.path()).unwrap().unwrap().clients.len(), 2);
    }
}

//! A client that listens: history, session, pipeline and control socket, and the embedded relay when there is one, started and
//! stopped as one.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use inhaul_core::{filter::Saved, signature::Catalogue, wire::HelloEndpoint};
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinHandle},
};
use tokio_util::sync::CancellationToken;

use crate::{
    cli::VerifyMode,
    clock,
    commands::Failure,
    config::{RelaySettings, RelayUrl, Route, Routes, Setting, Settings},
    control::{self, ControlServer, Ordered, Orders, Reach},
    data_dir::DataDir,
    diff::Ignore,
    export::Mask,
    forward::{ForwardOptions, Forwarder, Target},
    history::{History, HistoryError, Opened},
    hold::Hold,
    live::Live,
    output::Ready,
    pipeline::{Disk, Pipeline, Verifier},
    random::random,
    scenario::{Library, Player},
    session::{self, Relay, SessionConfig, SessionPorts, SessionRefused, WINDOW},
    tls,
    tui::Ui,
};

#[cfg(feature = "relay")]
mod embedded;
mod ready_file;
pub(crate) mod replays;
mod teller;

use self::{ready_file::ReadyFile, replays::replay, teller::Teller};

/// Reports on their way to the relay; when as many wait, the pipeline waits.
const REPORTS: usize = 1024;
/// Things that happened and are not shown yet; when as many wait, the pipeline waits.
const LIVE: usize = 1024;
/// News of the session that are not passed on yet.
const NEWS: usize = 64;

/// What a listening client is told at its start.
pub struct ListenConfig {
    /// Relay, routes and secrets.
    pub settings: Settings,
    /// Where everything is kept.
    pub data: DataDir,
    /// Where to say that webhooks would arrive.
    pub ready_file: Option<PathBuf>,
}

/// A running client.
pub struct Listening {
    /// Every event stored.
    pub history: History,
    /// Takes what a person wants.
    pub orders: Orders,
    /// What the inspector is told at its start.
    pub shown: Shown,
    stop: CancellationToken,
    session: JoinHandle<Result<(), SessionRefused>>,
    pipeline: JoinHandle<Result<(), HistoryError>>,
    telling: JoinHandle<Result<(), Failure>>,
    replaying: JoinHandle<()>,
    control: Option<ControlServer>,
    #[cfg(feature = "relay")]
    relay: Option<inhaul_relay::relay::RelayHandle>,
}

/// What the inspector is told of a running client.
#[derive(Clone)]
pub struct Shown {
    /// Who signs how.
    pub catalogue: Catalogue,
    /// The options in effect.
    pub options: Vec<Setting>,
    /// How it looks.
    pub ui: Ui,
    /// Filters that have a name.
    pub filters: Saved,
    /// What copies of events replace.
    pub mask: Mask,
    /// What is not compared.
    pub ignore: Ignore,
    /// Where scenarios are.
    pub library: Library,
    /// What plays them.
    pub player: Player,
}

impl Shown {
    fn of(settings: &Settings, player: Player) -> Self {
        Self {
            catalogue: settings.routes.catalogue().clone(),
            options: settings.described(),
            ui: settings.ui.clone(),
            filters: settings.filters.clone(),
            mask: Mask::new(settings.routes.catalogue(), &settings.mask.headers, &settings.mask.json),
            ignore: Ignore { headers: settings.diff.headers.clone(), json: settings.diff.json.clone() },
            library: Library::beside(settings.file.as_deref()),
            player,
        }
    }
}

/// Where events come from, once it is known.
struct Source {
    url: RelayUrl,
    cacert: Option<PathBuf>,
    endpoint: HelloEndpoint,
    #[cfg(feature = "relay")]
    relay: Option<inhaul_relay::relay::RelayHandle>,
}

impl Listening {
    /// Starts, and returns what happens from now on.
    ///
    /// # Errors
    /// When the data directory, a certificate or the embedded relay's address cannot be used. A relay that is not there is no
    /// error: the client tries again.
    pub async fn start(config: ListenConfig) -> Result<(Self, mpsc::Receiver<Live>), Failure> {
        let ListenConfig { settings, data, ready_file } = config;
        let ready_file = ready_file.map(ReadyFile::new).transpose()?;
        let Opened { history, notes } = open_history(&data).await?;
        let source = source(&settings, &data).await?;
        let tls = source.url.is_tls().then(|| tls::client_config(source.cacert.as_deref())).transpose()?;
        let client_id = data.client_id()?;
        let (live, shown) = live(notes.into_iter().chain(refusing(&settings.routes)).collect());
        let (arrivals, arrived) = mpsc::channel(usize::try_from(WINDOW.events).unwrap_or(usize::MAX) + 1);
        let ((reports, reported), (news, told)) = (mpsc::channel(REPORTS), mpsc::channel(NEWS));
        let hold = Hold::new(settings.hold.clone());
        let (stop, reach) = (CancellationToken::new(), Arc::new(OnceLock::new()));
        let routes = Arc::new(settings.routes.clone());
        let (orders, ordered) = Orders::new(hold.clone(), verifier(&history, &routes, &settings, &reach));
        let control = serve_others(&history, &orders, &live, &reach);
        let forwarder = forwarder(&routes, settings.timeout, settings.cacert.as_deref())?;
        let player = Player { forwarder: forwarder.clone(), routes: Arc::clone(&routes) };
        let shown_settings = Shown::of(&settings, player);
        let pipeline = Pipeline {
            history: history.clone(),
            disk: Disk::new(live.clone(), stop.clone(), random),
            routes: Arc::clone(&routes),
            catch_up: settings.catch_up,
            hold,
            forwarder,
            reports,
            live: live.clone(),
            clock: Arc::new(clock::now),
            random,
            stop: stop.clone(),
        };
        let teller = Teller {
            ready_file,
            ready: ready(&source, &routes, &data),
            reach,
            ca_file: source.cacert.clone(),
            catch_up: settings.catch_up,
            live,
            stop: stop.clone(),
        };
        let session =
            SessionConfig { relay: Relay { url: source.url, tls }, client_id, endpoint: source.endpoint };
        let Ordered { replays, plans, decisions, reconnect } = ordered;
        let ports = SessionPorts { arrivals, reports: reported, news, reconnect };
        let listening = Self {
            replaying: tokio::spawn(replay(pipeline.clone(), replays, plans, stop.clone())),
            pipeline: tokio::spawn(pipeline.run(arrived, decisions)),
            telling: tokio::spawn(teller.run(told)),
            session: tokio::spawn(session::run(session, ports)),
            history,
            orders,
            shown: shown_settings,
            stop,
            control,
            #[cfg(feature = "relay")]
            relay: source.relay,
        };
        Ok((listening, shown))
    }

    /// Waits until it cannot go on: refused by the relay, or the history failed.
    pub async fn failed(&mut self) -> Failure {
        let mut all_told = false;
        loop {
            tokio::select! {
                ended = &mut self.pipeline => match flat(ended) {
                    Err(failure) => return failure,
                    // It goes when the session goes, which says why.
                    Ok(()) => {
                        let ended = (&mut self.session).await;
                        return self.why(ended);
                    }
                },
                ended = &mut self.session => match ended {
                    // It goes when the pipeline goes, which says why.
                    Ok(Err(SessionRefused::Stopping)) => {
                        return flat((&mut self.pipeline).await).err().unwrap_or_else(interrupted);
                    }
                    ended => return self.why(ended),
                },
                ended = &mut self.telling, if !all_told => match flat(ended) {
                    Err(failure) => return failure,
                    // There is no more news, because the session is ending.
                    Ok(()) => all_told = true,
                },
            }
        }
    }

    /// Why the session ended.
    fn why(&self, ended: Result<Result<(), SessionRefused>, JoinError>) -> Failure {
        let refused = ended.as_ref().ok().and_then(|ended| ended.as_ref().err());
        let explained = refused.and_then(|refused| self.without_endpoint(refused));
        explained.unwrap_or_else(|| flat(ended).err().unwrap_or_else(interrupted))
    }

    /// That the relay of this program knows its endpoint no more, which nobody but who changes its directory can do.
    #[cfg(feature = "relay")]
    fn without_endpoint(&self, refused: &SessionRefused) -> Option<Failure> {
        use inhaul_core::wire::ErrorCode;
        let SessionRefused::ByRelay(error) = refused else { return None };
        let is_unknown = matches!(error.code, ErrorCode::Unauthorized | ErrorCode::Revoked);
        (self.relay.is_some() && is_unknown).then(|| {
            let directory = self.history.data_dir().relay();
            Failure::new(format!("{} was removed or changed while this program ran", directory.display()))
                .hint("start it again; an endpoint that is made anew has another URL")
        })
    }

    /// That the relay of this program knows its endpoint no more; this program has no relay.
    #[cfg(not(feature = "relay"))]
    fn without_endpoint(&self, _: &SessionRefused) -> Option<Failure> {
        None
    }

    /// Stops: what is being forwarded is finished and recorded, and its answer goes to the sender.
    pub async fn stop(self) {
        self.stop.cancel();
        drop(self.control);
        // Each ends by itself; how does not matter any more. The session ends last, when nobody reports to it.
        if !self.pipeline.is_finished() {
            let _ = self.pipeline.await;
        }
        drop(self.orders);
        if !self.replaying.is_finished() {
            let _ = self.replaying.await;
        }
        if !self.session.is_finished() {
            let _ = self.session.await;
        }
        #[cfg(feature = "relay")]
        if let Some(relay) = self.relay {
            relay.shutdown().await;
        }
        if let Err(error) = self.history.close().await {
            tracing::warn!(%error, "the history was not closed cleanly; its next start repairs it");
        }
    }
}

/// What checks stored events anew.
fn verifier(
    history: &History,
    routes: &Arc<Routes>,
    settings: &Settings,
    reach: &Arc<OnceLock<Reach>>,
) -> Verifier {
    Verifier {
        history: history.clone(),
        routes: Arc::clone(routes),
        secret_source: settings.secret_source.clone(),
        reach: Arc::clone(reach),
    }
}

/// What happens, with the first notices in it.
fn live(notes: Vec<String>) -> (mpsc::Sender<Live>, mpsc::Receiver<Live>) {
    let (live, shown) = mpsc::channel(LIVE);
    for note in notes {
        // There is room: nobody has sent anything yet, and notes are few.
        let _ = live.try_send(Live::Notice(note));
    }
    (live, shown)
}

/// That a route refuses everything, because it has nothing to check signatures with: one line for each.
fn refusing(routes: &Routes) -> impl Iterator<Item = String> {
    let refuses = |route: &&Route| route.verify == VerifyMode::Reject && route.secrets.now().is_empty();
    let only = routes.iter().count() == 1;
    routes.iter().filter(refuses).map(move |route| {
        let which = match route.path.as_str() {
            _ if only => "every webhook".to_owned(),
            "/" => "every webhook of no other route".to_owned(),
            path => format!("every webhook to {path}"),
        };
        format!(
            "{which} is refused: `reject` is on, and no secret is configured to check signatures with; \
             `--secret-env` and `--secret-file` name one, in `inhaul.toml` `secret_env` and `secret_file`"
        )
    })
}

/// The control socket, or a notice of what does not work without it.
fn serve_others(
    history: &History,
    orders: &Orders,
    live: &mpsc::Sender<Live>,
    reach: &Arc<OnceLock<Reach>>,
) -> Option<ControlServer> {
    let socket = history.data_dir().control_socket();
    control::serve(&socket, history.clone(), orders.clone(), Arc::clone(reach), live.clone())
        .map_err(|error| {
            let text = format!("`inhaul events`, `show` and `replay` cannot ask this process: {error}");
            // There is room, as for the notes.
            let _ = live.try_send(Live::Notice(text));
        })
        .ok()
}

fn interrupted() -> Failure {
    Failure::new("the client was interrupted")
}

fn flat<T, E: Into<Failure>>(ended: Result<Result<T, E>, JoinError>) -> Result<T, Failure> {
    match ended {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(Failure::new("a part of the client failed; its log says more")),
    }
}

async fn open_history(data: &DataDir) -> Result<Opened, Failure> {
    let path = data.path().to_owned();
    let opened = tokio::task::spawn_blocking(move || History::open(&path)).await;
    Ok(opened.unwrap_or(Err(HistoryError::Closed))?)
}

async fn source(settings: &Settings, data: &DataDir) -> Result<Source, Failure> {
    match &settings.relay {
        RelaySettings::Remote { url, endpoint, token } => Ok(Source {
            url: url.clone(),
            cacert: settings.cacert.clone(),
            endpoint: HelloEndpoint {
                name: endpoint.clone(),
                token: token.expose().to_owned(),
                resume: None,
                sharing: settings.sharing,
            },
            #[cfg(feature = "relay")]
            relay: None,
        }),
        #[cfg(feature = "relay")]
        RelaySettings::Embedded(embedded) => embedded::start(embedded, settings.sharing, data).await,
        #[cfg(not(feature = "relay"))]
        RelaySettings::Embedded(_) => {
            let _ = data;
            Err(Failure::new("this build hosts no relay of its own")
                .hint("name a relay with `--relay URL`, or install inhaul with its default features"))
        }
    }
}

/// What is told once webhooks would arrive, but for the URL that the relay tells then.
fn ready(source: &Source, routes: &Routes, data: &DataDir) -> Ready {
    Ready {
        relay_url: source.url.to_string(),
        endpoint: source.endpoint.name.clone(),
        endpoint_url: String::new(),
        ca_file: source.cacert.as_ref().map(|path| path.display().to_string()),
        targets: target_names(routes),
        data_dir: data.path().display().to_string(),
    }
}

fn target_names(routes: &Routes) -> Vec<String> {
    let mut names = Vec::new();
    for route in routes.iter() {
        for target in &route.targets {
            let name = if route.path.is_root() {
                target.to_string()
            } else {
                format!("{target} (below {})", route.path.as_str())
            };
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

/// A forwarder for every target of the routes.
fn forwarder(routes: &Routes, timeout: Duration, cacert: Option<&Path>) -> Result<Forwarder, Failure> {
    let https = routes.iter().flat_map(|route| &route.targets).any(Target::is_https);
    // A replay may go elsewhere than any route. A file that is named has to be one, whether it is needed now or not.
    let tls = if https || cacert.is_some() {
        Some(tls::client_config(cacert)?)
    } else {
        tls::client_config(cacert).ok()
    };
    Ok(Forwarder::new(ForwardOptions { timeout, tls, ..ForwardOptions::default() }))
}

impl From<SessionRefused> for Failure {
    fn from(refused: SessionRefused) -> Self {
        use inhaul_core::wire::ErrorCode;
        let hint = match &refused {
            SessionRefused::ByRelay(error) => match error.code {
                ErrorCode::Unauthorized | ErrorCode::Revoked => Some(
                    "`--endpoint` and `--token-file` must be those `inhaul-relay endpoint add` printed; \
                     `inhaul-relay endpoint rotate-token` makes a new token",
                ),
                ErrorCode::EndpointBusy => Some(
                    "stop the other client, start every client with `--share` or every one with `--balance`, or add an \
                     endpoint of its own with `inhaul-relay endpoint add`",
                ),
                ErrorCode::Superseded => Some("this client was started a second time with the same data"),
                ErrorCode::UnsupportedVersion => Some("bring client and relay to the same release"),
                ErrorCode::Protocol
                | ErrorCode::Silent
                | ErrorCode::ShuttingDown
                | ErrorCode::Internal
                | ErrorCode::Other => None,
            },
            SessionRefused::Dial(error) => error.hint(),
            SessionRefused::Stopping => None,
        };
        let failure = Self::new(refused);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

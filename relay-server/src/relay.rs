//! A whole relay: starts it, says where it is, stops it. The relay program and `inhaul listen` both use this.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use inhaul_core::{
    event::EndpointName,
    session::{RelayConfig as SessionConfig, Timing},
    wire::{ErrorCode, SessionError},
};
use thiserror::Error;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admin::AdminServer,
    arriving::Arriving,
    clients::Board,
    hub::Hub,
    ingest::{Ingest, now_millis},
    limits::Limits,
    metrics::Metrics,
    open_files,
    registry::{Endpoint, Registry, RegistryError, Removed},
    serve::{self, Server, forwarded::TrustedProxies},
    session::SessionContext,
    spool::{Backlog, Dropped, Spool, SpoolOpenError, SpoolOptions, Why},
    tls::{self, CertificateFiles, TlsError, TlsMode},
};

/// How long requests and sessions may go on after the relay was told to stop.
pub const GRACE: Duration = Duration::from_secs(10);

/// How long clients are asked to stay away at least: as long as a relay takes to start again.
const AWAY: Duration = Duration::from_secs(1);

/// How many clients are asked to come back in one second.
const RETURNS_PER_SECOND: usize = 500;

/// How long sessions may take to tell their clients why they end.
const GOODBYE: Duration = Duration::from_secs(2);

/// How often the endpoints' file is looked at for endpoints that were removed while their client is connected.
const REGISTRY_CHECK: Duration = Duration::from_secs(1);

/// What a relay is told at its start.
#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The directory of everything it keeps.
    pub data: PathBuf,
    /// Certificates.
    pub tls: TlsMode,
    /// Its address as senders and clients see it; made from `listen` when absent.
    pub public_url: Option<String>,
    /// Where health and metrics are served; nowhere when absent.
    pub admin_listen: Option<SocketAddr>,
    /// What it allows.
    pub limits: Limits,
    /// Plain HTTP on an address that is not loopback, because a proxy in front speaks TLS.
    pub behind_proxy: bool,
    /// Proxies that are believed whom a request is from.
    pub trusted_proxies: TrustedProxies,
}

/// Why a relay did not start.
#[derive(Debug, Error)]
pub enum SpawnError {
    /// Its address is taken or not allowed.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Plain HTTP would be open to the network.
    #[error("plain HTTP is for loopback only, and {0} is not a loopback address")]
    PlainHttp(SocketAddr),
    /// The endpoints' file.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The spool.
    #[error("the spool in {directory} cannot be opened; nothing in it was changed")]
    Spool {
        /// Its directory.
        directory: PathBuf,
        /// Why.
        source: SpoolOpenError,
    },
    /// Certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A blocking task of the start was stopped.
    #[error("the start was interrupted")]
    Interrupted,
}

/// Starts relays.
pub struct Relay;

/// A running relay. Dropping it stops it at once; [`RelayHandle::shutdown`] lets requests finish.
pub struct RelayHandle {
    listen: SocketAddr,
    public_url: String,
    admin: Option<AdminServer>,
    ca_file: Option<PathBuf>,
    registry: Registry,
    hub: Hub,
    spool: Spool,
    recovered: Vec<String>,
    stop_accepting: CancellationToken,
    stop_now: CancellationToken,
    connections: TaskTracker,
    clients: TaskTracker,
    watching: JoinHandle<()>,
    ready: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Relay {
    /// Starts a relay; when this returns, it takes webhooks.
    ///
    /// # Errors
    /// When an address, a certificate or the data directory cannot be used.
    pub async fn spawn(mut config: RelayConfig) -> Result<RelayHandle, SpawnError> {
        not_readable_by_all(&config)?;
        limit_connections(&mut config.limits);
        let listener = bind(config.listen).await?;
        let listen = listener.local_addr().unwrap_or(config.listen);
        let mut tls = tls::server_config(&config.tls, &config.data, &certificate_names(&config, listen))?;
        let public_url = public_url(&config, listen, tls.is_some());
        let registry = Registry::open(&config.data)?;
        let (spool, arriving, recovered) = open_spool(&config).await?;
        let (metrics, ready) = (Arc::new(Metrics::new()), Arc::new(AtomicBool::new(false)));
        let admin = admin(config.admin_listen, &metrics, &ready).await?;
        let (stop_accepting, stop_now) = (CancellationToken::new(), CancellationToken::new());
        let hub = Hub::default();
        let ca_file = tls.as_ref().and_then(|tls| tls.ca_file.clone());
        let certificates = tls.as_mut().and_then(|tls| tls.files.take());
        let sessions = Arc::new(SessionContext {
            registry: registry.clone(),
            spool: spool.clone(),
            hub: hub.clone(),
            metrics: Arc::clone(&metrics),
            public_url: public_url.as_str().into(),
            config: Arc::new(session_config(&config.limits)),
        });
        let server = Arc::new(Server {
            ingest: Ingest::new(&sessions, config.limits),
            sessions,
            trusted_proxies: config.trusted_proxies,
            tls: tls.map(|tls| TlsAcceptor::from(tls.config)),
            arriving,
            stop_accepting: stop_accepting.clone(),
            stop_now: stop_now.clone(),
            connections: TaskTracker::new(),
            clients: TaskTracker::new(),
        });
        let (connections, clients) = (server.connections.clone(), server.clients.clone());
        let watched = Arc::clone(&server.sessions);
        registry.watch(move |endpoints, removed| let_go(&watched, endpoints, removed));
        let board = Board::new(&config.data);
        let watching = watch(Arc::clone(&server), config.limits.retention, board, certificates);
        let watching = tokio::spawn(until(stop_now.clone(), watching));
        let accepting = tokio::spawn(serve::run(server, listener));
        ready.store(true, Ordering::Release);
        Ok(RelayHandle {
            listen,
            public_url,
            admin,
            ca_file,
            registry,
            hub,
            spool,
            recovered,
            stop_accepting,
            stop_now,
            connections,
            clients,
            watching,
            ready,
            accepting: Some(accepting),
        })
    }
}

impl RelayHandle {
    /// The address it listens on.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Its address as senders and clients see it, without a slash at the end.
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// Where health and metrics are.
    pub fn admin_url(&self) -> Option<String> {
        self.admin.as_ref().map(|admin| format!("http://{}", admin.address()))
    }

    /// The certificate authority of a self-signed relay, for `--cacert`.
    pub fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }

    /// Its endpoints.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// What the start found damaged and put right, a line each.
    pub fn recovered(&self) -> &[String] {
        &self.recovered
    }

    /// Stops: no new requests, running ones may finish for [`GRACE`], clients are told to come back later, each at a moment of
    /// its own.
    pub async fn shutdown(mut self) {
        self.ready.store(false, Ordering::Release);
        self.stop_accepting.cancel();
        if let Some(accepting) = self.accepting.take() {
            // It ends by itself now; that it was cancelled before is as good.
            let _ = accepting.await;
        }
        self.hub.drain(AWAY);
        // Senders get their answers, the application's among them, before the sessions go.
        self.connections.close();
        let _ = tokio::time::timeout(GRACE, self.connections.wait()).await;
        let clients = self.hub.connected().len();
        for endpoint in self.hub.held() {
            self.hub.close(&endpoint, &going_down(clients));
        }
        self.clients.close();
        let _ = tokio::time::timeout(GOODBYE, self.clients.wait()).await;
        self.stop_now.cancel();
        self.connections.wait().await;
        self.clients.wait().await;
        // It ends by itself now, as accepting did.
        let _ = (&mut self.watching).await;
        let spool = self.spool.clone();
        drop(self);
        let closed = tokio::task::spawn_blocking(move || spool.close()).await;
        if let Ok(Err(error)) = closed {
            tracing::error!(%error, "the spool was not closed cleanly; its next start repairs it");
        }
    }
}

impl Drop for RelayHandle {
    fn drop(&mut self) {
        self.stop_accepting.cancel();
        self.stop_now.cancel();
    }
}

/// Ends the sessions of endpoints that are removed or whose token changed, drops events that waited too long, keeps the figures of
/// the backlog current, writes again what a full disk did not take, and takes renewed certificates.
async fn watch(
    server: Arc<Server>,
    retention: Option<Duration>,
    mut board: Board,
    mut certificates: Option<CertificateFiles>,
) {
    let SessionContext { registry, hub, spool, metrics, .. } = &*server.sessions;
    let mut tick = tokio::time::interval(REGISTRY_CHECK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        spool.write_again();
        let (now, time) = (Instant::now(), now_millis());
        for (endpoint, dropped) in spool.tick(now, time, retention) {
            report(&endpoint, dropped, metrics);
        }
        server.ingest.rate.forget_idle();
        if let Some(certificates) = &mut certificates {
            certificates.look();
        }
        let total = spool.total();
        metrics.backlog(total.events, total.bytes);
        let known = registry.list();
        for endpoint in known.iter().filter(|endpoint| !endpoint.remove_clients.is_empty()) {
            remove_clients(endpoint, registry, spool);
        }
        board.show(hub, spool, now, time);
        // Also of sessions that began with what the list said just before it changed.
        hub.revoke(&known);
        if let Err(error) = registry.forget_removed() {
            tracing::debug!(%error, "the list of removed endpoints cannot be written");
        }
    }
}

/// The list of endpoints has changed: ends the sessions of those that were removed or have another token, and lets go of what waited at those that
/// were removed.
fn let_go(relay: &SessionContext, endpoints: &[Arc<Endpoint>], removed: &[Removed]) {
    relay.hub.revoke(endpoints);
    for Removed { name, .. } in removed {
        let Backlog { events, bytes } = relay.spool.remove_endpoint(name);
        tracing::warn!(endpoint = %name, events, bytes, "the endpoint was removed, with the events that waited at it");
    }
}

/// Tells the operator what the spool dropped.
fn report(endpoint: &EndpointName, dropped: Dropped, metrics: &Metrics) {
    let Backlog { events, bytes } = dropped.backlog;
    metrics.expired(endpoint, events);
    match dropped.why {
        Why::Expired { since } => {
            tracing::warn!(%endpoint, events, bytes, oldest = %since, "events expired: no client took them within the retention");
        }
        Why::Lapsed { client } => {
            tracing::warn!(%endpoint, events, bytes, %client, "events of a client expired: it was away for longer than the retention, and none are kept for it any more");
        }
    }
}

/// Removes the clients that the operator wants removed.
fn remove_clients(endpoint: &Endpoint, registry: &Registry, spool: &Spool) {
    let Endpoint { name, remove_clients, .. } = endpoint;
    for client in remove_clients {
        match spool.remove_client(name, *client) {
            Ok(Backlog { events, bytes }) => {
                tracing::warn!(endpoint = %name, %client, events, bytes, "a client was removed, with the events that waited for nobody else");
            }
            Err(error) => tracing::warn!(endpoint = %name, %client, %error, "a client was not removed"),
        }
    }
    if let Err(error) = registry.clients_removed(name, remove_clients) {
        tracing::debug!(%error, "the list of clients to remove cannot be written");
    }
}

/// Plain HTTP stays on this machine, unless a proxy in front speaks TLS.
fn not_readable_by_all(config: &RelayConfig) -> Result<(), SpawnError> {
    match config.tls {
        TlsMode::Off if !config.listen.ip().is_loopback() && !config.behind_proxy => {
            Err(SpawnError::PlainHttp(config.listen))
        }
        TlsMode::Off | TlsMode::SelfSigned | TlsMode::Files { .. } => Ok(()),
    }
}

/// Keeps the number of connections below that of files there may be.
fn limit_connections(limits: &mut Limits) {
    let files = open_files::raise();
    let connections = open_files::connections(limits.max_connections, files);
    if connections < limits.max_connections {
        tracing::warn!(
            files,
            connections,
            asked = limits.max_connections,
            "there can be fewer connections than asked for; `ulimit -n`, or LimitNOFILE of a unit, allows more files"
        );
        limits.max_connections = connections;
    }
}

async fn until(stop: CancellationToken, task: impl Future<Output = ()>) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = task => {}
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, SpawnError> {
    TcpListener::bind(address).await.map_err(|source| SpawnError::Listen { address, source })
}

async fn admin(
    listen: Option<SocketAddr>,
    metrics: &Arc<Metrics>,
    ready: &Arc<AtomicBool>,
) -> Result<Option<AdminServer>, SpawnError> {
    let Some(address) = listen else { return Ok(None) };
    let listener = bind(address).await?;
    Ok(Some(AdminServer::spawn(listener, Arc::clone(metrics), Arc::clone(ready))))
}

/// The spool, who it asks how long to wait for more webhooks, and what was put right, a line each.
async fn open_spool(config: &RelayConfig) -> Result<(Spool, Arc<Arriving>, Vec<String>), SpawnError> {
    let arriving = Arc::<Arriving>::default();
    let asked = Arc::clone(&arriving);
    let options = SpoolOptions {
        reserve_bytes: config.limits.spool_reserve_bytes,
        worth_waiting: Some(Box::new(move || asked.worth_waiting())),
    };
    let directory = config.data.join("spool");
    let opening = directory.clone();
    let opened = tokio::task::spawn_blocking(move || Spool::open_with(&opening, options)).await;
    match opened.map_err(|_| SpawnError::Interrupted)? {
        Ok((spool, recovery)) => {
            // Time counts from here, and sessions that begin know what time it is.
            spool.tick(Instant::now(), now_millis(), None);
            let problems = recovery.problems();
            for problem in &problems {
                tracing::warn!(%problem, "the spool was repaired");
            }
            Ok((spool, arriving, problems))
        }
        Err(source) => Err(SpawnError::Spool { directory, source }),
    }
}

pub(crate) fn session_config(limits: &Limits) -> SessionConfig {
    SessionConfig {
        timing: Timing::with_silence(limits.session_silence),
        software: concat!("inhaul-relay/", env!("CARGO_PKG_VERSION")).to_owned(),
        max_answer_bytes: limits.max_body_bytes,
        max_unfinished_bytes: limits.max_body_bytes.saturating_mul(4),
    }
}

fn public_url(config: &RelayConfig, listen: SocketAddr, tls: bool) -> String {
    let scheme = if tls { "https" } else { "http" };
    let own = || format!("{scheme}://{listen}");
    config.public_url.as_deref().map_or_else(own, |url| url.trim_end_matches('/').to_owned())
}

/// The names a self-signed certificate is for: the public URL's host and the address listened on.
fn certificate_names(config: &RelayConfig, listen: SocketAddr) -> Vec<String> {
    let host = config.public_url.as_deref().and_then(|url| {
        let uri: http::Uri = url.parse().ok()?;
        Some(uri.host()?.trim_matches(['[', ']']).to_owned())
    });
    host.into_iter().chain([listen.ip().to_string()]).collect()
}

/// What one of so many clients is told.
fn going_down(clients: usize) -> SessionError {
    let spread_ms = u64::try_from(clients.saturating_mul(1000) / RETURNS_PER_SECOND).unwrap_or(u64::MAX);
    let away_ms = u64::try_from(AWAY.as_millis()).unwrap_or(u64::MAX);
    let mut random = [0; 8];
    // Without random bytes they come back together, and the relay takes them one after the other.
    let _ = aws_lc_rs::rand::fill(&mut random);
    let later_ms = u64::from_be_bytes(random) % spread_ms.saturating_add(1);
    SessionError {
        code: ErrorCode::ShuttingDown,
        text: "the relay goes down; the client comes back by itself".to_owned(),
        retryable: true,
        retry_after_ms: Some(away_ms.saturating_add(later_ms)),
    }
}

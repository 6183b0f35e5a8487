//! `inhaul demo`: a sender, a relay and a handler on this machine, and what inhaul shows of them.

use std::{future::pending, path::Path, sync::Arc};

use aws_lc_rs::rand;
use inhaul_core::{
    filter::Saved,
    signature::{Provider, Secret, catalogue},
};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::{
    cli::{AnswerMode, CatchUp, DemoArgs, OnAbsent},
    commands::{
        Exit, Failure,
        listen::{Screen, Signals, show, start},
    },
    config::{self, DEFAULT_TIMEOUT, EmbeddedSettings, RelaySettings, Route, Routes, Settings},
    data_dir::DataDir,
    demo::{Cast, Handler, Pace, StoryError, play},
    listen::ListenConfig,
    tui::Ui,
};

/// Who sends in the demo.
const PROVIDER: &str = "callpaymin";
/// Name of its endpoint.
const ENDPOINT: &str = "demo";
/// Things that are not shown yet.
const SHOWN: usize = 64;

/// Plays the demo.
///
/// # Errors
/// When it cannot start, or does not go as told.
pub async fn run(data: Option<&Path>, args: &DemoArgs) -> anyhow::Result<Exit> {
    let mut signals = Signals::new()?;
    let temporary = if data.is_none() { Some(temporary_directory()?) } else { None };
    let data = DataDir::open(data.or(temporary.as_ref().map(TempDir::path))).map_err(Failure::from)?;
    let provider =
        catalogue().provider(PROVIDER).ok_or_else(|| Failure::new("the demo's provider is unknown"))?;
    let secret = random_secret()?;
    let handler = Handler::start(Arc::clone(&provider), secret.clone()).await.map_err(Failure::new)?;
    let settings = settings(Arc::clone(&provider), &secret, &handler, config::ui(&args.ui))?;
    let config = ListenConfig { settings, data, ready_file: None };
    let screen = Screen::new(args.output_mode());
    let Some((started, live)) = start(config, screen, &mut signals).await? else { return Ok(Exit::Success) };
    let (shown, shown_live) = mpsc::channel(SHOWN);
    let cast =
        Cast { provider, secret, handler, replays: started.listening.orders.replays.clone(), live, shown };
    let pace = if args.once { Pace::AtOnce } else { Pace::ForWatching };
    let playing = tokio::spawn(direct(cast, pace));
    let until = async { playing.await? };
    let exit = show(started, shown_live, &mut signals, until).await;
    if let Some(directory) = temporary {
        directory.close().map_err(Failure::new)?;
    }
    exit
}

/// Plays the story; unless it is played once, stays to pass on what happens afterwards.
async fn direct(cast: Cast, pace: Pace) -> anyhow::Result<()> {
    let mut cast = match play(cast, pace).await {
        Ok(cast) => cast,
        // Whoever ended the client says why.
        Err(StoryError::Ended) => return pending().await,
        Err(error) => return Err(Failure::new(error).into()),
    };
    if pace == Pace::AtOnce {
        return Ok(());
    }
    while let Some(live) = cast.live.recv().await {
        if cast.shown.send(live).await.is_err() {
            break;
        }
    }
    pending().await
}

fn temporary_directory() -> Result<TempDir, Failure> {
    tempfile::Builder::new().prefix("inhaul-demo-").tempdir().map_err(|error| {
        Failure::new(format!("a temporary directory cannot be made: {error}"))
            .hint("`--data DIR` names a directory to use instead")
    })
}

/// A secret for this demo only.
fn random_secret() -> Result<Secret, Failure> {
    let mut bytes = [0; 24];
    rand::fill(&mut bytes).map_err(|_| Failure::new("the system gives no random bytes"))?;
    Ok(Secret::new("demo", hex::encode(bytes)))
}

fn settings(
    provider: Arc<Provider>,
    secret: &Secret,
    handler: &Handler,
    ui: Ui,
) -> Result<Settings, Failure> {
    let route = Route {
        targets: vec![handler.address().to_string().parse().map_err(Failure::new)?],
        provider: Some(provider),
        secrets: vec![secret.clone()].into(),
        ..Route::catch_all()
    };
    Ok(Settings {
        file: None,
        relay: RelaySettings::Embedded(EmbeddedSettings {
            endpoint: ENDPOINT.parse().map_err(Failure::new)?,
            port: 0,
            tls: false,
            answer: AnswerMode::App,
            on_absent: OnAbsent::Accept,
        }),
        sharing: None,
        cacert: None,
        routes: Routes::new(route, Vec::new()),
        timeout: DEFAULT_TIMEOUT,
        catch_up: CatchUp::default(),
        hold: None,
        filters: Saved::default(),
        ui,
        mask: config::Parts::default(),
        diff: config::Parts::default(),
        sources: config::Sources::all("the demo"),
        secret_source: config::SecretSource::default(),
    })
}

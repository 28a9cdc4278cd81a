//! `triplane dev`: the manifests of a folder on this machine, planned by the operator's own crate.
//!
//! gather ([`desired`], [`stores`], server) -> plan (`triplane-plan`) -> act ([`jobs`], server) -> report ([`console`], files).

mod console;
pub mod desired;
pub mod folders;
mod jobs;
mod place;
pub mod saved;
mod served;
mod session;
mod stale;
mod stores;
mod table;
#[cfg(test)]
mod tests;
mod unused;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use snafu::{ResultExt, Snafu};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use triplane_contract::store::{OfflineAccess, OnlineAccess};
use triplane_feature_store::{Clock, FixedClock, SystemClock};
use triplane_inference_server::{BindError, Server, Settings};

use crate::args::DevSettings;
use crate::lint::Checks;
use console::Console;
use desired::Desired;
use folders::{Folders, FoldersError};
use jobs::Jobs;
use place::Place;
use saved::SavedError;
use session::Session;
use stale::Stale;
use stores::Stores;

/// Exit code when a session ends before all is Ready, and when it cannot begin.
const NOT_READY: u8 = 1;
const FAILED: u8 = 2;

/// Why `triplane dev` cannot go on.
#[derive(Debug, Snafu)]
enum DevError {
    #[snafu(transparent)]
    Folders { source: FoldersError },
    #[snafu(transparent)]
    Saved { source: SavedError },
    #[snafu(display("{source} (another port: --port)"))]
    Bind { source: BindError },
    #[snafu(display("failed to start threads: {source}"))]
    Threads { source: std::io::Error },
}

/// Runs until Ctrl-C or, with `--once`, the first prediction.
pub fn run(settings: &DevSettings) -> ExitCode {
    match session(settings) {
        Ok(true) => ExitCode::SUCCESS,
        // Ctrl-C is how a session ends; only `--once` promises that all became Ready.
        Ok(false) if !settings.once => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(NOT_READY),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(FAILED)
        }
    }
}

fn session(settings: &DevSettings) -> Result<bool, DevError> {
    let folders = Folders::open(settings)?;
    let front = threads("front", 2)?;
    let workers = threads("jobs", 2)?;
    let all_ready = front.block_on(begin(settings, folders, &workers));
    // Work under way is safe to drop anywhere: the next session finishes it.
    workers.shutdown_background();
    front.shutdown_background();
    all_ready
}

fn threads(name: &str, count: usize) -> Result<Runtime, DevError> {
    Builder::new_multi_thread()
        .worker_threads(count)
        .thread_name(name)
        .enable_all()
        .build()
        .context(ThreadsSnafu)
}

/// The clock of data, and the one of patience and back-off, which goes on while the data's stands still.
fn clocks(as_of_us: Option<i64>) -> (Arc<dyn Clock>, Arc<dyn Clock>) {
    match as_of_us {
        Some(at_us) => (Arc::new(FixedClock::new(at_us)), Arc::new(PassingClock::from(at_us))),
        None => (Arc::new(SystemClock), Arc::new(SystemClock)),
    }
}

async fn begin(settings: &DevSettings, folders: Folders, workers: &Runtime) -> Result<bool, DevError> {
    let place = place(settings, &folders);
    let (clock, passing) = clocks(place.as_of_us);
    let mut stores = Stores::new(
        place.clone(),
        Arc::clone(&clock),
        Arc::clone(&passing),
        folders.scratch.clone(),
    );
    stores.look().await;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, settings.port));
    let server = Settings {
        clock: Arc::clone(&clock),
        memory: stores.memory(),
        // Nobody balances load over one process: callers are told by the closed port.
        drain_grace: Duration::ZERO,
        ..Settings::new(address)
    };
    let server = Server::bind(server).await.context(BindSnafu)?;
    let handle = server.handle();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    let (sender, events) = tokio::sync::mpsc::unbounded_channel();
    let console = Console::new();
    let (manifests, state) = (folders.manifests.display(), folders.state.display());
    console.say(&format!(
        "triplane dev: manifests {manifests}, bucket {}, state {state}",
        bucket_name(&place.bucket)
    ));
    let world = saved::read(&folders.state, &place)?;
    let session = Session {
        stale: Stale::of(&world, &place),
        world,
        folders,
        place,
        clock: passing,
        stores,
        jobs: Jobs::new(workers.handle().clone(), sender),
        server: handle,
        events,
        console,
        once: settings.once,
        checks: Checks::default(),
        desired: Desired::default(),
        print: None,
        unused: BTreeSet::new(),
        served: BTreeSet::new(),
        dropping: BTreeMap::new(),
        all_ready: false,
        started: Instant::now(),
    };
    let all_ready = session.run(interrupted()).await?;
    drop(stop);
    // Every accepted request has its answer before the process ends.
    let _ = serving.await;
    Ok(all_ready)
}

fn place(settings: &DevSettings, folders: &Folders) -> Place {
    Place {
        bucket: folders.bucket.clone(),
        online: settings.redis.clone().unwrap_or(OnlineAccess::Memory),
        url: format!("http://127.0.0.1:{}", settings.port),
        as_of_us: settings.as_of.map(jiff::Timestamp::as_microsecond),
    }
}

fn bucket_name(access: &OfflineAccess) -> String {
    match access {
        OfflineAccess::Directory { path } => path.clone(),
        OfflineAccess::S3 { bucket, endpoint, .. } => {
            format!("s3://{bucket} at {}", endpoint.as_deref().unwrap_or("AWS"))
        }
    }
}

/// A clock that goes on from a moment.
struct PassingClock {
    from_us: i64,
    started: Instant,
}

impl From<i64> for PassingClock {
    fn from(from_us: i64) -> Self {
        Self {
            from_us,
            started: Instant::now(),
        }
    }
}

impl Clock for PassingClock {
    fn now_us(&self) -> i64 {
        self.from_us
            .saturating_add(i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX))
    }
}

/// Ends at Ctrl-C or SIGTERM.
async fn interrupted() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated => {}
    }
}

//! The binary that materialization and training set Jobs run.

mod telemetry;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use serde::Serialize;
use serde::de::DeserializeOwned;
use snafu::{ResultExt, Whatever};
use triplane_contract::run::RunSpec;
use triplane_contract::store::StoreAccess;
use triplane_contract::training::TrainingSetSpec;
use triplane_feature_store::online::connect;
use triplane_feature_store::{Clock, SystemClock};
use triplane_materializer::progress::Logged;
use triplane_materializer::{Environment, run, training_set};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Fills offline tables and online stores, and joins training sets.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    job: Job,
    /// Folder for sorts that do not fit into memory.
    #[arg(long, global = true, default_value_os_t = std::env::temp_dir())]
    scratch: PathBuf,
    /// Where the report goes; `-` is standard output.
    #[arg(long, global = true, default_value = "-")]
    report: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Job {
    /// Bring one view generation up to date.
    Run {
        /// The run spec, JSON.
        #[arg(long)]
        spec: PathBuf,
    },
    /// Join one training set.
    TrainingSet {
        /// The training set spec, JSON.
        #[arg(long)]
        spec: PathBuf,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    telemetry::start();
    match work(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", snafu::Report::from_error(error));
            ExitCode::FAILURE
        }
    }
}

async fn work(arguments: Arguments) -> Result<(), Whatever> {
    let scratch = arguments.scratch;
    match arguments.job {
        Job::Run { spec } => {
            let spec: RunSpec = read(&spec)?;
            let environment = open(&spec.store, scratch).await?;
            let done = run(&spec, &environment, &Logged).await;
            write(&arguments.report, &done.whatever_context("the run did not end")?)
        }
        Job::TrainingSet { spec } => {
            let spec: TrainingSetSpec = read(&spec)?;
            let environment = open(&spec.store, scratch).await?;
            let done = training_set::build(&spec, &environment, &Logged).await;
            write(
                &arguments.report,
                &done.whatever_context("the training set was not built")?,
            )
        }
    }
}

async fn open(store: &StoreAccess, scratch: PathBuf) -> Result<Environment, Whatever> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let bucket = triplane_bucket::open(&store.offline).whatever_context("failed to open the offline store")?;
    let checked = triplane_bucket::preflight(&store.offline, &store.root).await;
    checked.whatever_context("the offline store cannot be used")?;
    let online = connect(&store.online, Arc::clone(&clock))
        .await
        .whatever_context("failed to open the online store")?;
    Ok(Environment {
        bucket,
        online,
        clock,
        scratch,
    })
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Whatever> {
    let text = std::fs::read(path).with_whatever_context(|_| format!("failed to read {}", path.display()))?;
    serde_json::from_slice(&text).with_whatever_context(|_| format!("{} is not a spec of this build", path.display()))
}

fn write<T: Serialize>(path: &Path, report: &T) -> Result<(), Whatever> {
    let text = serde_json::to_string(report).whatever_context("failed to write the report")?;
    let name = path.display();
    if path == Path::new("-") {
        use std::io::Write;
        writeln!(std::io::stdout(), "{text}").whatever_context("failed to write the report to standard output")
    } else {
        std::fs::write(path, text).with_whatever_context(|_| format!("failed to write the report to {name}"))
    }
}

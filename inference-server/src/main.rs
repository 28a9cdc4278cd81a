//! The binary that serving pods and model verification Jobs run.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use triplane_contract::model::ModelCheckSpec;
use triplane_inference_server::{Limits, Server, Settings, verify, watch};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Error = Box<dyn std::error::Error>;

/// Serves predictions: features are fetched, the model is asked, the answer says what was imputed.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

const EXAMPLES: &str = "Examples:
  Serve a route table and follow its changes:
    triplane-inference-server --route-table /etc/triplane/routes.json --listen 0.0.0.0:8080
  Ask it:
    curl -s localhost:8080/v1/models/delay:predict -d '{\"instances\":[{\"origin\":\"JFK\"}],\"explain\":true}'
  Verify a model and write the report:
    triplane-inference-server verify --spec check.json --report report.json";

#[derive(Subcommand)]
enum Command {
    /// Check a model's artifact, inputs and golden predictions; ends with 0 where it may be served.
    Verify {
        /// What to check: a model check spec as JSON.
        #[arg(long, value_name = "FILE")]
        spec: PathBuf,
        /// Where to write the report; standard output without it.
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
    },
}

#[derive(Args)]
struct Serve {
    /// Route table, looked at again every half second.
    #[arg(long, value_name = "FILE", required = true)]
    route_table: Option<PathBuf>,
    /// Address to listen at; port 0 takes a free one, which is logged.
    #[arg(long, default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// Requests answered at once; more get 429.
    #[arg(long, default_value_t = Limits::default().concurrency)]
    max_concurrency: usize,
    /// Bytes of a request's body; more get 413.
    #[arg(long, default_value_t = Limits::default().body_bytes)]
    max_body_bytes: usize,
    /// Rows of a request.
    #[arg(long, default_value_t = Limits::default().rows)]
    max_rows: usize,
    /// Milliseconds to go on accepting connections after SIGTERM, while load balancers learn of it.
    #[arg(long, default_value_t = 5_000)]
    drain_grace_ms: u64,
    /// Worker threads; the number of cores without it.
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(std::io::stderr)
        .init();
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode, Error> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = arguments.serve.threads {
        runtime.worker_threads(threads.max(1));
    }
    let runtime = runtime.enable_all().build()?;
    match (arguments.command, arguments.serve.route_table.clone()) {
        (Some(Command::Verify { spec, report }), _) => runtime.block_on(check(&spec, report.as_deref())),
        (None, Some(table)) => runtime.block_on(serve(arguments.serve, table)),
        (None, None) => Err("--route-table is missing".into()),
    }
}

async fn serve(arguments: Serve, table: PathBuf) -> Result<ExitCode, Error> {
    let defaults = Settings::new(arguments.listen);
    let limits = Limits {
        concurrency: arguments.max_concurrency,
        body_bytes: arguments.max_body_bytes,
        rows: arguments.max_rows,
        upload_bytes: Limits::default().upload_bytes.max(arguments.max_body_bytes),
        ..Limits::default()
    };
    let drain_grace = Duration::from_millis(arguments.drain_grace_ms);
    let server = Server::bind(Settings {
        limits,
        drain_grace,
        ..defaults
    })
    .await?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let watching = tokio::spawn(watch::watch(server.handle(), table));
    server
        .run(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
        .await;
    watching.abort();
    Ok(ExitCode::SUCCESS)
}

async fn check(spec: &Path, report: Option<&Path>) -> Result<ExitCode, Error> {
    let content = std::fs::read(spec).map_err(|error| format!("cannot read {}: {error}", spec.display()))?;
    let spec: ModelCheckSpec =
        serde_json::from_slice(&content).map_err(|error| format!("{} is no model check: {error}", spec.display()))?;
    let bucket = triplane_bucket::open(&spec.store.offline)?;
    let found = verify(&spec, bucket.as_ref()).await;
    let text = serde_json::to_string_pretty(&found)?;
    match report {
        Some(path) => std::fs::write(path, text)?,
        None => std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes())?,
    }
    tracing::info!(model = spec.model.name, fault = ?found.fault, "{}", found.message);
    Ok(if found.fault.is_none() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

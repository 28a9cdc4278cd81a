//! The codebook service: its data materialized, its server in a process of its own.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;
use triplane_contract::route::RouteTable;
use triplane_contract::run::RunReport;
use triplane_contract::store::{OnlineAccess, StoreAccess};
use triplane_feature_store::online::OnlineStore;
use triplane_feature_store::{Clock, SystemClock};
use triplane_inference_server::{Handle, Server, Settings};
use triplane_materializer::RunError;
use triplane_materializer::progress::Silent;

use crate::fixture::codebook;
use crate::http;
use crate::process::{Process, Program};
use crate::redis::{self, Redis};
use crate::world::World;

/// A bucket with the codebook's data and artifact, materialized into a Redis.
pub struct Codebook {
    world: World,
}

impl Codebook {
    /// Uploads data and artifact and materializes the view.
    pub async fn materialized(redis: &Redis) -> Self {
        Self::on(redis.access()).await
    }

    /// As `materialized`, on any online store.
    pub async fn on(online: OnlineAccess) -> Self {
        let world = World::new(online);
        let now_us = SystemClock.now_us();
        world.put(
            codebook::ARTIFACT,
            codebook::artifact().as_bytes(),
            seconds(now_us) - 30,
        );
        let codebook = Self { world };
        codebook.upload(1, now_us - 60_000_000);
        codebook.materialize().await;
        codebook
    }

    /// Uploads a file with a row of every account at `at_us`.
    pub fn upload(&self, number: u64, at_us: i64) {
        let path = format!("{}{number}.parquet", codebook::FOLDER);
        self.world.put(&path, &codebook::parquet(at_us), seconds(at_us) + 30);
    }

    /// A run, which may fail.
    pub async fn run(&self) -> Result<RunReport, RunError> {
        let environment = self.world.environment(SystemClock.now_us()).await;
        let spec = codebook::run_spec(self.world.access());
        triplane_materializer::run(&spec, &environment, &Silent).await
    }

    /// Brings the online store up to date: refills it where it was wiped.
    pub async fn materialize(&self) {
        self.world
            .materialize(&codebook::run_spec(self.world.access()), SystemClock.now_us())
            .await;
    }

    /// The bucket.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The service's table, its online store being reached at `address`.
    pub fn routes_through(&self, address: String) -> RouteTable {
        self.routes_on(redis::access(address))
    }

    /// The service's table, its online store being reached as `online` says.
    pub fn routes_on(&self, online: OnlineAccess) -> RouteTable {
        let store = StoreAccess {
            online,
            ..self.world.access()
        };
        codebook::route_table(codebook::served(sha256(codebook::artifact().as_bytes())), store)
    }
}

fn seconds(at_us: i64) -> u64 {
    (at_us / 1_000_000) as u64
}

/// sha256 in hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// An inference server in a process of its own.
pub struct ServerProcess {
    process: Process,
    address: SocketAddr,
    _routes: tempfile::NamedTempFile,
}

impl ServerProcess {
    /// Starts `program` (the `server` binary) on `routes` and waits until it listens.
    pub fn start(program: &Program, routes: &RouteTable) -> Self {
        let file = tempfile::NamedTempFile::new().expect("failed to create a file");
        write(file.path(), routes);
        let mut process = Process::spawn(program.command().arg(file.path()).stdout(Stdio::piped()));
        let mut line = String::new();
        let output = process.take_stdout().expect("stdout of the server");
        BufReader::new(output)
            .read_line(&mut line)
            .expect("the server says where it listens");
        let address = line
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("the server did not start: {line:?}"));
        Self {
            process,
            address,
            _routes: file,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        self.process.terminate();
    }

    /// Waits for the end, at most `within`, without holding up the runtime's other tasks.
    pub async fn wait(&mut self, within: Duration) -> Option<ExitStatus> {
        let until = std::time::Instant::now() + within;
        while self.process.is_running() && std::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.process.wait(Duration::ZERO)
    }

    /// What `/admin/state` says of the service.
    pub async fn state(&self) -> Value {
        http::get(self.address, "/admin/state").await.expect("the state").json()["services"][0].clone()
    }

    /// State of the breakers: closed, half-open or open where all shards agree, else mixed.
    pub async fn breaker(&self) -> String {
        let state = self.state().await;
        let shards = state["breaker"].as_object().expect("breakers");
        let mut states: Vec<&str> = shards.values().filter_map(Value::as_str).collect();
        states.dedup();
        match states[..] {
            [one] => one.to_owned(),
            _ => "mixed".to_owned(),
        }
    }

    /// Requests answered so far.
    pub async fn requests(&self) -> u64 {
        let state = self.state().await;
        let outcomes = state["models"][0]["requests"].as_object().expect("counters");
        outcomes.values().filter_map(Value::as_u64).sum()
    }
}

/// An inference server in this process, its clock and online store shared with the test.
pub struct InProcess {
    address: SocketAddr,
    handle: Handle,
    running: JoinHandle<()>,
}

impl InProcess {
    /// Serves `routes`; `store` is what a table with the memory store reads.
    pub async fn start(routes: &RouteTable, clock: Arc<dyn Clock>, store: Arc<dyn OnlineStore>) -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let settings = Settings {
            clock,
            memory: Some(store),
            ..Settings::new(listen)
        };
        let server = Server::bind(settings).await.expect("failed to bind the server");
        let (address, handle) = (server.address(), server.handle());
        handle.serve(routes).await.unwrap_or_else(|error| panic!("{error}"));
        Self {
            address,
            handle,
            running: tokio::spawn(server.run(std::future::pending())),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What changes its services.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        self.running.abort();
    }
}

fn write(path: &Path, routes: &RouteTable) {
    std::fs::write(path, serde_json::to_vec(routes).expect("routes are JSON")).expect("failed to write routes");
}

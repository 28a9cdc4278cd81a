//! First figures of this machine: rows materialized, a join, predictions. Nothing is asserted.
//!
//! `make figures` (`make figures PROFILE=release` for figures worth comparing).
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a report")]

use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use triplane_contract::run::RunSpec;
use triplane_contract::training::TrainingSetReport;
use triplane_tests::child;
use triplane_tests::fixture::activity::{EPOCH_US, HOUR_US};
use triplane_tests::fixture::traffic::Codes;
use triplane_tests::fixture::wide;
use triplane_tests::load::{Load, Rate, Summary};
use triplane_tests::process::{Program, cpu_seconds, memory_bytes};
use triplane_tests::redis::Redis;
use triplane_tests::run::Run;
use triplane_tests::serving::{Codebook, ServerProcess};
use triplane_tests::world::World;

const ROWS: usize = 200_000;
const OBSERVATIONS: usize = 50_000;
const NOW_US: i64 = EPOCH_US + 24 * HOUR_US;
const UPLOADED_S: u64 = (EPOCH_US / 1_000_000) as u64 + 3_600;
const PROFILE: &str = if cfg!(debug_assertions) { "dev" } else { "release" };

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    match words.next().as_deref() {
        Some("materializer") => child::exit(child::materializer(words)),
        Some("training-set") => child::exit(child::training_set(words)),
        Some("server") => child::exit(child::server(words)),
        _ => {
            println!(
                "profile {PROFILE}, {} cores",
                std::thread::available_parallelism().unwrap()
            );
            features();
            tokio::runtime::Runtime::new().unwrap().block_on(predictions());
            ExitCode::SUCCESS
        }
    }
}

fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

/// Materializes and joins one wide view.
fn features() {
    let redis = Redis::start();
    let world = World::new(redis.access());
    world.put(
        &format!("{}1.parquet", wide::FOLDER),
        &wide::parquet(ROWS, ROWS),
        UPLOADED_S,
    );
    let run = wide::run_spec(world.access());
    materialize(&world, &redis, &run, "first fill (source to table and Redis)");
    redis.wipe();
    materialize(&world, &redis, &run, "refill by the write rule (table to Redis)");

    world.put(
        &format!("{}1.parquet", wide::OBSERVATIONS),
        &wide::observations(OBSERVATIONS, ROWS, ROWS),
        UPLOADED_S,
    );
    let spec = world.scratch().join("set.json");
    std::fs::write(&spec, serde_json::to_vec(&wide::training_set(world.access())).unwrap()).unwrap();
    let started = Instant::now();
    let output = Program::itself("training-set")
        .command()
        .arg(spec)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let took = started.elapsed().as_secs_f64();
    let report: TrainingSetReport = serde_json::from_slice(&output.stdout).unwrap();
    println!(
        "join of {OBSERVATIONS} observations with {ROWS} rows, 10 features: {took:.2} s, {} MiB",
        mib(report.peak_memory_bytes)
    );
}

fn materialize(world: &World, redis: &Redis, spec: &RunSpec, what: &str) {
    let run = Run::new(&Program::itself("materializer"), world.scratch(), spec, NOW_US);
    let (started, redis_cpu) = (Instant::now(), cpu_seconds(redis.pid()));
    let report = run.to(None).report();
    let took = started.elapsed().as_secs_f64();
    println!(
        "{what}: {} rows of {} features in {took:.2} s = {:.0} rows/s; process {} MiB, Redis {} MiB and {:.2} s CPU",
        report.rows_published,
        wide::FEATURES,
        report.rows_published as f64 / took,
        mib(report.peak_memory_bytes),
        mib(memory_bytes(redis.pid()).0),
        cpu_seconds(redis.pid()) - redis_cpu,
    );
}

/// Predictions of the codebook service: as many as it can, then a constant rate.
async fn predictions() {
    let redis = Redis::start();
    let codebook = Codebook::materialized(&redis).await;
    let server = ServerProcess::start(&Program::itself("server"), &codebook.routes_through(redis.address()));
    let closed = Rate {
        per_second: f64::INFINITY,
        connections: 32,
        requests: 30_000,
    };
    let load = Load::start(server.address(), closed, Codes::all());
    let started = Instant::now();
    let sum = Summary::of(&load.finish().await);
    let took = started.elapsed().as_secs_f64();
    println!(
        "closed loop, 32 connections: {:.0} predictions/s, p50/p99 {:?} ms",
        sum.ok as f64 / took,
        &sum.latency_ms[..2]
    );

    let per_second = (sum.ok as f64 / took / 2.0).min(2_000.0).floor();
    let open = Rate {
        per_second,
        connections: 128,
        requests: (per_second * 10.0) as u64,
    };
    let before = (cpu_seconds(server.id()), cpu_seconds(redis.pid()));
    let sum = Summary::of(&Load::start(server.address(), open, Codes::all()).finish().await);
    let per_prediction = |now: f64, before: f64| (now - before) * 1e6 / sum.requests as f64;
    println!(
        "open loop, {per_second}/s: p50/p99/p99.9/max {:.2?} ms; CPU a prediction: server {:.0} us, Redis {:.0} us",
        sum.latency_ms,
        per_prediction(cpu_seconds(server.id()), before.0),
        per_prediction(cpu_seconds(redis.pid()), before.1),
    );
    let (now, peak) = memory_bytes(server.id());
    println!(
        "server {} MiB (peak {}), Redis {} MiB",
        mib(now),
        mib(peak),
        mib(memory_bytes(redis.pid()).0)
    );
    server.terminate();
    let mut server = server;
    server.wait(Duration::from_secs(30)).await;
}

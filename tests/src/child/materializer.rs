//! One run against a bucket and an online store, behind a gate that may kill the process.

use std::path::PathBuf;
use std::sync::Arc;

use triplane_contract::run::RunSpec;
use triplane_feature_store::{Clock, FixedClock, online};
use triplane_materializer::Environment;
use triplane_materializer::progress::Silent;

use crate::kill::{Cut, Gate, KillableBucket, KillableOnline};

struct Arguments {
    spec: PathBuf,
    now_us: i64,
    cut: Option<Cut>,
    calls: Option<PathBuf>,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Self {
        let mut word = |what: &str| words.next().unwrap_or_else(|| panic!("{what} is missing"));
        let spec = word("SPEC").into();
        let now_us = word("NOW_US").parse().expect("NOW_US is a number");
        let mut arguments = Self {
            spec,
            now_us,
            cut: None,
            calls: None,
        };
        while let Some(flag) = words.next() {
            let value = words.next().unwrap_or_else(|| panic!("{flag} needs a value"));
            match flag.as_str() {
                "--cut" => arguments.cut = Some(value.parse().expect("a kill point")),
                "--calls" => arguments.calls = Some(value.into()),
                _ => panic!("unknown flag {flag}"),
            }
        }
        arguments
    }
}

/// `SPEC.json NOW_US [--cut WHEN:CALL] [--calls FILE]`: runs, prints the report as JSON, and writes the calls that were made
/// to FILE. The error is the run's own, with its causes.
pub fn materializer(words: impl Iterator<Item = String>) -> Result<(), String> {
    let arguments = Arguments::parse(words);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(run(arguments))
}

async fn run(arguments: Arguments) -> Result<(), String> {
    let spec: RunSpec = serde_json::from_slice(&std::fs::read(&arguments.spec).expect("spec")).expect("spec");
    let gate = Arc::new(Gate::new(arguments.cut));
    let clock: Arc<dyn Clock> = Arc::new(FixedClock::new(arguments.now_us));
    let online = online::connect(&spec.store.online, clock.clone())
        .await
        .map_err(|error| error.to_string())?;
    let bucket = triplane_bucket::open(&spec.store.offline).map_err(|error| error.to_string())?;
    let scratch = tempfile::tempdir().expect("scratch");
    let environment = Environment {
        bucket: Arc::new(KillableBucket::new(bucket, gate.clone())),
        online: Arc::new(KillableOnline::new(online, gate.clone())),
        clock,
        scratch: scratch.path().to_owned(),
    };
    let report = triplane_materializer::run(&spec, &environment, &Silent)
        .await
        .map_err(|error| error.to_string())?;
    let call = gate.enter("report", "");
    println!("{}", serde_json::to_string(&report).expect("a report is JSON"));
    gate.leave(call);
    if let Some(file) = arguments.calls {
        std::fs::write(file, serde_json::to_vec(&gate.calls()).expect("calls are JSON")).expect("calls");
    }
    Ok(())
}

//! One training join against a bucket.

use std::sync::Arc;

use triplane_contract::training::TrainingSetSpec;
use triplane_feature_store::{Clock, SystemClock, online};
use triplane_materializer::progress::Silent;
use triplane_materializer::{Environment, training_set as set};

/// `SPEC.json`: joins and prints the report as JSON. The error is the join's own.
pub fn training_set(mut words: impl Iterator<Item = String>) -> Result<(), String> {
    let path = words.next().ok_or("SPEC.json is missing")?;
    let spec = serde_json::from_slice(&std::fs::read(path).expect("spec")).expect("spec");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(join(spec))
}

async fn join(spec: TrainingSetSpec) -> Result<(), String> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let scratch = tempfile::tempdir().expect("scratch");
    let environment = Environment {
        bucket: triplane_bucket::open(&spec.store.offline).map_err(|error| error.to_string())?,
        online: online::connect(&spec.store.online, clock.clone())
            .await
            .map_err(|error| error.to_string())?,
        clock,
        scratch: scratch.path().to_owned(),
    };
    let report = set::build(&spec, &environment, &Silent)
        .await
        .map_err(|error| error.to_string())?;
    println!("{}", serde_json::to_string(&report).expect("a report is JSON"));
    Ok(())
}

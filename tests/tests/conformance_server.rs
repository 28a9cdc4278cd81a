//! The boundary cases of time semantics, asked of a server over HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a suite"
)]

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};
use triplane_contract::model::{Input, ModelFormat, ServedModel, ServedView};
use triplane_contract::store::OnlineAccess;
use triplane_feature_store::conformance::{Case, Expected, Question, Target, load, publish};
use triplane_feature_store::{Clock, FixedClock, Value, online};
use triplane_tests::fixture::{codebook, lightgbm};
use triplane_tests::http::{self, Answer};
use triplane_tests::redis::Redis;
use triplane_tests::serving::{InProcess, sha256};
use triplane_tests::vectors::Cell;
use triplane_tests::world::World;

const UPLOADED_S: u64 = 1_772_000_000;

/// Every numeric feature that the case reads, in order: what a model can have as inputs.
fn inputs(case: &Case) -> Vec<Input> {
    let features = case.reads.iter().flat_map(|read| {
        let numeric = case.views[read.view]
            .view
            .features
            .iter()
            .filter(|feature| feature.value_type.is_numeric());
        numeric.map(|feature| Input::Feature {
            view: read.alias.clone(),
            feature: feature.name.clone(),
            allow_override: false,
        })
    });
    features.collect()
}

fn model(case: &Case, artifact: &str) -> ServedModel {
    let served = case.reads.iter().map(|read| ServedView {
        alias: read.alias.clone(),
        view: case.views[read.view].view.clone(),
        keys: read.keys.clone(),
    });
    ServedModel {
        name: format!("case-{}", case.number),
        sha256: sha256(artifact.as_bytes()),
        artifact_path: codebook::ARTIFACT.into(),
        format: ModelFormat::LightGBM,
        inputs: inputs(case),
        views: served.collect(),
        output_name: "sum".into(),
        baseline: Some(codebook::FALLBACK),
    }
}

/// A key as a caller writes it.
fn on_the_wire(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Int32(value) => json!(value),
        Value::Int64(value) | Value::Timestamp(value) => json!(value),
        Value::String(value) => json!(value),
        other => panic!("no case has a key such as {other:?}"),
    }
}

fn instance(case: &Case, question: &Question) -> Json {
    let keys: BTreeSet<&String> = case.reads.iter().flat_map(|read| read.keys.values()).collect();
    let columns = question.columns.iter().filter(|(name, _)| keys.contains(name));
    Json::Object(
        columns
            .map(|(name, value)| (name.clone(), on_the_wire(value)))
            .collect::<Map<_, _>>(),
    )
}

/// Publishes the facts of `case` into an empty store at the question's moment and asks a server with that clock.
async fn ask(case: &Case, question: &Question, access: &OnlineAccess) -> Answer {
    let world = World::new(access.clone());
    // Rows are published a minute before, for Redis counts their lifetime by its own clock.
    let fixed = Arc::new(FixedClock::new(question.as_of_us - 60_000_000));
    let clock: Arc<dyn Clock> = fixed.clone();
    let store = online::connect(access, clock.clone()).await.unwrap();
    for view in &case.views {
        publish(store.as_ref(), &view.view, &view.facts, 1).await.unwrap();
    }
    fixed.set(question.as_of_us);
    let names: Vec<String> = (0..inputs(case).len()).map(|index| format!("i{index}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let artifact = lightgbm::sum(&names, &vec![1; names.len()], 2);
    world.put(codebook::ARTIFACT, artifact.as_bytes(), UPLOADED_S);
    let mut routes = codebook::route_table(model(case, &artifact), world.access());
    routes.features.max_imputed = 1.0;
    codebook::without_hurry(&mut routes);
    let server = InProcess::start(&routes, clock, store).await;
    let body = json!({"instances": [instance(case, question)], "explain": true});
    http::post(
        server.address(),
        &format!("/v1/models/{}:predict", codebook::SERVICE),
        &body,
    )
    .await
    .unwrap()
}

fn check(case: &Case, question: &Question, answer: &Answer) {
    let body = answer.json();
    let what = format!("case {} ({}) at {}: {body}", case.number, case.title, question.as_of_us);
    let names: Vec<String> = inputs(case).iter().map(Input::name).collect();
    let expected: Vec<&Expected> = names.iter().map(|name| &question.expect[name]).collect();
    if expected.iter().any(|expected| expected.fail) {
        assert_eq!(
            (answer.status, &body["code"]),
            (400, &json!("FeatureMissing")),
            "{what}"
        );
        return;
    }
    assert_eq!(answer.status, 200, "{what}");
    let row = &body["triplane"]["rows"][0];
    let inputs: Vec<Cell> = row["inputs"]
        .as_array()
        .expect("inputs")
        .iter()
        .map(Cell::of_json)
        .collect();
    let values: Vec<Cell> = expected
        .iter()
        .map(|expected| expected.value.as_f64().map_or(Cell::Missing, Cell::of))
        .collect();
    assert_eq!(inputs, values, "{what}");
    let statuses: Vec<&str> = expected.iter().map(|expected| expected.status.name()).collect();
    assert_eq!(row["status"], json!(statuses), "{what}");
    let named = |chosen: fn(&Expected) -> bool| -> Vec<&String> {
        names
            .iter()
            .zip(&expected)
            .filter(|(_, expected)| chosen(expected))
            .map(|(name, _)| name)
            .collect()
    };
    assert_eq!(row["stale"], json!(named(|expected| expected.stale)), "{what}");
    assert_eq!(
        row["imputed"],
        json!(named(|expected| expected.status.name() != "PRESENT")),
        "{what}"
    );
}

/// Runs every case for servers; `clean` empties the store before each question.
async fn every_case(access: OnlineAccess, clean: impl Fn()) {
    let (mut cases, mut questions) = (0, 0);
    for case in load()
        .unwrap()
        .iter()
        .filter(|case| case.targets.contains(&Target::Server))
    {
        cases += 1;
        for question in case
            .questions
            .iter()
            .filter(|question| question.targets.contains(&Target::Server))
        {
            clean();
            check(case, question, &ask(case, question, &access).await);
            questions += 1;
        }
    }
    println!("{questions} questions of {cases} cases");
    assert!(cases >= 15, "only {cases} cases are for servers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_the_memory_store_answers_every_case() {
    every_case(OnlineAccess::Memory, || {}).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_redis_answers_every_case() {
    let redis = Redis::start();
    every_case(redis.access(), || redis.wipe()).await;
}

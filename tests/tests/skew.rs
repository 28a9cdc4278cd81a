//! What is served is what is trained on, to the bit: every input of every answer against the training join at the answer's
//! own moment.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a suite"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use triplane_contract::model::{Input, ModelFormat, ServedModel, ServedView};
use triplane_contract::store::OnlineAccess;
use triplane_contract::training::{JoinedView, TrainingSetSpec};
use triplane_contract::{View, version};
use triplane_feature_store::{Clock, FixedClock, online};
use triplane_materializer::progress::Silent;
use triplane_materializer::{Environment, training_set};
use triplane_tests::fixture::activity::{self, EPOCH_US, HOUR_US};
use triplane_tests::fixture::table::Table;
use triplane_tests::fixture::view::{MEMORY_LIMIT, NAMESPACE};
use triplane_tests::fixture::{codebook, lightgbm, profile};
use triplane_tests::http;
use triplane_tests::redis::Redis;
use triplane_tests::serving::{InProcess, sha256};
use triplane_tests::vectors::{self, Cell};
use triplane_tests::world::World;

const UPLOADED_S: u64 = (EPOCH_US / 1_000_000) as u64;
/// Later than every event time and availability delay of the data.
const FIRST_ASKED_US: i64 = EPOCH_US + 31 * HOUR_US;
const ASKED: usize = 240;
const ACCOUNTS: usize = 12;

/// One answer with everything that went into it.
struct Answered {
    payer: String,
    payee: String,
    as_of_us: i64,
    inputs: Vec<Cell>,
    statuses: Vec<String>,
}

/// Views under the names that the model has for them.
fn views() -> Vec<(&'static str, View, &'static str)> {
    let activity = View {
        ttl_us: Some(12 * HOUR_US),
        availability_delay_us: HOUR_US / 12,
        ..activity::view()
    };
    vec![
        ("payer", activity.clone(), "payer"),
        ("payee", activity, "payee"),
        ("account-profile", profile::view(), "payer"),
    ]
}

fn keys(column: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("account".to_owned(), column.to_owned())])
}

fn model(artifact: &str) -> ServedModel {
    let inputs = views().into_iter().flat_map(|(alias, view, _)| {
        view.features.into_iter().map(move |feature| Input::Feature {
            view: alias.into(),
            feature: feature.name,
            allow_override: false,
        })
    });
    let served = |(alias, view, column): (&str, View, &str)| ServedView {
        alias: alias.into(),
        view,
        keys: keys(column),
    };
    ServedModel {
        name: "skew-v1".into(),
        sha256: sha256(artifact.as_bytes()),
        artifact_path: codebook::ARTIFACT.into(),
        format: ModelFormat::LightGBM,
        inputs: inputs.collect(),
        views: views().into_iter().map(served).collect(),
        output_name: "sum".into(),
        baseline: Some(codebook::FALLBACK),
    }
}

/// A world with both views materialized, and a server of the model in this process whose clock the test moves.
struct Skew {
    world: World,
    environment: Environment,
    clock: Arc<FixedClock>,
    server: InProcess,
}

impl Skew {
    async fn start(access: OnlineAccess) -> Self {
        let world = World::new(access.clone());
        let clock = Arc::new(FixedClock::new(FIRST_ASKED_US));
        let shared: Arc<dyn Clock> = clock.clone();
        let store = online::connect(&access, shared.clone()).await.unwrap();
        let scratch = world.scratch().to_owned();
        let environment = Environment {
            bucket: world.object_store(),
            online: store.clone(),
            clock: shared.clone(),
            scratch,
        };
        let events = activity::events(EPOCH_US, 900, ACCOUNTS as u64 - 2, 5);
        world.put(
            &format!("{}1.parquet", activity::FOLDER),
            &activity::parquet(&events),
            UPLOADED_S,
        );
        world.put(
            &format!("{}1.parquet", profile::FOLDER),
            &profile::parquet(),
            UPLOADED_S,
        );
        let mut runs = [activity::run_spec(world.access()), profile::run_spec(world.access())];
        runs[0].view = views().remove(0).1;
        for spec in &runs {
            triplane_materializer::run(spec, &environment, &Silent).await.unwrap();
        }

        let inputs = model("").inputs;
        let names: Vec<String> = inputs.iter().map(|input| input.name().replace('/', "_")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let artifact = lightgbm::sum(&names, &vec![1; names.len()], 2);
        world.put(codebook::ARTIFACT, artifact.as_bytes(), UPLOADED_S);
        let mut routes = codebook::route_table(model(&artifact), world.access());
        routes.features.max_imputed = 1.0;
        codebook::without_hurry(&mut routes);
        let server = InProcess::start(&routes, shared, store).await;
        Self {
            world,
            environment,
            clock,
            server,
        }
    }

    /// Asks about pairs of accounts, the clock moving on between requests until every row is past its lifetime.
    async fn ask(&self) -> Vec<Answered> {
        let mut answered = Vec::new();
        for first in (0..ASKED).step_by(8) {
            self.clock.set(FIRST_ASKED_US + first as i64 * HOUR_US / 10);
            let pairs: Vec<(String, String)> = (first..first + 8)
                .map(|index| {
                    (
                        format!("a-{}", index % ACCOUNTS),
                        format!("a-{}", index * 5 % (ACCOUNTS + 1)),
                    )
                })
                .collect();
            answered.extend(ask(self.server.address(), &pairs).await);
        }
        answered
    }

    /// The training join at each answer's own moment: inputs and statuses in the model's order, by row.
    async fn join(&self, answered: &[Answered]) -> Vec<(Vec<Cell>, Vec<String>)> {
        let asked = Table::new()
            .text("payer", answered.iter().map(|answer| Some(answer.payer.as_str())))
            .text("payee", answered.iter().map(|answer| Some(answer.payee.as_str())))
            .time("asked_at", answered.iter().map(|answer| Some(answer.as_of_us)));
        self.world
            .put("labels/asked/1.parquet", &asked.to_parquet(50), UPLOADED_S);
        let joined = |(alias, view, column): (&str, View, &str)| JoinedView {
            alias: alias.into(),
            keys: keys(column),
            features: view.features.iter().map(|feature| feature.name.clone()).collect(),
            view,
        };
        let spec = TrainingSetSpec {
            version: version::CURRENT,
            namespace: NAMESPACE.into(),
            name: "asked".into(),
            store: self.world.access(),
            observations_path: "labels/asked/".into(),
            timestamp_column: "asked_at".into(),
            label: None,
            request: Vec::new(),
            views: views().into_iter().map(joined).collect(),
            memory_limit_bytes: MEMORY_LIMIT,
        };
        let report = training_set::build(&spec, &self.environment, &Silent).await.unwrap();
        println!("found: {:?}", report.found);
        let names: Vec<String> = model("").inputs.iter().map(Input::name).collect();
        vectors::of_training_set(&self.world.bucket().join(&report.path), &names)
    }
}

async fn ask(address: SocketAddr, pairs: &[(String, String)]) -> Vec<Answered> {
    let instances: Vec<Value> = pairs
        .iter()
        .map(|(payer, payee)| json!({"payer": payer, "payee": payee}))
        .collect();
    let path = format!("/v1/models/{}:predict", codebook::SERVICE);
    let answer = http::post(address, &path, &json!({"instances": instances, "explain": true}))
        .await
        .unwrap();
    let body = answer.json();
    assert_eq!(answer.status, 200, "{body}");
    let as_of_us = body["triplane"]["as_of"].as_i64().expect("as_of");
    let rows = body["triplane"]["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), pairs.len());
    let answered = pairs.iter().zip(rows).map(|((payer, payee), row)| Answered {
        payer: payer.clone(),
        payee: payee.clone(),
        as_of_us,
        inputs: row["inputs"]
            .as_array()
            .expect("inputs")
            .iter()
            .map(Cell::of_json)
            .collect(),
        statuses: serde_json::from_value(row["status"].clone()).expect("statuses"),
    });
    answered.collect()
}

async fn no_input_differs(access: OnlineAccess) {
    let skew = Skew::start(access).await;
    let answered = skew.ask().await;
    let joined = skew.join(&answered).await;
    assert_eq!(joined.len(), answered.len(), "every observation survives the join");
    let mut seen = BTreeSet::new();
    for (served, (inputs, statuses)) in answered.iter().zip(&joined) {
        assert_eq!(
            &served.inputs, inputs,
            "{} -> {} at {}",
            served.payer, served.payee, served.as_of_us
        );
        assert_eq!(
            &served.statuses, statuses,
            "{} -> {} at {}",
            served.payer, served.payee, served.as_of_us
        );
        seen.extend(statuses.iter().cloned());
    }
    println!(
        "{} answers of {} inputs, all equal; statuses {seen:?}",
        answered.len(),
        joined[0].0.len()
    );
    assert_eq!(seen.len(), 4, "the data shows every status: {seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_memory_store_every_served_input_is_the_trained_one() {
    no_input_differs(OnlineAccess::Memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_redis_every_served_input_is_the_trained_one() {
    let redis = Redis::start();
    no_input_differs(redis.access()).await;
}

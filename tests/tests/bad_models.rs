//! Models that are not what they say: the verification and the server name the fault, and what is served stays served.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite")]

use std::sync::Arc;

use serde_json::json;
use triplane_contract::model::{Golden, ModelCheckReport, ModelCheckSpec, ModelFault, ServedModel};
use triplane_contract::route::RouteTable;
use triplane_contract::version;
use triplane_feature_store::{Clock, SystemClock, online};
use triplane_inference_server::verify;
use triplane_tests::fixture::codebook;
use triplane_tests::fixture::table::Table;
use triplane_tests::fixture::view::NAMESPACE;
use triplane_tests::http;
use triplane_tests::redis::Redis;
use triplane_tests::serving::{Codebook, InProcess, sha256};

const GOLDEN: &str = "models/codebook/golden.parquet";
const UPLOADED_S: u64 = 1_772_000_000;

/// A served codebook, beside which other models are tried.
struct Served {
    redis: Redis,
    codebook: Codebook,
    server: InProcess,
}

impl Served {
    async fn start() -> Self {
        let redis = Redis::start();
        let codebook = Codebook::materialized(&redis).await;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = online::connect(&redis.access(), clock.clone()).await.unwrap();
        let server = InProcess::start(&codebook.routes_through(redis.address()), clock, store).await;
        Self {
            redis,
            codebook,
            server,
        }
    }

    fn routes(&self) -> RouteTable {
        self.codebook.routes_through(self.redis.address())
    }

    fn model(&self) -> ServedModel {
        self.routes().routes.remove(0).model
    }

    async fn verify(&self, model: ServedModel, golden: Option<Golden>) -> ModelCheckReport {
        let spec = ModelCheckSpec {
            version: version::CURRENT,
            namespace: NAMESPACE.into(),
            model,
            golden,
            store: self.codebook.world().access(),
            max_artifact_bytes: 1 << 20,
        };
        verify::verify(&spec, &self.codebook.world().object_store()).await
    }

    /// Verification says `fault` with `words`; serving it as the next generation fails with them too, and the one before
    /// goes on answering.
    async fn refused(&self, model: ServedModel, fault: ModelFault, words: &[&str]) {
        let report = self.verify(model.clone(), None).await;
        assert_eq!(report.fault, Some(fault), "{}", report.message);
        let mut next = self.routes();
        next.generation = 2;
        next.routes[0].model = model;
        let error = self.server.handle().serve(&next).await.unwrap_err().to_string();
        for word in words {
            assert!(
                report.message.contains(word),
                "\"{word}\" is not in: {}",
                report.message
            );
            assert!(error.contains(word), "\"{word}\" is not in: {error}");
        }
        assert_eq!(self.server.handle().generation(codebook::SERVICE), Some(1));
        let question = json!({"instances": [{"account": "a-9", "c": 3}]});
        let answer = http::post(self.server.address(), "/v1/models/codebook:predict", &question)
            .await
            .unwrap();
        assert_eq!(answer.json()["predictions"][0], json!(codebook::answer(9, 3)));
    }

    /// Uploads `artifact` beside the good one; the model that has it, with its true digest.
    fn with_artifact(&self, artifact: &[u8]) -> ServedModel {
        let path = "models/other/model.txt";
        self.codebook.world().put(path, artifact, UPLOADED_S);
        ServedModel {
            artifact_path: path.into(),
            sha256: sha256(artifact),
            ..self.model()
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_with_another_digest_is_refused() {
    let served = Served::start().await;
    let expected = "0".repeat(64);
    let found = served.model().sha256;
    let model = ServedModel {
        sha256: expected.clone(),
        ..served.model()
    };
    served
        .refused(
            model,
            ModelFault::DigestMismatch,
            &[codebook::ARTIFACT, &expected, &found],
        )
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_was_cut_off_is_refused_wherever_it_was_cut() {
    let served = Served::start().await;
    let whole = codebook::artifact();
    for share in [0, 1, 10, 50, 90, 99] {
        let cut = &whole.as_bytes()[..whole.find("end of trees").unwrap() * share / 100];
        let model = served.with_artifact(cut);
        served.refused(model, ModelFault::LoadFailed, &["LightGBM"]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_is_not_there_is_refused_by_its_path() {
    let served = Served::start().await;
    let model = ServedModel {
        artifact_path: "models/nowhere.txt".into(),
        ..served.model()
    };
    served
        .refused(model, ModelFault::ArtifactMissing, &["models/nowhere.txt"])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_with_another_number_of_inputs_is_refused() {
    let served = Served::start().await;
    let mut model = served.model();
    model.inputs.pop();
    served.refused(model, ModelFault::InputMismatch, &["2", "3"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn golden_predictions_are_reproduced_or_the_difference_is_told() {
    let served = Served::start().await;
    let golden = |predictions: [f64; 3]| {
        let rows = [(1.0, 2.0, Some(3.0)), (127.0, 126.0, Some(125.0)), (5.0, 5.0, None)];
        let table = Table::new()
            .float("codes/a", rows.map(|row| Some(row.0)))
            .float("codes/b", rows.map(|row| Some(row.1)))
            .float("c", rows.map(|row| row.2))
            .float("prediction", predictions.map(Some));
        served.codebook.world().put(GOLDEN, &table.to_parquet(10), UPLOADED_S);
        Some(Golden {
            path: GOLDEN.into(),
            tolerance: 1e-9,
        })
    };
    let code = |a: u64, b: u64, c: u64| ((a * codebook::LEAVES + b) * codebook::LEAVES + c) as f64;
    let right = [code(1, 2, 3), code(127, 126, 125), code(5, 5, 0)];
    let report = served.verify(served.model(), golden(right)).await;
    assert_eq!(
        (report.fault, report.golden_rows, report.golden_max_difference),
        (None, 3, 0.0),
        "{}",
        report.message
    );

    let report = served
        .verify(served.model(), golden([right[0], right[1] + 0.5, right[2]]))
        .await;
    assert_eq!(
        (report.fault, report.golden_max_difference),
        (Some(ModelFault::GoldenMismatch), 0.5)
    );
    let named = format!("golden file {GOLDEN}: row 1");
    assert!(report.message.contains(&named), "{}", report.message);
}

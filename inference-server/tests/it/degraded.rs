//! The store fails: every request is answered, and says how.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use triplane_contract::OnMissing;
use triplane_contract::route::{Breaker, OnUnavailable};
use triplane_feature_store::key::KeyEncoder;
use triplane_feature_store::online::OnlineStore as _;
use triplane_inference_server::features::breaker::State;
use triplane_inference_server::features::{Failure, Reader};

use crate::client::{get, post, predict};
use crate::switched::{FAILING, HANGING, Switched, THROUGH, switched};
use crate::world::{Plan, text, weather};

#[tokio::test]
async fn a_store_that_fails_or_hangs_gives_the_default_prediction() {
    for mode in [FAILING, HANGING] {
        let (world, store) = switched(|_| {}).await;
        store.set(mode);
        let answer = predict(world.address).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["predictions"], json!([0.23]));
        let row = &answer.json()["triplane"]["rows"][0];
        assert_eq!(row["default"], true);
        assert_eq!(
            row["imputed"],
            json!(["weather/temp", "weather/wind", "routes/flights", "routes/delay"])
        );
        assert_eq!(
            get(world.address, "/v2/health/ready").await.status,
            200,
            "readiness does not depend on the store"
        );
    }
}

#[tokio::test]
async fn rows_seen_before_are_served_from_memory_and_flagged_stale() {
    let (world, store) = switched(|_| {}).await;
    let before = predict(world.address).await.json();
    store.set(FAILING);
    let body = r#"{"explain":true,"instances":[
        {"origin":"JFK","dest":"LAX","distance":2475,"hour":18},{"origin":"JFK","dest":"SEA","distance":2475,"hour":18}]}"#;
    let answer = post(world.address, "/v1/models/delay:predict", body).await.json();
    assert_eq!(answer["predictions"][0], before["predictions"][0]);
    let rows = &answer["triplane"]["rows"];
    let all = json!(["weather/temp", "weather/wind", "routes/flights", "routes/delay"]);
    assert_eq!(
        (&rows[0]["stale"], &rows[0]["imputed"], &rows[0]["default"]),
        (&all, &json!([]), &json!(false))
    );
    assert_eq!(rows[1]["default"], true, "one of its rows was never seen");
    assert_eq!(rows[1]["status"][2], "UNAVAILABLE");
}

#[tokio::test]
async fn impute_asks_the_model_with_what_is_left() {
    let (world, store) = switched(|plan| plan.table.features.on_unavailable = OnUnavailable::Impute).await;
    store.set(FAILING);
    let body = r#"{"explain":true,"instances":[{"origin":"JFK","dest":"LAX","distance":2475,"hour":18}]}"#;
    let answer = post(world.address, "/v1/models/delay:predict", body).await.json();
    assert_ne!(answer["predictions"][0], 0.23);
    let row = &answer["triplane"]["rows"][0];
    assert_eq!(row["default"], false);
    assert_eq!(row["inputs"], json!([null, 10.5, null, null, 2475.0, 18.0]));
}

#[tokio::test]
async fn a_required_feature_of_a_failing_store_gives_the_default_not_a_refusal() {
    let (world, store) = switched(|plan| {
        plan.table.features.on_unavailable = OnUnavailable::Impute;
        plan.table.routes[0].model.views[0].view.features[0].on_missing = OnMissing::Fail;
        plan.table.routes[0].model.views[0].view.features[0].last_known_for_us = None;
    })
    .await;
    store.set(FAILING);
    let answer = predict(world.address).await;
    assert_eq!(
        (answer.status, &answer.json()["triplane"]["rows"][0]["default"]),
        (200, &json!(true))
    );
}

#[tokio::test]
async fn the_breaker_opens_stops_asking_and_closes_again() {
    let (world, store) = switched(|plan| {
        plan.table.features.breaker.min_requests = 3;
        plan.table.features.breaker.open_for_us = 50_000;
    })
    .await;
    store.set(HANGING);
    for _ in 0..3 {
        predict(world.address).await;
    }
    let breaker = async || get(world.address, "/admin/state").await.json()["services"][0]["breaker"]["0"].clone();
    let asked = store.reads.load(Ordering::SeqCst);
    assert_eq!(asked, 3);
    let answer = predict(world.address).await;
    assert_eq!(
        (answer.status, &answer.json()["triplane"]["rows"][0]["default"]),
        (200, &json!(true))
    );
    store.set(THROUGH);
    let mut recovered = false;
    for _ in 0..10_000 {
        if predict(world.address).await.json()["triplane"]["rows"][0]["default"] == false {
            recovered = true;
            break;
        }
    }
    assert!(recovered, "the breaker never let a probe through");
    assert_eq!(breaker().await, "closed");
    let metrics = get(world.address, "/metrics").await.text;
    assert!(
        metrics.contains(r#"triplane_feature_reads_total{service="delay",result="slow"} 3"#),
        "{metrics}"
    );
    assert!(metrics.contains(r#"result="breaker_open"}"#), "{metrics}");
}

#[tokio::test]
async fn a_hung_store_opens_the_breaker_and_leaves_time_for_an_answer_where_its_timeout_is_the_deadline() {
    let (world, store) = switched(|plan| {
        plan.table.deadline_us = 1_000_000;
        plan.table.features.timeout_us = 1_000_000;
        plan.table.features.breaker.min_requests = 1;
        plan.table.features.on_unavailable = OnUnavailable::Impute;
    })
    .await;
    store.set(HANGING);
    let answer = predict(world.address).await;
    let state = get(world.address, "/admin/state").await.json();
    assert_eq!(state["services"][0]["breaker"]["0"], "open");
    assert_eq!(
        (answer.status, &answer.json()["triplane"]["rows"][0]["default"]),
        (200, &json!(false)),
        "the model is asked before the deadline"
    );
}

#[tokio::test]
async fn a_request_that_comes_to_the_store_late_says_nothing_about_it() {
    let store = Arc::new(Switched::over(Plan::new().await.store));
    let settings = Breaker {
        min_requests: 1,
        ..Breaker::default()
    };
    let keys = [KeyEncoder::new(store.prefix(), &weather())
        .unwrap()
        .key(&[text("JFK")])
        .unwrap()];
    let reader = Reader::new(Arc::clone(&store) as Arc<_>, settings, 1 << 20);
    store.set(HANGING);
    let (timeout, state) = (Duration::from_millis(10), || reader.breaker_states()[0]);
    let late = reader.read(&keys, timeout, Duration::from_micros(4_999)).await;
    assert!(matches!(late.failure, Some(Failure::Slow)));
    assert_eq!(state(), State::Closed);
    let in_time = reader.read(&keys, timeout, timeout / 2).await;
    assert!(matches!(in_time.failure, Some(Failure::Slow)));
    assert_eq!(state(), State::Open);
}

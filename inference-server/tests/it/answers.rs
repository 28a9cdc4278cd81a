//! v1 answers: what is told of each row.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use triplane_contract::OnMissing;
use triplane_contract::model::Input;
use triplane_feature_store::Value;
use triplane_feature_store::key::KeyEncoder;
use triplane_inference_server::runtime::Runtime as _;
use triplane_inference_server::runtime::lightgbm;

use crate::client::{call, get, post, predict};
use crate::world::{HOUR_US, NOW_US, Plan, World, fixture, put, text, weather};

const PREDICT: &str = "/v1/models/delay:predict";

fn expected(vector: &[f64]) -> f64 {
    let mut score = [0.0];
    lightgbm::Model::load(&fixture("binary.txt"))
        .unwrap()
        .predict(vector, &mut score);
    score[0]
}

/// The text of a number of an answer, since reading it as a general JSON number may round.
fn number(text: &str) -> f64 {
    text.parse().unwrap()
}

/// What stands between two texts.
fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    let from = text.find(start).unwrap() + start.len();
    &text[from..from + text[from..].find(end).unwrap()]
}

#[tokio::test]
async fn a_prediction_is_the_models_on_the_rows_of_the_store() {
    let world = World::start().await;
    let answer = predict(world.address).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let score = number(between(&answer.text, r#""predictions":["#, "]"));
    assert_eq!(
        score.to_bits(),
        expected(&[71.5, 8.25, 42.0, -3.5, 2475.0, 18.0]).to_bits()
    );
    let told = &answer.json()["triplane"];
    assert_eq!(told["model"], "delay-v1");
    assert_eq!(told["version"].as_str().unwrap().len(), 12);
    assert_eq!(told["role"], "stable");
    assert_eq!(told["as_of"], NOW_US);
    assert_eq!(told["rows"], json!([{"imputed": [], "stale": [], "default": false}]));
    assert_eq!(answer.headers["x-request-id"], told["request_id"].as_str().unwrap());
}

#[tokio::test]
async fn explain_shows_the_exact_vector_and_where_it_came_from() {
    let world = World::start().await;
    put(
        world.store.as_ref(),
        &weather(),
        &[text("SFO")],
        &[Value::Float64(0.1 + 0.2), Value::Null],
        NOW_US,
    )
    .await;
    let body =
        r#"{"explain":true,"instances":[{"origin":"SFO","dest":"LAX","distance":0.30000000000000004,"hour":null}]}"#;
    let answer = post(world.address, PREDICT, body).await;
    let inputs = between(&answer.text, r#""default":true,"inputs":["#, "]");
    assert_eq!(inputs, "0.30000000000000004,10.5,null,null,0.30000000000000004,null");
    let told = &answer.json()["triplane"];
    let status = json!(["PRESENT", "NULL_VALUE", "NOT_FOUND", "NOT_FOUND", "REQUEST", "REQUEST"]);
    assert_eq!(told["rows"][0]["status"], status);
    assert_eq!(
        told["rows"][0]["imputed"],
        json!(["weather/wind", "routes/flights", "routes/delay"])
    );
    assert_eq!(told["inputs"][4], "distance");
}

#[tokio::test]
async fn a_row_past_its_ttl_is_stale_up_to_its_last_known_time_and_missing_after() {
    let mut plan = Plan::new().await;
    plan.table.features.max_imputed = 1.0;
    let world = plan.start().await;
    world.clock.set(NOW_US + 2 * HOUR_US);
    let fresh = predict(world.address).await.json();
    assert_eq!(
        fresh["triplane"]["rows"][0]["imputed"],
        json!(["routes/flights", "routes/delay"]),
        "weather at its ttl"
    );
    world.clock.set(NOW_US + 2 * HOUR_US + 1);
    let row = &predict(world.address).await.json()["triplane"]["rows"][0];
    assert_eq!(row["stale"], json!(["weather/temp"]));
    assert_eq!(
        row["imputed"],
        json!(["weather/temp", "weather/wind", "routes/flights", "routes/delay"])
    );
    world.clock.set(NOW_US + 11 * HOUR_US + 1);
    let row = &predict(world.address).await.json()["triplane"]["rows"][0];
    assert_eq!(row["stale"], json!([]));
}

#[tokio::test]
async fn a_row_of_the_future_is_not_there_yet() {
    let world = World::start().await;
    world.clock.set(NOW_US - HOUR_US - 1);
    let row = &predict(world.address).await.json()["triplane"]["rows"][0];
    assert_eq!(row["imputed"], json!(["weather/temp", "weather/wind"]));
}

#[tokio::test]
async fn more_imputed_than_allowed_gives_the_default_prediction() {
    let world = World::start().await;
    let body = r#"{"instances":[
        {"origin":"JFK","dest":"ZZZ","distance":1,"hour":1},
        {"origin":"ZZZ","dest":"ZZZ","distance":1,"hour":1},
        {"origin":null,"dest":"LAX","distance":1,"hour":1}]}"#;
    let answer = post(world.address, PREDICT, body).await.json();
    assert_eq!(answer["triplane"]["rows"][0]["default"], false, "half is allowed");
    assert_eq!(answer["triplane"]["rows"][1]["default"], true);
    assert_eq!(
        answer["triplane"]["rows"][2]["default"], true,
        "a NULL key matches nothing"
    );
    assert_eq!(answer["predictions"][1], 0.23);
    assert_ne!(answer["predictions"][0], 0.23);
}

#[tokio::test]
async fn a_feature_that_must_be_there_refuses_the_request() {
    let mut plan = Plan::new().await;
    plan.table.routes[0].model.views[1].view.features[0].on_missing = OnMissing::Fail;
    let world = plan.start().await;
    let body = r#"{"instances":[{"origin":"JFK","dest":"LAX","distance":1,"hour":1},{"origin":"JFK","dest":"ZZZ","distance":1,"hour":1}]}"#;
    let answer = post(world.address, PREDICT, body).await;
    assert_eq!(
        answer.refusal(),
        (
            400,
            "FeatureMissing".to_owned(),
            "instances[1].routes/flights".to_owned()
        )
    );
}

#[tokio::test]
async fn a_feature_is_taken_from_the_caller_only_where_the_model_allows_it() {
    let mut plan = Plan::new().await;
    if let Input::Feature { allow_override, .. } = &mut plan.table.routes[0].model.inputs[0] {
        *allow_override = true;
    }
    let world = plan.start().await;
    let row = |extra: &str| {
        format!(r#"{{"explain":true,"instances":[{{"origin":"JFK","dest":"LAX","distance":1,"hour":1,{extra}}}]}}"#)
    };
    let answer = post(world.address, PREDICT, &row(r#""weather/temp":-40.5"#))
        .await
        .json();
    assert_eq!(answer["triplane"]["rows"][0]["inputs"][0], -40.5);
    assert_eq!(answer["triplane"]["rows"][0]["status"][0], "OVERRIDE");
    let answer = post(world.address, PREDICT, &row(r#""weather/temp":null"#))
        .await
        .json();
    assert_eq!(answer["triplane"]["rows"][0]["inputs"][0], 71.5);
    let answer = post(world.address, PREDICT, &row(r#""weather/wind":1"#)).await;
    assert_eq!(
        answer.refusal(),
        (400, "UnknownField".to_owned(), "instances[0].weather/wind".to_owned())
    );
}

/// A body and the refusal it gets.
const MALFORMED: &[(&str, &str, &str)] = &[
    (
        r#"{"instances":[{"origin":"JFK","dest":"LAX","distance":1}]}"#,
        "MissingField",
        "instances[0].hour",
    ),
    (
        r#"{"instances":[{"dest":"LAX","distance":1,"hour":1}]}"#,
        "MissingField",
        "instances[0].origin",
    ),
    (
        r#"{"instances":[{"origin":7,"dest":"LAX","distance":1,"hour":1}]}"#,
        "WrongType",
        "instances[0].origin",
    ),
    (
        r#"{"instances":[{"origin":"JFK","dest":"LAX","distance":"far","hour":1}]}"#,
        "WrongType",
        "instances[0].distance",
    ),
    (
        r#"{"instances":[{"origin":"JFK","dest":"LAX","distance":1,"hour":1.5}]}"#,
        "WrongType",
        "instances[0].hour",
    ),
    (
        r#"{"instances":[{"origin":"JFK","dest":"LAX","distance":1,"hour":1,"x":2}]}"#,
        "UnknownField",
        "instances[0].x",
    ),
    (
        r#"{"instances":[{"origin":"JFK","origin":"JFK"}]}"#,
        "DuplicateField",
        "instances[0].origin",
    ),
    (
        r#"{"instances":[{"origin":"JFK","dest":"LAX","distance":NaN,"hour":1}]}"#,
        "InvalidJson",
        "",
    ),
    (
        r#"{"instances":[{"origin":"JFK","dest":"LAX","distance":1e999,"hour":1}]}"#,
        "WrongType",
        "instances[0].distance",
    ),
    (r#"{"rows":[]}"#, "UnknownField", "rows"),
    ("{}", "MissingField", "instances"),
    (r#"{"instances":{}}"#, "InvalidJson", ""),
    (r#"{"instances":[]} x"#, "InvalidJson", ""),
    ("", "InvalidJson", ""),
];

#[tokio::test]
async fn a_malformed_request_is_refused_with_row_and_field() {
    let world = World::start().await;
    for (body, code, field) in MALFORMED {
        let answer = post(world.address, PREDICT, body).await;
        assert_eq!(
            answer.refusal(),
            (400, (*code).to_owned(), (*field).to_owned()),
            "{body}: {}",
            answer.text
        );
    }
    assert_eq!(predict(world.address).await.status, 200, "the server goes on");
    let empty = post(world.address, PREDICT, r#"{"instances":[]}"#).await.json();
    assert_eq!(empty["predictions"], json!([]));
}

#[tokio::test]
async fn the_callers_request_id_is_kept_and_unknown_models_are_404() {
    let world = World::start().await;
    let headers = [("x-request-id", "order-66")];
    let answer = call(
        world.address,
        hyper::Method::POST,
        "/v1/models/none:predict",
        &headers,
        "{}",
    )
    .await;
    assert_eq!(
        (answer.status, answer.json()["request_id"].as_str()),
        (404, Some("order-66"))
    );
    assert_eq!(answer.json()["code"], "UnknownModel");
    assert_eq!(get(world.address, "/nowhere").await.json()["code"], "NotFound");
    assert_eq!(
        get(world.address, "/v1/models/delay").await.json(),
        json!({"name": "delay", "ready": true})
    );
    assert_eq!(
        get(world.address, "/v1/models").await.json(),
        json!({"models": ["delay"]})
    );
}

#[tokio::test]
async fn metrics_and_state_say_what_happened() {
    let world = World::start().await;
    predict(world.address).await;
    post(
        world.address,
        PREDICT,
        r#"{"instances":[{"origin":"ZZZ","dest":"ZZZ","distance":1,"hour":1}]}"#,
    )
    .await;
    post(world.address, PREDICT, "{").await;
    let metrics = get(world.address, "/metrics").await.text;
    for line in [
        r#"triplane_inference_requests_total{service="delay",model="delay-v1",role="stable",outcome="ok"} 1"#,
        r#"triplane_inference_requests_total{service="delay",model="delay-v1",role="stable",outcome="default"} 1"#,
        r#"triplane_inference_requests_total{service="delay",model="delay-v1",role="stable",outcome="invalid"} 1"#,
        r#"triplane_features_total{view="weather",status="PRESENT"} 2"#,
        r#"triplane_features_total{view="weather",status="NOT_FOUND"} 2"#,
        r#"triplane_breaker_state{service="delay",shard="0"} 0"#,
        r#"triplane_feature_reads_total{service="delay",result="ok"} 2"#,
        r#"triplane_route_generation{service="delay"} 1"#,
        r#"triplane_inference_duration_seconds_count{phase="total"} 2"#,
        r#"triplane_inference_duration_seconds_bucket{le="0.00005",phase="features"}"#,
        r#"triplane_http_refused_total{code="InvalidJson"} 1"#,
        "triplane_inference_in_flight 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    let state = get(world.address, "/admin/state").await.json();
    assert_eq!((&state["ready"], &state["draining"]), (&json!(true), &json!(false)));
    let service = &state["services"][0];
    assert_eq!(
        (&service["route_generation"], &service["breaker"]["0"]),
        (&json!(1), &json!("closed"))
    );
    assert_eq!(
        (
            &service["models"][0]["requests"]["ok"],
            &service["models"][0]["requests"]["invalid"]
        ),
        (&json!(1), &json!(1))
    );
    assert_eq!(state["boot_id"].as_str().unwrap().len(), 36);
}

#[tokio::test]
async fn a_row_of_the_store_in_this_process_is_given_as_it_lies_there() {
    let world = World::start().await;
    let path = |origin: &str| {
        let mut entity = Vec::new();
        let keys = KeyEncoder::new("", &weather()).unwrap();
        keys.encode_into(&[text(origin)], &mut entity).unwrap();
        format!("/admin/rows/{}/{}", weather().id, URL_SAFE_NO_PAD.encode(entity))
    };
    let key = KeyEncoder::new(world.store.prefix(), &weather()).unwrap();
    let key = key.key(&[text("JFK")]).unwrap();
    let stored = world.store.read(&[key]).await.unwrap().remove(0).unwrap();
    let found = get(world.address, &path("JFK")).await.json();
    assert_eq!(found, json!({ "row": STANDARD.encode(stored) }));
    assert_eq!(get(world.address, &path("LGA")).await.json(), json!({ "row": null }));
    assert_eq!(
        get(world.address, "/admin/rows/x/=").await.refusal(),
        (400, "WrongType".to_owned(), "entity".to_owned())
    );
}

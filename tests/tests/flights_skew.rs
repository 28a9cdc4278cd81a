//! The flights example whole: 2,000 upcoming flights asked once; every input is the trained one, every score LightGBM's.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a suite"
)]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use triplane_tests::delta::{self, Row};
use triplane_tests::dev::Dev;
use triplane_tests::fixture::table::Table;
use triplane_tests::flights::Flights;
use triplane_tests::http::Connection;
use triplane_tests::redis::Redis;
use triplane_tests::vectors::{self, Cell};

/// A Wednesday evening: what happened by then is known.
const KNOWN_BY: &str = "2026-10-07T22:00:00Z";
/// Later than every event time and availability delay.
const AS_OF: &str = "2026-10-07T22:10:00Z";
const FLIGHTS: usize = 2_000;
const PER_REQUEST: usize = 100;
/// The views of the model, and the least share of flights for which each has to be found.
const FOUND: [(&str, f64); 4] = [
    ("airport-weather", 0.5),
    ("carrier-activity", 0.5),
    ("plane-previous-leg", 0.25),
    ("route-history", 0.5),
];

/// Everything asked and answered.
#[derive(Default)]
struct Answers {
    names: Vec<String>,
    as_of_us: Vec<i64>,
    inputs: Vec<Vec<Cell>>,
    statuses: Vec<Vec<String>>,
    predictions: Vec<f64>,
    defaults: Vec<bool>,
}

fn upcoming(flights: &Flights) -> Vec<Row> {
    let rows = delta::rows(&flights.bucket().join("requests/upcoming.parquet"));
    assert!(rows.len() >= FLIGHTS, "only {} upcoming flights", rows.len());
    rows.into_iter().take(FLIGHTS).collect()
}

fn instance(row: &Row) -> Value {
    let number = |name: &str| row[name].parse::<f64>().unwrap();
    let whole = |name: &str| row[name].parse::<i64>().unwrap();
    json!({
        "origin": row["origin"], "dest": row["dest"], "carrier": row["carrier"], "tailnum": row.get("tailnum"),
        "distance": number("distance"), "hour": whole("hour"), "weekday": whole("weekday"),
    })
}

async fn ask(dev: &Dev, rows: &[Row]) -> Answers {
    let mut connection = Connection::new(dev.address());
    let mut answers = Answers::default();
    for chunk in rows.chunks(PER_REQUEST) {
        let instances: Vec<Value> = chunk.iter().map(instance).collect();
        let body = json!({"instances": instances, "explain": true}).to_string();
        let answer = connection.post("/v1/models/delay:predict", body).await.unwrap();
        let body = answer.json();
        assert_eq!(answer.status, 200, "{body}");
        let told = &body["triplane"];
        answers.names = serde_json::from_value(told["inputs"].clone()).unwrap();
        let predictions = body["predictions"].as_array().unwrap();
        for (row, prediction) in told["rows"].as_array().unwrap().iter().zip(predictions) {
            answers.as_of_us.push(told["as_of"].as_i64().unwrap());
            answers
                .inputs
                .push(row["inputs"].as_array().unwrap().iter().map(Cell::of_json).collect());
            answers
                .statuses
                .push(serde_json::from_value(row["status"].clone()).unwrap());
            answers.predictions.push(prediction.as_f64().unwrap());
            answers.defaults.push(row["default"] == json!(true));
        }
    }
    assert_eq!(answers.inputs.len(), rows.len());
    answers
}

/// Uploads what was asked, at the moments of the answers, as observations, and declares a training set of them.
fn declare_asked(flights: &Flights, rows: &[Row], answers: &Answers) {
    let text = |name: &'static str| rows.iter().map(move |row| row.get(name).map(String::as_str));
    let int = |name: &'static str| {
        rows.iter()
            .map(move |row| row.get(name).map(|text| text.parse::<i64>().unwrap()))
    };
    let table = Table::new()
        .text("origin", text("origin"))
        .text("dest", text("dest"))
        .text("carrier", text("carrier"))
        .text("tailnum", text("tailnum"))
        .float(
            "distance",
            rows.iter()
                .map(|row| row.get("distance").map(|text| text.parse().unwrap())),
        )
        .int("hour", int("hour"))
        .int("weekday", int("weekday"))
        .int("late", rows.iter().map(|_| Some(0)))
        .time("asked_at", answers.as_of_us.iter().copied().map(Some));
    let path = flights.bucket().join("labels/asked/1.parquet");
    triplane_tests::fixture::table::put(&path, &table.to_parquet(500), 1_772_000_000);
    flights.push("labels/asked");
    let manifest = std::fs::read_to_string(flights.manifests().join("trainingset.yaml")).unwrap();
    let manifest = manifest
        .replace("name: flight-delays", "name: asked")
        .replace("labels/scheduled/", "labels/asked/")
        .replace("timestampColumn: scheduled_at", "timestampColumn: asked_at");
    std::fs::write(flights.manifests().join("asked.yaml"), manifest).unwrap();
}

/// Share of flights for which each view had a row at the moment.
fn found(answers: &Answers) -> BTreeMap<&str, f64> {
    let mut found = BTreeMap::new();
    for (view, _) in FOUND {
        let of_view = answers
            .names
            .iter()
            .position(|name| name.starts_with(&format!("{view}/")))
            .unwrap();
        let rows = answers
            .statuses
            .iter()
            .filter(|row| ["PRESENT", "NULL_VALUE"].contains(&row[of_view].as_str()));
        found.insert(view, rows.count() as f64 / answers.statuses.len() as f64);
    }
    found
}

/// Scores against LightGBM's own on the same vectors.
fn largest_difference(flights: &Flights, answers: &Answers) -> f64 {
    let vectors: Vec<Vec<Option<f64>>> = answers
        .inputs
        .iter()
        .map(|row| row.iter().map(|cell| cell.number()).collect())
        .collect();
    let scores = flights.score(&json!(vectors));
    let of_the_model = answers
        .predictions
        .iter()
        .zip(&scores)
        .zip(&answers.defaults)
        .filter(|(_, default)| !**default);
    of_the_model
        .map(|((served, score), _)| (served - score).abs())
        .fold(0.0, f64::max)
}

async fn check(flights: &Flights, dev: &mut Dev, store: &str) {
    let rows = upcoming(flights);
    let answers = ask(dev, &rows).await;
    let found = found(&answers);
    let difference = largest_difference(flights, &answers);
    let defaults = answers.defaults.iter().filter(|default| **default).count();
    println!(
        "{store}: {} flights, {defaults} default predictions, found {found:?}",
        rows.len()
    );
    println!("{store}: largest difference to LightGBM {difference:e}");
    for (view, least) in FOUND {
        assert!(
            found[view] >= least,
            "{view} is found for {} of the flights",
            found[view]
        );
    }
    assert!(difference <= 1e-9);
    assert!(defaults * 2 < rows.len(), "{defaults} default predictions");

    if !flights.manifests().join("asked.yaml").exists() {
        declare_asked(flights, &rows, &answers);
    }
    dev.ready("TrainingSet", "asked").await;
    let joined = vectors::of_training_set(&flights.training_set("asked"), &answers.names);
    assert_eq!(joined.len(), rows.len());
    let mut cells = 0;
    for (index, (inputs, statuses)) in joined.iter().enumerate() {
        assert_eq!(&answers.inputs[index], inputs, "{store}: {:?}", rows[index]);
        assert_eq!(&answers.statuses[index], statuses, "{store}: {:?}", rows[index]);
        cells += inputs.len();
    }
    println!("{store}: {cells} inputs, all bit-equal to the training join at the answers' own moment");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_flights_are_served_what_they_would_be_trained_on() {
    let flights = Flights::prepare(KNOWN_BY);
    let mut dev = flights.dev(AS_OF, None);
    dev.ready("TrainingSet", "flight-delays").await;
    flights.train();
    dev.ready("InferenceService", "delay").await;
    check(&flights, &mut dev, "memory").await;
    dev.end().await;

    let redis = Redis::start();
    let mut dev = flights.dev(AS_OF, Some(&redis.address()));
    dev.ready("InferenceService", "delay").await;
    check(&flights, &mut dev, "redis").await;
    dev.end().await;
}

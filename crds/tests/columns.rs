//! Every column of `kubectl get` finds its value in a real object.

// Helpers of tests fail their test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::{Value, json};
use triplane_crds::columns;
use triplane_crds::condition::{ConditionStatus, ConditionType, Observation, set};
use triplane_crds::reason::Reason;
use triplane_crds::time::Time;
use triplane_crds::v1alpha1::{
    FeatureStoreStatus, FeatureViewStatus, InferenceServiceStatus, ModelStatus, TrainingSetStatus,
};

/// The columns of one kind: name, value; columns of `-o wide` end in `+`.
fn row(kind: &str, status: &impl serde::Serialize) -> Vec<(String, Value)> {
    let object = json!({
        "metadata": { "name": "x", "creationTimestamp": "2026-01-01T00:00:00Z" },
        "status": status,
    });
    let crd = triplane_crds::all()
        .into_iter()
        .find(|crd| crd.spec.names.kind == kind)
        .unwrap();
    let declared = crd.spec.versions[0].additional_printer_columns.clone().unwrap();
    declared
        .into_iter()
        .map(|column| {
            let wide = if column.priority == Some(1) { "+" } else { "" };
            (
                format!("{}{wide}", column.name),
                columns::value(&object, &column.json_path).cloned().unwrap_or_default(),
            )
        })
        .collect()
}

fn now() -> Time {
    serde_json::from_value(json!("2026-01-01T01:00:00Z")).unwrap()
}

fn ready() -> Vec<triplane_crds::condition::Condition> {
    let mut conditions = Vec::new();
    for (type_, reason) in [
        (ConditionType::Degraded, Reason::RunFailed),
        (ConditionType::Ready, Reason::Available),
    ] {
        let observation = Observation {
            type_,
            status: ConditionStatus::True,
            reason,
            message: String::new(),
        };
        set(&mut conditions, observation, 1, &now());
    }
    conditions
}

fn expect(row: &[(String, Value)], expected: &[(&str, Value)]) {
    let expected: Vec<(String, Value)> = expected
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    assert_eq!(row, expected);
}

#[test]
fn columns_of_a_feature_store() {
    let status = FeatureStoreStatus {
        conditions: ready(),
        shards: Some("3/3".into()),
        memory: Some("12Mi/768Mi".into()),
        views: Some(4),
        ..FeatureStoreStatus::default()
    };
    expect(
        &row("FeatureStore", &status),
        &[
            ("READY", json!("True")),
            ("REASON", json!("Available")),
            ("SHARDS", json!("3/3")),
            ("MEMORY", json!("12Mi/768Mi")),
            ("VIEWS", json!(4)),
            ("AGE", json!("2026-01-01T00:00:00Z")),
        ],
    );
}

#[test]
fn columns_of_a_feature_view() {
    let status = FeatureViewStatus {
        conditions: ready(),
        newest_event_time: Some(now()),
        rows: Some(26_115),
        ..FeatureViewStatus::default()
    };
    expect(
        &row("FeatureView", &status),
        &[
            ("READY", json!("True")),
            ("REASON", json!("Available")),
            ("FRESHNESS", json!("2026-01-01T01:00:00Z")),
            ("ROWS", json!(26_115)),
            ("AGE", json!("2026-01-01T00:00:00Z")),
        ],
    );
}

#[test]
fn columns_of_a_training_set() {
    let status = TrainingSetStatus {
        conditions: ready(),
        rows: Some(327_346),
        version: Some("0123456789abcdef".into()),
        ..TrainingSetStatus::default()
    };
    expect(
        &row("TrainingSet", &status),
        &[
            ("READY", json!("True")),
            ("REASON", json!("Available")),
            ("ROWS", json!(327_346)),
            ("VERSION", json!("0123456789abcdef")),
            ("AGE", json!("2026-01-01T00:00:00Z")),
        ],
    );
}

#[test]
fn columns_of_a_model() {
    let status = ModelStatus {
        conditions: ready(),
        format: Some("LightGBM".into()),
        digest: Some("0123456789ab".into()),
        features: Some(10),
        role: Some("stable in delay".into()),
        ..ModelStatus::default()
    };
    expect(
        &row("Model", &status),
        &[
            ("READY", json!("True")),
            ("REASON", json!("Available")),
            ("FORMAT", json!("LightGBM")),
            ("DIGEST", json!("0123456789ab")),
            ("FEATURES", json!(10)),
            ("ROLE", json!("stable in delay")),
            ("AGE", json!("2026-01-01T00:00:00Z")),
        ],
    );
}

#[test]
fn columns_of_an_inference_service() {
    let status = InferenceServiceStatus {
        conditions: ready(),
        stable: Some("delay-v1".into()),
        canary: Some("delay-v2".into()),
        weight: Some(5),
        shadow: Some("delay-v3".into()),
        agree: Some("0.97".into()),
        url: Some("http://delay.flights.svc".into()),
        p99: Some("4.2ms".into()),
        ..InferenceServiceStatus::default()
    };
    expect(
        &row("InferenceService", &status),
        &[
            ("READY", json!("True")),
            ("REASON", json!("Available")),
            ("STABLE", json!("delay-v1")),
            ("CANARY", json!("delay-v2")),
            ("WEIGHT", json!(5)),
            ("SHADOW", json!("delay-v3")),
            ("AGREE", json!("0.97")),
            ("AGE", json!("2026-01-01T00:00:00Z")),
            ("URL+", json!("http://delay.flights.svc")),
            ("P99+", json!("4.2ms")),
        ],
    );
}

use serde_json::{Value, json};
use triplane_crds::validate::Validator;

use super::{Case, case, changed, name_case, store_ref_case};

/// The message of the rule that compares with the stored object.
pub(super) const IMMUTABLE: &str = "spec is immutable: a Model is one version, create another Model for the next one";

pub(super) fn base() -> Value {
    json!({
        "apiVersion": "triplane.dev/v1alpha1",
        "kind": "Model",
        "metadata": { "name": "delay-v1" },
        "spec": {
            "storeRef": { "name": "flights" },
            "format": "LightGBM",
            "artifact": { "path": "models/delay/v1/model.txt", "sha256": "0".repeat(64) },
            "inputs": [{ "feature": "airport-weather/temp" }, { "request": "distance", "type": "Float64" }],
            "output": { "name": "late_probability", "type": "Float64" },
            "golden": { "path": "models/delay/v1/golden.parquet", "tolerance": 0.000001 },
        },
    })
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        name_case(),
        store_ref_case(),
        case(
            "format ONNX and XGBoost are not supported yet; use LightGBM",
            [("/spec/format", json!("LightGBM"))],
            [("/spec/format", json!("ONNX"))],
        ),
        case(
            "artifact.sha256 must be 64 lower-case hex digits",
            [("/spec/artifact/sha256", json!("0123456789abcdef".repeat(4)))],
            [("/spec/artifact/sha256", json!("ABCDEF"))],
        ),
        case(
            "path is relative to the store's bucket: no scheme, no leading slash, no '..'",
            [("/spec/artifact/path", json!("m/model.txt"))],
            [("/spec/golden/path", json!("../golden.parquet"))],
        ),
        case(
            "output.type other than Float64 is not supported yet",
            [("/spec/output/type", json!("Float64"))],
            [("/spec/output/type", json!("Int64"))],
        ),
    ];
    cases.extend(inputs());
    cases
}

fn inputs() -> Vec<Case> {
    vec![
        case(
            "inputs[] needs exactly one of feature, request",
            [("/spec/inputs/0", json!({ "request": "hour", "type": "Int64" }))],
            [(
                "/spec/inputs/0",
                json!({ "feature": "a/b", "request": "hour", "type": "Int64" }),
            )],
        ),
        case(
            "inputs[].feature must be view/feature",
            [("/spec/inputs/0/feature", json!("dest-weather/wind_speed"))],
            [("/spec/inputs/0/feature", json!("wind_speed"))],
        ),
        case(
            "inputs[].type is required for an input of the request",
            [("/spec/inputs/1", json!({ "request": "hour", "type": "Int64" }))],
            [("/spec/inputs/1", json!({ "request": "hour" }))],
        ),
        case(
            "inputs[].type belongs to inputs of the request: a feature has the type its view declares",
            [("/spec/inputs/0", json!({ "feature": "a/b" }))],
            [("/spec/inputs/0", json!({ "feature": "a/b", "type": "Int64" }))],
        ),
        case(
            "inputs[].allowOverride belongs to features: an input of the request always comes from the caller",
            [("/spec/inputs/0", json!({ "feature": "a/b", "allowOverride": true }))],
            [("/spec/inputs/1/allowOverride", json!(true))],
        ),
        case(
            "inputs[].categories is not supported yet",
            [("/spec/inputs/1/type", json!("Bool"))],
            [("/spec/inputs/1/categories", json!(["JFK", "LGA"]))],
        ),
        case(
            "inputs[].type String and Bytes need categories, which are not supported yet; use a number",
            [("/spec/inputs/1/type", json!("Timestamp"))],
            [("/spec/inputs/1/type", json!("String"))],
        ),
    ]
}

#[test]
fn a_model_may_change_its_labels_but_not_its_spec() {
    let validator = Validator::new();
    let labelled = changed(&base(), &[("/metadata/labels", json!({ "team": "delays" }))]);
    assert_eq!(validator.check_update(&labelled, &base()), []);
    let moved = changed(&base(), &[("/spec/artifact/path", json!("elsewhere.txt"))]);
    let refused = validator.check_update(&moved, &base());
    assert_eq!(refused.len(), 1);
    assert_eq!(
        (refused[0].field.as_str(), refused[0].message.as_str()),
        ("spec", IMMUTABLE)
    );
}

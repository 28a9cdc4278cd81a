use serde_json::{Value, json};

use super::{Case, case, name_case, resources_cases, store_ref_case};

pub(super) fn base() -> Value {
    json!({
        "apiVersion": "triplane.dev/v1alpha1",
        "kind": "TrainingSet",
        "metadata": { "name": "flight-delays" },
        "spec": {
            "storeRef": { "name": "flights" },
            "observations": { "parquet": { "path": "labels/" }, "timestampColumn": "scheduled_at" },
            "features": [
                { "view": "airport-weather" },
                { "view": "airport-weather", "as": "dest-weather", "keys": { "origin": "dest" } },
            ],
        },
    })
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        name_case(),
        store_ref_case(),
        case(
            "path is relative to the store's bucket: no scheme, no leading slash, no '..'",
            [("/spec/observations/parquet/path", json!("labels/scheduled/"))],
            [("/spec/observations/parquet/path", json!("/labels/"))],
        ),
        case(
            "refresh.schedule must have five cron fields, such as 0 2 * * *",
            [("/spec/refresh/schedule", json!("0 2 * * *"))],
            [("/spec/refresh/schedule", json!("0 2 * *"))],
        ),
    ];
    cases.extend(resources_cases("/spec/resources/requests", "/spec/resources/limits"));
    cases
}

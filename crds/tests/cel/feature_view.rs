use serde_json::{Value, json};

use super::{Case, case, name_case, resources_cases, store_ref_case};

pub(super) fn base() -> Value {
    json!({
        "apiVersion": "triplane.dev/v1alpha1",
        "kind": "FeatureView",
        "metadata": { "name": "airport-weather" },
        "spec": {
            "storeRef": { "name": "flights" },
            "entity": { "keys": [{ "name": "origin", "type": "String" }] },
            "features": [{ "name": "temp", "type": "Float64" }],
            "timestampColumn": "time_hour",
            "ttl": "3h",
            "sources": [{ "name": "weather", "parquet": { "path": "raw/weather/" } }],
        },
    })
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![name_case(), store_ref_case()];
    cases.extend(names());
    cases.extend(missing());
    cases.extend(defaults());
    cases.extend(sources());
    cases.extend(times());
    let resources = (
        "/spec/materialization/resources/requests",
        "/spec/materialization/resources/limits",
    );
    cases.extend(resources_cases(resources.0, resources.1));
    cases
}

fn feature(fields: &Value) -> Value {
    let mut feature = json!({ "name": "temp", "type": "Float64" });
    feature
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    json!([feature])
}

fn names() -> Vec<Case> {
    vec![
        case(
            "features[].name must not be event_time, created_time, sequence, is_deleted or event_date: Triplane writes these columns",
            [("/spec/features/0/name", json!("event_hour"))],
            [("/spec/features/0/name", json!("event_time"))],
        ),
        case(
            "entity.keys[].name must not be event_time, created_time, sequence, is_deleted or event_date: Triplane writes these columns",
            [("/spec/entity/keys", json!([]))],
            [("/spec/entity/keys/0/name", json!("event_date"))],
        ),
        case(
            "entity.keys[].type must not be a float: keys are compared byte by byte",
            [("/spec/entity/keys/0/type", json!("Int64"))],
            [("/spec/entity/keys/0/type", json!("Float32"))],
        ),
        case(
            "features[].name must differ from every entity.keys[].name",
            [("/spec/features/0/name", json!("origin_temp"))],
            [("/spec/features/0/name", json!("origin"))],
        ),
    ]
}

fn missing() -> Vec<Case> {
    vec![
        case(
            "features[].default is required when onMissing is Default",
            [(
                "/spec/features",
                feature(&json!({ "onMissing": "Default", "default": "1" })),
            )],
            [("/spec/features", feature(&json!({ "onMissing": "Default" })))],
        ),
        case(
            "features[].default needs onMissing: Default",
            [(
                "/spec/features",
                feature(&json!({ "onMissing": "Default", "default": "1" })),
            )],
            [("/spec/features", feature(&json!({ "default": "1" })))],
        ),
        case(
            "features[].lastKnownFor is required when onMissing is LastKnown",
            [(
                "/spec/features",
                feature(&json!({ "onMissing": "LastKnown", "lastKnownFor": "12h" })),
            )],
            [("/spec/features", feature(&json!({ "onMissing": "LastKnown" })))],
        ),
        case(
            "features[].lastKnownFor needs onMissing: LastKnown",
            [(
                "/spec/features",
                feature(&json!({ "onMissing": "LastKnown", "lastKnownFor": "12h" })),
            )],
            [(
                "/spec/features",
                feature(&json!({ "onMissing": "Fail", "lastKnownFor": "12h" })),
            )],
        ),
        case(
            "features[].lastKnownFor must be longer than ttl: it says how long a row is served past its ttl",
            [(
                "/spec/features",
                feature(&json!({ "onMissing": "LastKnown", "lastKnownFor": "3h1s" })),
            )],
            [(
                "/spec/features",
                feature(&json!({ "onMissing": "LastKnown", "lastKnownFor": "180m" })),
            )],
        ),
    ]
}

fn defaults() -> Vec<Case> {
    let typed =
        |name: &str, default: &str| feature(&json!({ "type": name, "onMissing": "Default", "default": default }));
    vec![
        case(
            "features[].default of type Bool must be \"true\" or \"false\"",
            [("/spec/features", typed("Bool", "true"))],
            [("/spec/features", typed("Bool", "yes"))],
        ),
        case(
            "features[].default of type Int32 or Int64 must be a whole number, such as \"0\"",
            [("/spec/features", typed("Int64", "-9007199254740993"))],
            [("/spec/features", typed("Int64", "1.0"))],
        ),
        case(
            "features[].default of type Float32 or Float64 must be a number, such as \"10.5\"",
            [("/spec/features", typed("Float64", "-1.5e-3"))],
            [("/spec/features", typed("Float64", "1,5"))],
        ),
    ]
}

fn sources() -> Vec<Case> {
    let two = json!([
        { "name": "a", "parquet": { "path": "raw/a/" } },
        { "name": "b", "parquet": { "path": "raw/b/" }, "timestampColumn": "t" },
    ]);
    vec![
        case(
            "query is required when there are several sources",
            [("/spec/sources", two.clone()), ("/spec/query", json!("SELECT 1"))],
            [("/spec/sources", two)],
        ),
        case(
            "lookback needs query: plain columns look at one row",
            [("/spec/lookback", json!("6h")), ("/spec/query", json!("SELECT 1"))],
            [("/spec/lookback", json!("6h"))],
        ),
        case(
            "sources[] needs exactly one of parquet, kafka",
            [("/spec/sources/0/parquet/path", json!("raw/"))],
            [("/spec/sources/0/parquet", Value::Null)],
        ),
        case(
            "sources[].kafka is not supported yet; use sources[].parquet",
            [("/spec/sources/0/parquet/path", json!("raw/"))],
            [("/spec/sources/0", json!({ "name": "weather", "kafka": {} }))],
        ),
        case(
            "path is relative to the store's bucket: no scheme, no leading slash, no '..'",
            [("/spec/sources/0/parquet/path", json!("raw/a..b/"))],
            [("/spec/sources/0/parquet/path", json!("s3://flights/raw/"))],
        ),
        case(
            "materialization.engine Spark is not supported yet; use Embedded",
            [("/spec/materialization/engine", json!("Embedded"))],
            [("/spec/materialization/engine", json!("Spark"))],
        ),
        case(
            "materialization.schedule must have five cron fields, such as */15 * * * *",
            [("/spec/materialization/schedule", json!("5 * * * 1-5"))],
            [("/spec/materialization/schedule", json!("every hour"))],
        ),
    ]
}

fn times() -> Vec<Case> {
    vec![
        case(
            "ttl must not be negative",
            [("/spec/ttl", json!("0s"))],
            [("/spec/ttl", json!("-1s"))],
        ),
        case(
            "availabilityDelay must not be negative",
            [("/spec/availabilityDelay", json!("5m"))],
            [("/spec/availabilityDelay", json!("-5m"))],
        ),
        case(
            "lookback must not be negative",
            [("/spec/lookback", json!("1h30m")), ("/spec/query", json!("SELECT 1"))],
            [("/spec/lookback", json!("-1h")), ("/spec/query", json!("SELECT 1"))],
        ),
        case(
            "freshness.target must be more than 0",
            [("/spec/freshness/target", json!("2h"))],
            [("/spec/freshness/target", json!("0s"))],
        ),
    ]
}

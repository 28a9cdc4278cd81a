//! Every contract file survives being written and read, and its names on the wire stay as they are.

#![cfg(test)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use triplane_contract::model::{
    Golden, Input, ModelCheckReport, ModelCheckSpec, ModelFault, ModelFormat, ServedModel, ServedView,
};
use triplane_contract::route::{Breaker, FeaturePolicy, OnUnavailable, Role, Route, RouteTable};
use triplane_contract::run::{PlannedObject, RejectCause, RejectCount, RunPlan, RunReport, RunSpec, Source, Transform};
use triplane_contract::store::{OfflineAccess, OnlineAccess, S3Credentials, StoreAccess};
use triplane_contract::training::{
    ColumnStatistics, JoinedView, PinnedView, TrainingSetManifest, TrainingSetReport, TrainingSetSpec,
};
use triplane_contract::{Column, FeatureColumn, OnMissing, Schema, ValueType, View, layout, version};

fn back<T: Serialize + DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

fn column(name: &str, value_type: ValueType) -> Column {
    Column {
        name: name.into(),
        value_type,
    }
}

fn view() -> View {
    let columns = vec![column("litres", ValueType::Float64), column("tank", ValueType::String)];
    View {
        namespace: "farm".into(),
        store: "barn".into(),
        name: "milk".into(),
        generation: 2,
        id: layout::view_id("farm", "barn", "milk", 2),
        keys: vec![column("cow", ValueType::Int64)],
        features: vec![
            FeatureColumn {
                name: "litres".into(),
                value_type: ValueType::Float64,
                on_missing: OnMissing::LastKnown,
                default: None,
                last_known_for_us: Some(7_200_000_000),
            },
            FeatureColumn {
                name: "tank".into(),
                value_type: ValueType::String,
                on_missing: OnMissing::Default,
                default: Some("none".into()),
                last_known_for_us: None,
            },
        ],
        schemas: vec![
            Schema {
                id: 1,
                columns: columns[..1].to_vec(),
            },
            Schema { id: 3, columns },
        ],
        ttl_us: Some(3_600_000_000),
        availability_delay_us: 0,
    }
}

fn store() -> StoreAccess {
    StoreAccess {
        online: OnlineAccess::Redis {
            address: "cache:6379".into(),
            prefix: "t:".into(),
            username: Some("writer".into()),
            password_file: None,
        },
        offline: OfflineAccess::Directory { path: "/data".into() },
        root: layout::store_root("features", "farm", "barn"),
        owner: "farm/barn".into(),
    }
}

fn model() -> ServedModel {
    ServedModel {
        name: "yield-v1".into(),
        sha256: "ab".repeat(32),
        artifact_path: "models/yield.txt".into(),
        format: ModelFormat::LightGBM,
        inputs: vec![
            Input::Feature {
                view: "milk".into(),
                feature: "litres".into(),
                allow_override: true,
            },
            Input::Request {
                name: "hour".into(),
                value_type: ValueType::Int64,
            },
        ],
        views: vec![ServedView {
            alias: "milk".into(),
            view: view(),
            keys: BTreeMap::from([("cow".into(), "animal".into())]),
        }],
        output_name: "litres_tomorrow".into(),
        baseline: Some(0.1),
    }
}

fn transform() -> Transform {
    Transform {
        sources: vec![Source {
            name: "milkings".into(),
            path: "raw/milk/".into(),
            timestamp_column: "at".into(),
        }],
        query: Some("SELECT 1".into()),
        timestamp_column: "at".into(),
        created_column: None,
        lookback_us: 1,
    }
}

#[test]
fn the_files_of_a_run_are_read_as_they_were_written() {
    let spec = RunSpec {
        version: version::CURRENT,
        view: view(),
        transform: transform(),
        store: store(),
        memory_limit_bytes: 512 << 20,
    };
    assert_eq!(back(&spec), spec);
    let object = PlannedObject {
        source: "milkings".into(),
        path: "raw/milk/a.parquet".into(),
        etag: "\"x\"".into(),
        size: 7,
        last_modified_us: -1,
        min_us: Some(i64::MIN),
        max_us: Some(0),
        removed: true,
        unreadable: Some("cut off".into()),
    };
    let plan = RunPlan {
        version: 1,
        run: 3,
        planned_at_us: i64::MAX,
        arrived: vec![object],
    };
    assert_eq!(back(&plan), plan);
}

#[test]
fn the_files_of_a_training_set_are_read_as_they_were_written() {
    let spec = TrainingSetSpec {
        version: 1,
        namespace: "farm".into(),
        name: "yield".into(),
        store: store(),
        observations_path: "labels/".into(),
        timestamp_column: "asked_at".into(),
        label: Some("litres".into()),
        request: vec!["hour".into()],
        views: vec![JoinedView {
            alias: "milk".into(),
            view: view(),
            keys: BTreeMap::from([("cow".into(), "cow".into())]),
            features: vec!["litres".into()],
        }],
        memory_limit_bytes: 1,
    };
    assert_eq!(back(&spec), spec);
    let manifest = TrainingSetManifest {
        version: 1,
        name: "yield".into(),
        set_version: "0011223344556677".into(),
        observation_digest: "00".into(),
        views: vec![PinnedView {
            alias: "milk".into(),
            view: "milk".into(),
            generation: 2,
            table_version: 9,
        }],
        rows: 5,
        found: BTreeMap::from([("milk".into(), 0.75)]),
        columns: vec![column("milk/litres", ValueType::Float64)],
        files: vec!["part-0.parquet".into()],
        statistics: vec![ColumnStatistics {
            name: "milk/litres".into(),
            value_type: ValueType::Float64,
            count: 5,
            nulls: 1,
            mean: Some(-0.5),
            quantiles: vec![0.0, 1.5],
            edges: vec![],
            histogram: vec![],
        }],
    };
    assert_eq!(back(&manifest), manifest);
    let report = TrainingSetReport {
        version: 1,
        set_version: "0011223344556677".into(),
        path: "x".into(),
        rows: 5,
        found: BTreeMap::from([("milk".into(), 0.75)]),
        peak_memory_bytes: 0,
        elapsed_us: 1,
    };
    assert_eq!(back(&report), report);
}

#[test]
fn the_files_of_serving_are_read_as_they_were_written() {
    let table = RouteTable {
        version: 1,
        namespace: "farm".into(),
        service: "yield".into(),
        generation: 4,
        routes: vec![Route {
            role: Role::Stable,
            model: model(),
        }],
        features: FeaturePolicy {
            timeout_us: 50_000,
            breaker: Breaker::default(),
            on_unavailable: OnUnavailable::Impute,
            max_imputed: 0.5,
        },
        deadline_us: 100_000,
        fallback: 0.23,
        store: store(),
    };
    assert_eq!(back(&table), table);
    let check = ModelCheckSpec {
        version: 1,
        namespace: "farm".into(),
        model: model(),
        golden: Some(Golden {
            path: "models/golden.parquet".into(),
            tolerance: 1e-6,
        }),
        store: store(),
        max_artifact_bytes: 1 << 30,
    };
    assert_eq!(back(&check), check);
    let report = ModelCheckReport {
        version: 1,
        sha256: "ab".repeat(32),
        fault: Some(ModelFault::DigestMismatch),
        message: "expected ab, found cd".into(),
        golden_rows: 200,
        golden_max_difference: 0.25,
    };
    assert_eq!(back(&report), report);
}

#[test]
fn names_on_the_wire_stay() {
    let json = serde_json::to_value(model()).unwrap();
    assert_eq!(json["inputs"][0]["from"], "feature");
    assert_eq!(json["inputs"][0]["allowOverride"], true);
    assert_eq!(
        json["inputs"][1],
        serde_json::json!({"from": "request", "name": "hour", "type": "Int64"})
    );
    assert_eq!(
        json["views"][0]["view"]["features"][0]["lastKnownForUs"],
        7_200_000_000_i64
    );
    assert_eq!(json["views"][0]["view"]["schemas"][1]["columns"][1]["type"], "String");
    assert_eq!(serde_json::to_value(Role::Stable).unwrap(), "stable");
    let store = serde_json::to_value(store()).unwrap();
    assert_eq!(store["online"]["kind"], "redis");
    assert_eq!(
        store["offline"],
        serde_json::json!({"kind": "directory", "path": "/data"})
    );
    assert!(
        !store.to_string().contains("assword"),
        "an absent password file is not written"
    );
}

#[test]
fn fields_that_older_writers_left_out_have_their_defaults_and_newer_ones_are_skipped() {
    let json = serde_json::json!({
        "namespace": "farm", "store": "barn", "name": "milk", "generation": 1, "id": "AAAAAAAA", "keys": [],
        "features": [{"name": "litres", "type": "Float64"}], "schemas": [], "fieldOfALaterVersion": 1
    });
    let view: View = serde_json::from_value(json).unwrap();
    assert_eq!(view.features[0].on_missing, OnMissing::LeaveNull);
    assert_eq!((view.ttl_us, view.availability_delay_us), (None, 0));
    assert_eq!(view.current_schema(), None);
}

#[test]
fn the_reach_of_a_row_is_the_larger_of_ttl_and_last_known_for() {
    let mut view = view();
    assert_eq!(view.reach_us(), Some(7_200_000_000));
    view.features[0].last_known_for_us = Some(1);
    assert_eq!(view.reach_us(), Some(3_600_000_000));
    view.ttl_us = None;
    assert_eq!(view.reach_us(), None);
}

proptest! {
    #[test]
    fn reports_with_any_numbers_and_text_survive(
        numbers in prop::array::uniform6(any::<u64>()),
        newest in prop::option::of(any::<i64>()),
        example in ".{0,64}",
        elapsed_us in any::<i64>(),
    ) {
        let [run, rows, rows_appended, bytes, rows_published, peak_memory_bytes] = numbers;
        let report = RunReport {
            version: 1,
            run,
            table_version: elapsed_us,
            rows,
            rows_appended,
            bytes,
            newest_event_us: newest,
            rows_published,
            rejected: vec![RejectCount { cause: RejectCause::WrongType, rows, example }],
            peak_memory_bytes,
            elapsed_us,
        };
        prop_assert_eq!(back(&report), report);
    }

    #[test]
    fn decimals_of_fifteen_digits_are_exact(digits in -999_999_999_999_999_i64..=999_999_999_999_999, places in 0_u32..=15) {
        let value = digits as f64 / 10_f64.powi(places as i32);
        let golden = Golden { path: String::new(), tolerance: value };
        prop_assert_eq!(back(&golden).tolerance, value);
    }

    #[test]
    fn paths_of_two_views_never_meet(a in "[a-z][a-z0-9-]{0,8}", b in "[a-z][a-z0-9-]{0,8}", g in 1_u32..50, h in 1_u32..50) {
        let at = |name: &str, generation| {
            let view = View { name: name.to_owned(), generation, ..view() };
            (layout::view_root("farm/barn", &view), layout::view_id("farm", "barn", name, generation))
        };
        if (&a, g) != (&b, h) {
            prop_assert_ne!(at(&a, g).0, at(&b, h).0);
            prop_assert_ne!(at(&a, g).1, at(&b, h).1);
        }
        prop_assert!(at(&a, g).1.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_'));
    }
}

#[test]
fn a_bucket_on_s3_is_named_with_the_place_of_its_credentials() {
    let mounted = OfflineAccess::S3 {
        bucket: "farm".into(),
        endpoint: Some("http://minio:9000".into()),
        region: Some("eu-central-1".into()),
        credentials: S3Credentials::Files {
            directory: "/var/run/triplane/s3".into(),
        },
    };
    assert_eq!(back(&mounted), mounted);
    let on_the_wire = serde_json::json!({"kind": "s3", "bucket": "farm", "endpoint": "http://minio:9000",
        "region": "eu-central-1", "credentials": {"kind": "files", "directory": "/var/run/triplane/s3"}});
    assert_eq!(serde_json::to_value(&mounted).unwrap(), on_the_wire);

    let short: OfflineAccess =
        serde_json::from_str(r#"{"kind": "s3", "bucket": "farm", "credentials": {"kind": "chain"}}"#).unwrap();
    let plain = OfflineAccess::S3 {
        bucket: "farm".into(),
        endpoint: None,
        region: None,
        credentials: S3Credentials::Chain,
    };
    assert_eq!((&short, &back(&plain)), (&plain, &plain));
}

//! An offline table is read by another engine (delta-rs, through Python) as it was written: every row, every value.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow::array::{
    BinaryArray, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, TimestampMicrosecondArray,
};
use triplane_contract::run::RunSpec;
use triplane_contract::store::OnlineAccess;
use triplane_contract::{ValueType, View};
use triplane_tests::delta::Row;
use triplane_tests::fixture::table::Table;
use triplane_tests::fixture::view;
use triplane_tests::world::World;

const DAY_US: i64 = 86_400_000_000;
const NOW_US: i64 = 20_000 * DAY_US;
const UPLOADED_S: u64 = 19_999 * 86_400;

/// A view with a feature of every type.
fn of_all_types() -> View {
    let features = [
        ("flag", ValueType::Bool),
        ("small", ValueType::Int32),
        ("large", ValueType::Int64),
        ("single", ValueType::Float32),
        ("double", ValueType::Float64),
        ("text", ValueType::String),
        ("raw", ValueType::Bytes),
        ("moment", ValueType::Timestamp),
    ];
    let features = features.map(|(name, value_type)| view::feature(name, value_type));
    view::view("all-types", &[("key", ValueType::Int64)], features.to_vec(), None)
}

fn run_spec(world: &World) -> RunSpec {
    view::run_spec(of_all_types(), world.access(), "raw/all/", "at", None)
}

/// Rows of the keys in `keys`; values are extreme, special or NULL in turn.
fn parquet(keys: std::ops::Range<i64>) -> Vec<u8> {
    fn pick<T: Clone>(values: &[T], key: i64) -> Option<T> {
        let index = usize::try_from(key).unwrap() % (values.len() + 1);
        values.get(index).cloned()
    }
    let keys = || keys.clone();
    let texts = ["", "Zürich ✈", "a,\"b\"\n"];
    let raw: [&[u8]; 3] = [b"", b"\x00\xff", b"PAR1"];
    Table::new()
        .int("key", keys().map(Some))
        .time("at", keys().map(|key| Some((key % 5 - 2) * DAY_US + key)))
        .column(
            "flag",
            Arc::new(keys().map(|k| pick(&[true, false], k)).collect::<BooleanArray>()),
        )
        .column(
            "small",
            Arc::new(
                keys()
                    .map(|k| pick(&[i32::MIN, -1, i32::MAX], k))
                    .collect::<Int32Array>(),
            ),
        )
        .column(
            "large",
            Arc::new(
                keys()
                    .map(|k| pick(&[i64::MIN, (1 << 53) + 1, i64::MAX], k))
                    .collect::<Int64Array>(),
            ),
        )
        .column(
            "single",
            Arc::new(
                keys()
                    .map(|k| pick(&[0.1, -0.0, f32::INFINITY, f32::NAN], k))
                    .collect::<Float32Array>(),
            ),
        )
        .column(
            "double",
            Arc::new(
                keys()
                    .map(|k| pick(&[0.1, -0.0, f64::MIN_POSITIVE, f64::NAN], k))
                    .collect::<Float64Array>(),
            ),
        )
        .text("text", keys().map(|k| pick(&texts, k)))
        .column("raw", Arc::new(keys().map(|k| pick(&raw, k)).collect::<BinaryArray>()))
        .column(
            "moment",
            Arc::new(
                keys()
                    .map(|k| pick(&[-1, 0, NOW_US], k))
                    .collect::<TimestampMicrosecondArray>()
                    .with_timezone("UTC"),
            ),
        )
        .to_parquet(100)
}

/// A row of the table in the words of `read.py`.
fn exact(row: &Row) -> Row {
    let bits = |value: f64| hex::encode(value.to_be_bytes());
    let exact = |(name, text): (&String, &String)| {
        let text = match name.as_str() {
            "single" => bits(f64::from(text.parse::<f32>().unwrap())),
            "double" => bits(text.parse().unwrap()),
            _ => text.clone(),
        };
        (name.clone(), text)
    };
    row.iter().map(exact).collect()
}

/// Python with delta-rs; `None` where there is none.
fn python() -> Option<String> {
    let python = std::env::var("TRIPLANE_PYTHON").ok()?;
    let found = Command::new(&python).args(["-c", "import deltalake, pyarrow"]).output();
    found.is_ok_and(|output| output.status.success()).then_some(python)
}

fn read(python: &str, root: &Path) -> serde_json::Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/other_engines/read.py");
    let output = Command::new(python)
        .arg(script)
        .arg(root)
        .output()
        .expect("failed to start Python");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).expect("the script prints JSON")
}

/// The date of each row's event time, as the table is partitioned by.
fn date(row: &Row) -> String {
    let at_us: i64 = row["event_time"].parse().unwrap();
    let at = jiff::Timestamp::from_microsecond(at_us).unwrap();
    at.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}

#[tokio::test]
async fn delta_rs_reads_the_rows_and_values_that_were_written() {
    let Some(python) = python() else {
        println!("skipped: TRIPLANE_PYTHON has no deltalake");
        return;
    };
    let world = World::new(OnlineAccess::Memory);
    let spec = run_spec(&world);
    // Three runs: rows, more rows, and rows that are superseded and retracted.
    world.put("raw/all/1.parquet", &parquet(0..400), UPLOADED_S);
    world.materialize(&spec, NOW_US).await;
    world.put("raw/all/2.parquet", &parquet(400..700), UPLOADED_S + 1);
    world.materialize(&spec, NOW_US).await;
    world.put("raw/all/1.parquet", &parquet(200..450), UPLOADED_S + 2);
    let report = world.materialize(&spec, NOW_US).await;

    let found = read(&python, &world.view_root(&spec.view));
    assert_eq!(found["version"], report.table_version);
    let rows: Vec<Row> = serde_json::from_value(found["rows"].clone()).unwrap();
    let dates: Vec<String> = serde_json::from_value(found["dates"].clone()).unwrap();
    assert_eq!(rows.len() as u64, report.rows);
    assert_eq!(dates, rows.iter().map(date).collect::<Vec<_>>());
    let count = |rows: &[Row]| {
        let mut counts: BTreeMap<Row, usize> = BTreeMap::new();
        for row in rows {
            *counts.entry(row.clone()).or_default() += 1;
        }
        counts
    };
    let written = world.table(&spec.view).unwrap().facts;
    let written: Vec<Row> = written.iter().map(exact).collect();
    assert!(
        written.iter().any(|row| row["is_deleted"] == "true"),
        "some rows are retractions"
    );
    assert_eq!(count(&rows), count(&written));
}

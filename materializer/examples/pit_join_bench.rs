//! Times the point-in-time join on generated rows in memory: `FACTS x OBSERVATIONS`, 10 Float64 features, ttl 48 h.
//!
//! `cargo run --release -p triplane-materializer --example pit_join_bench -- [facts] [observations] [memory MiB]`

use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use triplane_contract::{Column, FeatureColumn, OnMissing, ValueType, View};
use triplane_materializer::join::{Scratch, Shares, ViewJoin};

const HOUR: i64 = 3_600_000_000;
const DAYS: u64 = 30;
const KEYS: u64 = 10_000;
const FEATURES: usize = 10;
const BATCH: usize = 8_192;

/// A small generator of reproducible numbers (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn keys(&mut self, rows: usize) -> ArrayRef {
        Arc::new(Int64Array::from_iter_values((0..rows).map(|_| self.below(KEYS) as i64)))
    }

    fn times(&mut self, rows: usize) -> ArrayRef {
        let span = DAYS * 24 * HOUR as u64;
        let times = (0..rows).map(|_| self.below(span) as i64);
        Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))
    }
}

fn view() -> View {
    let features = (0..FEATURES).map(|feature| FeatureColumn {
        name: format!("f{feature}"),
        value_type: ValueType::Float64,
        on_missing: OnMissing::LeaveNull,
        default: None,
        last_known_for_us: None,
    });
    View {
        namespace: "bench".into(),
        store: "bench".into(),
        name: "facts".into(),
        generation: 1,
        id: "AAAAAAAA".into(),
        keys: vec![Column {
            name: "key".into(),
            value_type: ValueType::Int64,
        }],
        features: features.collect(),
        schemas: Vec::new(),
        ttl_us: Some(48 * HOUR),
        availability_delay_us: 0,
    }
}

fn asks(rows: usize) -> Result<Vec<RecordBatch>, Box<dyn Error>> {
    let mut random = Random(1);
    let batch = |rows| RecordBatch::try_from_iter([("key", random.keys(rows)), ("at", random.times(rows))]);
    Ok(sizes(rows).map(batch).collect::<Result<_, _>>()?)
}

fn facts(rows: usize) -> Result<Vec<RecordBatch>, Box<dyn Error>> {
    let mut random = Random(2);
    let mut sequence = 0;
    let batch = |rows: usize| {
        let numbers = Int64Array::from_iter_values((sequence..).take(rows));
        sequence += rows as i64;
        let mut columns: Vec<(String, ArrayRef)> = vec![
            ("key".into(), random.keys(rows)),
            ("event_time".into(), random.times(rows)),
            ("created_time".into(), random.times(rows)),
            ("sequence".into(), Arc::new(numbers)),
            ("is_deleted".into(), Arc::new(BooleanArray::from(vec![false; rows]))),
        ];
        for feature in 0..FEATURES {
            let values = (0..rows).map(|_| random.below(1 << 20) as f64);
            columns.push((format!("f{feature}"), Arc::new(Float64Array::from_iter_values(values))));
        }
        RecordBatch::try_from_iter(columns)
    };
    Ok(sizes(rows).map(batch).collect::<Result<_, _>>()?)
}

fn sizes(rows: usize) -> impl Iterator<Item = usize> {
    (0..rows).step_by(BATCH).map(move |start| BATCH.min(rows - start))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let fact_rows = numbers.next().transpose()?.unwrap_or(1_000_000);
    let ask_rows = numbers.next().transpose()?.unwrap_or(100_000);
    let memory = numbers.next().transpose()?.unwrap_or(1_024);
    let (view, asks, facts) = (view(), asks(ask_rows)?, facts(fact_rows)?);
    let shares = Shares::of((memory as u64) << 20, 1, 1);
    for _ in 0..5 {
        let scratch = Scratch::create(&std::env::temp_dir())?;
        let join = ViewJoin {
            view: &view,
            features: &view.features,
            rows: ask_rows as u64,
            shares,
        };
        let started = Instant::now();
        let answers = join.run(asks.iter().cloned().map(Ok), facts.iter().cloned().map(Ok), &scratch)?;
        let seconds = started.elapsed().as_secs_f64();
        let (found, files) = (answers.fresh(), scratch.files_written());
        writeln!(
            std::io::stdout(),
            "{fact_rows} facts x {ask_rows} observations: {seconds:.3} s, {found} found, {files} spill files"
        )?;
    }
    Ok(())
}

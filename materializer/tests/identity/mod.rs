//! Which rows are the same row: views without an entity, and rows that say when they were learned.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use futures::TryStreamExt;
use triplane_contract::run::RejectCause;
use triplane_feature_store::key::KeyEncoder;
use triplane_feature_store::row::RowDecoder;
use triplane_feature_store::value::Value;
use triplane_materializer::offline::{ReadOptions, read_file, row_schema};

use crate::support::{HOUR, Lab, SECOND, START, batch, row, write_parquet};

/// A view of the whole world: no key, one row a moment.
fn without_an_entity() -> Lab {
    let mut lab = Lab::plain();
    lab.spec.view.keys.clear();
    lab
}

/// Event time and `n` of every row, by sequence.
async fn rows(lab: &Lab) -> Vec<(i64, Option<i64>)> {
    let table = lab.table().await;
    let options = ReadOptions {
        schema: row_schema(&lab.spec.view),
        event_times: (i64::MIN, i64::MAX),
        batch_rows: 100,
    };
    let mut rows = Vec::new();
    for file in table.files().unwrap() {
        let batches = read_file(table.bucket(), &file, &options).await.unwrap();
        for batch in batches.try_collect::<Vec<_>>().await.unwrap() {
            let times = batch["event_time"].as_primitive::<TimestampMicrosecondType>();
            let sequences = batch["sequence"].as_primitive::<Int64Type>();
            let n = batch["n"].as_primitive::<Int64Type>();
            let row = |i: usize| (sequences.value(i), times.value(i), n.iter().nth(i).flatten());
            rows.extend((0..batch.num_rows()).map(row));
        }
    }
    rows.sort_unstable();
    rows.into_iter().map(|(_, at, n)| (at, n)).collect()
}

/// `n` of the one row that is online, with its event time.
async fn online(lab: &Lab) -> Option<(i64, Value)> {
    let store = &lab.environment.online;
    let key = KeyEncoder::new(store.prefix(), &lab.spec.view)
        .unwrap()
        .key(&[])
        .unwrap();
    let stored = store.read(&[key]).await.unwrap().remove(0)?;
    let decoder = RowDecoder::new(&lab.spec.view, &["n"]).unwrap();
    let opened = decoder.open(&stored).unwrap();
    Some((opened.event_time_us()?, opened.value(0).unwrap()))
}

#[tokio::test]
async fn a_view_without_an_entity_has_one_row_a_moment_and_the_newest_online() {
    let lab = without_an_entity();
    lab.put("raw/a.parquet", &[row("x", START, 1), row("y", START + HOUR, 2)]);
    let report = lab.run().await;
    assert_eq!((report.rows, report.rows_published), (2, 1));
    assert_eq!(rows(&lab).await, [(START, Some(1)), (START + HOUR, Some(2))]);
    assert_eq!(online(&lab).await, Some((START + HOUR, Value::Int64(2))));

    lab.put("raw/late.parquet", &[row("z", START + HOUR / 2, 3)]);
    lab.run().await;
    assert_eq!(
        online(&lab).await,
        Some((START + HOUR, Value::Int64(2))),
        "a late row is no newer"
    );
    std::fs::remove_file(lab.path("raw/a.parquet")).unwrap();
    lab.run().await;
    assert_eq!(online(&lab).await, Some((START + HOUR / 2, Value::Int64(3))));
    std::fs::remove_file(lab.path("raw/late.parquet")).unwrap();
    lab.run().await;
    assert_eq!(online(&lab).await, None, "every row is retracted");
}

/// A file with a column that says when its rows were learned.
fn put_with(lab: &Lab, name: &str, values: &[i64], learned: ArrayRef) {
    let rows: Vec<_> = values.iter().map(|n| row("a", START, *n)).collect();
    let plain = batch(&rows);
    let mut columns: Vec<(String, ArrayRef, bool)> = plain
        .schema()
        .fields()
        .iter()
        .zip(plain.columns())
        .map(|(field, column)| (field.name().clone(), Arc::clone(column), true))
        .collect();
    columns.push(("learned".to_owned(), learned, true));
    let rows = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    write_parquet(&lab.path(name), &rows);
}

fn put_learned(lab: &Lab, name: &str, learned: &[(i64, Option<i64>)]) {
    let values: Vec<i64> = learned.iter().map(|(n, _)| *n).collect();
    let times: TimestampMicrosecondArray = learned.iter().map(|(_, at)| *at).collect();
    put_with(lab, name, &values, Arc::new(times.with_timezone("UTC")));
}

fn learning() -> Lab {
    let mut lab = Lab::plain();
    lab.spec.transform.created_column = Some("learned".into());
    lab
}

#[tokio::test]
async fn of_rows_that_say_when_they_were_learned_the_one_learned_last_counts_whatever_its_file() {
    let lab = learning();
    put_learned(
        &lab,
        "raw/a.parquet",
        &[(1, Some(START + 3 * SECOND)), (2, Some(START + 2 * SECOND))],
    );
    put_learned(&lab, "raw/b.parquet", &[(3, Some(START + SECOND))]);
    lab.run().await;
    let only = |facts: Vec<crate::support::TableRow>| {
        assert_eq!(facts.len(), 1);
        (facts[0].n, facts[0].order.created_time_us)
    };
    assert_eq!(only(lab.facts().await), (Some(1), START + 3 * SECOND));
    // A correction that was learned earlier than what is there changes nothing.
    put_learned(&lab, "raw/c.parquet", &[(4, Some(START))]);
    lab.run().await;
    assert_eq!(only(lab.facts().await), (Some(1), START + 3 * SECOND));
    put_learned(&lab, "raw/d.parquet", &[(5, Some(START + 4 * SECOND))]);
    lab.run().await;
    assert_eq!(lab.current().await[&("a".to_owned(), START)].0, Some(5));
    lab.assert_online_is_the_table().await;
}

#[tokio::test]
async fn a_row_that_does_not_say_when_it_was_learned_was_with_the_newest_file_of_its_run() {
    let lab = learning();
    put_learned(&lab, "raw/a.parquet", &[(1, None)]);
    let written = std::fs::metadata(lab.path("raw/a.parquet"))
        .unwrap()
        .modified()
        .unwrap();
    let written_us = written.duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
    lab.run().await;
    assert_eq!(
        i128::from(lab.facts().await[0].order.created_time_us),
        written_us as i128
    );
}

#[tokio::test]
async fn a_file_without_the_created_column_or_with_another_type_of_it_is_rejected() {
    let lab = learning();
    lab.put("raw/a.parquet", &[row("a", START, 1)]);
    put_with(&lab, "raw/b.parquet", &[2], Arc::new(Int64Array::from(vec![5])));
    put_learned(&lab, "raw/c.parquet", &[(3, Some(START))]);
    let report = lab.run().await;
    let causes: Vec<_> = report.rejected.iter().map(|count| (count.cause, count.rows)).collect();
    assert_eq!(causes, [(RejectCause::WrongType, 1), (RejectCause::MissingColumn, 1)]);
    assert!(
        report
            .rejected
            .iter()
            .all(|count| count.example.contains("column learned"))
    );
    assert_eq!(lab.facts().await[0].n, Some(3));
}

//! What a query may look at: every row its result depends on is read, or the query is refused.

use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use triplane_contract::run::Source;

use crate::every_step_equals_a_build_from_scratch;
use crate::support::{HOUR, Lab, START, WINDOW, batch, row, write_parquet};

/// Counts and sums what the second source said in the two hours before each row of the first.
const JOIN: &str = "SELECT r.k, r.at, count(m.n) AS n, sum(m.x) AS x FROM raw r \
    LEFT JOIN more m ON m.k = r.k AND m.at <= r.at AND m.at > r.at - INTERVAL '2 hours' GROUP BY r.k, r.at";

/// Sums up a quarter of a day under its first moment.
const BINS: &str =
    "SELECT k, date_bin(INTERVAL '6 hours', at) AS at, count(*) AS n, sum(x) AS x FROM raw GROUP BY 1, 2";

fn joined(lookback_us: i64) -> Lab {
    let mut lab = Lab::query(JOIN, lookback_us);
    lab.spec.transform.sources.push(Source {
        name: "more".into(),
        path: "more".into(),
        timestamp_column: "at".into(),
    });
    lab
}

#[tokio::test]
async fn joined_late_corrected_and_removed_files_equal_a_build_from_scratch() {
    every_step_equals_a_build_from_scratch(|| joined(2 * HOUR)).await;
}

#[tokio::test]
async fn binned_late_corrected_and_removed_files_equal_a_build_from_scratch() {
    every_step_equals_a_build_from_scratch(|| Lab::query(BINS, 6 * HOUR)).await;
}

#[tokio::test]
async fn other_rows_are_looked_at_only_with_a_lookback() {
    for (sql, construct) in [
        (
            "SELECT a.k, a.at, a.n, b.x FROM raw a JOIN raw b ON a.k = b.k AND a.at = b.at",
            "a join",
        ),
        ("SELECT a.k, a.at, a.n, b.x FROM raw a CROSS JOIN raw b", "a join"),
        (
            "SELECT k, at, n, x FROM raw WHERE k IN (SELECT k FROM raw WHERE n > 1)",
            "a subquery",
        ),
        (
            "SELECT k, at, n, x FROM raw r WHERE EXISTS (SELECT 1 FROM raw s WHERE s.k = r.k AND s.n > 1)",
            "a subquery",
        ),
        ("SELECT k, at, (SELECT n FROM raw) AS n, x FROM raw", "a subquery"),
        ("SELECT k, date_trunc('hour', at) AS at, n, x FROM raw", "an event time"),
        ("SELECT k, at + INTERVAL '1 hour' AS at, n, x FROM raw", "an event time"),
    ] {
        let lab = Lab::query(sql, 0);
        lab.put("raw/a.parquet", &[row("a", START, 1)]);
        let message = lab.try_run().await.unwrap_err().to_string();
        assert!(
            message.contains("LookbackRequired") && message.contains(construct),
            "{sql}: {message}"
        );
    }
}

#[tokio::test]
async fn queries_that_look_forward_are_refused_and_those_that_look_back_are_not() {
    let refused = [
        "lead(n) OVER (PARTITION BY k ORDER BY at)",
        "lag(n, -1) OVER (PARTITION BY k ORDER BY at)",
        "sum(n) OVER (PARTITION BY k)",
        "CAST(ntile(4) OVER (PARTITION BY k ORDER BY at) AS BIGINT)",
        "count(*) OVER (PARTITION BY k ORDER BY at RANGE BETWEEN CURRENT ROW AND INTERVAL '1 hour' FOLLOWING)",
        "sum(n) OVER (PARTITION BY k ORDER BY at ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)",
        "CAST(row_number() OVER (PARTITION BY k ORDER BY at DESC) AS BIGINT)",
        "CAST(rank() OVER (PARTITION BY k ORDER BY n) AS BIGINT)",
    ];
    let accepted = [
        "lag(n) OVER (PARTITION BY k ORDER BY at)",
        "lag(n, 2) OVER (PARTITION BY k ORDER BY at)",
        "sum(n) OVER (PARTITION BY k ORDER BY at)",
        "sum(n) OVER (PARTITION BY k, at)",
        "CAST(row_number() OVER (PARTITION BY k, at ORDER BY n DESC) AS BIGINT)",
    ];
    let all = refused
        .map(|n| (n, true))
        .into_iter()
        .chain(accepted.map(|n| (n, false)));
    for (n, is_refused) in all {
        let lab = Lab::query(&format!("SELECT k, at, {n} AS n, x FROM raw"), HOUR);
        lab.put("raw/a.parquet", &[row("a", START, 1), row("a", START + HOUR, 2)]);
        let done = lab.try_run().await.map_err(|error| error.to_string());
        match (done, is_refused) {
            (Err(message), true) => assert!(
                message.contains("QueryInvalid") && message.contains("looks forward"),
                "{n}: {message}"
            ),
            (done, _) => assert!(done.is_ok() && !is_refused, "{n}: {done:?}"),
        }
    }
}

#[tokio::test]
async fn a_first_run_keeps_rows_wherever_the_query_puts_them() {
    let lab = Lab::query("SELECT k, at + INTERVAL '2 days' AS at, n, x FROM raw", HOUR);
    lab.put("raw/a.parquet", &[row("a", START, 1), row("b", START + HOUR, 2)]);
    assert_eq!(lab.run().await.rows, 2);
    let times: Vec<_> = lab.current().await.into_keys().map(|(_, at)| at).collect();
    assert_eq!(times, [START + 48 * HOUR, START + 49 * HOUR]);
}

#[tokio::test]
async fn rows_of_plain_columns_are_placed_by_their_event_time_only() {
    let mut lab = Lab::plain();
    lab.spec.transform.sources[0].timestamp_column = "loaded_at".into();
    lab.put("raw/a.parquet", &[row("a", START, 1)]);
    let message = lab.try_run().await.unwrap_err().to_string();
    assert!(
        message.contains("QueryInvalid") && message.contains("\"loaded_at\" of source raw"),
        "{message}"
    );
}

#[tokio::test]
async fn a_first_upload_that_no_query_fits_can_be_replaced() {
    let good = batch(&[row("a", START, 1)]);
    let schema = good.schema();
    let text = |place: usize| {
        let columns = schema
            .fields()
            .iter()
            .zip(good.columns())
            .enumerate()
            .map(|(i, (field, column))| {
                let to = if i == place { &DataType::Utf8 } else { field.data_type() };
                (field.name().clone(), arrow::compute::cast(column, to).unwrap())
            });
        RecordBatch::try_from_iter(columns).unwrap()
    };
    for (place, column) in [(1, "\"at\""), (2, "\"n\"")] {
        let lab = Lab::query("SELECT k, at, n, x FROM raw", 0);
        write_parquet(&lab.path("raw/a.parquet"), &text(place));
        let message = lab.try_run().await.unwrap_err().to_string();
        assert!(message.contains(column), "{message}");
        lab.put("raw/a.parquet", &[row("a", START, 1)]);
        assert_eq!(lab.run().await.rows, 1, "after {message}");
        lab.put("raw/b.parquet", &[row("b", START, 2)]);
        lab.run().await;
        assert_eq!(lab.current().await.len(), 2);
    }
}

#[tokio::test]
async fn a_removed_file_is_learned_of_when_the_run_is_planned() {
    let lab = Lab::plain();
    for (name, key) in [("raw/a.parquet", "a"), ("raw/b.parquet", "b")] {
        lab.put(name, &[row(key, START, 1)]);
        let written = std::time::UNIX_EPOCH + std::time::Duration::from_micros(START as u64);
        let file = std::fs::File::options().write(true).open(lab.path(name)).unwrap();
        file.set_modified(written).unwrap();
    }
    lab.run().await;
    std::fs::remove_file(lab.path("raw/b.parquet")).unwrap();
    lab.run().await;
    let times: Vec<_> = lab
        .facts()
        .await
        .iter()
        .map(|f| (f.deleted, f.order.created_time_us))
        .collect();
    let mut retracted: Vec<_> = times.iter().filter(|(deleted, _)| *deleted).collect();
    assert_eq!(retracted.pop(), Some(&(true, START + 1000 * HOUR)), "{times:?}");
    assert_eq!(times.iter().filter(|time| **time == (false, START)).count(), 2);
}

#[tokio::test]
async fn data_files_of_another_definition_have_other_names() {
    let mut lab = Lab::query(WINDOW, HOUR);
    lab.put("raw/a.parquet", &[row("a", START, 1)]);
    let mut names = Vec::new();
    for lookback_us in [HOUR, HOUR, 2 * HOUR] {
        lab.spec.transform.lookback_us = lookback_us;
        lab.wipe_online();
        lab.run().await;
        let files: Vec<String> = lab
            .table()
            .await
            .files()
            .unwrap()
            .into_iter()
            .map(|f| f.path.to_string())
            .collect();
        names.push(files);
        std::fs::remove_dir_all(lab.path(&lab.spec.store.root)).unwrap();
    }
    assert_eq!(names[0], names[1]);
    assert_ne!(names[1], names[2]);
}

#[tokio::test]
async fn a_wrong_first_upload_fails_the_first_run_until_it_is_replaced_or_removed() {
    let sql = "SELECT k, at, n, x FROM raw";
    let good = batch(&[row("a", START, 1)]);
    let (lacks, text) = (good.project(&[0, 1, 3]).unwrap(), as_text(&good));
    for wrong in [lacks, text] {
        for replaced in [true, false] {
            let lab = Lab::query(sql, 0);
            write_parquet(&lab.path("raw/a.parquet"), &wrong);
            let error = lab.try_run().await.unwrap_err();
            lab.put("raw/b.parquet", &[row("b", START, 2)]);
            let again = lab.try_run().await.unwrap_err();
            assert_eq!(
                again.to_string(),
                error.to_string(),
                "the plan of run 1 is without the good file"
            );
            assert!(
                error.to_string().ends_with("replace or remove files that are wrong")
                    && error.to_string().contains("raw"),
                "{error}"
            );
            assert_eq!((error.code(), error.is_retryable()), ("InvalidQuery", true));
            if replaced {
                write_parquet(&lab.path("raw/a.parquet"), &good);
            } else {
                std::fs::remove_file(lab.path("raw/a.parquet")).unwrap();
            }
            lab.run().await;
            let current = lab.current().await;
            assert_eq!(current.len(), 1 + usize::from(replaced));
            assert_eq!(current[&("b".to_owned(), START)].0, Some(2));
            lab.assert_online_is_the_table().await;
        }
    }
}

#[tokio::test]
async fn a_query_that_no_file_can_heal_is_final() {
    for sql in ["SELEC k FROM raw", "SELECT k, at, n, x FROM raw LIMIT 5"] {
        let lab = Lab::query(sql, 0);
        lab.put("raw/a.parquet", &[row("a", START, 1)]);
        let error = lab.try_run().await.unwrap_err();
        assert_eq!((error.code(), error.is_retryable()), ("InvalidQuery", false), "{sql}");
    }
}

/// The same rows with `n` as text.
fn as_text(rows: &RecordBatch) -> RecordBatch {
    let schema = rows.schema();
    let columns = schema.fields().iter().zip(rows.columns()).map(|(field, column)| {
        let to = if field.name() == "n" {
            &DataType::Utf8
        } else {
            field.data_type()
        };
        (field.name().clone(), arrow::compute::cast(column, to).unwrap(), true)
    });
    RecordBatch::try_from_iter_with_nullable(columns.collect::<Vec<_>>()).unwrap()
}

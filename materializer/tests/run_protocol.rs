//! The run protocol on a directory and a memory store: whatever arrives in whatever order, table and store end as if built
//! from scratch on what there is now.

// Helpers outside `#[test]` functions are test code too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod changed;
mod identity;
mod limits;
mod queries;
mod reading;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use support::wiped::Wiped;
use support::{HOUR, Lab, SECOND, START, SourceRow, WINDOW, batch, row, write_parquet};
use triplane_contract::run::RejectCause;
use triplane_materializer::progress::Silent;
use triplane_materializer::run;

#[tokio::test]
async fn plain_rows_reach_the_table_and_the_store_once() {
    let lab = Lab::plain();
    lab.put(
        "raw/a.parquet",
        &[row("a", START, 1), row("b", START, 2), row("a", START + HOUR, 3)],
    );
    let report = lab.run().await;
    assert_eq!(
        (report.run, report.rows, report.rows_appended, report.rows_published),
        (1, 3, 3, 2)
    );
    assert_eq!(report.newest_event_us, Some(START + HOUR));
    assert_eq!(report.rejected, []);
    assert!(
        report.elapsed_us > 0,
        "measured, although the clock of the run stands still"
    );
    assert_eq!(lab.assert_online_is_the_table().await, 2);

    let before = lab.listing();
    let again = lab.run().await;
    assert_eq!((again.run, again.rows_appended, again.rows_published), (1, 0, 0));
    assert_eq!(lab.listing(), before, "a run with nothing to do writes nothing");
}

#[tokio::test]
async fn nothing_in_the_source_is_no_table_and_no_write() {
    let lab = Lab::plain();
    let report = lab.run().await;
    assert_eq!((report.run, report.table_version, report.rows), (0, -1, 0));
    assert!(lab.listing().is_empty());
}

#[tokio::test]
async fn equal_duplicates_collapse_and_unchanged_rows_of_a_rewritten_file_are_not_appended() {
    let lab = Lab::plain();
    lab.put(
        "raw/a.parquet",
        &[row("a", START, 1), row("a", START, 1), row("b", START, 2)],
    );
    assert_eq!(lab.run().await.rows, 2);
    lab.put("raw/a.parquet", &[row("b", START, 5), row("a", START, 1)]);
    let report = lab.run().await;
    assert_eq!((report.run, report.rows, report.rows_appended), (2, 3, 1));
    lab.assert_online_is_the_table().await;
}

#[tokio::test]
async fn nan_and_negative_zero_are_equal_to_themselves_only() {
    let lab = Lab::plain();
    lab.put(
        "raw/a.parquet",
        &[
            (Some("a"), Some(START), None, Some(f64::NAN)),
            (Some("b"), Some(START), None, Some(0.0)),
        ],
    );
    lab.run().await;
    lab.put("raw/b.parquet", &[(Some("a"), Some(START), None, Some(f64::NAN))]);
    assert_eq!(lab.run().await.rows_appended, 0);
    lab.put(
        "raw/a.parquet",
        &[
            (Some("a"), Some(START), None, Some(f64::NAN)),
            (Some("b"), Some(START), None, Some(-0.0)),
        ],
    );
    assert_eq!(lab.run().await.rows_appended, 1);
}

#[tokio::test]
async fn of_two_files_with_one_row_the_one_written_later_counts_and_then_the_later_path() {
    let second = |s: u64| std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000 + s);
    let put = |lab: &Lab, name: &str, n: i64, written: u64| {
        lab.put(name, &[row("k", START, n)]);
        let file = std::fs::File::options().write(true).open(lab.path(name)).unwrap();
        file.set_modified(second(written)).unwrap();
    };
    // Whatever the bytes are: each value is the larger one once.
    for (a, b) in [(1, 9), (9, 1)] {
        for (a_written, b_written, expected) in [(1, 2, b), (2, 1, a), (1, 1, b)] {
            let lab = Lab::plain();
            put(&lab, "raw/a.parquet", a, a_written);
            put(&lab, "raw/b.parquet", b, b_written);
            lab.run().await;
            assert_eq!(lab.current().await[&("k".to_owned(), START)].0, Some(expected));
            put(&lab, "raw/a.parquet", a, 3);
            lab.run().await;
            assert_eq!(lab.current().await[&("k".to_owned(), START)].0, Some(a), "written last");
            std::fs::remove_file(lab.path("raw/a.parquet")).unwrap();
            lab.run().await;
            assert_eq!(lab.current().await[&("k".to_owned(), START)].0, Some(b), "the only one");
            lab.assert_online_is_the_table().await;
        }
    }
}

/// Late, corrected, removed, retracted: after each step the table's current rows are those of a build from scratch.
async fn every_step_equals_a_build_from_scratch(make: fn() -> Lab) {
    let lab = make();
    let minutes = |m: i64| START + m * 60 * SECOND;
    let hourly = |day: i64| -> Vec<_> {
        (0..24)
            .flat_map(|h| ["a", "b", "c"].map(|k| row(k, START + (day * 24 + h) * HOUR, day * 100 + h)))
            .collect()
    };
    let mut files: Vec<(&str, Option<Vec<support::SourceRow>>)> = Vec::new();
    let steps: Vec<(&str, Option<Vec<support::SourceRow>>)> = vec![
        ("raw/day0.parquet", Some(hourly(0))),
        ("raw/day2.parquet", Some(hourly(2))),
        ("more/a.parquet", Some(hourly(0))),
        (
            "raw/late.parquet",
            Some(vec![row("a", minutes(30), 7), row("d", minutes(31), 8)]),
        ),
        (
            "raw/day0.parquet",
            Some(
                hourly(0)
                    .into_iter()
                    .enumerate()
                    .filter(|(i, _)| i % 5 != 0)
                    .map(|(_, r)| r)
                    .collect(),
            ),
        ),
        (
            "more/a.parquet",
            Some(vec![row("a", minutes(29), 3), row("d", minutes(31), 4)]),
        ),
        ("raw/day2.parquet", Some(hourly(1))),
        ("more/b.parquet", Some(hourly(1))),
        ("raw/late.parquet", None),
        ("raw/day2.parquet", Some(hourly(2))),
        ("more/a.parquet", None),
        ("raw/day0.parquet", None),
    ];
    for (name, rows) in steps {
        match &rows {
            Some(rows) => lab.put(name, rows),
            None => std::fs::remove_file(lab.path(name)).unwrap(),
        }
        files.retain(|(known, _)| *known != name);
        files.push((name, rows));
        lab.run().await;
        let scratch = make();
        for (name, rows) in &files {
            if let Some(rows) = rows {
                scratch.put(name, rows);
            }
        }
        scratch.run().await;
        assert_eq!(lab.current().await, scratch.current().await, "after {name}");
        lab.assert_online_is_the_table().await;
    }
}

#[tokio::test]
async fn plain_late_corrected_and_removed_files_equal_a_build_from_scratch() {
    every_step_equals_a_build_from_scratch(Lab::plain).await;
}

#[tokio::test]
async fn windowed_late_corrected_and_removed_files_equal_a_build_from_scratch() {
    every_step_equals_a_build_from_scratch(|| Lab::query(WINDOW, HOUR)).await;
}

#[tokio::test]
async fn a_window_looks_back_into_a_file_of_an_earlier_run() {
    let lab = Lab::query(WINDOW, HOUR);
    lab.put("raw/a.parquet", &[row("a", START, 2), row("a", START + HOUR / 2, 4)]);
    lab.run().await;
    lab.put("raw/b.parquet", &[row("a", START + HOUR, 6)]);
    assert_eq!(lab.run().await.rows_appended, 1);
    let current = lab.current().await;
    assert_eq!(
        current[&("a".to_owned(), START + HOUR)],
        (Some(3), Some(6.0_f64.to_bits()))
    );
}

#[tokio::test]
async fn a_retracted_newest_row_gives_way_online_to_the_one_before() {
    let lab = Lab::plain();
    lab.put("raw/a.parquet", &[row("a", START, 1)]);
    lab.put("raw/b.parquet", &[row("a", START + HOUR, 2), row("z", START + HOUR, 3)]);
    lab.run().await;
    std::fs::remove_file(lab.path("raw/b.parquet")).unwrap();
    let report = lab.run().await;
    assert_eq!((report.rows_appended, report.rows_published), (2, 2));
    assert_eq!(lab.assert_online_is_the_table().await, 2);
    lab.put("raw/c.parquet", &[row("a", START + HOUR / 2, 9)]);
    lab.run().await;
    lab.assert_online_is_the_table().await;
    lab.put("raw/b.parquet", &[row("a", START + HOUR, 2)]);
    lab.run().await;
    lab.assert_online_is_the_table().await;
}

#[tokio::test]
async fn bad_rows_and_files_are_put_aside_with_their_cause_and_stop_nothing() {
    let lab = Lab::plain();
    let future = START + 1000 * HOUR + 301 * SECOND;
    lab.put(
        "raw/a.parquet",
        &[
            row("a", START, 1),
            (None, Some(START), Some(2), None),
            (Some("b"), None, Some(3), None),
            row("c", future, 4),
            row("d", future - 2 * SECOND, 5),
        ],
    );
    let good = batch(&[row("e", START, 6)]);
    write_parquet(&lab.path("raw/missing.parquet"), &good.project(&[0, 1, 2]).unwrap());
    let text = arrow::compute::cast(good.column(2), &arrow::datatypes::DataType::Utf8).unwrap();
    let columns = [("k", 0), ("at", 1), ("x", 3)].map(|(name, i)| (name, Arc::clone(good.column(i)), true));
    let wrong = arrow::array::RecordBatch::try_from_iter_with_nullable(columns.into_iter().chain([("n", text, true)]));
    write_parquet(&lab.path("raw/wrong.parquet"), &wrong.unwrap());
    lab.put("raw/whole.parquet", &[row("f", START, 7)]);
    let bytes = std::fs::read(lab.path("raw/whole.parquet")).unwrap();
    std::fs::write(lab.path("raw/half.parquet"), &bytes[..bytes.len() / 2]).unwrap();

    let report = lab.run().await;
    let counts: Vec<_> = report.rejected.iter().map(|c| (c.cause, c.rows)).collect();
    assert_eq!(
        counts,
        [
            (RejectCause::NullKey, 1),
            (RejectCause::NullEventTime, 1),
            (RejectCause::WrongType, 1),
            (RejectCause::MissingColumn, 1),
            (RejectCause::FutureEventTime, 1),
            (RejectCause::UnreadableFile, 1),
        ]
    );
    let example = |cause| {
        report
            .rejected
            .iter()
            .find(|c| c.cause == cause)
            .unwrap()
            .example
            .clone()
    };
    assert!(
        example(RejectCause::WrongType).contains("raw/wrong.parquet: column n"),
        "{}",
        example(RejectCause::WrongType)
    );
    assert!(example(RejectCause::UnreadableFile).contains("raw/half.parquet"));
    let keys: Vec<_> = lab.current().await.into_keys().map(|(key, _)| key).collect();
    assert_eq!(keys, ["a", "d", "f"]);

    lab.put("raw/next.parquet", &[row("g", START + HOUR, 8)]);
    assert_eq!(
        lab.run().await.rejected,
        report.rejected,
        "totals stay, nothing is counted twice"
    );
}

#[tokio::test]
async fn integers_become_floats_where_that_is_exact_and_are_rejected_elsewhere() {
    let lab = Lab::plain();
    let rows = batch(&[row("a", START, 1), row("b", START, 1)]);
    let ints = Arc::new(arrow::array::Int64Array::from(vec![5, (1 << 53) + 1])) as arrow::array::ArrayRef;
    let columns = [("k", 0), ("at", 1), ("n", 2)].map(|(name, i)| (name, Arc::clone(rows.column(i)), true));
    let mixed = arrow::array::RecordBatch::try_from_iter_with_nullable(columns.into_iter().chain([("x", ints, true)]));
    write_parquet(&lab.path("raw/a.parquet"), &mixed.unwrap());
    let report = lab.run().await;
    assert_eq!(report.rejected[0].cause, RejectCause::WrongType);
    assert!(
        report.rejected[0].example.ends_with("column x: 9007199254740993"),
        "{}",
        report.rejected[0].example
    );
    assert_eq!(lab.current().await[&("a".to_owned(), START)].1, Some(5.0_f64.to_bits()));
}

#[tokio::test]
async fn queries_that_cannot_be_run_range_by_range_are_refused_by_name() {
    for (sql, expected) in [
        ("SELEC k FROM raw", "QueryInvalid"),
        ("SELECT k, at, n, x FRM raw", "Line: 1, Column: "),
        ("SELECT k, at, n, nope AS x FROM raw", "nope"),
        ("SELECT k, at, n FROM raw", "has no column \"x\""),
        ("SELECT k, at, n, k AS x FROM raw", "column \"x\""),
        (
            "SELECT k, at, count(*) AS n, sum(x) AS x FROM raw GROUP BY k, at",
            "LookbackRequired",
        ),
        (WINDOW, "LookbackRequired"),
        ("SELECT k, now() AS at, n, x FROM raw", "VolatileFunction"),
        ("SELECT k, at, n, random() AS x FROM raw", "random()"),
        (
            "SELECT k, at, n, x FROM raw WHERE k IN (SELECT uuid() FROM raw)",
            "VolatileFunction",
        ),
        ("SELECT k, at, n, x FROM raw LIMIT 5", "LIMIT"),
        ("SELECT k, at, n, x FROM raw; SELECT 1", "single"),
        ("DROP TABLE raw", "one SELECT"),
        ("INSERT INTO raw SELECT * FROM raw", "one SELECT"),
        ("COPY raw TO 'x.parquet'", "one SELECT"),
    ] {
        let lab = Lab::query(sql, 0);
        lab.put("raw/a.parquet", &[row("a", START, 1)]);
        let message = lab.try_run().await.unwrap_err().to_string();
        assert!(message.contains(expected), "{sql}: {message}");
        assert!(message.contains("tests/view"), "{sql}: {message}");
    }
}

#[tokio::test]
async fn one_odd_file_does_not_stop_a_query() {
    let lab = Lab::query("SELECT k, at, n * 2 AS n, x FROM raw", 0);
    lab.put("raw/a.parquet", &[row("a", START, 1)]);
    lab.put("raw/b.parquet", &[row("b", START, 2)]);
    lab.run().await;
    let good = batch(&[row("c", START, 3)]);
    let text = arrow::compute::cast(good.column(2), &arrow::datatypes::DataType::Utf8).unwrap();
    let columns = [("k", 0), ("at", 1), ("x", 3)].map(|(name, i)| (name, Arc::clone(good.column(i)), true));
    let odd = arrow::array::RecordBatch::try_from_iter_with_nullable(columns.into_iter().chain([("n", text, true)]));
    write_parquet(&lab.path("raw/0-odd.parquet"), &odd.unwrap());
    lab.put("raw/d.parquet", &[row("d", START, 4)]);
    let report = lab.run().await;
    assert_eq!(
        report.rejected.iter().map(|c| (c.cause, c.rows)).collect::<Vec<_>>(),
        [(RejectCause::WrongType, 1)]
    );
    let current = lab.current().await;
    assert_eq!(current[&("d".to_owned(), START)].0, Some(8));
    assert_eq!(current.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_runs_at_once_end_with_one_table_and_the_same_online_rows() {
    for round in 0..4 {
        let lab = Arc::new(Lab::query(WINDOW, HOUR));
        let rows: Vec<_> = (0..500)
            .map(|i| row(["a", "b", "c", "d"][i % 4], START + i as i64 * 60 * SECOND, i as i64))
            .collect();
        lab.put("raw/a.parquet", &rows[..400]);
        if round % 2 == 1 {
            lab.run().await;
            lab.put("raw/b.parquet", &rows[400..]);
        }
        let runs: Vec<_> = (0..3)
            .map(|_| {
                let lab = Arc::clone(&lab);
                tokio::spawn(async move { run(&lab.spec, &lab.environment, &Silent).await })
            })
            .collect();
        let mut appended = 0;
        for run in runs {
            appended += run.await.unwrap().unwrap().rows_appended;
        }
        let facts = lab.facts().await;
        let expected = if round % 2 == 1 { 500 } else { 400 };
        assert_eq!(facts.len(), expected);
        assert_eq!(appended, if round % 2 == 1 { 100 } else { 400 });
        assert_eq!(lab.assert_online_is_the_table().await, 4);
    }
}

#[tokio::test]
async fn a_wiped_online_store_is_filled_again() {
    let mut lab = Lab::plain();
    lab.put("raw/a.parquet", &[row("a", START, 1), row("b", START, 2)]);
    lab.run().await;
    lab.put("raw/b.parquet", &[row("a", START + HOUR, 1)]);
    lab.run().await;
    std::fs::remove_file(lab.path("raw/b.parquet")).unwrap();
    lab.run().await;
    lab.wipe_online();
    let report = lab.run().await;
    assert_eq!((report.run, report.rows_appended, report.rows_published), (3, 0, 2));
    assert_eq!(lab.assert_online_is_the_table().await, 2);
}

/// More keys than two writes take.
fn many_keys() -> Vec<SourceRow> {
    (0..5_000).map(|i| row(format!("k{i}").leak(), START, i)).collect()
}

#[tokio::test]
async fn a_store_that_is_wiped_while_rows_are_published_ends_with_all_of_them() {
    for wiped_after in 1..=3 {
        let mut lab = Lab::plain();
        let store = Arc::new(Wiped::new(lab.clock.clone(), move |write| write == wiped_after));
        lab.environment.online = store.clone();
        lab.put("raw/a.parquet", &many_keys());
        lab.run().await;
        assert_eq!(lab.assert_online_is_the_table().await, 5_000);
        assert_eq!(store.writes(), 6, "three writes, and from the start again");
        assert_eq!(lab.run().await.rows_published, 0);
    }
}

#[tokio::test]
async fn a_store_that_keeps_nothing_is_an_error_and_the_next_run_fills_it() {
    let mut lab = Lab::plain();
    let keeps = Arc::new(AtomicBool::new(false));
    let after = {
        let keeps = Arc::clone(&keeps);
        move |_| !keeps.load(Ordering::SeqCst)
    };
    let store = Arc::new(Wiped::new(lab.clock.clone(), after));
    lab.environment.online = store.clone();
    lab.put("raw/a.parquet", &[row("a", START, 1), row("b", START, 2)]);
    let error = lab.try_run().await.unwrap_err();
    assert!(error.to_string().contains("5 attempts"), "{error}");
    assert!(error.is_retryable());
    assert_eq!(store.writes(), 5);
    keeps.store(true, Ordering::SeqCst);
    assert_eq!(lab.run().await.rows_published, 2);
    assert_eq!(lab.assert_online_is_the_table().await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_table_that_is_made_anew_replaces_the_online_rows_of_the_one_before() {
    for at_once in 1..=3 {
        let lab = Arc::new(Lab::plain());
        for n in 0..4 {
            let file = format!("raw/{n}.parquet");
            lab.put(
                &file,
                &[row("a", START + n * HOUR, n), row("gone", START + n * HOUR, n)],
            );
            lab.run().await;
        }
        let old_version = lab.table().await.version();
        lab.remove_table();
        std::fs::remove_dir_all(lab.path("raw")).unwrap();
        // Older by event time than what is online, in a table with a smaller version.
        lab.put("raw/a.parquet", &[row("a", START, 7), row("b", START, 8)]);
        let runs: Vec<_> = (0..at_once)
            .map(|_| {
                let lab = Arc::clone(&lab);
                tokio::spawn(async move { run(&lab.spec, &lab.environment, &Silent).await })
            })
            .collect();
        for run in runs {
            run.await.unwrap().unwrap();
        }
        assert!(lab.table().await.version() < old_version);
        assert_eq!(lab.assert_online_is_the_table().await, 2);
        assert_eq!(lab.stored("gone").await, None);
        assert_eq!(lab.run().await.rows_published, 0);
    }
}

#[tokio::test]
async fn a_table_that_is_removed_and_a_store_that_is_wiped_under_a_publisher_leave_no_row_of_it() {
    let mut lab = Lab::plain();
    let root = lab.path("features");
    let after = move |write| {
        if write == 1 {
            std::fs::remove_dir_all(&root).unwrap();
        }
        write == 1
    };
    lab.environment.online = Arc::new(Wiped::new(lab.clock.clone(), after));
    lab.put("raw/a.parquet", &many_keys());
    let error = lab.try_run().await.unwrap_err();
    assert!(error.to_string().contains("removed or replaced"), "{error}");
    assert!(error.is_retryable());
    for i in 0..5_000 {
        assert_eq!(lab.stored(&format!("k{i}")).await, None);
    }
    assert_eq!(lab.run().await.rows_published, 5_000);
    assert_eq!(lab.assert_online_is_the_table().await, 5_000);
}

#[tokio::test]
async fn rows_past_their_expiry_are_not_published_and_fresh_ones_are() {
    let mut lab = Lab::plain();
    lab.spec.view.ttl_us = Some(HOUR);
    let now = START + 1000 * HOUR;
    lab.put(
        "raw/a.parquet",
        &[row("a", now - 26 * HOUR, 1), row("b", now - 2 * HOUR, 2)],
    );
    assert_eq!(lab.run().await.rows_published, 1);
    lab.wipe_online();
    assert_eq!(lab.run().await.rows_published, 1);
}

#[tokio::test]
async fn a_store_of_another_owner_is_refused_before_anything_is_written() {
    let mut lab = Lab::plain();
    lab.put("raw/a.parquet", &[row("a", START, 1)]);
    lab.run().await;
    lab.put("raw/b.parquet", &[row("a", START, 2)]);
    let before = lab.listing();
    lab.spec.store.owner = "somebody else".into();
    let message = lab.try_run().await.unwrap_err().to_string();
    assert!(message.contains("belongs to tests, not to somebody else"), "{message}");
    assert_eq!(lab.listing(), before);
}

#[tokio::test]
async fn a_small_budget_spills_and_gives_the_same_table() {
    let rows: Vec<_> = (0..60_000_i64)
        .map(|i| {
            row(
                ["a", "b", "c"][(i % 3) as usize],
                START + (i * 7919 % 60_000) * SECOND,
                i,
            )
        })
        .collect();
    let lab = Lab::plain();
    lab.put("raw/a.parquet", &rows);
    lab.run().await;
    let mut small = Lab::plain();
    small.spec.memory_limit_bytes = 4 << 20;
    small.put("raw/a.parquet", &rows);
    small.run().await;
    assert_eq!(small.current().await, lab.current().await);
    small.assert_online_is_the_table().await;
    assert_eq!(
        std::fs::read_dir(small.folder.path().join("scratch")).unwrap().count(),
        0,
        "scratch is left empty"
    );
}

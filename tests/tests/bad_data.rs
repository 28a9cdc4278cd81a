//! Files and queries that are wrong: the fault is named, the rest is there, nothing else stops.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite")]

use std::collections::BTreeMap;

use triplane_contract::run::{RejectCause, RunReport, RunSpec};
use triplane_tests::fixture::activity::{self, EPOCH_US, Event, HOUR_US};
use triplane_tests::fixture::codebook;
use triplane_tests::fixture::table::Table;
use triplane_tests::process::Program;
use triplane_tests::redis::Redis;
use triplane_tests::run::{Ending, Run};
use triplane_tests::world::World;

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_materializer-killable");
const UPLOADED_S: u64 = (EPOCH_US / 1_000_000) as u64 + 3 * 86_400;
const NOW_US: i64 = EPOCH_US + 4 * 24 * HOUR_US;

/// A bucket with one good file of events.
struct Bucket {
    redis: Redis,
    world: World,
}

impl Bucket {
    fn new() -> Self {
        let redis = Redis::start();
        let world = World::new(redis.access());
        let bucket = Self { redis, world };
        bucket.put("good", &activity::parquet(&good()));
        bucket
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        self.world
            .put(&format!("{}{name}.parquet", activity::FOLDER), bytes, UPLOADED_S);
    }

    fn run(&self, spec: &RunSpec) -> Ending {
        Run::new(&Program::binary(EXECUTABLE), self.world.scratch(), spec, NOW_US).to(None)
    }

    fn materialize(&self) -> RunReport {
        self.run(&activity::run_spec(self.world.access())).report()
    }

    /// The good file's rows are all there, in the table and online, with the windows of the good rows alone.
    fn has_all_good_rows(&self) {
        let table = self.world.table(&activity::view()).expect("a table");
        let expected = activity::expected(&good());
        let current = table.current(&["account"]);
        let found = current
            .keys()
            .map(|row| (row["account"].clone(), row["event_time"].parse::<i64>().unwrap()));
        assert!(found.eq(expected.keys().cloned()), "rows of the good file");
        let accounts = expected
            .keys()
            .map(|(account, _)| account)
            .collect::<std::collections::BTreeSet<_>>()
            .len();
        let online = triplane_tests::online::rows(&self.redis.dump(), &activity::view());
        assert_eq!(online.len(), accounts, "online rows of the good file");
    }
}

fn good() -> Vec<Event> {
    activity::events(EPOCH_US, 200, 5, 1)
}

/// Events far from the good ones, so that their windows do not meet.
fn elsewhere() -> Vec<Event> {
    activity::events(EPOCH_US + 48 * HOUR_US, 20, 5, 2)
}

fn rejected(report: &RunReport) -> BTreeMap<RejectCause, u64> {
    report.rejected.iter().map(|count| (count.cause, count.rows)).collect()
}

#[test]
fn rows_without_key_or_time_and_rows_of_the_future_are_put_aside_with_their_cause() {
    let bucket = Bucket::new();
    let mut events = elsewhere();
    events.truncate(4);
    events[0].account = None;
    events[1].at_us = None;
    events[2].at_us = Some(NOW_US + HOUR_US);
    events[3].account = None;
    bucket.put("bad", &activity::parquet(&events));
    let report = bucket.materialize();
    let expected = [
        (RejectCause::NullKey, 2),
        (RejectCause::NullEventTime, 1),
        (RejectCause::FutureEventTime, 1),
    ];
    assert_eq!(rejected(&report), BTreeMap::from(expected));
    let rejected = bucket.world.rejected(&activity::view());
    let kept = rejected
        .iter()
        .filter(|(path, _)| path.extension().is_some_and(|extension| extension == "ndjson"));
    let rows: usize = kept.map(|(_, lines)| lines.lines().count()).sum();
    assert_eq!(rows, 4, "every rejected row is kept");
    bucket.has_all_good_rows();
}

#[test]
fn a_row_five_minutes_ahead_is_taken_and_one_tick_later_is_not() {
    let bucket = Bucket::new();
    let ahead = |at_us| Event {
        account: Some("ahead".into()),
        at_us: Some(at_us),
        amount: Some(1),
    };
    let limit = NOW_US + 5 * 60 * 1_000_000;
    bucket.put("bad", &activity::parquet(&[ahead(limit), ahead(limit + 1)]));
    let report = bucket.materialize();
    assert_eq!(rejected(&report), BTreeMap::from([(RejectCause::FutureEventTime, 1)]));
    assert_eq!(report.newest_event_us, Some(limit));
}

#[test]
fn a_column_of_another_type_is_put_aside_with_file_and_column_named() {
    let bucket = Bucket::new();
    let wrong = Table::new()
        .text("account", [Some("x"), Some("y")])
        .time("at", [Some(EPOCH_US), Some(EPOCH_US + 1)])
        .text("amount", [Some("much"), Some("more")]);
    bucket.put("wrong-type", &wrong.to_parquet(10));
    let report = bucket.materialize();
    let count = report
        .rejected
        .iter()
        .find(|count| count.cause == RejectCause::WrongType)
        .expect("a wrong type");
    assert!(count.rows >= 1);
    assert!(
        count.example.contains("wrong-type.parquet") && count.example.contains("amount"),
        "{}",
        count.example
    );
    bucket.has_all_good_rows();
}

#[test]
fn a_file_cut_in_half_is_named_and_its_rows_come_with_the_whole_file() {
    let bucket = Bucket::new();
    let whole = activity::parquet(&elsewhere());
    bucket.put("cut", &whole[..whole.len() / 2]);
    let report = bucket.materialize();
    let count = report
        .rejected
        .iter()
        .find(|count| count.cause == RejectCause::UnreadableFile)
        .expect("a bad file");
    assert_eq!(count.rows, 1);
    assert!(count.example.contains("cut.parquet"), "{}", count.example);
    bucket.has_all_good_rows();

    bucket
        .world
        .put(&format!("{}cut.parquet", activity::FOLDER), &whole, UPLOADED_S + 60);
    bucket.materialize();
    let events: Vec<Event> = good().into_iter().chain(elsewhere()).collect();
    let rows = bucket
        .world
        .table(&activity::view())
        .unwrap()
        .current(&["account"])
        .len();
    assert_eq!(rows, activity::expected(&events).len());
}

/// The run fails, its message has all of `words`, and another view of the same bucket still materializes.
fn refused(query: &str, lookback_us: i64, words: &[&str]) {
    let bucket = Bucket::new();
    let mut spec = activity::run_spec(bucket.world.access());
    spec.transform.query = Some(query.into());
    spec.transform.lookback_us = lookback_us;
    let Ending::Failed(message) = bucket.run(&spec) else {
        panic!("the query went through: {query}")
    };
    for word in words.iter().chain(&["account-activity"]) {
        assert!(message.contains(word), "\"{word}\" is not in: {message}");
    }
    assert!(bucket.redis.dump().is_empty(), "nothing is published");

    bucket.world.put(
        &format!("{}1.parquet", codebook::FOLDER),
        &codebook::parquet(EPOCH_US),
        UPLOADED_S,
    );
    let report = bucket.run(&codebook::run_spec(bucket.world.access())).report();
    assert_eq!(report.rows, codebook::ACCOUNTS);
    bucket.materialize();
    bucket.has_all_good_rows();
}

#[test]
fn a_query_that_does_not_parse_is_refused() {
    refused("SELECT account, at FROMM events WHERE", 0, &["query"]);
}

#[test]
fn a_query_over_an_unknown_column_is_refused_by_its_name() {
    refused(
        "SELECT account, at, amont AS events_6h, 1 AS amount_6h, 1 AS largest_6h FROM events",
        0,
        &["amont"],
    );
}

#[test]
fn a_window_without_lookback_is_refused() {
    let query = "SELECT account, at, count(*) OVER w AS events_6h, sum(amount) OVER w AS amount_6h, \
        max(amount) OVER w AS largest_6h FROM events WINDOW w AS (PARTITION BY account ORDER BY at)";
    refused(query, 0, &["lookback"]);
}

#[test]
fn a_volatile_function_is_refused() {
    let query = "SELECT account, at, CAST(random() * 10 AS BIGINT) AS events_6h, amount AS amount_6h, \
        amount AS largest_6h FROM events";
    refused(query, 0, &["random"]);
}

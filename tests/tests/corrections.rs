//! Late files, corrected files, retracted rows, removed files: the current rows are those of a build from scratch on the
//! corrected data.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite")]

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use triplane_tests::delta::Row;
use triplane_tests::fixture::activity::{self, EPOCH_US, Event, HOUR_US};
use triplane_tests::online;
use triplane_tests::process::Program;
use triplane_tests::redis::Redis;
use triplane_tests::run::Run;
use triplane_tests::world::World;

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_materializer-killable");
const UPLOADED_S: u64 = (EPOCH_US / 1_000_000) as u64 + 3 * 86_400;
const NOW_US: i64 = EPOCH_US + 10 * 24 * HOUR_US;

/// A bucket whose files change as time passes.
struct Bucket {
    redis: Redis,
    world: World,
    files: BTreeMap<String, Vec<Event>>,
    uploads: u64,
}

impl Bucket {
    fn new() -> Self {
        let redis = Redis::start();
        let world = World::new(redis.access());
        Self {
            redis,
            world,
            files: BTreeMap::new(),
            uploads: 0,
        }
    }

    /// Two days of events have been materialized.
    fn with_two_days() -> Self {
        let mut bucket = Self::new();
        bucket.put("1", activity::events(EPOCH_US, 250, 6, 1));
        bucket.put("2", activity::events(EPOCH_US + 12 * HOUR_US, 250, 6, 2));
        bucket.materialize();
        bucket
    }

    fn put(&mut self, name: &str, events: Vec<Event>) {
        self.uploads += 1;
        self.world
            .put(&path(name), &activity::parquet(&events), UPLOADED_S + self.uploads * 60);
        self.files.insert(name.into(), events);
    }

    fn change(&mut self, name: &str, change: impl FnOnce(&mut Vec<Event>)) {
        let mut events = self.files[name].clone();
        change(&mut events);
        self.put(name, events);
    }

    fn remove(&mut self, name: &str) {
        self.world.remove(&path(name));
        self.files.remove(name);
    }

    fn materialize(&self) {
        let spec = activity::run_spec(self.world.access());
        Run::new(&Program::binary(EXECUTABLE), self.world.scratch(), &spec, NOW_US)
            .to(None)
            .report();
    }

    /// Brings table and store up to date and compares them with the slow truth and with a build from scratch.
    fn check(&self, what: &str) {
        self.materialize();
        let view = activity::view();
        let events: Vec<Event> = self.files.values().flatten().cloned().collect();
        let table = self.world.table(&view).expect("a table");
        let current = table.current(&["account"]);
        assert_eq!(windows(&current), activity::expected(&events), "{what}: current rows");

        let scratch = Self {
            uploads: 0,
            ..Self::new()
        };
        for (index, (name, events)) in self.files.iter().enumerate() {
            scratch
                .world
                .put(&path(name), &activity::parquet(events), UPLOADED_S + index as u64);
        }
        scratch.materialize();
        let rebuilt = scratch
            .world
            .table(&view)
            .map(|table| table.current(&["account"]))
            .unwrap_or_default();
        assert_eq!(current, rebuilt, "{what}: a build from scratch");
        let served = |redis: &Redis| online::rows(&redis.dump(), &view);
        assert_eq!(served(&self.redis), served(&scratch.redis), "{what}: online rows");
    }
}

fn path(name: &str) -> String {
    format!("{}{name}.parquet", activity::FOLDER)
}

/// Rows of the table as the oracle has them.
fn windows(current: &BTreeMap<Row, Row>) -> BTreeMap<(String, i64), activity::Window> {
    let number = |row: &Row, name: &str| row.get(name).map(|text| text.parse::<i64>().unwrap());
    current
        .iter()
        .map(|(identity, row)| {
            let window = (
                number(row, "events_6h").unwrap(),
                number(row, "amount_6h"),
                number(row, "largest_6h"),
            );
            (
                (identity["account"].clone(), number(identity, "event_time").unwrap()),
                window,
            )
        })
        .collect()
}

/// Index of the newest event of the account of `events[0]`.
fn newest_of_first(events: &[Event]) -> usize {
    let mine = events
        .iter()
        .enumerate()
        .filter(|(_, event)| event.account == events[0].account);
    mine.max_by_key(|(_, event)| event.at_us).expect("at least the first").0
}

#[test]
fn a_first_build_says_what_the_windows_say() {
    Bucket::with_two_days().check("first build");
}

#[test]
fn a_late_file_changes_the_windows_it_falls_into() {
    let mut bucket = Bucket::with_two_days();
    bucket.put("0-late", activity::events(EPOCH_US + 3 * HOUR_US, 60, 8, 3));
    bucket.check("late file");
}

#[test]
fn a_corrected_file_replaces_what_it_said_before() {
    let mut bucket = Bucket::with_two_days();
    bucket.change("1", |events| {
        for event in events.iter_mut().step_by(4) {
            event.amount = Some(5_000);
        }
    });
    bucket.check("corrected amounts");
    bucket.change("1", |events| {
        for event in events.iter_mut().step_by(7) {
            event.at_us = event.at_us.map(|at| at + 8 * HOUR_US);
        }
    });
    bucket.check("corrected times");
}

#[test]
fn a_retracted_row_leaves_the_next_older_one_and_an_only_one_leaves_nothing() {
    let mut bucket = Bucket::with_two_days();
    let lonely = Event {
        account: Some("lonely".into()),
        at_us: Some(EPOCH_US + HOUR_US),
        amount: Some(1),
    };
    bucket.change("2", |events| events.push(lonely.clone()));
    bucket.check("an account of one event");
    bucket.change("2", |events| {
        events.pop();
        let newest = newest_of_first(events);
        events.remove(newest);
    });
    bucket.check("retracted rows");
    bucket.change("2", |events| events.push(lonely));
    bucket.check("a retracted row that came back");
}

#[test]
fn a_removed_file_takes_its_rows_with_it() {
    let mut bucket = Bucket::with_two_days();
    bucket.remove("2");
    bucket.check("removed file");
    bucket.put("2", activity::events(EPOCH_US + 12 * HOUR_US, 250, 6, 2));
    bucket.check("removed file put back");
}

#[test]
fn any_history_of_changes_ends_as_a_build_from_scratch() {
    for seed in 0..3 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut bucket = Bucket::with_two_days();
        for step in 0..5 {
            let names: Vec<String> = bucket.files.keys().cloned().collect();
            let name = names.choose(&mut random).cloned().unwrap_or_else(|| "1".into());
            match random.random_range(0..4) {
                0 => {
                    let from = EPOCH_US + random.random_range(0..36) * HOUR_US;
                    let events = activity::events(from, 40, 6, 100 * seed + step);
                    bucket.put(&format!("late-{step}"), events);
                }
                1 if names.len() > 1 => bucket.remove(&name),
                2 => bucket.change(&name, |events| events.retain(|_| random.random_bool(0.7))),
                _ => bucket.change(&name, |events| {
                    for event in events {
                        if random.random_bool(0.3) {
                            event.amount = Some(random.random_range(0..1_000));
                        }
                    }
                }),
            }
            if step % 2 == 0 {
                bucket.materialize();
            }
        }
        bucket.check(&format!("history {seed}"));
    }
}

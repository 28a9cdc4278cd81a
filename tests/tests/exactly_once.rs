//! A run may be killed anywhere, raced, or find its store wiped: table and online store end as if nothing had happened.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a suite"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use triplane_contract::run::RunSpec;
use triplane_tests::delta::Table;
use triplane_tests::fixture::activity::{self, EPOCH_US, Event, HOUR_US};
use triplane_tests::kill::{Cut, Phase, Point, When};
use triplane_tests::online::without_tokens;
use triplane_tests::process::Program;
use triplane_tests::redis::{Entry, Redis};
use triplane_tests::run::{Ending, Run};
use triplane_tests::world::World;

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_materializer-killable");
const EVENTS_PER_FILE: usize = 300;
/// Last-Modified of the first files, seconds.
const UPLOADED_S: u64 = (EPOCH_US / 1_000_000) as u64 + 3 * 86_400;
const NOW_US: i64 = EPOCH_US + 4 * 24 * HOUR_US;

/// Everything a run leaves behind.
#[derive(Debug, PartialEq)]
struct Left {
    table: Table,
    rejected: BTreeMap<PathBuf, String>,
    online: BTreeMap<Vec<u8>, Entry>,
}

/// Where a test begins: objects that have arrived, and an online store kept beside itself.
struct Start {
    redis: Redis,
    world: World,
    spec: RunSpec,
}

impl Start {
    /// Two files have arrived and nothing has run.
    fn fresh() -> Self {
        let redis = Redis::start();
        let world = World::new(redis.access());
        let spec = activity::run_spec(world.access());
        put(&world, "1", &file(1), 0);
        put(&world, "2", &file(2), 0);
        redis.keep();
        Self { redis, world, spec }
    }

    /// Then run 1 has gone through, and a corrected file, a late one and rows that have to be rejected have arrived.
    fn corrected() -> Self {
        let start = Self::fresh();
        start.run(&start.world).to(None).report();
        put(&start.world, "2", &corrected(), 3_600);
        put(&start.world, "3-late", &late(), 3_600);
        start.redis.keep();
        start
    }

    fn run(&self, world: &World) -> Run {
        let spec = RunSpec {
            store: world.access(),
            ..self.spec.clone()
        };
        Run::new(&Program::binary(EXECUTABLE), world.scratch(), &spec, NOW_US)
    }

    /// A bucket like the one at the start, and the online store as it was.
    fn again(&self) -> World {
        self.redis.bring_back();
        self.world.fork()
    }

    fn left(&self, world: &World) -> Left {
        Left {
            table: world.table(&self.spec.view).expect("a table"),
            rejected: world.rejected(&self.spec.view),
            online: without_tokens(self.redis.dump()),
        }
    }

    fn undisturbed(&self) -> Left {
        let world = self.again();
        self.run(&world).to(None).report();
        self.left(&world)
    }
}

fn put(world: &World, name: &str, events: &[Event], later_s: u64) {
    world.put(
        &format!("{}{name}.parquet", activity::FOLDER),
        &activity::parquet(events),
        UPLOADED_S + later_s,
    );
}

fn file(number: u64) -> Vec<Event> {
    let from = EPOCH_US + (number as i64 - 1) * 12 * HOUR_US;
    activity::events(from, EVENTS_PER_FILE, 7, number)
}

/// File 2 as its writer should have sent it: amounts changed, rows gone, and two that have to be rejected.
fn corrected() -> Vec<Event> {
    let mut events = file(2);
    events.retain(|event| event.at_us.is_none_or(|at| at / 1_000_000 % 5 != 0));
    for event in events.iter_mut().step_by(3) {
        event.amount = event.amount.map(|amount| amount + 1);
    }
    events[10].account = None;
    events[20].at_us = Some(NOW_US + 24 * HOUR_US);
    events
}

/// Events of the first day that arrive after everything else.
fn late() -> Vec<Event> {
    activity::events(EPOCH_US + 2 * HOUR_US, 80, 9, 3)
}

/// Kill points over all phases: per phase up to `per_phase` calls, spread, in turn before, after and halfway.
fn spread(calls: &[(Phase, String)], per_phase: usize) -> Vec<(Phase, Cut)> {
    let mut cuts = Vec::new();
    for phase in [
        Phase::Plan,
        Phase::Transform,
        Phase::Commit,
        Phase::Publish,
        Phase::Report,
    ] {
        let numbers: Vec<usize> = (1..=calls.len())
            .filter(|number| calls[number - 1].0 == phase)
            .collect();
        let chosen = per_phase.min(numbers.len());
        for index in 0..chosen {
            let number = numbers[index * numbers.len() / chosen];
            let call = calls[number - 1].1.as_str();
            let at = if call.starts_with("report") {
                Point::Report
            } else {
                Point::Call(number)
            };
            let first = if call.starts_with("online.write") {
                When::Halfway
            } else {
                When::Before
            };
            cuts.extend([first, When::After].map(|when| (phase, Cut { when, at })));
        }
    }
    cuts
}

/// Kills a run at points spread over it, runs again, and compares with the undisturbed run.
fn killed_anywhere(start: &Start) {
    let world = start.again();
    let calls = start.run(&world).calls();
    let expected = start.left(&world);
    let mut kills: BTreeMap<Phase, usize> = BTreeMap::new();
    for (phase, cut) in spread(&calls, 4) {
        let world = start.again();
        let run = start.run(&world);
        match run.to(Some(cut)) {
            Ending::Killed => *kills.entry(phase).or_default() += 1,
            // Calls that are made at the same time are not always as many: the run had ended before.
            Ending::Done(_) => println!("{cut} in {phase:?} came too late"),
            Ending::Failed(message) => panic!("{cut} in {phase:?}: {message}"),
        }
        run.to(None).report();
        assert_eq!(start.left(&world), expected, "killed {cut} in {phase:?}");
    }
    println!("{} calls in an undisturbed run; killed {kills:?}", calls.len());
    assert_eq!(kills.len(), 5, "{calls:?}");
    assert!(kills.values().sum::<usize>() >= 20, "{calls:?}");
}

#[test]
fn a_first_run_killed_anywhere_and_run_again_leaves_what_an_undisturbed_one_leaves() {
    killed_anywhere(&Start::fresh());
}

#[test]
fn a_later_run_with_corrections_killed_anywhere_and_run_again_leaves_what_an_undisturbed_one_leaves() {
    let start = Start::corrected();
    assert!(
        !start.undisturbed().rejected.is_empty(),
        "the fixture has rows to reject"
    );
    killed_anywhere(&start);
}

#[test]
fn runs_at_once_leave_what_one_leaves() {
    for start in [Start::fresh(), Start::corrected()] {
        let expected = start.undisturbed();
        for round in 0..6 {
            let world = start.again();
            for ending in start.run(&world).at_once(2 + round % 2) {
                ending.report();
            }
            assert_eq!(start.left(&world), expected, "round {round}");
        }
    }
}

#[test]
fn a_run_beside_one_that_is_killed_leaves_what_one_leaves() {
    let start = Start::corrected();
    let expected = start.undisturbed();
    let calls = start.run(&start.again()).calls().len();
    for share in [0.3, 0.6, 0.9] {
        let world = start.again();
        let run = start.run(&world);
        let cut = Cut {
            when: When::After,
            at: Point::Call((calls as f64 * share) as usize),
        };
        std::thread::scope(|scope| {
            let killed = scope.spawn(|| run.to(Some(cut)));
            run.to(None).report();
            killed.join().unwrap();
        });
        run.to(None).report();
        assert_eq!(start.left(&world), expected, "killed {cut} beside another");
    }
}

#[test]
fn a_wiped_online_store_is_refilled_by_the_next_run() {
    let start = Start::corrected();
    let world = start.again();
    start.run(&world).to(None).report();
    let expected = start.left(&world);
    start.redis.wipe();
    let report = start.run(&world).to(None).report();
    assert_eq!(report.rows_appended, 0, "nothing has arrived");
    assert_eq!(start.left(&world), expected);
}

#[test]
fn a_run_without_arrivals_changes_nothing() {
    let start = Start::corrected();
    let world = start.again();
    start.run(&world).to(None).report();
    let expected = start.left(&world);
    let report = start.run(&world).to(None).report();
    assert_eq!((report.rows_appended, report.rows_published), (0, 0));
    assert_eq!(start.left(&world), expected);
}

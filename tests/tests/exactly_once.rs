//! A run may be killed anywhere, raced, or find its store wiped: table and online store end as if nothing had happened.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a suite"
)]

use std::collections::BTreeMap;

use triplane_tests::kill::{CommandProxies, Cut, Inside, Phase, Point, When};
use triplane_tests::minio::Minio;
use triplane_tests::process::Program;
use triplane_tests::redis::Redis;
use triplane_tests::run::Ending;
use triplane_tests::s3_proxy::S3Proxy;
use triplane_tests::start::Start;
use triplane_tests::world::World;

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_materializer-killable");

fn fresh() -> Start {
    Start::fresh(
        Program::binary(EXECUTABLE),
        Redis::start(),
        World::new,
        Box::new(Inside),
    )
}

fn corrected() -> Start {
    fresh().corrected()
}

/// The same on MinIO, whose requests a proxy counts.
fn fresh_on_s3() -> Start {
    let minio = Minio::shared();
    let proxy = S3Proxy::start(minio.address());
    let world = |online| World::on_minio(&minio, online);
    Start::fresh(Program::binary(EXECUTABLE), Redis::start(), world, Box::new(proxy))
}

/// The same, on whose online store a proxy counts the commands.
fn fresh_counted_by_redis() -> Start {
    let mut redis = Redis::start();
    let proxies = CommandProxies::before(&mut redis);
    Start::fresh(Program::binary(EXECUTABLE), redis, World::new, Box::new(proxies))
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

/// Kills a run at points spread over `phases` steps, runs again, and compares with the undisturbed run.
fn killed_anywhere(start: &Start, phases: usize, per_phase: usize) {
    let world = start.again();
    let calls = start.killer.calls(&start.run(&world));
    let expected = start.left(&world);
    let mut kills: BTreeMap<Phase, usize> = BTreeMap::new();
    for (phase, cut) in spread(&calls, per_phase) {
        let world = start.again();
        let run = start.run(&world);
        match start.killer.to(&run, cut) {
            Ending::Killed => *kills.entry(phase).or_default() += 1,
            // Calls that are made at the same time are not always as many: the run had ended before.
            Ending::Done(_) => println!("{cut} in {phase:?} came too late"),
            Ending::Failed(message) => panic!("{cut} in {phase:?}: {message}"),
        }
        run.to(None).report();
        assert_eq!(start.left(&world), expected, "killed {cut} in {phase:?}");
    }
    println!("{} calls in an undisturbed run; killed {kills:?}", calls.len());
    assert_eq!(kills.len(), phases, "{calls:?}");
    assert!(kills.values().sum::<usize>() >= 20, "{calls:?}");
}

#[test]
fn a_first_run_killed_anywhere_and_run_again_leaves_what_an_undisturbed_one_leaves() {
    killed_anywhere(&fresh(), 5, 4);
}

#[test]
fn a_later_run_with_corrections_killed_anywhere_and_run_again_leaves_what_an_undisturbed_one_leaves() {
    let start = corrected();
    assert!(
        !start.undisturbed().rejected.is_empty(),
        "the fixture has rows to reject"
    );
    killed_anywhere(&start, 5, 4);
}

/// Requests of the report are not told from those of the step before it.
#[test]
fn a_first_run_killed_at_requests_to_s3_and_run_again_leaves_what_an_undisturbed_one_leaves() {
    killed_anywhere(&fresh_on_s3(), 4, 4);
}

#[test]
fn a_later_run_killed_at_requests_to_s3_and_run_again_leaves_what_an_undisturbed_one_leaves() {
    killed_anywhere(&fresh_on_s3().corrected(), 4, 4);
}

#[test]
fn a_first_run_killed_at_commands_to_redis_and_run_again_leaves_what_an_undisturbed_one_leaves() {
    killed_anywhere(&fresh_counted_by_redis(), 1, 12);
}

#[test]
fn a_later_run_killed_at_commands_to_redis_and_run_again_leaves_what_an_undisturbed_one_leaves() {
    killed_anywhere(&fresh_counted_by_redis().corrected(), 1, 12);
}

#[test]
fn runs_at_once_leave_what_one_leaves() {
    for start in [fresh(), corrected()] {
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
    let start = corrected();
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
    let start = corrected();
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
    let start = corrected();
    let world = start.again();
    start.run(&world).to(None).report();
    let expected = start.left(&world);
    let report = start.run(&world).to(None).report();
    assert_eq!((report.rows_appended, report.rows_published), (0, 0));
    assert_eq!(start.left(&world), expected);
}

//! Two processes at work on the same run of the same bucket on S3: one table, no row twice.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a suite"
)]

use triplane_tests::kill::Inside;
use triplane_tests::minio::Minio;
use triplane_tests::process::Program;
use triplane_tests::redis::Redis;
use triplane_tests::start::Start;
use triplane_tests::world::World;

const EXECUTABLE: &str = env!("CARGO_BIN_EXE_materializer-killable");

fn fresh() -> Start {
    let minio = Minio::shared();
    let world = |online| World::on_minio(&minio, online);
    Start::fresh(Program::binary(EXECUTABLE), Redis::start(), world, Box::new(Inside))
}

fn races(start: &Start, rounds: usize) {
    let expected = start.undisturbed();
    let facts = &expected.table.facts;
    assert!(facts.is_sorted() && facts.windows(2).all(|pair| pair[0] != pair[1]));
    for round in 0..rounds {
        let world = start.again();
        for ending in start.run(&world).at_once(2) {
            ending.report();
        }
        assert_eq!(start.left(&world), expected, "round {round}");
    }
    println!("{rounds} races: {} facts each time", facts.len());
}

#[test]
fn first_runs_that_race_make_one_table() {
    races(&fresh(), 25);
}

#[test]
fn later_runs_that_race_commit_once() {
    races(&fresh().corrected(), 25);
}

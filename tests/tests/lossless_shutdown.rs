//! A server ends under load and nobody notices; many clients at once never get each other's answers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a suite"
)]

use std::time::Duration;

use triplane_tests::balancer::Balancer;
use triplane_tests::fixture::codebook::without_hurry;
use triplane_tests::fixture::traffic::Codes;
use triplane_tests::load::{Load, Rate, Summary};
use triplane_tests::process::Program;
use triplane_tests::redis::Redis;
use triplane_tests::serving::{Codebook, ServerProcess};
use triplane_tests::wait;

const SERVER: &str = env!("CARGO_BIN_EXE_server");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_ends_under_load_loses_no_request() {
    let redis = Redis::start();
    let codebook = Codebook::materialized(&redis).await;
    let routes = codebook.routes_through(redis.address());
    let mut leaving = ServerProcess::start(&Program::binary(SERVER), &routes);
    let staying = ServerProcess::start(&Program::binary(SERVER), &routes);
    let balancer = Balancer::start(&[leaving.address(), staying.address()]).await;
    wait::until("both servers are ready", Duration::from_secs(30), async || {
        balancer.ready() == 2
    })
    .await;

    let rate = Rate {
        per_second: 400.0,
        connections: 64,
        requests: u64::MAX,
    };
    let load = Load::start(balancer.address(), rate, Codes::all());
    wait::until("both servers answer", Duration::from_secs(30), async || {
        leaving.requests().await > 200 && staying.requests().await > 200
    })
    .await;
    let told = load.elapsed();
    leaving.terminate();
    let status = leaving.wait(Duration::from_secs(40)).await.expect("the server ends");
    let ended = load.elapsed();
    assert!(status.success(), "a server told to end exits with 0, not {status}");
    let before = staying.requests().await;
    wait::until("the other one carries on", Duration::from_secs(30), async || {
        staying.requests().await > before + 400
    })
    .await;

    let samples = load.stop().await;
    let sum = Summary::of(&samples);
    println!("{sum:?}; drained in {:?}", ended.saturating_sub(told));
    for sample in samples.iter().filter(|sample| sample.status != Ok(200)) {
        println!("request {} due at {:?}: {:?}", sample.index, sample.due, sample.status);
    }
    assert_eq!((sum.ok, sum.refused, sum.lost, sum.crossed), (sum.requests, 0, 0, 0));
    let during = samples
        .iter()
        .filter(|sample| (told..ended).contains(&sample.due))
        .count();
    assert!(during > 0, "the load went on while the server was ending");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_predictions_over_64_connections_each_get_their_own_answer() {
    let redis = Redis::start();
    let codebook = Codebook::materialized(&redis).await;
    let mut routes = codebook.routes_through(redis.address());
    without_hurry(&mut routes);
    let server = ServerProcess::start(&Program::binary(SERVER), &routes);
    let rate = Rate {
        per_second: f64::INFINITY,
        connections: 64,
        requests: 10_000,
    };
    let load = Load::start(server.address(), rate, Codes::all());
    let samples = load.finish().await;
    let sum = Summary::of(&samples);
    println!("{sum:?}");
    assert_eq!((sum.requests, sum.ok, sum.crossed), (10_000, 10_000, 0));
    assert_eq!(
        sum.flagged, 0,
        "a default would hide a crossed row: every answer has to spell its entity's codes"
    );
}

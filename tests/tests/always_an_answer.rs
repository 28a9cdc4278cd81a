//! The store of features stops, dies, comes back empty, gets slow: every request is answered in time, and says what it is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a suite that prints its figures"
)]

use std::time::Duration;

use triplane_tests::fixture::traffic::Codes;
use triplane_tests::load::{Load, Rate, Sample, Summary};
use triplane_tests::process::Program;
use triplane_tests::proxy::{Fault, Proxies};
use triplane_tests::redis::Redis;
use triplane_tests::serving::{Codebook, ServerProcess};
use triplane_tests::wait;

const SERVER: &str = env!("CARGO_BIN_EXE_server");
/// Enough that nobody waits for a connection while answers take their whole deadline.
const CONNECTIONS: usize = 256;
const CAP_PER_SECOND: f64 = 500.0;
/// Accounts whose rows the server gets to know while the store is well.
const REGULARS: u64 = 1_000;
/// The default of an InferenceService.
const DEADLINE: Duration = Duration::from_millis(100);
/// What a busy machine of two cores, which the load generator shares, may add to what a client sees.
const MARGIN: Duration = Duration::from_millis(400);

/// What answers of a phase have to be.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Expected {
    /// From features.
    Full,
    /// Flagged: default, imputed or stale.
    Degraded,
    /// Either: the breaker is on its way.
    Mixed,
}

struct Phase {
    name: &'static str,
    expected: Expected,
    from: Duration,
}

/// The world of the suite and the course of its load.
struct Course {
    redis: Redis,
    proxy: Proxies,
    codebook: Codebook,
    server: ServerProcess,
    load: Load<Codes>,
    phases: Vec<Phase>,
}

impl Course {
    async fn start() -> Self {
        let mut redis = Redis::start();
        let proxy = Proxies::before(&mut redis).await;
        let codebook = Codebook::materialized(&redis).await;
        let server = ServerProcess::start(&Program::binary(SERVER), &codebook.routes_through(proxy.address()));
        let capacity = capacity(&server).await;
        let rate = (capacity / 4.0).min(CAP_PER_SECOND).floor();
        println!("capacity {capacity:.0}/s (closed loop, 32 connections); constant rate {rate}/s, open loop");
        let rate = Rate {
            per_second: rate,
            connections: CONNECTIONS,
            requests: u64::MAX,
        };
        let load = Load::start(server.address(), rate, Codes::with_strangers(REGULARS));
        Self {
            redis,
            proxy,
            codebook,
            server,
            load,
            phases: Vec::new(),
        }
    }

    fn phase(&mut self, name: &'static str, expected: Expected) {
        self.phases.push(Phase {
            name,
            expected,
            from: self.load.elapsed(),
        });
    }

    /// Lets the load go on for `seconds`.
    async fn go_on(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    async fn until_breaker(&self, state: &str) {
        let what = format!("the breaker is {state}");
        wait::until(&what, Duration::from_secs(30), async || {
            self.server.breaker().await == state
        })
        .await;
    }

    /// A fault that opens the breaker, then its end.
    async fn outage(&mut self, name: &'static str, healed: &'static str, begin: fn(&mut Self), end: fn(&mut Self)) {
        self.phase(name, Expected::Degraded);
        begin(self);
        self.until_breaker("open").await;
        self.go_on(3).await;
        self.phase("(healing)", Expected::Mixed);
        end(self);
        self.codebook.materialize().await;
        self.until_breaker("closed").await;
        self.phase(healed, Expected::Full);
        self.go_on(2).await;
    }
}

async fn capacity(server: &ServerProcess) -> f64 {
    let closed = |requests| {
        let rate = Rate {
            per_second: f64::INFINITY,
            connections: 32,
            requests,
        };
        Load::start(server.address(), rate, Codes::regulars(REGULARS))
    };
    closed(2_000).finish().await;
    let load = closed(u64::MAX);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let elapsed = load.elapsed();
    let samples = load.stop().await;
    Summary::of(&samples).ok as f64 / elapsed.as_secs_f64()
}

/// `noise_ms`: what the machine does to answers while the store is well.
fn check(phase: &Phase, sum: &Summary, noise_ms: f64) {
    let name = phase.name;
    assert_eq!(
        (sum.ok, sum.refused, sum.lost),
        (sum.requests, 0, 0),
        "{name}: every request is answered 200"
    );
    assert_eq!(sum.crossed, 0, "{name}: an answer that belongs to another request");
    let allowed = (DEADLINE + MARGIN).as_secs_f64() * 1e3 + noise_ms;
    assert!(
        sum.service_max_ms <= allowed,
        "{name}: an answer after {:.0} ms",
        sum.service_max_ms
    );
    // Some requests of a phase are under way when its fault begins, and a busy machine makes some reads late.
    let flagged = sum.flagged as f64 / sum.requests as f64;
    match phase.expected {
        Expected::Full => assert!(flagged < 0.25, "{name}: {flagged:.3} of the answers are flagged"),
        Expected::Degraded => {
            assert!(flagged > 0.9, "{name}: only {flagged:.3} of the answers are flagged");
            assert!(
                sum.stale > 0,
                "{name}: known entities are answered from their last known rows"
            );
            assert!(sum.default > 0, "{name}: others get the default prediction");
        }
        Expected::Mixed => {}
    }
}

/// Prints every phase; their figures in order.
fn figures(phases: &[Phase], samples: &[Sample]) -> Vec<Summary> {
    println!(
        "{:<20} {:>8} {:>6} {:>9} {:>8} {:>8} {:>6} {:>7} {:>7} {:>7} {:>7}",
        "phase", "requests", "200", "> 100 ms", "default", "imputed", "stale", "p50 ms", "p99", "p99.9", "max"
    );
    let ends = phases.iter().skip(1).map(|phase| phase.from).chain([Duration::MAX]);
    let mut sums = Vec::new();
    for (phase, end) in phases.iter().zip(ends) {
        let inside: Vec<&Sample> = samples.iter().filter(|s| s.due >= phase.from && s.due < end).collect();
        let late = inside.iter().filter(|sample| sample.service > DEADLINE).count();
        let sum = Summary::of(inside.iter().copied());
        let [p50, p99, p999, max] = sum.latency_ms;
        println!(
            "{:<20} {:>8} {:>6} {late:>9} {:>8} {:>8} {:>6} {p50:>7.1} {p99:>7.1} {p999:>7.1} {max:>7.1}",
            phase.name, sum.requests, sum.ok, sum.default, sum.imputed, sum.stale
        );
        sums.push(sum);
    }
    sums
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_is_answered_in_time_and_flagged_whatever_the_store_does() {
    let mut course = Course::start().await;
    course.phase("healthy", Expected::Full);
    course.go_on(3).await;
    course
        .outage("stopped (SIGSTOP)", "continued", |c| c.redis.stop(), |c| c.redis.cont())
        .await;
    course
        .outage(
            "killed (SIGKILL)",
            "restarted, refilled",
            |c| c.redis.kill(),
            |c| c.redis.restart(),
        )
        .await;
    let slow = |course: &mut Course| course.proxy.set(Fault::Delay(Duration::from_millis(60)));
    course
        .outage("slow by 60 ms", "fast again", slow, |c| c.proxy.set(Fault::Pass))
        .await;
    let slower = |course: &mut Course| course.proxy.set(Fault::Delay(Duration::from_secs(2)));
    course
        .outage("slow by 2 s", "fast again", slower, |c| c.proxy.set(Fault::Pass))
        .await;
    course
        .outage(
            "black hole",
            "through again",
            |c| c.proxy.set(Fault::BlackHole),
            |c| c.proxy.set(Fault::Pass),
        )
        .await;
    let samples = course.load.stop().await;
    let sums = figures(&course.phases, &samples);
    let well = course
        .phases
        .iter()
        .zip(&sums)
        .filter(|(phase, _)| phase.expected == Expected::Full);
    let noise_ms = well.map(|(_, sum)| sum.service_max_ms).fold(0.0, f64::max);
    println!("longest answer while the store was well: {noise_ms:.1} ms");
    for (phase, sum) in course.phases.iter().zip(&sums) {
        check(phase, sum, noise_ms);
    }
}

//! What can happen to a Redis Cluster under a service with a constant load and a job that publishes: every request is answered,
//! no row is lost. Prints a table.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a suite that prints its figures"
)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;
use triplane_contract::store::OnlineAccess;
use triplane_feature_store::online::redis::acl::{Role, rules};
use triplane_feature_store::row::Header;
use triplane_feature_store::{Clock, SystemClock};
use triplane_materializer::RunError;
use triplane_test_servers::{Migration, Redis, RedisCluster};
use triplane_tests::fixture::codebook::ACCOUNTS;
use triplane_tests::fixture::traffic::Codes;
use triplane_tests::load::{Load, Rate, Sample, Summary};
use triplane_tests::process::Program;
use triplane_tests::proxy::Proxy;
use triplane_tests::serving::{Codebook, ServerProcess};

const SERVER: &str = env!("CARGO_BIN_EXE_server");
const PER_SECOND: f64 = 200.0;
const REGULARS: u64 = 1_000;
const PREFIX: &str = "flights:";
/// The default of an InferenceService.
const DEADLINE: Duration = Duration::from_millis(100);
/// What a busy machine of two cores, which everything shares, may add to what a client sees.
const MARGIN: Duration = Duration::from_millis(400);
/// Answers without a flag after which the service counts as healed.
const HEALED: usize = 200;

/// A user of the cluster, with the password in a file.
struct User {
    name: &'static str,
    role: Role,
    file: NamedTempFile,
}

impl User {
    fn new(name: &'static str, role: Role) -> Self {
        let file = NamedTempFile::new().unwrap();
        let user = Self { name, role, file };
        user.write("first");
        user
    }

    fn write(&self, password: &str) {
        std::fs::write(self.file.path(), format!("{password}\n")).unwrap();
    }

    /// Makes the user known to `node`, with `password` alone.
    fn set(&self, node: &Redis, password: &str) {
        let rules = rules(self.role, PREFIX);
        node.say::<()>(&format!("ACL SETUSER {} {} >{password}", self.name, rules.join(" ")));
    }

    fn access(&self, address: String) -> OnlineAccess {
        OnlineAccess::Redis {
            address,
            prefix: PREFIX.to_owned(),
            username: Some(self.name.to_owned()),
            password_file: Some(self.file.path().display().to_string()),
        }
    }
}

/// A cluster that is reached by one address, as by a Service, its users, a job's world, and a server under load.
struct World {
    cluster: RedisCluster,
    front: Proxy,
    reader: User,
    writer: User,
    codebook: Codebook,
    server: ServerProcess,
    load: Load<Codes>,
    files: u64,
}

/// One line of the table.
struct Line {
    fault: &'static str,
    answers: Summary,
    late: usize,
    failed_runs: Vec<String>,
    published_after: Duration,
    healed_after: Duration,
    lost: usize,
}

impl World {
    async fn start() -> Self {
        let cluster = RedisCluster::start();
        let (reader, writer) = (User::new("reader", Role::Reader), User::new("writer", Role::Writer));
        let front = Proxy::start(cluster.address()).await;
        for user in [&reader, &writer] {
            cluster.nodes().iter().for_each(|node| user.set(node, "first"));
        }
        let codebook = Codebook::on(writer.access(front.address())).await;
        let routes = codebook.routes_on(reader.access(front.address()));
        let server = ServerProcess::start(&Program::binary(SERVER), &routes);
        let rate = Rate {
            per_second: PER_SECOND,
            connections: 128,
            requests: u64::MAX,
        };
        let load = Load::start(server.address(), rate, Codes::regulars(REGULARS));
        Self {
            cluster,
            front,
            reader,
            writer,
            codebook,
            server,
            load,
            files: 1,
        }
    }

    fn set_users(&self) {
        for user in [&self.reader, &self.writer] {
            self.cluster.nodes().iter().for_each(|node| user.set(node, "first"));
        }
    }

    /// A new row of every account arrives; its event time.
    fn upload(&mut self) -> i64 {
        self.files += 1;
        let at_us = SystemClock.now_us() - 60_000_000;
        self.codebook.upload(self.files, at_us);
        at_us
    }

    /// Runs until one goes through; what the others said.
    async fn publish(&self, failed: &mut Vec<String>) {
        let give_up = Instant::now() + Duration::from_mins(2);
        while let Err(error) = self.codebook.run().await {
            assert!(is_of_the_store(&error), "{error}");
            assert!(Instant::now() < give_up, "{error}");
            failed.push(error.to_string());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Accounts whose newest row is not the one of `at_us`.
    fn lost(&self, at_us: i64) -> usize {
        let dump = self.cluster.dump();
        let newest = dump.iter().filter(|(key, entry)| {
            let is_row = !String::from_utf8_lossy(key).contains("}mark:");
            is_row && Header::decode(&entry.value).is_ok_and(|(header, _)| header.rank.top.event_time_us == at_us)
        });
        (ACCOUNTS as usize).saturating_sub(newest.map(|(key, _)| key).collect::<BTreeSet<_>>().len())
    }
}

/// A fault of the store fails a run by a typed error that is worth trying again.
fn is_of_the_store(error: &RunError) -> bool {
    matches!(error, RunError::Publish { .. })
}

/// One fault: what begins it, and what ends it after a publisher was started under it.
async fn suffer(
    world: &mut World,
    fault: &'static str,
    begin: impl FnOnce(&mut World),
    end: impl AsyncFnOnce(&mut World),
) -> Line {
    let at_us = world.upload();
    let from = world.load.elapsed();
    begin(world);
    let mut failed_runs = Vec::new();
    if tokio::time::timeout(Duration::from_secs(3), world.publish(&mut failed_runs))
        .await
        .is_err()
    {
        failed_runs.push("(under way when the fault ended)".to_owned());
    }
    end(world).await;
    let ended = world.load.elapsed();
    world.publish(&mut failed_runs).await;
    let published_after = world.load.elapsed().saturating_sub(ended);
    until_closed(world).await;
    tokio::time::sleep(Duration::from_secs_f64(HEALED as f64 / PER_SECOND)).await;
    Line {
        fault,
        answers: Summary::default(),
        late: 0,
        failed_runs,
        published_after,
        // Until the load is judged: when the fault began and ended.
        healed_after: from,
        lost: world.lost(at_us),
    }
}

async fn until_closed(world: &World) {
    triplane_tests::wait::until("every breaker is closed", Duration::from_mins(1), async || {
        world.server.breaker().await == "closed"
    })
    .await;
}

/// Judges the answers of a line: those from its fault to the next one's.
fn judge(mut line: Line, samples: &[Sample], until: Duration) -> Line {
    let from = line.healed_after;
    let inside: Vec<&Sample> = samples.iter().filter(|s| s.due >= from && s.due < until).collect();
    let flagged = |s: &&&Sample| s.verdict.default || s.verdict.imputed || s.verdict.stale;
    let last = inside.iter().filter(flagged).map(|s| s.due).max();
    line.late = inside.iter().filter(|s| s.service > DEADLINE).count();
    line.answers = Summary::of(inside.iter().copied());
    line.healed_after = last.map_or(Duration::ZERO, |last| last.saturating_sub(from));
    line
}

fn print(lines: &[Line]) {
    println!(
        "{:<34} {:>8} {:>6} {:>6} {:>6} {:>6} {:>7} {:>7} {:>10} {:>10} {:>5}",
        "fault", "requests", "200", "full", "stale", "deflt", "> 100ms", "retried", "published", "full after", "lost"
    );
    for line in lines {
        let sum = &line.answers;
        println!(
            "{:<34} {:>8} {:>6} {:>6} {:>6} {:>6} {:>7} {:>7} {:>8.1} s {:>8.1} s {:>5}",
            line.fault,
            sum.requests,
            sum.ok,
            sum.requests - sum.flagged,
            sum.stale,
            sum.default,
            line.late,
            line.failed_runs.len(),
            line.published_after.as_secs_f64(),
            line.healed_after.as_secs_f64(),
            line.lost
        );
        if let Some(message) = line.failed_runs.first() {
            println!("    a run said: {message}");
        }
    }
}

fn slot_of_node(world: &World, place: usize) -> u16 {
    world.cluster.ranges(place)[0].0
}

async fn kill_a_primary(world: &mut World) -> Line {
    let place = world.cluster.primary_of(0);
    suffer(
        world,
        "a primary killed",
        |w| {
            w.cluster.nodes_mut()[place].kill();
            // As a Service does, which leads to nodes that are ready.
            w.front.lead_to(w.cluster.nodes()[(place + 1) % 3].address());
        },
        async |w| {
            w.cluster.nodes_mut()[place].restart();
            w.set_users();
            w.cluster.until_whole();
        },
    )
    .await
}

async fn pause_a_primary(world: &mut World) -> Line {
    let place = world.cluster.primary_of(8_000);
    suffer(
        world,
        "a primary paused 30 s, resumed",
        |w| w.cluster.nodes()[place].stop(),
        async |w| {
            tokio::time::sleep(Duration::from_secs(27)).await;
            w.cluster.nodes()[place].cont();
            w.cluster.until_whole();
        },
    )
    .await
}

async fn restart_all_elsewhere(world: &mut World) -> Line {
    suffer(
        world,
        "all nodes back with new ports",
        |w| {
            w.cluster.restart_elsewhere();
            w.set_users();
        },
        async |w| w.front.lead_to(w.cluster.address()),
    )
    .await
}

async fn replace_a_shard(world: &mut World) -> Line {
    suffer(
        world,
        "a shard replaced by an empty one",
        |w| {
            w.cluster.replace_shard(16_000);
            w.set_users();
        },
        async |_| {},
    )
    .await
}

async fn fill_the_memory(world: &mut World) -> Line {
    let limit = |w: &World, bytes: &str| {
        for node in w.cluster.nodes() {
            node.say::<()>(&format!("CONFIG SET maxmemory {bytes}"));
        }
    };
    suffer(world, "memory full", |w| limit(w, "1"), async |w| limit(w, "0")).await
}

async fn rotate_the_passwords(world: &mut World) -> Line {
    suffer(
        world,
        "passwords rotated",
        |w| {
            for user in [&w.reader, &w.writer] {
                for node in w.cluster.nodes() {
                    node.say::<()>(&format!("ACL DELUSER {}", user.name));
                    user.set(node, "second");
                }
            }
        },
        async |w| [&w.reader, &w.writer].into_iter().for_each(|user| user.write("second")),
    )
    .await
}

async fn migrate_slots(world: &mut World) -> Line {
    let from = world.cluster.primary_of(3);
    let to = world.cluster.primary_of(9_000);
    assert_ne!(from, to);
    let first = slot_of_node(world, from) + 300;
    let slots: Vec<u16> = (first..first + 400).collect();
    let at_us = world.upload();
    let begun = world.load.elapsed();
    let mut failed_runs = Vec::new();
    let migration = Migration::begin(&world.cluster, &slots, to);
    world.publish(&mut failed_runs).await;
    migration.finish();
    let ended = world.load.elapsed();
    world.publish(&mut failed_runs).await;
    let published_after = world.load.elapsed().saturating_sub(ended);
    until_closed(world).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    Line {
        fault: "400 slots on their way",
        answers: Summary::default(),
        late: 0,
        failed_runs,
        published_after,
        healed_after: begun,
        lost: world.lost(at_us),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_is_answered_and_no_row_is_lost_whatever_happens_to_the_cluster() {
    let mut world = World::start().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let lines = vec![
        kill_a_primary(&mut world).await,
        pause_a_primary(&mut world).await,
        migrate_slots(&mut world).await,
        replace_a_shard(&mut world).await,
        fill_the_memory(&mut world).await,
        rotate_the_passwords(&mut world).await,
        restart_all_elsewhere_with_new_passwords(&mut world).await,
    ];
    let samples = world.load.stop().await;
    let ends: Vec<Duration> = lines
        .iter()
        .skip(1)
        .map(|line| line.healed_after)
        .chain([Duration::MAX])
        .collect();
    let lines: Vec<Line> = lines
        .into_iter()
        .zip(ends)
        .map(|(line, end)| judge(line, &samples, end))
        .collect();
    print(&lines);
    for line in &lines {
        let sum = &line.answers;
        assert_eq!((sum.ok, sum.lost, sum.refused), (sum.requests, 0, 0), "{}", line.fault);
        assert_eq!(
            sum.crossed, 0,
            "{}: an answer that belongs to another request",
            line.fault
        );
        assert_eq!(line.lost, 0, "{}: rows lost", line.fault);
        let longest = Duration::from_secs_f64(sum.service_max_ms / 1e3);
        assert!(
            longest <= DEADLINE + MARGIN,
            "{}: an answer after {longest:?}",
            line.fault
        );
    }
    let full = |name: &str| lines.iter().find(|line| line.fault == name).unwrap();
    assert!(
        full("memory full")
            .failed_runs
            .iter()
            .any(|message| message.contains("is full")),
        "a full store is named as such"
    );
    assert!(
        full("passwords rotated")
            .failed_runs
            .iter()
            .any(|message| message.contains("refused the login")),
        "a refused login is named as such"
    );
}

async fn restart_all_elsewhere_with_new_passwords(world: &mut World) -> Line {
    // The nodes forget their users with their memory: they get those of before.
    for user in [&world.reader, &world.writer] {
        user.write("first");
    }
    restart_all_elsewhere(world).await
}

//! What a cluster does to its clients: slots on their way, nodes that are gone, shards that come back empty, users that may
//! little.

use std::sync::Arc;
use std::time::Duration;

use triplane_contract::store::OnlineAccess;
use triplane_feature_store::SystemClock;
use triplane_feature_store::online::redis::acl::{Role, rules};
use triplane_feature_store::online::{self, OnlineError, Written};
use triplane_feature_store::row::OnlineRow;
use triplane_test_servers::{Migration, RedisCluster};

use crate::fixture::{Fixture, Servers, TABLE, connect, order};

const ROWS: i64 = 4_000;

/// A store on a cluster of its own, which may be harmed.
async fn own_cluster() -> (Fixture, RedisCluster) {
    let cluster = RedisCluster::start();
    let mut f = Fixture::memory();
    f.store = connect(&cluster.address(), "flights:", None, Arc::new(SystemClock)).await;
    (f, cluster)
}

fn rows(f: &Fixture, at: i64) -> Vec<OnlineRow> {
    (0..ROWS).map(|id| f.row(id, order(at, 0, 1), at)).collect()
}

/// How many rows there are, and that each is one of `at`.
async fn count(f: &Fixture, at: i64) -> usize {
    let rows = rows(f, at);
    let keys: Vec<_> = rows.iter().map(|row| row.key.clone()).collect();
    let found = f.store.read(&keys).await.unwrap();
    let right = found
        .iter()
        .zip(&rows)
        .filter(|(found, row)| found.as_ref() == Some(&row.bytes));
    right.count()
}

/// An entity on another shard than entity 1.
fn elsewhere(f: &Fixture) -> i64 {
    let shard = f.store.shard_of(&f.key(1));
    let mut others = (2..ROWS).filter(|id| f.store.shard_of(&f.key(*id)) != shard);
    others.next().expect("three shards")
}

fn slots(f: &Fixture, cluster: &RedisCluster, place: usize) -> Vec<u16> {
    let ranges = cluster.ranges(place);
    let of_place = |slot: &u16| ranges.iter().any(|(first, last)| (first..=last).contains(&slot));
    let mut slots: Vec<u16> = (0..ROWS).map(|id| f.key(id).slot()).filter(of_place).collect();
    slots.sort_unstable();
    // Those with several keys: calls of several keys find them apart.
    let shared: Vec<u16> = slots
        .chunk_by(|a, b| a == b)
        .filter(|same| same.len() > 1)
        .map(|same| same[0])
        .collect();
    shared.into_iter().take(100).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_on_their_way_are_read_and_written_on_both_sides() {
    let (f, cluster) = own_cluster().await;
    f.store.write(&rows(&f, 5)).await.unwrap();
    let (from, to) = (cluster.primary_of(0), cluster.primary_of(16_383));
    let moved = slots(&f, &cluster, from);
    assert!(moved.len() > 50, "{} slots with several keys", moved.len());
    let marks = f.store.marks("AAAAAAAA", TABLE).await.unwrap();
    assert!(f.store.advance_marks("AAAAAAAA", &marks, 3).await.unwrap());

    let migration = Migration::begin(&cluster, &moved, to);
    assert_eq!(count(&f, 5).await, ROWS as usize, "half of the keys have arrived");
    let written = f.store.write(&rows(&f, 6)).await.unwrap();
    assert!(written.iter().all(|outcome| *outcome == Written::Stored));
    assert_eq!(count(&f, 6).await, ROWS as usize);
    migration.finish();

    assert_eq!(count(&f, 6).await, ROWS as usize, "all of the keys have arrived");
    let stale = connect(&cluster.address(), "flights:", None, Arc::new(SystemClock)).await;
    assert_eq!(
        stale.write(&rows(&f, 5)).await.unwrap(),
        vec![Written::Older; ROWS as usize]
    );
    // The marks of before speak of pieces that are no more; of what was cut anew nobody knows.
    assert!(!f.store.advance_marks("AAAAAAAA", &marks, 4).await.unwrap());
    let cut = f.store.marks("AAAAAAAA", TABLE).await.unwrap();
    assert!(cut.len() > marks.len());
    assert!(cut.iter().any(|mark| mark.published.is_none()) && cut.iter().any(|mark| mark.published == Some(3)));
    // Marks of before are dropped with the rows, also those that are at the start of no piece now.
    assert!(f.store.drop_view("AAAAAAAA").await.unwrap() == ROWS as u64);
    assert!(cluster.dump().is_empty(), "{:?}", cluster.dump().keys());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_dies_is_followed_by_its_replica_and_other_shards_do_not_notice() {
    let (f, mut cluster) = own_cluster().await;
    f.store.write(&rows(&f, 5)).await.unwrap();
    let marks = f.store.marks("AAAAAAAA", TABLE).await.unwrap();
    let lost = cluster.primary_of(f.key(1).slot());
    cluster.nodes_mut()[lost].kill();
    assert_eq!(f.number(elsewhere(&f)).await, Some(5), "another shard");
    let error = f.store.read(&[f.key(1)]).await.unwrap_err();
    assert!(matches!(error, OnlineError::Unreachable { .. }), "{error}");
    // A write waits for the failover.
    let written = f.store.write(&rows(&f, 6)).await.unwrap();
    assert!(written.iter().all(|outcome| *outcome == Written::Stored));
    assert_eq!(count(&f, 6).await, ROWS as usize);
    // The replica may lack rows that the primary had: marks that were read before do not advance there.
    assert!(!f.store.advance_marks("AAAAAAAA", &marks, 1).await.unwrap());
    let again = f.store.marks("AAAAAAAA", TABLE).await.unwrap();
    assert!(f.store.advance_marks("AAAAAAAA", &again, 1).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_stopped_is_replaced_though_every_reader_gives_up_early() {
    let (f, cluster) = own_cluster().await;
    f.store.write(&rows(&f, 5)).await.unwrap();
    let stopped = cluster.primary_of(f.key(1).slot());
    let (keys, other) = ([f.key(1)], [f.key(elsewhere(&f))]);
    cluster.nodes()[stopped].stop();
    let give_up = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        let read = tokio::time::timeout(Duration::from_millis(50), f.store.read(&keys)).await;
        if let Ok(Ok(found)) = read {
            assert!(found[0].is_some());
            break;
        }
        assert!(
            std::time::Instant::now() < give_up,
            "the stopped primary is still asked"
        );
        assert!(
            tokio::time::timeout(Duration::from_secs(2), f.store.read(&other))
                .await
                .unwrap()
                .is_ok()
        );
    }
    cluster.nodes()[stopped].cont();
    cluster.until_whole();
    assert_eq!(f.number(1).await, Some(5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_comes_back_empty_has_no_marks_and_the_others_keep_theirs() {
    let (f, mut cluster) = own_cluster().await;
    f.store.write(&rows(&f, 5)).await.unwrap();
    let marks = f.store.marks("AAAAAAAA", TABLE).await.unwrap();
    assert!(f.store.advance_marks("AAAAAAAA", &marks, 3).await.unwrap());
    let ranges = cluster.ranges(cluster.primary_of(16_383));
    cluster.replace_shard(16_383);
    let after = f.store.marks("AAAAAAAA", TABLE).await.unwrap();
    assert_eq!(after.len(), marks.len());
    for mark in after {
        let is_lost = ranges
            .iter()
            .any(|(first, last)| (first..=last).contains(&&mark.piece.first));
        assert_eq!(mark.published, (!is_lost).then_some(3), "{mark:?} of {ranges:?}");
    }
    let kept = count(&f, 5).await;
    assert!(kept > ROWS as usize / 2 && kept < ROWS as usize, "{kept} rows are left");
}

fn as_user(cluster: &RedisCluster, rules: &[String]) -> OnlineAccess {
    for node in cluster.nodes() {
        node.say::<()>(&format!("ACL SETUSER someone {} nopass", rules.join(" ")));
    }
    OnlineAccess::Redis {
        address: cluster.address(),
        prefix: "flights:".to_owned(),
        username: Some("someone".to_owned()),
        password_file: None,
    }
}

/// Everything that a role does, while slots are on their way; the first thing that is refused.
async fn tour(role: Role, f: &Fixture, cluster: &RedisCluster, rules: &[String]) -> Result<(), OnlineError> {
    for node in cluster.nodes() {
        node.say::<()>("SCRIPT FLUSH");
    }
    let store = online::connect(&as_user(cluster, rules), Arc::new(SystemClock)).await?;
    let keys: Vec<_> = (0..ROWS).map(|id| f.key(id)).collect();
    store.ping().await?;
    if role == Role::Writer {
        let marks = store.marks("AAAAAAAA", TABLE).await?;
        store.write(&rows(f, 6)).await?;
        store.advance_marks("AAAAAAAA", &marks, 1).await?;
    }
    store.read(&keys).await?;
    if role == Role::Writer {
        store.drop_view("AAAAAAAA").await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_may_do_what_they_have_to_and_nothing_else() {
    let (mut f, cluster) = own_cluster().await;
    let (from, to) = (cluster.primary_of(0), cluster.primary_of(16_383));
    for role in [Role::Reader, Role::Writer] {
        let all = rules(role, "flights:");
        f.servers = Servers::None;
        for left_out in std::iter::once(None).chain(all.iter().map(Some)) {
            let is_right = left_out.is_none_or(|rule| rule.starts_with('+') || rule.contains('~'));
            if !is_right {
                continue;
            }
            f.store.write(&rows(&f, 5)).await.unwrap();
            let migration = Migration::begin(&cluster, &slots(&f, &cluster, from)[..4], to);
            let kept: Vec<String> = all.iter().filter(|rule| Some(*rule) != left_out).cloned().collect();
            let ended = tour(role, &f, &cluster, &kept).await;
            migration.finish();
            assert_eq!(
                ended.is_ok(),
                left_out.is_none(),
                "{role:?} without {left_out:?}: {ended:?}"
            );
        }
        as_user(&cluster, &all);
        let mut connection = cluster.nodes()[0].connection();
        redis::cmd("AUTH").arg("someone").arg("").exec(&mut connection).unwrap();
        for refused in [
            "SET other:{a} 1",
            "GET other:{a}",
            "KEYS *",
            "FLUSHALL",
            "CONFIG GET dir",
            "CLUSTER RESET",
            "ACL LIST",
        ] {
            let mut command = redis::Cmd::new();
            for word in refused.split(' ') {
                command.arg(word);
            }
            let error = command.exec(&mut connection).unwrap_err().to_string();
            assert!(error.contains("no permissions"), "{role:?} {refused}: {error}");
        }
    }
}

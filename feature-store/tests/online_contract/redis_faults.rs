//! What can happen to a Redis server and to the way there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use triplane_feature_store::SystemClock;
use triplane_feature_store::key::RowKey;
use triplane_feature_store::online::{OnlineError, OnlineStore, Piece, Written};
use triplane_test_servers::Redis;

use crate::fixture::{Fixture, TABLE, connect, order};
use crate::stalling_proxy::StallingProxy;

/// Asks again until the store answers; fails after half a minute.
async fn until_it_answers(store: &dyn OnlineStore) {
    let give_up = Instant::now() + Duration::from_secs(30);
    while let Err(error) = store.ping().await {
        assert!(Instant::now() < give_up, "{error}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_server_has_no_marks_and_takes_older_rows_again() {
    let f = Fixture::redis().await;
    f.write(f.row(1, order(5, 0, 1), 5)).await;
    f.advance("AAAAAAAA", 1, 7).await;
    f.server().run::<()>(&[b"FLUSHALL"]);
    assert_eq!(f.mark("AAAAAAAA", 1).await.published, None);
    assert_eq!(f.write(f.row(1, order(4, 0, 1), 4)).await, Written::Stored);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_server_is_used_again_though_it_knows_no_script() {
    let mut f = Fixture::redis().await;
    f.write(f.row(1, order(5, 0, 1), 5)).await;
    f.server_mut().restart();
    // The connections broke while nobody looked: the first request of each opens a new one.
    assert_eq!(f.number(1).await, None);
    assert_eq!(f.write(f.row(1, order(4, 0, 1), 4)).await, Written::Stored);
    f.server().run::<()>(&[b"SCRIPT", b"FLUSH"]);
    f.advance("AAAAAAAA", 1, 7).await;
    f.server().run::<()>(&[b"SCRIPT", b"FLUSH"]);
    let rows = [f.row(1, order(3, 0, 1), 3), f.row(2, order(3, 0, 1), 3)];
    assert_eq!(f.store.write(&rows).await.unwrap(), [Written::Older, Written::Stored]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_that_were_read_before_a_wipe_do_not_advance_after_it() {
    let f = Fixture::redis().await;
    f.advance("AAAAAAAA", 1, 7).await;
    let old = f.mark("AAAAAAAA", 1).await;
    f.server().run::<()>(&[b"FLUSHALL"]);
    for _ in 0..2 {
        assert!(!f.advances("AAAAAAAA", &old, 8).await);
        // The second time there is a mark again, of whoever came first.
        assert_eq!(f.mark("AAAAAAAA", 1).await.published, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_that_come_back_from_a_snapshot_do_not_stand_for_rows_that_do_not() {
    let mut f = Fixture::redis().await;
    f.advance("AAAAAAAA", 1, 7).await;
    let before = f.mark("AAAAAAAA", 1).await;
    f.server().run::<()>(&[b"SAVE"]);
    f.write(f.row(1, order(5, 0, 1), 5)).await;
    f.server_mut().restart();
    assert_eq!(f.number(1).await, None, "the row is younger than the snapshot");
    assert!(!f.advances("AAAAAAAA", &before, 8).await);
    let after = f.mark("AAAAAAAA", 1).await;
    assert_eq!((after.published, after.table), (before.published, before.table));
    f.advance("AAAAAAAA", 1, 8).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drop_that_broke_off_is_seen_and_a_mark_that_is_none_is_taken_for_one() {
    let f = Fixture::redis().await;
    let key = RowKey::mark(f.store.prefix(), "AAAAAAAA", Piece::whole()[1]);
    for left in ["12", "0123456789abcdef - - 2047", "0123456789abcdef 7 5", "\u{fffd}"] {
        f.server().run::<()>(&[b"SET", key.as_bytes(), left.as_bytes()]);
        let mark = f.mark("AAAAAAAA", 1).await;
        assert_eq!((mark.table, mark.published), (None, None), "{left}");
        f.write(f.row(1, order(5, 0, 1), 5)).await;
        assert_eq!(f.store.drop_view("AAAAAAAA").await.unwrap(), 1, "{left}");
        assert_eq!(f.mark("AAAAAAAA", 1).await.table, Some(TABLE), "{left}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drop_that_was_overtaken_voids_the_marks_of_who_filled_the_view_meanwhile() {
    const ROWS: i64 = 20_000;
    let f = Fixture::redis().await;
    let rows: Vec<_> = (0..ROWS).map(|id| f.row(id, order(1, 0, 1), id)).collect();
    let mark = |piece| RowKey::mark(f.store.prefix(), "AAAAAAAA", piece).as_bytes().to_vec();
    let published = |piece: Piece| format!("0123456789abcdef {TABLE} 5 {}", piece.last).into_bytes();
    let filled: Vec<Vec<u8>> = Piece::whole()
        .into_iter()
        .flat_map(|piece| [mark(piece), published(piece)])
        .collect();
    let fill: Vec<&[u8]> = [&b"MSET"[..]]
        .into_iter()
        .chain(filled.iter().map(Vec::as_slice))
        .collect();
    let claimed = || f.server().run::<Option<String>>(&[b"GET", &mark(Piece::whole()[15])]);
    for _ in 0..50 {
        f.store.write(&rows).await.unwrap();
        let store = Arc::clone(&f.store);
        let drop = tokio::spawn(async move { store.drop_view("AAAAAAAA").await.unwrap() });
        while !drop.is_finished() && !claimed().is_some_and(|mark| mark.contains(" - - ")) {
            tokio::task::yield_now().await;
        }
        f.server().run::<()>(&fill);
        if drop.await.unwrap() < ROWS as u64 {
            assert_eq!(f.mark("AAAAAAAA", 0).await.published, None);
            return;
        }
        // The drop was over before the marks came.
        f.server().run::<()>(&[b"FLUSHALL"]);
    }
    panic!("no drop of fifty was overtaken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_an_error_that_names_it_and_costs_no_time() {
    let mut f = Fixture::redis().await;
    f.server_mut().kill();
    let started = Instant::now();
    for _ in 0..200 {
        let error = f.store.read(&[f.key(1)]).await.unwrap_err();
        assert!(matches!(error, OnlineError::Unreachable { .. }), "{error}");
        assert!(error.to_string().contains(&f.server().address()), "{error}");
    }
    // The crate's own manager would have waited for more than a second on the first one.
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "200 reads took {:?}",
        started.elapsed()
    );
    f.server_mut().restart();
    until_it_answers(&*f.store).await;
    assert_eq!(f.read(1).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_may_be_named_before_its_server_is_there() {
    let mut server = Redis::start();
    server.kill();
    let store = connect(&server.address(), "", None, Arc::new(SystemClock)).await;
    assert!(matches!(store.ping().await, Err(OnlineError::Unreachable { .. })));
    server.restart();
    until_it_answers(&*store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_are_given_up_leave_the_connection_in_step() {
    let f = Fixture::redis().await;
    for id in 0..50 {
        f.write(f.row(id, order(1, 0, 1), id)).await;
    }
    // Some of these end before the answer, some after; an answer must never be taken for another's.
    for round in 0..400_i64 {
        let id = round % 50;
        let given_up = f.number(id);
        let deadline = Duration::from_micros((round % 40) as u64 * 5);
        if let Ok(number) = tokio::time::timeout(deadline, given_up).await {
            assert_eq!(number, Some(id));
        }
        assert_eq!(f.number((id + 1) % 50).await, Some((id + 1) % 50));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlines_shorter_than_connecting_do_not_keep_it_from_connecting() {
    let mut f = Fixture::redis().await;
    f.server_mut().restart();
    let give_up = Instant::now() + Duration::from_secs(30);
    // A deadline of nothing: no request lives to see its connection made.
    while tokio::time::timeout(Duration::ZERO, f.store.ping()).await.is_err() {
        assert!(Instant::now() < give_up, "no connection was ever made");
        tokio::task::yield_now().await;
        if f.server().run::<String>(&[b"CLIENT", b"LIST"]).lines().count() > 1 {
            break;
        }
    }
    f.store.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_refuses_writes_as_full_and_goes_on_reading() {
    let f = Fixture::redis().await;
    f.write(f.row(1, order(1, 0, 1), 1)).await;
    f.server().run::<()>(&[b"CONFIG", b"SET", b"maxmemory", b"1"]);
    let error = f.store.write(&[f.row(2, order(1, 0, 1), 1)]).await.unwrap_err();
    assert!(matches!(error, OnlineError::Full { .. }), "{error}");
    assert_eq!(f.number(1).await, Some(1));
    assert_eq!(
        f.store.drop_view("AAAAAAAA").await.unwrap(),
        1,
        "what makes room is not refused"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_password_counts_from_the_next_login() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "wrong\n").unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    let f = Fixture::on(Redis::start_with(&["--requirepass", "right"]), "", Some(path)).await;
    let error = f.store.ping().await.unwrap_err();
    assert!(matches!(error, OnlineError::Denied { .. }), "{error}");
    std::fs::write(file.path(), "right\n").unwrap();
    until_it_answers(&*f.store).await;
    assert_eq!(f.write(f.row(1, order(1, 0, 1), 1)).await, Written::Stored);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_login_where_one_is_asked_for_is_denied() {
    let f = Fixture::on(Redis::start_with(&["--requirepass", "right"]), "", None).await;
    let error = f.store.read(&[f.key(1)]).await.unwrap_err();
    assert!(matches!(error, OnlineError::Denied { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_with_different_prefixes_share_a_server_without_seeing_each_other() {
    let f = Fixture::on(Redis::start(), "a[b]*?\\:", None).await;
    let mut other = Fixture::memory();
    other.store = connect(&f.server().address(), "ab:", None, Arc::new(SystemClock)).await;
    f.write(f.row(1, order(1, 0, 1), 1)).await;
    other.write(other.row(1, order(1, 0, 1), 2)).await;
    other.advance("AAAAAAAA", 0, 1).await;
    assert_eq!(f.store.drop_view("AAAAAAAA").await.unwrap(), 1);
    assert_eq!((f.number(1).await, other.number(1).await), (None, Some(2)));
    assert_eq!(other.mark("AAAAAAAA", 0).await.published, Some(1));
}

#[tokio::test]
async fn settings_that_cannot_be_meant_are_refused_at_once() {
    use triplane_contract::store::OnlineAccess;
    use triplane_feature_store::online;
    for (address, prefix, expected) in [
        ("redis", "", "host:port"),
        ("redis:http", "", "host:port"),
        ("r:6379", "{x}", "braces"),
    ] {
        let (address, prefix) = (address.to_owned(), prefix.to_owned());
        let access = OnlineAccess::Redis {
            address,
            prefix,
            username: None,
            password_file: None,
        };
        let refused = online::connect(&access, Arc::new(SystemClock)).await;
        let message = refused.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(message.contains(expected), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_went_silent_is_replaced_though_every_caller_gives_up_early() {
    let server = Redis::start();
    let proxy = StallingProxy::to(server.address()).await;
    let store = connect(proxy.address(), "", None, Arc::new(SystemClock)).await;
    store.ping().await.unwrap();
    proxy.stall();
    let give_up = Instant::now() + Duration::from_secs(30);
    // No caller waits as long as a time-out of the connection's own would take.
    while !matches!(
        tokio::time::timeout(Duration::from_millis(50), store.ping()).await,
        Ok(Ok(()))
    ) {
        assert!(Instant::now() < give_up, "the silent connection is still in use");
    }
}

//! Physical expiry: by our clock in memory, by the server's in Redis, set relative to ours.

use triplane_feature_store::online::Written;
use triplane_feature_store::row::OnlineRow;

use crate::fixture::{Fixture, NOW_US, order};

const HOUR_US: i64 = 3_600_000_000;

#[tokio::test]
async fn memory_forgets_a_row_when_the_clock_reaches_its_expiry() {
    let f = Fixture::memory();
    let row = OnlineRow {
        expires_at_us: Some(NOW_US + 10),
        ..f.row(1, order(5, 0, 1), 5)
    };
    assert_eq!(f.write(row.clone()).await, Written::Stored);
    f.clock.set(NOW_US + 9);
    assert_eq!(f.number(1).await, Some(5));
    f.clock.set(NOW_US + 10);
    assert_eq!(f.number(1).await, None);
    // What has expired does not stand in the way of an older row.
    assert_eq!(
        f.write(OnlineRow {
            expires_at_us: None,
            ..f.row(1, order(4, 0, 1), 4)
        })
        .await,
        Written::Stored
    );
    assert_eq!(f.number(1).await, Some(4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_gets_the_time_that_is_left_by_our_clock_not_by_its_own() {
    let f = Fixture::redis().await;
    let pttl = |id| f.server().run::<i64>(&[b"PTTL", f.key(id).as_bytes()]);
    // Our clock stands in 2013: an absolute expiry would be long past for the server.
    let row = OnlineRow {
        expires_at_us: Some(NOW_US + HOUR_US),
        ..f.row(1, order(5, 0, 1), 5)
    };
    f.write(row).await;
    let left = pttl(1);
    assert!(left > 3_500_000 && left <= 3_600_000, "{left} ms left");
    // A newer row without expiry takes the old expiry away; a far one does not overflow; a fraction of a millisecond is one.
    f.write(f.row(1, order(6, 0, 1), 6)).await;
    assert_eq!(pttl(1), -1);
    f.write(OnlineRow {
        expires_at_us: Some(i64::MAX),
        ..f.row(3, order(6, 0, 1), 6)
    })
    .await;
    assert!(pttl(3) > 1_000_000_000_000);
    f.write(OnlineRow {
        expires_at_us: Some(NOW_US + 1),
        ..f.row(4, order(6, 0, 1), 6)
    })
    .await;
    while f.read(4).await.is_some() {
        tokio::task::yield_now().await;
    }
}

//! What every online store does.

use std::sync::Arc;

use triplane_feature_store::online::{Mark, Piece, TableId, Written};
use triplane_feature_store::order::{Order, Rank};
use triplane_feature_store::row::OnlineRow;

use crate::fixture::{Fixture, NOW_US, TABLE, order};

pub(crate) async fn reads_answer_in_the_order_asked_with_none_where_nothing_is_stored(f: &Fixture) {
    for id in [1, 2, 3] {
        assert_eq!(f.write(f.row(id, order(id, 0, 1), id)).await, Written::Stored);
    }
    // The second view has the same entities and so the same hash tags.
    let other = OnlineRow {
        key: f.key_in("BBBBBBBB", 2),
        ..f.row(2, order(7, 0, 1), 7)
    };
    f.write(other.clone()).await;
    let keys = [f.key(3), f.key(9), other.key, f.key(1), f.key(3), f.key(2)];
    let rows = f.store.read(&keys).await.unwrap();
    let event_times: Vec<Option<i64>> = rows
        .iter()
        .map(|row| {
            Some(
                triplane_feature_store::row::Header::decode(row.as_ref()?)
                    .unwrap()
                    .0
                    .rank
                    .top
                    .event_time_us,
            )
        })
        .collect();
    assert_eq!(event_times, [Some(3), None, Some(7), Some(1), Some(3), Some(2)]);
}

pub(crate) async fn a_row_replaces_the_stored_one_iff_its_rank_is_larger(f: &Fixture) {
    // Words of 32 bits, signs and bytes above 127 all have to count the right way round.
    let times = [
        i64::MIN,
        i64::MIN + 1,
        -(1 << 32) - 1,
        -(1 << 32),
        -256,
        -1,
        0,
        1,
        127,
        128,
        255,
        256,
        (1 << 31),
        (1 << 32),
        i64::MAX,
    ];
    let mut orders = Vec::new();
    for t in times {
        orders.extend([order_of(t, 0, 0), order_of(0, t, 0), order_of(0, 0, t)]);
    }
    for (id, (old, new)) in orders
        .iter()
        .flat_map(|a| orders.iter().map(move |b| (*a, *b)))
        .enumerate()
    {
        let id = id as i64;
        f.write(f.row(id, old, 1)).await;
        let expected = if new > old { Written::Stored } else { Written::Older };
        assert_eq!(f.write(f.row(id, new, 2)).await, expected, "{new:?} over {old:?}");
        assert_eq!(
            f.number(id).await,
            Some(if new > old { 2 } else { 1 }),
            "{new:?} over {old:?}"
        );
    }
}

fn order_of(event_time_us: i64, created_time_us: i64, sequence: i64) -> Order {
    Order {
        event_time_us,
        created_time_us,
        sequence,
    }
}

pub(crate) async fn the_order_of_rows_in_a_batch_does_not_matter(f: &Fixture) {
    let orders = [order(5, 1, 1), order(5, 2, 1), order(4, 9, 9)];
    for (id, places) in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
        .iter()
        .enumerate()
    {
        let id = id as i64;
        let rows: Vec<OnlineRow> = places.iter().map(|p| f.row(id, orders[*p], *p as i64)).collect();
        let written = f.store.write(&rows).await.unwrap();
        assert_eq!(f.number(id).await, Some(1), "{places:?}");
        let newest = places.iter().position(|p| *p == 1).unwrap();
        assert_eq!(written[newest], Written::Stored, "{places:?}");
    }
}

pub(crate) async fn rows_of_one_batch_may_lie_anywhere_and_outcomes_keep_their_place(f: &Fixture) {
    // More than one pipeline; every third row is older than what is there.
    let ids = 0..1_500_i64;
    let newer: Vec<OnlineRow> = ids
        .clone()
        .filter(|id| id % 3 == 0)
        .map(|id| f.row(id, order(9, 0, 1), 9))
        .collect();
    f.store.write(&newer).await.unwrap();
    let rows: Vec<OnlineRow> = ids.clone().map(|id| f.row(id, order(5, 0, 1), id)).collect();
    let written = f.store.write(&rows).await.unwrap();
    let read = f
        .store
        .read(&ids.clone().map(|id| f.key(id)).collect::<Vec<_>>())
        .await
        .unwrap();
    for (id, (written, read)) in ids.zip(written.iter().zip(read)) {
        let (outcome, bytes) = if id % 3 == 0 {
            (Written::Older, &newer[id as usize / 3].bytes)
        } else {
            (Written::Stored, &rows[id as usize].bytes)
        };
        assert_eq!((*written, read.as_ref()), (outcome, Some(bytes)), "row {id}");
    }
}

pub(crate) async fn racing_writers_never_mix_rows_and_the_newest_wins(f: &Fixture) {
    const KEYS: i64 = 4;
    let mut writers = Vec::new();
    for writer in 0..8_i64 {
        let store = Arc::clone(&f.store);
        // Each writer has its own numbers, in an order of its own; 31 has no divisor in common with 100.
        let numbers = (0..100).map(|i| ((i * 31 + writer * 13) % 100) * 8 + writer);
        let rows: Vec<OnlineRow> = numbers.map(|n| f.row(n % KEYS, order(n / 16, n, 1), n)).collect();
        writers.push(tokio::spawn(async move {
            for batch in rows.chunks(7) {
                store.write(batch).await.unwrap();
            }
        }));
    }
    while writers.iter().any(|w| !w.is_finished()) {
        for id in 0..KEYS {
            // Fails where columns of two rows are seen together.
            f.number(id).await;
        }
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    for id in 0..KEYS {
        let newest = (0..800).filter(|n| n % KEYS == id).max_by_key(|n| (n / 16, *n));
        assert_eq!(f.number(id).await, newest, "key {id}");
    }
}

pub(crate) async fn a_stale_writer_cannot_bring_a_retracted_row_back(f: &Fixture) {
    let (old, new) = (order(1, 1, 1), order(2, 1, 2));
    f.write(f.row(1, old, 10)).await;
    f.write(f.row(1, new, 20)).await;
    // Run 3 retracts the newest row: the older one stands in.
    let retraction = Rank {
        top: order(2, 2, 3),
        known_run: 3,
    };
    assert_eq!(f.write(f.stand_in(1, retraction, old, 10)).await, Written::Stored);
    assert_eq!(f.number(1).await, Some(10));
    // A writer that has not seen the retraction.
    assert_eq!(f.write(f.row(1, new, 20)).await, Written::OlderThanRetraction);
    assert_eq!(f.number(1).await, Some(10));
    // The same picture again, and an older picture of the same retraction.
    assert_eq!(f.write(f.stand_in(1, retraction, old, 10)).await, Written::Older);
    let earlier = Rank {
        known_run: 2,
        ..retraction
    };
    assert_eq!(f.write(f.stand_in(1, earlier, old, 99)).await, Written::Older);
    // Run 4 adds a better stand-in below the retraction; its writer looks at all facts after the first answer.
    let late = order(1, 5, 4);
    assert_eq!(f.write(f.row(1, late, 15)).await, Written::OlderThanRetraction);
    let known = Rank {
        known_run: 4,
        ..retraction
    };
    assert_eq!(f.write(f.stand_in(1, known, late, 15)).await, Written::Stored);
    assert_eq!(f.number(1).await, Some(15));
    // A fact above the retraction is an ordinary row again.
    assert_eq!(f.write(f.row(1, order(3, 0, 5), 30)).await, Written::Stored);
    assert_eq!(f.write(f.row(1, new, 20)).await, Written::Older);
    // Runs are compared in full, not by their low half.
    let far = Rank {
        top: order(4, 0, 6),
        known_run: 1 << 32,
    };
    assert_eq!(f.write(f.stand_in(1, far, late, 1)).await, Written::Stored);
    assert_eq!(
        f.write(f.stand_in(1, Rank { known_run: 7, ..far }, late, 2)).await,
        Written::Older
    );
    assert_eq!(
        f.write(f.row(1, order(3, 0, 5), 30)).await,
        Written::OlderThanRetraction
    );
}

pub(crate) async fn a_tombstone_stays_until_a_newer_row_comes(f: &Fixture) {
    f.write(f.row(1, order(1, 1, 1), 10)).await;
    let rank = Rank {
        top: order(1, 2, 2),
        known_run: 2,
    };
    assert_eq!(f.write(f.tombstone(1, rank)).await, Written::Stored);
    assert_eq!(f.number(1).await, None);
    assert!(f.read(1).await.is_some(), "the tombstone itself is stored");
    assert_eq!(
        f.write(f.row(1, order(1, 1, 1), 10)).await,
        Written::OlderThanRetraction
    );
    assert_eq!(f.write(f.tombstone(1, rank)).await, Written::Older);
    assert_eq!(f.number(1).await, None);
    assert_eq!(f.write(f.row(1, order(2, 0, 3), 20)).await, Written::Stored);
    assert_eq!(f.number(1).await, Some(20));
}

pub(crate) async fn rows_past_their_expiry_are_not_stored(f: &Fixture) {
    let row = |at| OnlineRow {
        expires_at_us: Some(at),
        ..f.row(1, order(1, 0, 1), 1)
    };
    let rows = [row(NOW_US), row(i64::MIN), row(NOW_US + 60_000_000)];
    let written = f.store.write(&rows).await.unwrap();
    assert_eq!(written, [Written::Expired, Written::Expired, Written::Stored]);
    assert_eq!(f.number(1).await, Some(1));
}

pub(crate) async fn a_megabyte_comes_back_as_it_was(f: &Fixture) {
    let noise: Vec<u8> = (0..1 << 20)
        .map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let mut row = f.row(1, order(1, 0, 1), 1);
    let mut bytes = row.bytes.to_vec();
    bytes.extend_from_slice(&noise);
    row.bytes = bytes.into();
    // Two of them are more than one pipeline.
    let other = OnlineRow {
        key: f.key(11),
        ..row.clone()
    };
    f.store.write(&[row.clone(), other]).await.unwrap();
    let read = f.store.read(&[f.key(1), f.key(11)]).await.unwrap();
    assert!(read.iter().all(|found| found.as_ref() == Some(&row.bytes)));
}

pub(crate) async fn marks_never_go_back_and_pieces_are_apart(f: &Fixture) {
    let marks = |view_id: &'static str| async move {
        let marks = f.store.marks(view_id, TABLE).await.unwrap();
        let pieces: Vec<Piece> = marks.iter().map(|mark| mark.piece).collect();
        let slots: u32 = pieces.iter().map(|piece| u32::from(piece.last - piece.first) + 1).sum();
        assert!(pieces.is_sorted() && slots == 16_384, "{pieces:?}");
        marks.into_iter().map(|mark| mark.published).collect::<Vec<_>>()
    };
    let nothing = vec![None; marks("AAAAAAAA").await.len()];
    assert_eq!(marks("AAAAAAAA").await, nothing);
    // Numbers of different lengths, and beyond what a double holds.
    let steps = [
        (0, 0),
        (9, 9),
        (10, 10),
        (9, 10),
        (1 << 53, 1 << 53),
        ((1 << 53) + 1, (1 << 53) + 1),
        (1 << 53, (1 << 53) + 1),
    ];
    for (version, expected) in steps {
        f.advance("AAAAAAAA", 3, version).await;
        assert_eq!(marks("AAAAAAAA").await[3], Some(expected), "after {version}");
    }
    f.advance("AAAAAAAA", 3, i64::MAX).await;
    f.advance("AAAAAAAA", 15, 1).await;
    let mut expected = nothing.clone();
    (expected[3], expected[15]) = (Some(i64::MAX), Some(1));
    assert_eq!(marks("AAAAAAAA").await, expected);
    assert_eq!(marks("BBBBBBBB").await, nothing);
}

pub(crate) async fn a_mark_is_the_same_one_until_it_is_lost_and_then_no_token_of_before_advances_it(f: &Fixture) {
    let old = f.mark("AAAAAAAA", 3).await;
    assert_eq!(old, f.mark("AAAAAAAA", 3).await);
    f.advance("AAAAAAAA", 3, 7).await;
    assert_eq!(old.token, f.mark("AAAAAAAA", 3).await.token);
    let late = async |version| f.advances("AAAAAAAA", &old, version).await;
    // An older publisher is not wrong about its rows, it only brings no news.
    assert!(late(6).await);
    assert_eq!(f.mark("AAAAAAAA", 3).await.published, Some(7));
    f.store.drop_view("AAAAAAAA").await.unwrap();
    assert!(!late(8).await, "there is no mark");
    let new = f.mark("AAAAAAAA", 3).await;
    assert_eq!((new.published, new.table), (None, Some(TABLE)));
    assert_ne!(new.token, old.token);
    assert!(!late(8).await, "this is another mark");
    assert_eq!(f.mark("AAAAAAAA", 3).await, new);
    // The token of another piece is none of this one's.
    let other = f.mark("AAAAAAAA", 4).await.token;
    assert!(!f.advances("AAAAAAAA", &Mark { token: other, ..new }, 8).await);
}

pub(crate) async fn a_mark_keeps_the_table_it_was_made_for(f: &Fixture) {
    f.advance("AAAAAAAA", 3, 12).await;
    let marks = f.store.marks("AAAAAAAA", TableId(u128::MAX)).await.unwrap();
    assert!(marks.iter().all(|mark| mark.table == Some(TABLE)), "{marks:?}");
    assert_eq!(marks[3].published, Some(12));
    f.store.drop_view("AAAAAAAA").await.unwrap();
    let marks = f.store.marks("AAAAAAAA", TableId(u128::MAX)).await.unwrap();
    assert!(
        marks
            .iter()
            .all(|mark| (mark.table, mark.published) == (Some(TableId(u128::MAX)), None)),
        "{marks:?}"
    );
}

pub(crate) async fn who_fills_a_view_that_is_dropped_by_many_at_once_loses_no_row_unnoticed(f: &Fixture) {
    const ROWS: i64 = 3_000;
    let rows: Vec<OnlineRow> = (0..ROWS).map(|id| f.row(id, order(1, 0, 1), id)).collect();
    f.store.write(&rows).await.unwrap();
    let droppers: Vec<_> = (0..4)
        .map(|_| {
            let store = Arc::clone(&f.store);
            tokio::spawn(async move { store.drop_view("AAAAAAAA").await.unwrap() })
        })
        .collect();
    loop {
        tokio::task::yield_now().await;
        let over = droppers.iter().all(tokio::task::JoinHandle::is_finished);
        let marks = f.store.marks("AAAAAAAA", TABLE).await.unwrap();
        if marks.iter().any(|mark| mark.table.is_none()) {
            continue;
        }
        f.store.write(&rows).await.unwrap();
        let advanced = f.store.advance_marks("AAAAAAAA", &marks, 1).await.unwrap();
        if over {
            assert!(advanced, "nobody is left who could have dropped anything");
            break;
        }
    }
    let keys: Vec<_> = rows.iter().map(|row| row.key.clone()).collect();
    let found = f.store.read(&keys).await.unwrap();
    assert_eq!(found.iter().flatten().count(), ROWS as usize);
}

pub(crate) async fn dropping_a_view_removes_its_rows_and_marks_only(f: &Fixture) {
    let rows: Vec<OnlineRow> = (0..2_500).map(|id| f.row(id, order(1, 0, 1), id)).collect();
    f.store.write(&rows).await.unwrap();
    let other = OnlineRow {
        key: f.key_in("BAAAAAAA", 1),
        ..rows[1].clone()
    };
    f.store.write(std::slice::from_ref(&other)).await.unwrap();
    f.advance("AAAAAAAA", 0, 1).await;
    f.advance("BAAAAAAA", 0, 1).await;
    assert_eq!(f.store.drop_view("AAAAAAAA").await.unwrap(), 2_500);
    assert_eq!(f.number(1).await, None);
    assert_eq!(f.store.read(&[other.key]).await.unwrap(), [Some(other.bytes)]);
    assert_eq!(f.mark("AAAAAAAA", 0).await.published, None);
    assert_eq!(f.mark("BAAAAAAA", 0).await.published, Some(1));
    assert_eq!(f.store.drop_view("AAAAAAAA").await.unwrap(), 0);
}

pub(crate) async fn empty_calls_are_answered(f: &Fixture) {
    f.store.ping().await.unwrap();
    assert_eq!(f.store.read(&[]).await.unwrap(), []);
    assert_eq!(f.store.write(&[]).await.unwrap(), []);
}

//! One suite that every online store passes, and what is particular to each.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod cluster_faults;
mod conformance;
mod expiry;
mod fixture;
mod redis_faults;
mod stalling_proxy;
mod suite;

/// Runs every case of the suite against each store.
macro_rules! contract {
    ($($case:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $case() {
                crate::suite::$case(&crate::fixture::Fixture::memory()).await;
            })*
        }

        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                crate::suite::$case(&crate::fixture::Fixture::redis().await).await;
            })*
        }

        mod redis_cluster {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                crate::suite::$case(&crate::fixture::Fixture::cluster().await).await;
            })*
        }
    };
}

contract!(
    reads_answer_in_the_order_asked_with_none_where_nothing_is_stored,
    a_row_replaces_the_stored_one_iff_its_rank_is_larger,
    the_order_of_rows_in_a_batch_does_not_matter,
    rows_of_one_batch_may_lie_anywhere_and_outcomes_keep_their_place,
    racing_writers_never_mix_rows_and_the_newest_wins,
    a_stale_writer_cannot_bring_a_retracted_row_back,
    a_tombstone_stays_until_a_newer_row_comes,
    rows_past_their_expiry_are_not_stored,
    a_megabyte_comes_back_as_it_was,
    marks_never_go_back_and_pieces_are_apart,
    a_mark_is_the_same_one_until_it_is_lost_and_then_no_token_of_before_advances_it,
    a_mark_keeps_the_table_it_was_made_for,
    who_fills_a_view_that_is_dropped_by_many_at_once_loses_no_row_unnoticed,
    dropping_a_view_removes_its_rows_and_marks_only,
    empty_calls_are_answered,
);

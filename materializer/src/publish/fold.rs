//! All facts of one key, one after the other, in constant memory.

use std::sync::Arc;

use triplane_feature_store::order::{Newest, Order, Rank};

use crate::rows::Page;

/// Where the columns of a fact are.
#[derive(Clone, Copy, Debug)]
pub(super) struct FactColumns {
    pub(super) event: usize,
    pub(super) created: usize,
    pub(super) sequence: usize,
    pub(super) deleted: usize,
}

/// A fact and where its columns are.
type Seen = (Order, Arc<Page>, usize);

/// Takes the facts of a key in rising order.
#[derive(Default)]
pub(super) struct Fold {
    newest: Newest<Seen>,
    largest_run: u64,
}

/// The state of a key, with the row that is its content.
pub(super) struct State {
    pub(super) rank: Rank,
    pub(super) content: Option<Seen>,
    /// The newest fact is a retraction: whoever has not seen all facts cannot know the content.
    pub(super) retracted: bool,
    /// Any row of the key.
    pub(super) key: (Arc<Page>, usize),
}

impl Fold {
    pub(super) fn add(&mut self, page: &Arc<Page>, row: usize, columns: FactColumns) {
        let order = Order {
            event_time_us: page.columns.int(columns.event, row),
            created_time_us: page.columns.int(columns.created, row),
            sequence: page.columns.int(columns.sequence, row),
        };
        let deleted = page.columns.flag(columns.deleted, row);
        self.largest_run = self.largest_run.max(Order::run_of(order.sequence));
        self.newest
            .take(order.event_time_us, deleted, (order, Arc::clone(page), row));
    }

    /// `None` without facts.
    pub(super) fn state(self) -> Option<State> {
        let ((top, page, row), retracted) = self.newest.last()?;
        Some(State {
            rank: Rank::of(*top, retracted, self.largest_run),
            content: self.newest.live().cloned(),
            retracted,
            key: (Arc::clone(page), *row),
        })
    }
}

//! All facts of one key, one after the other, in constant memory.

use std::sync::Arc;

use triplane_feature_store::order::{Content, Fact, Order, Rank, key_state};

use crate::rows::Page;

/// Where the columns of a fact are.
#[derive(Clone, Copy, Debug)]
pub(super) struct FactColumns {
    pub(super) event: usize,
    pub(super) created: usize,
    pub(super) sequence: usize,
    pub(super) deleted: usize,
}

#[derive(Clone)]
struct Seen {
    fact: Fact<usize>,
    page: Arc<Page>,
    row: usize,
}

/// Takes the facts of a key in rising order and keeps the ones that decide: the newest, the newest row that still counts
/// below it, and the largest run.
#[derive(Default)]
pub(super) struct Fold {
    last: Option<Seen>,
    newest_live: Option<Seen>,
    largest_sequence: i64,
}

/// The state of a key, with the row that is its content.
pub(super) struct State {
    pub(super) rank: Rank,
    pub(super) content: Option<(Order, Arc<Page>, usize)>,
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
        let fact = Fact {
            order,
            deleted: page.columns.flag(columns.deleted, row),
            row: 0,
        };
        self.largest_sequence = self.largest_sequence.max(order.sequence);
        if let Some(last) = self.last.take()
            && last.fact.order.event_time_us != order.event_time_us
            && !last.fact.deleted
        {
            self.newest_live = Some(last);
        }
        self.last = Some(Seen {
            fact,
            page: Arc::clone(page),
            row,
        });
    }

    /// `None` without facts.
    pub(super) fn state(self) -> Option<State> {
        let newest = self.last?;
        let mut facts = vec![newest.fact];
        let mut rows = vec![(Arc::clone(&newest.page), newest.row)];
        if let Some(live) = self.newest_live {
            facts.push(Fact { row: 1, ..live.fact });
            rows.push((live.page, live.row));
        }
        // Stands for the fact of the largest run, which counts by its run alone.
        let least = Order {
            event_time_us: i64::MIN,
            created_time_us: i64::MIN,
            sequence: self.largest_sequence,
        };
        facts.push(Fact {
            order: least,
            deleted: true,
            row: 0,
        });
        let (rank, content) = key_state(&mut facts)?;
        let content = match content {
            Content::Live(order, index) => rows.get(index).map(|(page, row)| (order, Arc::clone(page), *row)),
            Content::Tombstone => None,
        };
        Some(State {
            rank,
            content,
            retracted: newest.fact.deleted,
            key: (newest.page, newest.row),
        })
    }
}

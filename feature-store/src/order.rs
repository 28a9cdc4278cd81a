//! The total order of facts about one key, and the rank that makes online writes safe to repeat and to race.

/// Position of a fact: the newest of one key is the largest. Sequence is `run << 40 | ordinal`, the ordinal being the row's
/// place in what the run appends, sorted by (event date, key, event time): the same on every attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Order {
    /// When it was true, microseconds.
    pub event_time_us: i64,
    /// When we learned it, microseconds.
    pub created_time_us: i64,
    /// Tie-break.
    pub sequence: i64,
}

impl Order {
    /// Bits of a sequence that count rows within a run.
    pub const ORDINAL_BITS: u32 = 40;

    /// The sequence of row `ordinal` of run `run`.
    pub fn sequence(run: u64, ordinal: u64) -> i64 {
        ((run << Self::ORDINAL_BITS) | ordinal) as i64
    }

    /// The run a sequence belongs to.
    pub fn run_of(sequence: i64) -> u64 {
        (sequence as u64) >> Self::ORDINAL_BITS
    }
}

/// What an online write is compared by. A stored row is replaced iff the new rank is larger.
///
/// While the newest fact of a key is a live row, the rank is that row's order and `known_run` is 0. When the newest fact is a
/// retraction, the stored row is the next older live one (or a tombstone), the rank stays the retraction's order, and
/// `known_run` is the largest run among all facts of the key. So the rank never falls as facts are added: a writer with an
/// older picture can never bring a retracted row back, and any two writers end with the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank {
    /// Order of the newest fact, retractions included.
    pub top: Order,
    /// 0 while the newest fact is live; else the largest run among all facts of the key.
    pub known_run: u64,
}

impl Rank {
    /// Rank of a key whose newest fact is a live row.
    pub fn live(order: Order) -> Self {
        Self {
            top: order,
            known_run: 0,
        }
    }
}

/// One fact about a key: a live row or a retraction, with whatever the caller needs to find its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact<T> {
    /// Its place among the facts of the key.
    pub order: Order,
    /// A retraction of the row with the same event time.
    pub deleted: bool,
    /// Where its columns are.
    pub row: T,
}

/// What is stored for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<T> {
    /// The newest row that is not retracted.
    Live(Order, T),
    /// Every row is retracted.
    Tombstone,
}

/// The stored state of a key from all its facts, in any order (they are sorted in place); `None` without facts.
///
/// Facts with one event time are versions of one row: the newest version counts, and none of them does where that is a
/// retraction. The content is the row with the newest event time that still counts.
pub fn key_state<T: Copy>(facts: &mut [Fact<T>]) -> Option<(Rank, Content<T>)> {
    facts.sort_unstable_by_key(|fact| std::cmp::Reverse(fact.order));
    let top = facts.first()?;
    if !top.deleted {
        return Some((Rank::live(top.order), Content::Live(top.order, top.row)));
    }
    // At least 1: 0 would say that the newest fact is live.
    let known_run = facts
        .iter()
        .map(|fact| Order::run_of(fact.order.sequence))
        .max()
        .unwrap_or(0)
        .max(1);
    let rank = Rank {
        top: top.order,
        known_run,
    };
    let newest_versions = facts
        .chunk_by(|a, b| a.order.event_time_us == b.order.event_time_us)
        .filter_map(<[_]>::first);
    let content = newest_versions
        .filter(|fact| !fact.deleted)
        .map(|fact| Content::Live(fact.order, fact.row))
        .next()
        .unwrap_or(Content::Tombstone);
    Some((rank, content))
}

#[cfg(test)]
mod tests;

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

    /// Rank of a key whose newest fact is `top`, `largest_run` being the largest run among all its facts.
    pub fn of(top: Order, retracted: bool, largest_run: u64) -> Self {
        // At least 1 for a retraction: 0 says that the newest fact is live.
        let known_run = if retracted { largest_run.max(1) } else { 0 };
        Self { top, known_run }
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

/// What decides among the facts of one key that come in rising order, in constant memory.
///
/// Facts with one event time are versions of one row: the newest version counts, and none of them does where that is a
/// retraction.
#[derive(Clone, Debug)]
pub struct Newest<T> {
    /// The last fact: it alone speaks for its event time.
    last: Option<Version<T>>,
    /// The newest row that counts of an earlier event time.
    earlier: Option<Version<T>>,
}

#[derive(Clone, Debug)]
struct Version<T> {
    event_time_us: i64,
    deleted: bool,
    row: T,
}

impl<T> Default for Newest<T> {
    fn default() -> Self {
        Self {
            last: None,
            earlier: None,
        }
    }
}

impl<T> Newest<T> {
    /// Takes the next fact; none that was taken is newer.
    pub fn take(&mut self, event_time_us: i64, deleted: bool, row: T) {
        let next = Version {
            event_time_us,
            deleted,
            row,
        };
        if let Some(last) = self.last.replace(next)
            && last.event_time_us != event_time_us
            && !last.deleted
        {
            self.earlier = Some(last);
        }
    }

    /// The newest fact, and whether it is a retraction.
    pub fn last(&self) -> Option<(&T, bool)> {
        self.last.as_ref().map(|last| (&last.row, last.deleted))
    }

    /// The row with the newest event time that counts.
    pub fn live(&self) -> Option<&T> {
        let last = self.last.as_ref().filter(|last| !last.deleted);
        last.or(self.earlier.as_ref()).map(|version| &version.row)
    }
}

/// The stored state of a key from all its facts, in any order (they are sorted in place); `None` without facts.
pub fn key_state<T: Copy>(facts: &mut [Fact<T>]) -> Option<(Rank, Content<T>)> {
    facts.sort_unstable_by_key(|fact| fact.order);
    let mut newest = Newest::default();
    let mut largest_run = 0;
    for fact in facts {
        newest.take(fact.order.event_time_us, fact.deleted, (fact.order, fact.row));
        largest_run = largest_run.max(Order::run_of(fact.order.sequence));
    }
    let ((top, _), retracted) = newest.last()?;
    let rank = Rank::of(*top, retracted, largest_run);
    let content = newest.live().map(|(order, row)| Content::Live(*order, *row));
    Some((rank, content.unwrap_or(Content::Tombstone)))
}

#[cfg(test)]
mod tests;

//! The total order of facts about one key, and the rank that makes online writes safe to repeat and to race.

/// Position of a fact: the newest of one key is the largest. Sequence is `run << 40 | ordinal`, the ordinal being the row's
/// place in the run's output sorted by (key, event time, created time, encoded bytes): the same on every attempt.
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
        Self { top: order, known_run: 0 }
    }
}

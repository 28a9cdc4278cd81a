//! The merge: one pass over observations and facts, both in key and time order.

use std::sync::Arc;

use triplane_feature_store::order::Newest;

use super::JoinError;
use super::block::Block;
use super::order::Head;
use super::run::Sorted;

/// An observation with the newest live fact that is visible at its time, if any.
pub(crate) struct Match<'a> {
    /// Row number of the observation.
    pub(crate) row: i64,
    /// Its as-of time, microseconds.
    pub(crate) as_of_us: i64,
    /// The fact's block and row, however old it is: `ttl` is judged where values are served.
    pub(crate) fact: Option<(&'a Arc<Block>, usize)>,
}

/// Calls `found` once for each ask, in the order of `asks`. `is_known(event_time_us, as_of_us)` must not turn false again
/// as the as-of time grows or the event time falls.
pub(crate) fn merge(
    asks: &mut Sorted,
    facts: &mut Sorted,
    is_known: impl Fn(i64, i64) -> bool,
    mut found: impl FnMut(Match<'_>) -> Result<(), JoinError>,
) -> Result<(), JoinError> {
    let mut newest: Newest<Kept> = Newest::default();
    while let Some(ask) = asks.peek() {
        let is_other_key = |(last, _): (&Kept, bool)| last.head().compare_key(&ask).is_ne();
        if newest.last().is_some_and(is_other_key) {
            newest = Newest::default();
        }
        while let Some(fact) = facts.peek() {
            let ordering = fact.compare_key(&ask);
            if ordering.is_gt() || (ordering.is_eq() && !is_known(fact.time, ask.time)) {
                break;
            }
            if ordering.is_eq() {
                newest.take(fact.time, fact.block.flag(fact.row), Kept::new(&fact));
            }
            facts.advance()?;
        }
        found(Match {
            row: ask.block.version(ask.row).0,
            as_of_us: ask.time,
            fact: newest.live().map(|kept| (&kept.block, kept.row)),
        })?;
        asks.advance()?;
    }
    Ok(())
}

/// A fact that outlives the cursor.
struct Kept {
    prefix: u128,
    time: i64,
    block: Arc<Block>,
    row: usize,
}

impl Kept {
    fn new(fact: &Head<'_>) -> Self {
        Self {
            prefix: fact.prefix,
            time: fact.time,
            block: Arc::clone(fact.block),
            row: fact.row,
        }
    }

    fn head(&self) -> Head<'_> {
        Head {
            prefix: self.prefix,
            time: self.time,
            block: &self.block,
            row: self.row,
        }
    }
}

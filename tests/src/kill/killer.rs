//! Who counts the calls of a run, and kills it.

use triplane_contract::store::StoreAccess;

use super::{Cut, Phase};
use crate::run::{Ending, Run};

/// Counts the calls of a run and kills it at one of them.
pub trait Killer {
    /// How a run has to reach its stores to be counted.
    fn access(&self, stores: StoreAccess) -> StoreAccess;

    /// Runs to the end and says which calls were made.
    fn calls(&self, run: &Run) -> Vec<(Phase, String)>;

    /// Runs to the end, or to `cut`.
    fn to(&self, run: &Run, cut: Cut) -> Ending;
}

/// The run itself: it counts the calls of its stores' interfaces, and dies by its own hand.
pub struct Inside;

impl Killer for Inside {
    fn access(&self, stores: StoreAccess) -> StoreAccess {
        stores
    }

    fn calls(&self, run: &Run) -> Vec<(Phase, String)> {
        run.calls()
    }

    fn to(&self, run: &Run, cut: Cut) -> Ending {
        run.to(Some(cut))
    }
}

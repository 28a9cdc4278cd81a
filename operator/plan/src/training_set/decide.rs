//! When a training set is joined.

use triplane_contract::training::{TrainingSetReport, TrainingSetSpec};

use super::validate::ValidatedTrainingSet;
use crate::attempt::{self, Cause, Next};
use crate::work::{Ticket, Work};

/// A join to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartTrainingSet {
    /// Name of the set.
    pub name: String,
    /// The contract file.
    pub spec: TrainingSetSpec,
    /// Goes back with the outcome.
    pub ticket: Ticket,
    /// Why it starts.
    pub cause: Cause,
}

/// What the join is about. A set is pinned: views that move on do not make it out of date, only its own spec and its
/// schedule do.
pub fn ticket(spec: &ValidatedTrainingSet) -> Ticket {
    let rows = (
        &spec.observations_path,
        &spec.timestamp_column,
        &spec.label,
        &spec.request,
    );
    Ticket::of(&(&spec.store, rows, &spec.views), &spec.memory_limit_bytes)
}

/// What the join does next.
pub fn step(spec: &ValidatedTrainingSet, work: &Work<TrainingSetReport>, now_us: i64) -> Next {
    attempt::next(work, &ticket(spec), spec.schedule.as_ref(), Cause::Creation, now_us)
}

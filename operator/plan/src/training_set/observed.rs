//! What is observed about a TrainingSet.

use std::collections::BTreeMap;

use triplane_contract::training::{PinnedView, TrainingSetReport};
use triplane_crds::v1alpha1::TrainingSet;

use crate::work::Work;

/// A TrainingSet with what is known about it.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingSetObserved {
    /// The object with its last status.
    pub object: TrainingSet,
    /// The join.
    pub join: Work<TrainingSetReport>,
    /// The views that versions in the bucket were made from, by version (`manifest.json`); those that Models name and the
    /// newest suffice.
    pub pinned: BTreeMap<String, Vec<PinnedView>>,
}

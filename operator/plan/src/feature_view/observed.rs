//! What is observed about a FeatureView.

use std::collections::BTreeMap;

use triplane_contract::run::RunReport;
use triplane_crds::v1alpha1::FeatureView;

use super::record::ViewRecord;
use crate::work::Work;

/// A FeatureView with what is known about it.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewObserved {
    /// The object with its last status.
    pub object: FeatureView,
    /// What the last plan returned to be kept; the default for a new view.
    pub record: ViewRecord,
    /// Runs by generation.
    pub runs: BTreeMap<u32, Work<RunReport>>,
}

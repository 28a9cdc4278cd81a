//! What is observed about a Model.

use triplane_contract::model::ModelCheckReport;
use triplane_crds::v1alpha1::Model;

use crate::work::Work;

/// A Model with what is known about it.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelObserved {
    /// The object with its last status.
    pub object: Model,
    /// The verification. A report with a fault is a success of the work: the model was looked at.
    pub check: Work<ModelCheckReport>,
}

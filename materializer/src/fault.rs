//! What an error means to whoever started the work: a name for conditions, and whether trying again may help.

use triplane_bucket::BucketError;

use crate::offline::OfflineError;
use crate::plan::PlanError;
use crate::publish::PublishError;
use crate::run::RunError;
use crate::training_set::TrainingSetError;

impl RunError {
    /// Name of the cause, stable over versions: the reason of a condition.
    pub fn code(&self) -> &'static str {
        if let Some(bucket) = BucketError::find(self) {
            return bucket.code();
        }
        match self {
            Self::SpecVersion { .. } => "SpecVersion",
            Self::Plan {
                source: PlanError::ForeignOwner { .. },
            } => "ForeignOwner",
            Self::Plan { .. } => "PlanFailed",
            Self::Transform { source } => source.code(),
            Self::Publish {
                source: PublishError::MemoryLimit { .. },
            } => "MemoryLimit",
            Self::Commit { .. } => "CommitFailed",
            Self::Publish { .. } => "PublishFailed",
            Self::Report { .. } => "ReportFailed",
        }
    }

    /// Whether the same run may succeed later. What only a change of the manifest heals is not tried again.
    pub fn is_retryable(&self) -> bool {
        let heals_by_an_upload = matches!(self, Self::Transform { source } if source.heals_by_an_upload());
        let is_of_the_manifest = matches!(
            self.code(),
            "SpecVersion" | "ForeignOwner" | "LookbackRequired" | "VolatileFunction" | "InvalidQuery" | "MemoryLimit"
        );
        heals_by_an_upload || !is_of_the_manifest
    }
}

impl TrainingSetError {
    /// Name of the cause, stable over versions: the reason of a condition.
    pub fn code(&self) -> &'static str {
        if let Some(bucket) = BucketError::find(self) {
            return bucket.code();
        }
        match self {
            Self::Version { .. } => "SpecVersion",
            Self::Claim {
                source: PlanError::ForeignOwner { .. },
                ..
            } => "ForeignOwner",
            Self::ObservationSchema { .. }
            | Self::ObservationColumn { .. }
            | Self::Keys { .. }
            | Self::UnknownFeature { .. }
            | Self::Clash { .. } => "InvalidObservations",
            Self::NoObservations { .. } => "NoObservations",
            Self::RowGroup { .. } => "MemoryLimit",
            Self::Table {
                source: OfflineError::Contended { .. },
                ..
            } => "Contended",
            _ => "JoinFailed",
        }
    }

    /// Whether the same join may succeed later.
    pub fn is_retryable(&self) -> bool {
        !matches!(self.code(), "SpecVersion" | "ForeignOwner" | "InvalidObservations")
    }
}

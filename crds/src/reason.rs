//! Why a condition is as it is: the documented list. `docs/reference/conditions.md` is generated from it.

use crate::condition::ConditionType;

macro_rules! reasons {
    ($($(#[doc = $meaning:literal])+ $name:ident on [$($on:ident),+] do $next:literal;)+) => {
        /// One word of the list.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[doc = $meaning])+ $name,)+
        }

        impl Reason {
            /// Every reason, in the order it is documented.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The word in `status.conditions[].reason`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }

            /// What it means, one or two sentences.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($meaning),+).trim_ascii_start(),)+
                }
            }

            /// What to do about it.
            pub fn next_step(self) -> &'static str {
                match self {
                    $(Self::$name => $next,)+
                }
            }

            /// The conditions it may stand on.
            pub fn conditions(self) -> &'static [ConditionType] {
                match self {
                    $(Self::$name => &[$(ConditionType::$on),+],)+
                }
            }
        }
    };
}

reasons! {
    /// The object does what its spec promises.
    Available on [Ready] do "Nothing.";
    /// `spec.suspend` is true: what exists goes on, nothing new is started.
    Suspended on [Ready, Reconciling] do "Set `spec.suspend` to false.";

    /// The FeatureStore named by `storeRef` is missing or not Ready.
    WaitingForStore on [Ready, Reconciling] do "Apply the FeatureStore, or look at its own conditions.";
    /// A FeatureView that is named is missing or has no generation that can be read.
    WaitingForView on [Ready, Reconciling] do "Apply the FeatureView, or look at its own conditions.";
    /// The Model that is named is missing or not verified.
    WaitingForModel on [Ready, Reconciling] do "Apply the Model, or look at its own conditions.";
    /// The online store or the bucket is being made or does not answer yet.
    Starting on [Ready, Reconciling] do "Wait; the message names the part that is missing.";
    /// The first run of the view is at work.
    Materializing on [Ready, Reconciling] do "Wait; the message says how far it is.";
    /// A new generation is filled beside the old one, which still serves.
    Backfilling on [Reconciling] do "Wait; the switch happens at once when it is complete.";
    /// The training set is being joined.
    Joining on [Ready, Reconciling] do "Wait.";
    /// The model is being fetched, checked and tried.
    Verifying on [Ready, Reconciling] do "Wait.";
    /// A new route table is being distributed.
    Routing on [Ready, Reconciling] do "Wait.";

    /// The spec contradicts itself or names something that a referenced object does not have.
    InvalidSpec on [Ready, Stalled] do "Change the field that the message names.";
    /// The spec asks for something that this version cannot do.
    NotSupported on [Ready, Stalled] do "Change the field that the message names.";
    /// The query does not parse, names unknown columns, or returns other types than declared.
    InvalidQuery on [Ready, Stalled] do "Correct `spec.query`; the message says where.";
    /// The query looks at other rows (an aggregate, window, join or subquery) or computes its event time, and `lookback` is not set.
    LookbackRequired on [Ready, Stalled] do "Set `spec.lookback` to how far from its own time the rows are that a row is made of.";
    /// The query uses a function whose value differs from run to run.
    VolatileFunction on [Ready, Stalled] do "Replace the function that the message names.";
    /// The observations have no rows or lack a column that is named.
    InvalidObservations on [Ready, Stalled] do "Correct `spec.observations` or the files.";
    /// The root of the store in the bucket belongs to another object.
    ForeignOwner on [Ready, Stalled] do "Use another bucket or prefix, or remove `_triplane/owner.json` if its owner is gone.";
    /// Neither `fallback` nor the model's `baseline` gives a default prediction.
    FallbackRequired on [Ready, Stalled] do "Set `spec.fallback.prediction`.";

    /// The store cannot be reached.
    StoreUnavailable on [Ready, Degraded] do "Look at the store; the message has its last error.";
    /// A run failed. Beside Ready=True it is a later run: the rows of the last good one are served.
    RunFailed on [Ready, Degraded] do "Look at the message; the run is tried again.";
    /// The job needs more memory than it may use.
    MemoryLimit on [Ready, Stalled, Degraded] do "Raise `resources.limits.memory`; the message names the operator that needs it.";
    /// Source rows were rejected and put into `_rejected/` with their cause.
    RowsRejected on [Degraded] do "Look at `status.rejected`; correct the files, they are read again.";

    /// The artifact or the golden file is not at its path.
    ArtifactMissing on [Ready, Stalled, Verified] do "Upload it, or create a Model with the right path.";
    /// The artifact is larger than accepted.
    ArtifactTooLarge on [Ready, Stalled, Verified] do "Train a smaller model.";
    /// The artifact's bytes have another sha256 than `artifact.sha256`.
    DigestMismatch on [Ready, Stalled, Verified] do "Create a Model with the digest of the file that is there, or upload the right file.";
    /// The artifact does not parse or is cut off.
    LoadFailed on [Ready, Stalled, Verified] do "Upload it again; the message says where it stops making sense.";
    /// The artifact's inputs differ from `spec.inputs`, or an input names a feature that does not exist with a usable type.
    InputMismatch on [Ready, Stalled, Verified] do "Create a Model with the inputs that the message names.";
    /// A golden prediction is not reproduced within the tolerance.
    GoldenMismatch on [Ready, Stalled, Verified] do "Check that artifact and golden file come from the same training.";
    /// The artifact was checked and reproduces its golden predictions.
    Passed on [Verified] do "Nothing.";

    /// The model that serves is no longer Ready.
    ModelNotReady on [Ready, Degraded] do "Look at the Model's own conditions.";
    /// The circuit breaker over the online store is open: answers come from the cache, imputed, or are the default.
    BreakerOpen on [Degraded] do "Look at the online store.";

    /// The newest event is younger than `freshness.target`.
    WithinTarget on [Fresh] do "Nothing.";
    /// The newest event is older than `freshness.target`.
    TooOld on [Fresh] do "Look at the sources: is new data arriving? Look at the last run.";
    /// Nothing has been materialized yet.
    NoData on [Fresh] do "Wait for the first run.";

    /// The views have the generations that the model was trained on.
    SameGenerations on [FeaturesChanged] do "Nothing.";
    /// A view has another generation than the training set that the model was trained on.
    OtherGenerations on [FeaturesChanged] do "Train the model again on the new features.";
    /// `spec.trainedOn` is not set, or its training set version is gone.
    NotRecorded on [FeaturesChanged] do "Set `spec.trainedOn` in the next Model.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_documented_and_fits_a_condition() {
        for reason in Reason::ALL {
            assert!(
                !reason.meaning().is_empty() && reason.next_step().ends_with('.'),
                "{}",
                reason.name()
            );
            assert!(
                !reason.conditions().is_empty() && reason.name().len() <= 64,
                "{}",
                reason.name()
            );
        }
    }
}

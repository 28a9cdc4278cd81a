//! The status of a Model.

use std::collections::BTreeMap;

use triplane_contract::model::{Input, ModelCheckReport, ModelFault};
use triplane_contract::training::PinnedView;
use triplane_crds::condition::{ConditionStatus, ConditionType, Observation};
use triplane_crds::reason::Reason;
use triplane_crds::v1alpha1::ModelStatus;
use triplane_crds::v1alpha1::model::ModelUse;

use super::decide;
use super::observed::ModelObserved;
use super::resolve::ModelInputError;
use super::validate::ValidatedModel;
use crate::attempt;
use crate::failure;
use crate::judgement::{self, Judgement};

/// What a status is made from.
pub struct Facts<'a> {
    /// The object and its verification.
    pub observed: &'a ModelObserved,
    /// The spec, or why it cannot be acted on.
    pub spec: Result<&'a ValidatedModel, String>,
    /// Why its inputs do not resolve.
    pub inputs: Option<ModelInputError>,
    /// Why the store cannot be used.
    pub store_waits: Option<String>,
    /// Views of the training set version it names, where that is in the bucket.
    pub trained_on: Option<&'a [PinnedView]>,
    /// Generation of each view that is read, by view.
    pub generations: BTreeMap<&'a str, u32>,
    /// Services that serve it or are about to.
    pub used_by: Vec<ModelUse>,
}

/// Whether a service may take the model.
pub fn is_ready(facts: &Facts<'_>) -> bool {
    judge(facts).verdict == crate::judgement::Verdict::Kept
}

/// The status, and when it changes without any event.
pub fn status(facts: &Facts<'_>, now_us: i64) -> (ModelStatus, Option<i64>) {
    let object = &facts.observed.object;
    let before = object.status.clone().unwrap_or_default();
    let generation = object.metadata.generation.unwrap_or(0);
    let spec = facts.spec.as_ref().ok();
    let verified = spec
        .and_then(|spec| decide::report(spec, &facts.observed.check))
        .map(verified);
    let judgement = judge(facts)
        .with(verified)
        .with(spec.map(|spec| features_changed(facts, spec)));
    let (conditions, recheck) = judgement::conditions(&before.conditions, judgement, generation, now_us);
    let features = spec.map(|s| {
        s.inputs
            .iter()
            .filter(|input| matches!(input, Input::Feature { .. }))
            .count()
    });
    let roles: Vec<String> = facts
        .used_by
        .iter()
        .map(|u| format!("{} in {}", u.role, u.service))
        .collect();
    let status = ModelStatus {
        observed_generation: Some(generation),
        conditions,
        format: Some(object.spec.format.name().to_owned()),
        digest: Some(object.spec.artifact.sha256.chars().take(12).collect()),
        features: features.and_then(|n| i32::try_from(n).ok()),
        role: (!roles.is_empty()).then(|| roles.join(", ").chars().take(1024).collect()),
        used_by: facts.used_by.clone(),
    };
    (status, recheck)
}

fn judge(facts: &Facts<'_>) -> Judgement {
    let spec = match &facts.spec {
        Ok(spec) => spec,
        Err(message) => return Judgement::stalled(Reason::InvalidSpec, message),
    };
    if let Some(error) = &facts.inputs {
        let message = error.to_string();
        if !error.is_waiting() {
            return Judgement::stalled(Reason::InputMismatch, message);
        }
        return Judgement::coming(Reason::WaitingForView, message);
    }
    let check = &facts.observed.check;
    if let Some(report) = decide::report(spec, check) {
        return match report.fault {
            None => Judgement::kept(format!("verified: {}", report.message)),
            Some(ModelFault::ArtifactMissing) => Judgement::coming(Reason::ArtifactMissing, &report.message)
                .working(Reason::Verifying, "the artifact is looked for again: upload it"),
            Some(fault) => Judgement::stalled(reason(fault), &report.message),
        };
    }
    match attempt::current_failure(check, &decide::ticket(spec)) {
        Some(failure) if !failure.retryable => Judgement::stalled(failure::stalled_reason(failure), &failure.message),
        _ if facts.store_waits.is_some() => {
            Judgement::coming(Reason::WaitingForStore, facts.store_waits.clone().unwrap_or_default())
        }
        Some(failure) => {
            let message = failure::retry_message(failure);
            Judgement::coming(Reason::RunFailed, &message).working(Reason::Verifying, message)
        }
        None => Judgement::coming(Reason::Verifying, "the artifact is fetched, checked and tried: wait"),
    }
}

fn verified(report: &ModelCheckReport) -> Observation {
    let (status, reason) = match report.fault {
        None => (ConditionStatus::True, Reason::Passed),
        Some(fault) => (ConditionStatus::False, reason(fault)),
    };
    judgement::observe(ConditionType::Verified, status, reason, &report.message)
}

fn reason(fault: ModelFault) -> Reason {
    match fault {
        ModelFault::ArtifactMissing => Reason::ArtifactMissing,
        ModelFault::ArtifactTooLarge => Reason::ArtifactTooLarge,
        ModelFault::DigestMismatch => Reason::DigestMismatch,
        ModelFault::LoadFailed => Reason::LoadFailed,
        ModelFault::InputMismatch => Reason::InputMismatch,
        ModelFault::GoldenMismatch => Reason::GoldenMismatch,
    }
}

/// Whether the views are those the model was trained on.
fn features_changed(facts: &Facts<'_>, spec: &ValidatedModel) -> Observation {
    let observe =
        |status, reason, message: &str| judgement::observe(ConditionType::FeaturesChanged, status, reason, message);
    let Some(trained_on) = &spec.trained_on else {
        return observe(
            ConditionStatus::Unknown,
            Reason::NotRecorded,
            "spec.trainedOn is not set",
        );
    };
    let Some(pinned) = facts.trained_on else {
        let message = format!(
            "version {} of TrainingSet {} is not found",
            trained_on.version, trained_on.training_set
        );
        return observe(ConditionStatus::Unknown, Reason::NotRecorded, &message);
    };
    let used = |name: &str| spec.views.iter().any(|alias| alias.view == name);
    let changed = pinned.iter().filter(|pin| used(&pin.view)).find_map(|pin| {
        let now = *facts.generations.get(pin.view.as_str())?;
        (now != pin.generation).then(|| {
            format!(
                "FeatureView {} was at generation {} in training and is at {now}: train the model again",
                pin.view, pin.generation
            )
        })
    });
    match changed {
        Some(message) => observe(ConditionStatus::True, Reason::OtherGenerations, &message),
        None => observe(
            ConditionStatus::False,
            Reason::SameGenerations,
            "the views are those of the training",
        ),
    }
}

//! The status of a TrainingSet.

use std::collections::BTreeMap;

use triplane_crds::reason::Reason;
use triplane_crds::v1alpha1::TrainingSetStatus;

use super::decide;
use super::observed::TrainingSetObserved;
use super::resolve::SetInputError;
use super::validate::ValidatedTrainingSet;
use crate::attempt;
use crate::failure;
use crate::judgement::{self, Judgement};

/// What a status is made from.
pub struct Facts<'a> {
    /// The object and its join.
    pub observed: &'a TrainingSetObserved,
    /// The spec, or why it cannot be acted on.
    pub spec: Result<&'a ValidatedTrainingSet, String>,
    /// Why its views cannot be joined.
    pub inputs: Option<SetInputError>,
    /// Why the store cannot be used.
    pub store_waits: Option<String>,
}

/// The status, and when it changes without any event.
pub fn status(facts: &Facts<'_>, now_us: i64) -> (TrainingSetStatus, Option<i64>) {
    let object = &facts.observed.object;
    let before = object.status.clone().unwrap_or_default();
    let generation = object.metadata.generation.unwrap_or(0);
    let (conditions, recheck) = judgement::conditions(&before.conditions, judge(facts), generation, now_us);
    let mut status = TrainingSetStatus {
        observed_generation: Some(generation),
        conditions,
        ..Default::default()
    };
    if let Some(done) = &facts.observed.join.done {
        let report = &done.report;
        status.rows = Some(i64::try_from(report.rows).unwrap_or(i64::MAX));
        status.version = Some(report.set_version.clone());
        status.path = Some(report.path.clone());
        status.found = report.found.clone();
        status.view_generations = generations(facts.observed, &report.set_version);
    }
    (status, recheck)
}

fn generations(observed: &TrainingSetObserved, version: &str) -> BTreeMap<String, i32> {
    let pinned = observed.pinned.get(version).into_iter().flatten();
    pinned
        .filter_map(|view| Some((view.alias.clone(), i32::try_from(view.generation).ok()?)))
        .collect()
}

fn judge(facts: &Facts<'_>) -> Judgement {
    let spec = match &facts.spec {
        Ok(spec) => spec,
        Err(message) => return Judgement::stalled(Reason::InvalidSpec, message),
    };
    let join = &facts.observed.join;
    let ticket = decide::ticket(spec);
    let done = join.done.as_ref().filter(|done| done.ticket.content == ticket.content);
    let failure = attempt::current_failure(join, &ticket);
    if let Some(error) = facts.inputs.as_ref().filter(|error| !error.is_waiting()) {
        return Judgement::stalled(Reason::InvalidSpec, error.to_string());
    }
    if let Some(done) = done {
        let report = &done.report;
        let kept = Judgement::kept(format!(
            "version {} has {} rows in {}",
            report.set_version, report.rows, report.path
        ));
        return match failure {
            Some(failure) if failure.retryable => {
                kept.degraded(failure::degraded_reason(failure), failure::retry_message(failure))
            }
            Some(failure) => kept.degraded(failure::degraded_reason(failure), &failure.message),
            None if join.running => kept.working(Reason::Joining, "a new version is joined: wait"),
            None => kept,
        };
    }
    if let Some(failure) = failure.filter(|failure| failure::needs_user(failure)) {
        return Judgement::stalled(failure::stalled_reason(failure), failure::stalled_message(failure));
    }
    if let Some(message) = &facts.store_waits {
        return Judgement::coming(Reason::WaitingForStore, message);
    }
    if let Some(waiting) = &facts.inputs {
        return Judgement::coming(Reason::WaitingForView, waiting.to_string());
    }
    if spec.suspend {
        return Judgement::coming(
            Reason::Suspended,
            "no join starts while spec.suspend is true: set it to false",
        );
    }
    match failure {
        Some(failure) => {
            let message = failure::retry_message(failure);
            Judgement::coming(Reason::RunFailed, &message).working(Reason::Joining, message)
        }
        None => Judgement::coming(Reason::Joining, "observations are joined with their features: wait"),
    }
}

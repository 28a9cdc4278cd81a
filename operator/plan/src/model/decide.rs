//! When a model is verified, and what the verification said.

use triplane_contract::model::{MAX_ARTIFACT_BYTES, ModelCheckReport, ModelCheckSpec, ModelFault, ServedModel};
use triplane_contract::store::StoreAccess;
use triplane_contract::version;

use super::validate::ValidatedModel;
use crate::attempt::{self, Cause, Next};
use crate::work::{Ticket, Work};

/// A verification to start.
#[derive(Clone, Debug, PartialEq)]
pub struct StartModelCheck {
    /// Name of the model.
    pub name: String,
    /// The contract file.
    pub spec: ModelCheckSpec,
    /// Goes back with the outcome.
    pub ticket: Ticket,
    /// Why it starts.
    pub cause: Cause,
}

/// What the verification is about: the artifact and what it is compared with. Views may move on without another one.
pub fn ticket(model: &ValidatedModel) -> Ticket {
    let artifact = (&model.artifact_path, &model.sha256, model.format, &model.golden);
    Ticket::of(&(&model.store, artifact, &model.inputs), &MAX_ARTIFACT_BYTES)
}

/// The report about the present spec.
pub fn report<'a>(model: &ValidatedModel, check: &'a Work<ModelCheckReport>) -> Option<&'a ModelCheckReport> {
    let done = check.done.as_ref()?;
    (done.ticket.content == ticket(model).content && done.report.sha256 == model.sha256).then_some(&done.report)
}

/// What the verification does next. Faults that an upload heals are looked at again; the others are final, for a Model is
/// immutable.
pub fn step(model: &ValidatedModel, check: &Work<ModelCheckReport>, now_us: i64) -> Next {
    let next = attempt::next(check, &ticket(model), None, Cause::Creation, now_us);
    if next != Next::Idle {
        return next;
    }
    let Some(done) = &check.done else { return next };
    if done.report.sha256 != model.sha256 {
        return Next::Start(Cause::SpecChange);
    }
    match done.report.fault.and_then(look_again_us) {
        Some(delay) if done.at_us.saturating_add(delay) <= now_us => Next::Start(Cause::Retry),
        Some(delay) => Next::At(done.at_us.saturating_add(delay)),
        None => Next::Idle,
    }
}

fn look_again_us(fault: ModelFault) -> Option<i64> {
    match fault {
        ModelFault::ArtifactMissing => Some(15_000_000),
        ModelFault::DigestMismatch | ModelFault::LoadFailed | ModelFault::GoldenMismatch => Some(300_000_000),
        ModelFault::ArtifactTooLarge | ModelFault::InputMismatch => None,
    }
}

/// The contract file of a verification.
pub fn spec(namespace: &str, model: &ValidatedModel, served: ServedModel, store: &StoreAccess) -> ModelCheckSpec {
    ModelCheckSpec {
        version: version::CURRENT,
        namespace: namespace.to_owned(),
        model: served,
        golden: model.golden.clone(),
        store: store.clone(),
        max_artifact_bytes: MAX_ARTIFACT_BYTES,
    }
}

//! Every Model of a namespace.

use std::collections::BTreeMap;

use triplane_contract::model::ServedModel;
use triplane_crds::v1alpha1::model::ModelUse;

use super::decide::{self, StartModelCheck};
use super::observed::ModelObserved;
use super::resolve::{self, ModelInputError};
use super::status::{self, Facts};
use super::validate::{self, ValidatedModel};
use crate::attempt::Next;
use crate::inference_service::pass::Services;
use crate::plan::Plan;
use crate::resolve::Views;
use crate::snapshot::{Kind, Snapshot};

/// A model with what its references came to.
pub(crate) struct Case<'a> {
    observed: &'a ModelObserved,
    /// The spec, or why it cannot be acted on.
    pub(crate) spec: Result<ValidatedModel, String>,
    /// As it would be served, or why not; `None` without a valid spec.
    pub(crate) served: Option<Result<ServedModel, ModelInputError>>,
    /// Generations of all views that are read.
    generations: BTreeMap<String, u32>,
}

/// The models of a namespace by name.
pub(crate) type Cases<'a> = BTreeMap<String, Case<'a>>;

impl Case<'_> {
    /// Whether it is verified and its inputs resolve.
    pub(crate) fn is_ready(&self) -> bool {
        status::is_ready(&self.facts(None, Vec::new(), None))
    }

    fn facts<'b>(
        &'b self,
        store_waits: Option<String>,
        used_by: Vec<ModelUse>,
        trained_on: Option<&'b [triplane_contract::training::PinnedView]>,
    ) -> Facts<'b> {
        Facts {
            observed: self.observed,
            spec: self.spec.as_ref().map_err(Clone::clone),
            inputs: self.served.as_ref().and_then(|served| served.as_ref().err().cloned()),
            store_waits,
            trained_on,
            generations: self.generations.iter().map(|(name, n)| (name.as_str(), *n)).collect(),
            used_by,
        }
    }
}

/// Validates and resolves every model.
pub(crate) fn cases<'a>(snapshot: &'a Snapshot, views: &Views<'_>) -> Cases<'a> {
    let ready = |(name, known): (&String, &crate::resolve::Known<'_>)| Some((name.clone(), known.ready?.generation));
    let generations: BTreeMap<String, u32> = views.iter().filter_map(ready).collect();
    let case = |(name, observed): (&String, &'a ModelObserved)| {
        let spec = validate::validate(name, &observed.object.spec).map_err(|error| error.to_string());
        let served = spec.as_ref().ok().map(|spec| resolve::served(spec, views));
        (
            name.clone(),
            Case {
                observed,
                spec,
                served,
                generations: generations.clone(),
            },
        )
    };
    snapshot.models.iter().map(case).collect()
}

/// Puts the status of every model into the plan; returns the verifications to start.
pub(crate) fn run(
    snapshot: &Snapshot,
    cases: &Cases<'_>,
    services: &Services,
    now_us: i64,
    plan: &mut Plan,
) -> Vec<StartModelCheck> {
    let mut starts = Vec::new();
    for (name, case) in cases {
        let store = snapshot.usable(&case.observed.object.spec.store_ref.name);
        if let (Ok(spec), Some(Ok(served)), Ok(store)) = (&case.spec, &case.served, &store) {
            match decide::step(spec, &case.observed.check, now_us) {
                Next::Start(cause) => starts.push(StartModelCheck {
                    name: name.clone(),
                    spec: decide::spec(&snapshot.namespace, spec, served.clone(), store),
                    ticket: decide::ticket(spec),
                    cause,
                }),
                Next::At(at) => plan.look_again(Kind::Model, name, Some(at)),
                Next::Running | Next::Blocked | Next::Idle => {}
            }
        }
        let trained_on = case.spec.as_ref().ok().and_then(|spec| {
            let trained_on = spec.trained_on.as_ref()?;
            Some(
                snapshot
                    .training_sets
                    .get(&trained_on.training_set)?
                    .pinned
                    .get(&trained_on.version)?
                    .as_slice(),
            )
        });
        let facts = case.facts(store.err(), services.uses_of(name), trained_on);
        let (status, again) = status::status(&facts, now_us);
        plan.look_again(Kind::Model, name, again);
        plan.models.insert(name.clone(), status);
    }
    starts
}

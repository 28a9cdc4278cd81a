//! Every TrainingSet of a namespace.

use triplane_contract::store::StoreAccess;

use super::decide::{self, StartTrainingSet};
use super::resolve;
use super::status::{self, Facts};
use super::validate::{self, ValidatedTrainingSet};
use crate::attempt::Next;
use crate::plan::Plan;
use crate::resolve::Views;
use crate::snapshot::{Kind, Snapshot};

/// Puts the status of every set into the plan; returns the joins to start.
pub(crate) fn run(snapshot: &Snapshot, views: &Views<'_>, now_us: i64, plan: &mut Plan) -> Vec<StartTrainingSet> {
    let mut starts = Vec::new();
    for (name, observed) in &snapshot.training_sets {
        let spec = validate::validate(&snapshot.namespace, name, &observed.object.spec);
        let spec = spec.map_err(|error| error.to_string());
        let store = snapshot.usable(&observed.object.spec.store_ref.name);
        let mut inputs = None;
        if let Ok(spec) = &spec {
            inputs = resolve::complete(spec, views).err();
            if let (None, Ok(store), false) = (&inputs, &store, spec.suspend) {
                let step = decide::step(spec, &observed.join, now_us);
                starts.extend(start(spec, views, store, step));
                if let Next::At(at) = step {
                    plan.look_again(Kind::TrainingSet, name, Some(at));
                }
            }
        }
        let facts = Facts {
            observed,
            spec: spec.as_ref().map_err(Clone::clone),
            inputs,
            store_waits: store.err(),
        };
        let (status, again) = status::status(&facts, now_us);
        plan.look_again(Kind::TrainingSet, name, again);
        plan.training_sets.insert(name.clone(), status);
    }
    starts
}

fn start(spec: &ValidatedTrainingSet, views: &Views<'_>, store: &StoreAccess, step: Next) -> Option<StartTrainingSet> {
    let Next::Start(cause) = step else { return None };
    Some(StartTrainingSet {
        name: spec.name.clone(),
        spec: resolve::spec(spec, views, store).ok()?,
        ticket: decide::ticket(spec),
        cause,
    })
}

//! Every FeatureView of a namespace.

use std::collections::BTreeMap;

use super::decide::{self, StartRun};
use super::observed::ViewObserved;
use super::record::ViewRecord;
use super::status::{self, Facts};
use super::validate::{self, ValidatedView};
use crate::attempt::Next;
use crate::inference_service::pass::Services;
use crate::inference_service::table;
use crate::plan::{Action, Plan};
use crate::resolve::{Known, Views};
use crate::snapshot::{Kind, Snapshot};

/// Puts record and status of every view into the plan; returns the runs to start.
pub(crate) fn run(snapshot: &Snapshot, now_us: i64, plan: &mut Plan) -> Vec<StartRun> {
    let mut starts = Vec::new();
    for (name, observed) in &snapshot.views {
        let spec = validated(snapshot, name, observed);
        let record = decide::record(&observed.record, spec.as_ref().ok(), &observed.runs);
        let steps = spec
            .as_ref()
            .map(|spec| decide::steps(&record, spec, &observed.runs, now_us))
            .unwrap_or_default();
        let store = snapshot.usable(&observed.object.spec.store_ref.name);
        if let (Ok(spec), Ok(store)) = (&spec, &store)
            && !spec.suspend
        {
            for step in &steps {
                let Some(generation) = record.get(step.generation) else {
                    continue;
                };
                starts.extend(decide::start(step, generation, spec, store));
                if let Next::At(at) = step.next {
                    plan.look_again(Kind::FeatureView, name, Some(at));
                }
            }
        }
        let facts = Facts {
            observed,
            spec: spec.as_ref().map_err(Clone::clone),
            record: &record,
            steps: &steps,
            store_waits: store.err(),
        };
        let (status, again) = status::status(&facts, now_us);
        plan.look_again(Kind::FeatureView, name, again);
        plan.views.insert(name.clone(), status);
        plan.records.insert(name.clone(), record);
    }
    starts
}

/// What others may refer to.
pub(crate) fn known<'a>(snapshot: &Snapshot, records: &'a BTreeMap<String, ViewRecord>) -> Views<'a> {
    let known = |(name, record): (&String, &'a ViewRecord)| {
        let valid = snapshot
            .views
            .get(name)
            .is_some_and(|observed| validated(snapshot, name, observed).is_ok());
        let target = record.target().filter(|_| valid).map(|generation| &generation.view);
        (
            name.clone(),
            Known {
                target,
                ready: record.ready().map(|generation| &generation.view),
            },
        )
    };
    records.iter().map(known).collect()
}

/// Drops every retired generation that no server reads and no run writes.
pub(crate) fn drops(snapshot: &Snapshot, records: &BTreeMap<String, ViewRecord>, services: &Services) -> Vec<Action> {
    let mut drops = Vec::new();
    for (name, record) in records {
        for generation in record.retired() {
            let number = generation.view.generation;
            let runs = snapshot.views.get(name).and_then(|observed| observed.runs.get(&number));
            let busy = runs.is_some_and(|work| work.running)
                || is_read(snapshot, name, number)
                || services.tables.values().any(|next| table::reads(next, name, number))
                || snapshot.services.values().any(is_switching);
            if let (false, Ok(store)) = (busy, snapshot.usable(&generation.view.store)) {
                let view = Box::new(generation.view.clone());
                drops.push(Action::DropGeneration {
                    view,
                    store: Box::new(store.clone()),
                });
            }
        }
    }
    drops
}

fn validated(snapshot: &Snapshot, name: &str, observed: &ViewObserved) -> Result<ValidatedView, String> {
    validate::validate(&snapshot.namespace, name, &observed.object.spec).map_err(|error| error.to_string())
}

/// Whether a published table names the generation.
fn is_read(snapshot: &Snapshot, view: &str, generation: u32) -> bool {
    let mut tables = snapshot.services.values().filter_map(|service| service.table.as_ref());
    tables.any(|published| table::reads(published, view, generation))
}

/// Servers may still have a table before the published one.
fn is_switching(service: &crate::inference_service::observed::ServiceObserved) -> bool {
    match (&service.table, &service.server) {
        (Some(table), Some(server)) => server.generation != table.generation,
        (None, Some(_)) => true,
        (_, None) => false,
    }
}

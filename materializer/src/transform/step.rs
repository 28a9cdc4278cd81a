//! One transformation, tried again without objects that break off while they are read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use datafusion::error::DataFusionError;
use futures::FutureExt;
use object_store::ObjectStore;
use triplane_contract::layout;
use triplane_contract::run::{PlannedObject, RejectCause, RunSpec};

use super::TransformError;
use super::query::plain_schema;
use super::reference::{Reference, reference};
use super::reject::{RejectScope, Rejected, Rejects};
use super::source::{Fault, Findings};
use crate::engine::Engine;
use crate::offline::{Table, WrittenFile};
use crate::plan::{Inventory, Planned, note};
use crate::progress::Progress;

/// How often objects may change under a run before it gives up.
const CHANGES: usize = 16;

/// What a transformation works on.
pub(crate) struct Inputs<'a> {
    pub(crate) spec: &'a RunSpec,
    pub(crate) bucket: &'a Arc<dyn ObjectStore>,
    pub(crate) scratch: &'a Path,
    pub(crate) planned: &'a Planned,
    /// The table as it is committed against.
    pub(crate) table: &'a Table,
    pub(crate) progress: &'a dyn Progress,
}

/// Files written, not committed.
#[derive(Debug, Default)]
pub(crate) struct Transformed {
    pub(crate) files: Vec<WrittenFile>,
    pub(crate) appended: u64,
}

/// Computes the rows of a run and writes its data files and rejects.
pub(crate) async fn transform(inputs: &Inputs<'_>) -> Result<Transformed, TransformError> {
    let mut broken: BTreeMap<String, String> = BTreeMap::new();
    let mut changed = BTreeSet::new();
    let mut changes = 0;
    loop {
        let findings = Findings::default();
        let attempt = Attempt::new(inputs, &broken, &findings);
        // The futures of an engine are large; they live on the heap.
        let done = async { attempt?.run().await }.boxed().await;
        // Also of an attempt that is given up: what it found broken may have been another content than the planned one.
        changed.append(&mut findings.take_changed());
        match (done, findings.take_fault()) {
            (Err(_), Some(Fault::Broken { path, message })) => {
                broken.insert(path, message);
            }
            (Err(_), Some(Fault::TooLarge { source })) => {
                let (view, limit_bytes) = (inputs.spec.view.full_name(), inputs.spec.memory_limit_bytes);
                return Err(TransformError::RowGroup {
                    view,
                    limit_bytes,
                    source,
                });
            }
            (Err(_), Some(Fault::Changed { path })) => {
                changes += 1;
                if changes > CHANGES {
                    return Err(TransformError::Unsettled { path });
                }
            }
            (done, _) => {
                let (root, run) = (view_root(inputs.spec), inputs.planned.plan.run);
                note(inputs.bucket, &root, run, changed).await?;
                return done;
            }
        }
    }
}

fn view_root(spec: &RunSpec) -> String {
    layout::view_root(&spec.store.root, &spec.view)
}

/// One attempt; its engine and scratch folder go with it.
pub(super) struct Attempt<'a> {
    pub(super) inputs: &'a Inputs<'a>,
    pub(super) broken: &'a BTreeMap<String, String>,
    pub(super) findings: &'a Findings,
    pub(super) engine: Engine,
    pub(super) root: String,
    pub(super) created_us: i64,
}

impl<'a> Attempt<'a> {
    fn new(
        inputs: &'a Inputs<'a>,
        broken: &'a BTreeMap<String, String>,
        findings: &'a Findings,
    ) -> Result<Self, TransformError> {
        let spec = inputs.spec;
        let columns = spec.view.keys.len() + spec.view.features.len() + 4;
        let engine = Engine::new(spec.memory_limit_bytes, inputs.scratch, columns)
            .map_err(|e| TransformError::engine(&spec.view.full_name(), spec.memory_limit_bytes, e))?;
        let root = view_root(spec);
        let plan = &inputs.planned.plan;
        // When an object went away is not known; that it did was learned when the run was planned.
        let learned = |o: &PlannedObject| {
            if o.removed {
                plan.planned_at_us
            } else {
                o.last_modified_us
            }
        };
        let created_us = plan.arrived.iter().map(learned).max().unwrap_or(0);
        Ok(Self {
            inputs,
            broken,
            findings,
            engine,
            root,
            created_us,
        })
    }

    pub(super) fn engine_error(&self, source: DataFusionError) -> TransformError {
        TransformError::engine(
            &self.inputs.spec.view.full_name(),
            self.inputs.spec.memory_limit_bytes,
            source,
        )
    }

    async fn run(self) -> Result<Transformed, TransformError> {
        let (spec, plan) = (self.inputs.spec, &self.inputs.planned.plan);
        let mut after = self.inputs.planned.before.clone();
        after.apply(plan);
        let mut rejects = Rejects::new(self.engine.folder());
        let scopes: Vec<RejectScope> = spec.transform.sources.iter().map(|_| rejects.scope()).collect();
        let done = match self.references(&after).await? {
            None => {
                self.reject_unreadable(&scopes)?;
                Transformed::default()
            }
            Some(references) => {
                let result_scope = rejects.scope();
                self.difference(references, &after, (&scopes, result_scope)).await?
            }
        };
        rejects.save(self.inputs.bucket, &self.root, plan.run).await?;
        Ok(done)
    }

    /// The columns of every source; `None` while one of them has no readable object.
    async fn references(&self, after: &Inventory) -> Result<Option<Vec<Reference>>, TransformError> {
        let (spec, plan) = (self.inputs.spec, &self.inputs.planned.plan);
        let mut found = Vec::new();
        for source in &spec.transform.sources {
            if spec.transform.query.is_none() {
                found.push(Reference {
                    schema: plain_schema(&spec.view, &spec.transform),
                    run: 0,
                    is_fixed: true,
                });
                continue;
            }
            let objects: Vec<PlannedObject> = after.objects().filter(|o| o.source == source.name).cloned().collect();
            let Some(reference) = reference(self.inputs.bucket, &self.root, &source.name, plan.run, &objects).await?
            else {
                return Ok(None);
            };
            found.push(reference);
        }
        Ok(Some(found))
    }

    fn reject_unreadable(&self, scopes: &[RejectScope]) -> Result<(), TransformError> {
        for (source, scope) in self.inputs.spec.transform.sources.iter().zip(scopes) {
            let arrived = self
                .inputs
                .planned
                .plan
                .arrived
                .iter()
                .filter(|o| o.source == source.name);
            for (object, message) in arrived.filter_map(|o| Some((o, o.unreadable.as_ref()?))) {
                let rejected = Rejected {
                    cause: RejectCause::UnreadableFile,
                    rows: 1,
                    place: object.path.clone(),
                    column: String::new(),
                    value: message.clone(),
                    row: BTreeMap::new(),
                };
                scope
                    .add(&rejected)
                    .map_err(|e| self.engine_error(DataFusionError::IoError(e)))?;
            }
        }
        Ok(())
    }
}

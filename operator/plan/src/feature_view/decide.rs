//! Which generation of a view is built, which is read, and which runs start.

use std::collections::BTreeMap;

use triplane_contract::run::{RunReport, RunSpec};
use triplane_contract::store::StoreAccess;
use triplane_contract::version;

use super::generation;
use super::record::{Generation, ViewRecord};
use super::validate::ValidatedView;
use crate::attempt::{self, Cause, Next};
use crate::work::{Ticket, Work};

/// The runs of a view by generation.
pub type Runs = BTreeMap<u32, Work<RunReport>>;

/// A run to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartRun {
    /// Name of the view.
    pub view: String,
    /// Generation that is brought up to date.
    pub generation: u32,
    /// The contract file.
    pub spec: RunSpec,
    /// Goes back with the outcome.
    pub ticket: Ticket,
    /// Why it starts.
    pub cause: Cause,
}

/// What happens to one generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunStep {
    /// The generation.
    pub generation: u32,
    /// What its work does next.
    pub next: Next,
    /// What the work is about.
    pub ticket: Ticket,
}

/// The record after a look at spec and reports: the target follows the spec, servers switch to it once it is complete.
pub fn record(before: &ViewRecord, spec: Option<&ValidatedView>, runs: &Runs) -> ViewRecord {
    let mut next = spec.map_or_else(|| before.clone(), |spec| generation::advance(before, spec));
    let complete = |n: &u32| runs.get(n).is_some_and(|work| work.done.is_some());
    if let Some(target) = next.target.filter(complete) {
        next.ready = Some(target);
    }
    next
}

/// The next step of the target and of the generation that is read. Both follow the schedule: what is read stays fresh while
/// another is built.
pub fn steps(record: &ViewRecord, spec: &ValidatedView, runs: &Runs, now_us: i64) -> Vec<RunStep> {
    let mut live: Vec<&Generation> = record.ready().into_iter().chain(record.target()).collect();
    live.dedup_by_key(|g| g.view.generation);
    let step = |generation: &Generation| {
        let number = generation.view.generation;
        let ticket = ticket(generation, spec.memory_limit_bytes);
        let none = Work::default();
        let work = runs.get(&number).unwrap_or(&none);
        let first = if record.ready.is_none() {
            Cause::Creation
        } else {
            Cause::NewGeneration
        };
        let next = attempt::next(work, &ticket, spec.schedule.as_ref(), first, now_us);
        RunStep {
            generation: number,
            next,
            ticket,
        }
    };
    live.into_iter().map(step).collect()
}

/// The run of a step that starts now.
pub fn start(step: &RunStep, generation: &Generation, spec: &ValidatedView, store: &StoreAccess) -> Option<StartRun> {
    let Next::Start(cause) = step.next else { return None };
    Some(StartRun {
        view: spec.name.clone(),
        generation: step.generation,
        spec: RunSpec {
            version: version::CURRENT,
            view: generation.view.clone(),
            transform: generation.transform.clone(),
            store: store.clone(),
            memory_limit_bytes: spec.memory_limit_bytes,
        },
        ticket: step.ticket.clone(),
        cause,
    })
}

/// A finished run stays done for its whole generation; a failed one is tried at once when its definition or memory changes.
fn ticket(generation: &Generation, memory_limit_bytes: u64) -> Ticket {
    Ticket::of(
        &generation.view.id,
        &(&generation.view, &generation.transform, memory_limit_bytes),
    )
}

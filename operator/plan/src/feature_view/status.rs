//! The status of a FeatureView.

use triplane_contract::run::RunReport;
use triplane_contract::{Column, ValueType};
use triplane_crds::condition::{ConditionStatus, ConditionType, Observation};
use triplane_crds::duration::Duration;
use triplane_crds::reason::Reason;
use triplane_crds::v1alpha1::FeatureViewStatus;
use triplane_crds::v1alpha1::feature_view::{Definition, LastRun, LiveSchema, Rejected, SchemaColumn};
use triplane_crds::value_type::ValueType as Declared;

use super::decide::{RunStep, Runs};
use super::observed::ViewObserved;
use super::record::{Generation, ViewRecord};
use super::validate::ValidatedView;
use crate::attempt;
use crate::failure;
use crate::judgement::{self, Judgement};
use crate::time;
use crate::work::{Done, Failure, digest};

/// What a status is made from.
pub struct Facts<'a> {
    /// The object and its runs.
    pub observed: &'a ViewObserved,
    /// The spec, or why it cannot be acted on.
    pub spec: Result<&'a ValidatedView, String>,
    /// The record of this pass.
    pub record: &'a ViewRecord,
    /// The steps of this pass.
    pub steps: &'a [RunStep],
    /// Why the store cannot be used.
    pub store_waits: Option<String>,
}

/// The status, and when it changes without any event.
pub fn status(facts: &Facts<'_>, now_us: i64) -> (FeatureViewStatus, Option<i64>) {
    let object = &facts.observed.object;
    let before = object.status.clone().unwrap_or_default();
    let generation = object.metadata.generation.unwrap_or(0);
    let done = facts.record.ready.and_then(|ready| done(&facts.observed.runs, ready));
    let (fresh, stale_at) = fresh(facts.spec.as_ref().ok().copied(), done.map(|done| &done.report), now_us);
    let judgement = judge(facts).with(fresh);
    let (conditions, recheck) = judgement::conditions(&before.conditions, judgement, generation, now_us);
    let mut status = FeatureViewStatus {
        observed_generation: Some(generation),
        conditions,
        ..Default::default()
    };
    if let Some(target) = facts.record.target() {
        define(&mut status, target);
    }
    status.ready_generation = facts.record.ready.and_then(|n| i32::try_from(n).ok());
    if let Some(done) = done {
        report(&mut status, done);
    }
    (status, time::earlier(recheck, stale_at))
}

fn judge(facts: &Facts<'_>) -> Judgement {
    let spec = match &facts.spec {
        Ok(spec) => spec,
        Err(message) => return Judgement::stalled(Reason::InvalidSpec, message),
    };
    let Some(ready) = facts.record.ready else {
        return first(facts, spec);
    };
    let target = facts.record.target.unwrap_or(ready);
    let failure = current_failure(facts, target);
    let filling = target != ready;
    if let Some(failure) = failure.filter(|f| !f.retryable || (filling && failure::needs_user(f))) {
        let message = format!(
            "generation {target} cannot be filled: {}; generation {ready} is served",
            failure::stalled_message(failure)
        );
        return Judgement::stalled(failure::stalled_reason(failure), message);
    }
    let mut judgement = Judgement::kept(kept_message(facts, ready));
    if filling {
        let because = facts.record.target().map_or("", |g| g.because.as_str());
        let message = format!("generation {target} is filled beside generation {ready}, which is served: {because}");
        judgement = judgement.working(Reason::Backfilling, message);
    }
    let rejected = done(&facts.observed.runs, ready).and_then(|done| rejected_message(&done.report));
    if let Some(failure) = failure.or_else(|| current_failure(facts, ready)) {
        judgement.degraded(failure::degraded_reason(failure), failure::retry_message(failure))
    } else if let Some(message) = &facts.store_waits {
        judgement.degraded(Reason::StoreUnavailable, message)
    } else if let Some(message) = rejected {
        judgement.degraded(Reason::RowsRejected, message)
    } else {
        judgement
    }
}

/// Before the first complete generation.
fn first(facts: &Facts<'_>, spec: &ValidatedView) -> Judgement {
    if let Some(message) = &facts.store_waits {
        return Judgement::coming(Reason::WaitingForStore, message);
    }
    if spec.suspend {
        return Judgement::coming(
            Reason::Suspended,
            "no run starts while spec.suspend is true: set it to false",
        );
    }
    match facts.record.target.and_then(|target| current_failure(facts, target)) {
        Some(failure) if failure::needs_user(failure) => {
            Judgement::stalled(failure::stalled_reason(failure), failure::stalled_message(failure))
        }
        Some(failure) => {
            let message = failure::retry_message(failure);
            Judgement::coming(Reason::RunFailed, &message).working(Reason::Materializing, message)
        }
        None => Judgement::coming(
            Reason::Materializing,
            "the first run reads every source: wait for its report",
        ),
    }
}

fn kept_message(facts: &Facts<'_>, ready: u32) -> String {
    let suspended = facts.spec.as_ref().is_ok_and(|spec| spec.suspend);
    let end = if suspended {
        "; no run starts while spec.suspend is true"
    } else {
        ""
    };
    match done(&facts.observed.runs, ready) {
        Some(done) => {
            let newest = done.report.newest_event_us.map_or("none".to_owned(), time::text);
            format!("{} rows, newest event {newest}{end}", done.report.rows)
        }
        None => format!("generation {ready} is read; its report comes with the next run{end}"),
    }
}

fn rejected_message(report: &RunReport) -> Option<String> {
    let rows: u64 = report.rejected.iter().map(|count| count.rows).sum();
    let first = report
        .rejected
        .iter()
        .max_by_key(|count| count.rows)
        .filter(|_| rows > 0)?;
    Some(format!(
        "{rows} rows were rejected, {} of them {:?}, for example {}: correct the files, they are read again",
        first.rows, first.cause, first.example
    ))
}

/// `Fresh`, where a target is set, and when it turns False by itself.
fn fresh(spec: Option<&ValidatedView>, report: Option<&RunReport>, now_us: i64) -> (Option<Observation>, Option<i64>) {
    let Some(target) = spec.and_then(|spec| spec.freshness_target_us) else {
        return (None, None);
    };
    let observe =
        |status, reason, message: &str| Some(judgement::observe(ConditionType::Fresh, status, reason, message));
    let Some(newest) = report.and_then(|report| report.newest_event_us) else {
        return (
            observe(ConditionStatus::Unknown, Reason::NoData, "there is no row yet"),
            None,
        );
    };
    let until = newest.saturating_add(target);
    let event = time::text(newest);
    if now_us <= until {
        let message = format!("the newest event is of {event}");
        return (
            observe(ConditionStatus::True, Reason::WithinTarget, &message),
            Some(until.saturating_add(1)),
        );
    }
    let message = format!("the newest event is of {event}, older than freshness.target: is new data arriving?");
    (observe(ConditionStatus::False, Reason::TooOld, &message), None)
}

fn current_failure<'a>(facts: &Facts<'a>, generation: u32) -> Option<&'a Failure> {
    let step = facts.steps.iter().find(|step| step.generation == generation)?;
    attempt::current_failure(facts.observed.runs.get(&generation)?, &step.ticket)
}

fn done(runs: &Runs, generation: u32) -> Option<&Done<RunReport>> {
    runs.get(&generation)?.done.as_ref()
}

fn define(status: &mut FeatureViewStatus, target: &Generation) {
    let view = &target.view;
    status.generation = i32::try_from(view.generation).ok();
    status.view_id = Some(view.id.clone());
    status.definition = Some(Definition {
        digest: digest(&(&view.keys, &target.transform)),
        ttl: view.ttl_us.map(|us| Duration(format!("{us}us"))),
    });
    let schema = |schema: &triplane_contract::Schema| {
        Some(LiveSchema {
            id: i32::try_from(schema.id).ok()?,
            columns: schema.columns.iter().map(column).collect(),
        })
    };
    status.schemas = view.schemas.iter().filter_map(schema).collect();
}

fn report(status: &mut FeatureViewStatus, done: &Done<RunReport>) {
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let report = &done.report;
    status.newest_event_time = report.newest_event_us.map(time::seconds);
    status.rows = Some(count(report.rows));
    status.bytes = Some(count(report.bytes));
    status.last_run = Some(LastRun {
        run: count(report.run),
        finished_at: time::seconds(done.at_us),
        rows_appended: count(report.rows_appended),
        rows_published: count(report.rows_published),
    });
    let rejected = report.rejected.iter().map(|rejected| Rejected {
        cause: format!("{:?}", rejected.cause),
        rows: count(rejected.rows),
        example: Some(rejected.example.chars().take(512).collect()),
    });
    status.rejected = rejected.collect();
}

fn column(column: &Column) -> SchemaColumn {
    let value_type = match column.value_type {
        ValueType::Bool => Declared::Bool,
        ValueType::Int32 => Declared::Int32,
        ValueType::Int64 => Declared::Int64,
        ValueType::Float32 => Declared::Float32,
        ValueType::Float64 => Declared::Float64,
        ValueType::String => Declared::String,
        ValueType::Bytes => Declared::Bytes,
        ValueType::Timestamp => Declared::Timestamp,
    };
    SchemaColumn {
        name: column.name.clone(),
        value_type,
    }
}

//! One call of the run protocol: plan, transform, commit, publish, report.

use std::sync::Arc;
use std::time::Instant;

use object_store::ObjectStore;
use snafu::Snafu;
use triplane_contract::run::{RunReport, RunSpec};
use triplane_contract::{layout, version};

use crate::environment::Environment;
use crate::memory::peak_resident_bytes;
use crate::objects::ObjectError;
use crate::offline::{CommitOutcome, OfflineError, RunCommit, Table, commit_run, create_if_absent};
use crate::plan::{PlanError, Planned, plan_next};
use crate::progress::{Progress, Step};
use crate::publish::{PublishError, Target, publish};
use crate::transform::reject::summary;
use crate::transform::{Inputs, TransformError, transform};

/// How often another writer of the table may come first.
const COMMITS: u32 = 8;

/// Why a run did not end. Doing it again is always right.
#[derive(Debug, Snafu)]
pub enum RunError {
    /// The spec was written for another build.
    #[snafu(display("{message}"))]
    SpecVersion {
        /// Versions and next step.
        message: String,
    },
    /// Step 1.
    #[snafu(transparent)]
    Plan {
        /// Cause.
        source: PlanError,
    },
    /// Step 2.
    #[snafu(transparent)]
    Transform {
        /// Cause.
        source: TransformError,
    },
    /// Step 3.
    #[snafu(transparent)]
    Commit {
        /// Cause.
        source: OfflineError,
    },
    /// Step 4.
    #[snafu(transparent)]
    Publish {
        /// Cause.
        source: PublishError,
    },
    /// Step 5.
    #[snafu(transparent)]
    Report {
        /// Cause.
        source: ObjectError,
    },
}

/// Brings the view generation of `spec` up to date: finishes the run that was begun, plans and does the next one if objects
/// arrived, publishes what is not online yet. Nothing to do is nothing written.
pub async fn run(spec: &RunSpec, environment: &Environment, progress: &dyn Progress) -> Result<RunReport, RunError> {
    version::check("run.json", spec.version).map_err(|message| RunError::SpecVersion { message })?;
    // Not by the environment's clock, which may stand still.
    let started = Instant::now();
    let bucket = &environment.bucket;
    let root = layout::view_root(&spec.store.root, &spec.view);
    let mut table = Table::open(bucket, &root, None).await?;
    let mut appended = 0;
    loop {
        let committed = committed_run(spec, table.as_ref()).await?;
        let Some(planned) = plan_next(spec, bucket, committed, environment.clock.now_us()).await? else {
            break;
        };
        announce(spec, &planned, progress);
        let (committed_table, rows) = finish(spec, environment, &planned, progress).await?;
        progress.report(
            &spec.view.full_name(),
            &Step::Committed {
                run: planned.plan.run,
                rows,
            },
        );
        (table, appended) = (Some(committed_table), appended + rows);
        if planned.fresh {
            break;
        }
    }
    let mut published = 0;
    if let Some(table) = &table {
        let target = Target {
            spec,
            online: &environment.online,
            clock: environment.clock.as_ref(),
            scratch: &environment.scratch,
            progress,
        };
        published = publish(&target, table).await?;
    }
    let mut report = totals(spec, bucket, &root, table.as_ref()).await?;
    report.rows_appended = appended;
    report.rows_published = published;
    report.elapsed_us = i64::try_from(started.elapsed().as_micros()).unwrap_or(i64::MAX);
    Ok(report)
}

fn announce(spec: &RunSpec, planned: &Planned, progress: &dyn Progress) {
    let bytes = planned
        .plan
        .arrived
        .iter()
        .filter(|object| !object.removed)
        .map(|object| object.size)
        .sum();
    let step = Step::Planned {
        run: planned.plan.run,
        objects: planned.plan.arrived.len(),
        bytes,
    };
    progress.report(&spec.view.full_name(), &step);
}

async fn committed_run(spec: &RunSpec, table: Option<&Table>) -> Result<u64, OfflineError> {
    match table {
        Some(table) => table.committed_run(&spec.view).await,
        None => Ok(0),
    }
}

/// Steps 2 and 3: computes the planned run against the newest table and commits it there, unless it is in it already.
async fn finish(
    spec: &RunSpec,
    environment: &Environment,
    planned: &Planned,
    progress: &dyn Progress,
) -> Result<(Table, u64), RunError> {
    let (bucket, plan) = (&environment.bucket, &planned.plan);
    let root = layout::view_root(&spec.store.root, &spec.view);
    let mut rows = 0;
    for _ in 0..COMMITS {
        let table = create_if_absent(bucket, &root, &spec.view).await?;
        if table.committed_run(&spec.view).await? >= plan.run {
            return Ok((table, rows));
        }
        let inputs = Inputs {
            spec,
            bucket,
            scratch: &environment.scratch,
            planned,
            table: &table,
            progress,
        };
        let done = transform(&inputs).await?;
        let commit = RunCommit {
            view: &spec.view,
            run: plan.run,
            planned_at_us: plan.planned_at_us,
            files: &done.files,
        };
        rows = match commit_run(&table, &commit).await? {
            CommitOutcome::Committed => done.appended,
            CommitOutcome::Stale => 0,
        };
    }
    Err(OfflineError::Contended {
        root,
        run: plan.run,
        attempts: COMMITS,
    }
    .into())
}

/// Step 5: totals of the view generation, whatever this call did.
async fn totals(
    spec: &RunSpec,
    bucket: &Arc<dyn ObjectStore>,
    root: &str,
    table: Option<&Table>,
) -> Result<RunReport, RunError> {
    let run = committed_run(spec, table).await?;
    let files = table.map_or_else(|| Ok(Vec::new()), Table::files)?;
    Ok(RunReport {
        version: version::CURRENT,
        run,
        table_version: table.map_or(-1, Table::version),
        rows: files.iter().map(|file| file.rows).sum(),
        rows_appended: 0,
        bytes: files.iter().map(|file| file.size).sum(),
        newest_event_us: files.iter().map(|file| file.newest_event_us).max(),
        rows_published: 0,
        rejected: summary(bucket, root, run).await?.total,
        peak_memory_bytes: peak_resident_bytes(),
        elapsed_us: 0,
    })
}

//! Step 1 of a run: which objects arrived since the run before.

mod arrivals;
mod changed;
mod inventory;
mod listing;
mod owner;
mod span;

use std::sync::Arc;

use object_store::ObjectStore;
use snafu::Snafu;
use triplane_contract::run::{RunPlan, RunSpec};
use triplane_contract::{layout, version};

use crate::objects::{FooterError, ObjectError, get_json, put_if_absent};

pub use inventory::Inventory;
pub use owner::claim;

pub(crate) use changed::{ChangedObject, note};
pub(crate) use listing::is_hidden;
pub(crate) use span::span;

/// Why a run could not be planned.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
pub enum PlanError {
    /// A small file of the view could not be read or written.
    #[snafu(transparent)]
    Object {
        /// Cause.
        source: ObjectError,
    },
    /// The objects of a source could not be listed.
    #[snafu(display("failed to list source {name} at {path}: {source}"))]
    List {
        /// Source.
        name: String,
        /// Bucket-rooted folder.
        path: String,
        /// Cause.
        source: object_store::Error,
    },
    /// A new object could not be looked at.
    #[snafu(display("failed to look at a new object of source {name}"))]
    Look {
        /// Source.
        name: String,
        /// Cause.
        source: FooterError,
    },
    /// A plan was written by a newer build.
    #[snafu(display("{message}"))]
    Version {
        /// File, versions, next step.
        message: String,
    },
    /// A plan of an earlier run is missing.
    #[snafu(display("{path} is missing: restore it, or delete the view's folder to build it anew"))]
    PlanMissing {
        /// Bucket-rooted path.
        path: String,
    },
    /// The store's folder belongs to somebody else.
    #[snafu(display(
        "{path} says that this folder belongs to {found}, not to {owner}: choose another prefix for one of them"
    ))]
    ForeignOwner {
        /// Bucket-rooted path of the marker.
        path: String,
        /// Owner in the marker.
        found: String,
        /// Owner in the spec.
        owner: String,
    },
}

/// A plan and what was known before it.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The plan that exists for this run.
    pub plan: RunPlan,
    /// Objects after the run before.
    pub before: Inventory,
    /// Whether this call listed the sources (it then knows every arrival up to now).
    pub fresh: bool,
}

/// The plan of the run after `committed`, made now if there is none; `None` where nothing arrived.
pub async fn plan_next(
    spec: &RunSpec,
    bucket: &Arc<dyn ObjectStore>,
    committed: u64,
    now_us: i64,
) -> Result<Option<Planned>, PlanError> {
    let root = layout::view_root(&spec.store.root, &spec.view);
    let run = committed + 1;
    let path = layout::run_plan(&root, run);
    let before = inventory::load(bucket, &root, committed).await?;
    if let Some(plan) = get_json::<RunPlan>(bucket, &path).await? {
        owner::claim(&spec.store, bucket).await?;
        return checked(plan, &path).map(|plan| {
            Some(Planned {
                plan,
                before,
                fresh: false,
            })
        });
    }
    let mut known = before.clone();
    for object in changed::noted(bucket, &root, committed).await? {
        known.forget_content(&object);
    }
    let listed = listing::list(bucket, spec).await?;
    let changes = arrivals::arrivals(&known, listed);
    if changes.is_empty() {
        return Ok(None);
    }
    let arrived = span::look_at(bucket, spec, &known, changes).await?;
    if arrived.is_empty() {
        return Ok(None);
    }
    owner::claim(&spec.store, bucket).await?;
    let plan = RunPlan {
        version: version::CURRENT,
        run,
        planned_at_us: now_us,
        arrived,
    };
    let plan = put_if_absent(bucket, &path, plan).await?;
    checked(plan, &path).map(|plan| {
        Some(Planned {
            plan,
            before,
            fresh: true,
        })
    })
}

fn checked(plan: RunPlan, path: &str) -> Result<RunPlan, PlanError> {
    version::check(path, plan.version).map_err(|message| PlanError::Version { message })?;
    Ok(plan)
}

//! Step 4 of a run: the online store gets every table version after its published marks.
//!
//! A pass over the facts of the runs after the mark writes the newest of each key. Where that is a retraction, or the store
//! holds the stand-in of a retracted row, all facts of the key decide, which a second pass reads. The write rule makes
//! both passes safe to repeat, to race and to lose halfway; the mark moves last.

mod fold;
mod pass;
mod work;

use std::path::Path;
use std::sync::Arc;

use datafusion::error::DataFusionError;
use snafu::{ResultExt, Snafu};
use triplane_contract::run::RunSpec;
use triplane_feature_store::Clock;
use triplane_feature_store::key::KeyError;
use triplane_feature_store::online::{OnlineError, OnlineStore};
use triplane_feature_store::row::RowError;

use crate::engine::{Engine, exhausted};
use crate::offline::{OfflineError, Table};
use crate::progress::Progress;

use pass::{Facts, Pass};
use work::Work;

/// Why rows could not be published.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
pub enum PublishError {
    /// The online store did not take them.
    #[snafu(display("failed to {action} of {view}: {source}"))]
    Online {
        /// What was tried.
        action: &'static str,
        /// `namespace/name`
        view: String,
        /// Cause.
        source: OnlineError,
    },
    /// A row could not be encoded.
    #[snafu(display("failed to encode a row of {view}: {source}"))]
    Row {
        /// `namespace/name`
        view: String,
        /// Cause.
        source: RowError,
    },
    /// A key could not be encoded.
    #[snafu(display("failed to encode a key of {view}: {source}"))]
    Key {
        /// `namespace/name`
        view: String,
        /// Cause.
        source: KeyError,
    },
    /// The table could not be read.
    #[snafu(transparent)]
    Table {
        /// Cause.
        source: OfflineError,
    },
    /// The memory budget is too small for one operator.
    #[snafu(display(
        "MemoryLimit: publishing {view} needs more than {limit_bytes} bytes: {operator}; raise spec.materialization.resources"
    ))]
    MemoryLimit {
        /// `namespace/name`
        view: String,
        /// The budget of the whole process.
        limit_bytes: u64,
        /// The engine's message, which names the operator.
        operator: String,
    },
    /// The engine failed.
    #[snafu(display("failed to publish {view}: {source}"))]
    Engine {
        /// `namespace/name`
        view: String,
        /// Cause.
        source: DataFusionError,
    },
}

impl PublishError {
    fn engine(spec: &RunSpec, source: DataFusionError) -> Self {
        let view = spec.view.full_name();
        match exhausted(&source) {
            Some(operator) => Self::MemoryLimit {
                view,
                limit_bytes: spec.memory_limit_bytes,
                operator,
            },
            None => Self::Engine { view, source },
        }
    }
}

/// What publishing works on.
pub(crate) struct Target<'a> {
    pub(crate) spec: &'a RunSpec,
    pub(crate) online: &'a Arc<dyn OnlineStore>,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) scratch: &'a Path,
    pub(crate) progress: &'a dyn Progress,
}

/// Brings the online store up to `table`; gives the rows it took. Does nothing where every mark is there already.
pub(crate) async fn publish(target: &Target<'_>, table: &Table) -> Result<u64, PublishError> {
    let spec = target.spec;
    let view = spec.view.full_name();
    let marks = target.online.marks(&spec.view.id).await.context(OnlineSnafu {
        action: "read the marks",
        view: &view,
    })?;
    let Some(work) = Work::decide(table, &spec.view, &marks).await? else {
        return Ok(0);
    };
    let mut taken = 0;
    if let Some(first_run) = work.first_run {
        let columns = spec.view.keys.len() + spec.view.features.len() + 4;
        let engine =
            Engine::new(spec.memory_limit_bytes, target.scratch, columns).map_err(|e| PublishError::engine(spec, e))?;
        let new_facts = Facts::since(first_run, &spec.view, target.clock.now_us());
        let mut pass = Pass::new(target, table, &engine, &work.pieces)?;
        let unsure = pass.write(&new_facts).await?;
        if !unsure.is_empty() {
            pass.write(&Facts::of_keys(unsure)).await?;
        }
        taken = pass.taken();
    }
    for piece in &work.pieces {
        let done = target.online.advance_mark(&spec.view.id, *piece, table.version()).await;
        done.context(OnlineSnafu {
            action: "advance the mark",
            view: &view,
        })?;
    }
    Ok(taken)
}

//! Step 4 of a run: the online store gets every table version after its published marks.
//!
//! A pass over the facts of the runs after the mark writes the newest of each key. Where that is a retraction, or the store
//! holds the stand-in of a retracted row, all facts of the key decide, which a second pass reads. The write rule makes
//! both passes safe to repeat, to race and to lose halfway; the mark moves last.
//!
//! A mark only moves if it is the one that was read before the first row was written: a store that was wiped in between has
//! another. It also names the table it speaks of: the rows of a table that is no more are dropped before those of the one in
//! its place are written, since their order has nothing to do with each other.

mod fold;
mod identity;
mod pass;
mod work;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use datafusion::error::DataFusionError;
use snafu::{ResultExt, Snafu};
use triplane_contract::run::RunSpec;
use triplane_feature_store::Clock;
use triplane_feature_store::key::KeyError;
use triplane_feature_store::online::{Mark, OnlineError, OnlineStore};
use triplane_feature_store::row::RowError;

use crate::engine::{Engine, exhausted};
use crate::offline::{OfflineError, Table};
use crate::progress::Progress;

use identity::{is_in_place, table_id};
use pass::{Facts, Pass};
use work::Work;

/// How often a publisher starts over from fresh marks.
const ATTEMPTS: u32 = 5;
/// Before the second of them; each later one waits four times as long: slots may be on their way.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

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
    /// The store was wiped, or another publisher dropped the view, again and again.
    #[snafu(display(
        "the online rows of {view} were wiped or dropped during each of {attempts} attempts to publish them: run again once \
         the online store keeps its data"
    ))]
    Unsettled {
        /// `namespace/name`
        view: String,
        /// Attempts made.
        attempts: u32,
    },
    /// The table is not in its place any more.
    #[snafu(display("the offline table {root} was removed or replaced while {view} was published: run again"))]
    Replaced {
        /// `namespace/name`
        view: String,
        /// Root of the table in the bucket.
        root: String,
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
    let mut taken = 0;
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            tokio::time::sleep(FIRST_PAUSE * 4_u32.pow(attempt - 1)).await;
        }
        let Some(marks) = marks_to_fill(target, table, taken > 0).await? else {
            continue;
        };
        let published: Vec<_> = marks.iter().map(|mark| (mark.piece, mark.published)).collect();
        let Some(work) = Work::decide(table, &target.spec.view, &published).await? else {
            return Ok(taken);
        };
        taken += write(target, table, &work).await?;
        if advance(target, table, &work, &marks).await? {
            return Ok(taken);
        }
    }
    UnsettledSnafu {
        view: target.spec.view.full_name(),
        attempts: ATTEMPTS,
    }
    .fail()
}

/// Marks of `table`, after the rows of any other were dropped; `None` while somebody else is dropping them.
async fn marks_to_fill(
    target: &Target<'_>,
    table: &Table,
    has_written: bool,
) -> Result<Option<Vec<Mark>>, PublishError> {
    let (online, view) = (target.online, &target.spec.view);
    let failed = |action| OnlineSnafu {
        action,
        view: view.full_name(),
    };
    let id = table_id(table)?;
    let is_ours = |marks: &[Mark]| marks.iter().all(|mark| mark.table == Some(id));
    let marks = online.marks(&view.id, id).await.context(failed("read the marks"))?;
    if is_ours(&marks) && !has_written {
        return Ok(Some(marks));
    }
    if !is_in_place(table).await? {
        if has_written {
            // These rows may have come after those of the new table, whose publisher could not know.
            online.drop_view(&view.id).await.context(failed("drop the rows"))?;
        }
        let (view, root) = (view.full_name(), table.root());
        return ReplacedSnafu { view, root }.fail();
    }
    if is_ours(&marks) {
        return Ok(Some(marks));
    }
    online.drop_view(&view.id).await.context(failed("drop the rows"))?;
    let marks = online.marks(&view.id, id).await.context(failed("read the marks"))?;
    Ok(is_ours(&marks).then_some(marks))
}

/// Writes what `work` says is missing; gives the rows the store took.
async fn write(target: &Target<'_>, table: &Table, work: &Work) -> Result<u64, PublishError> {
    let spec = target.spec;
    let Some(first_run) = work.first_run else { return Ok(0) };
    let columns = spec.view.keys.len() + spec.view.features.len() + 4;
    let engine =
        Engine::new(spec.memory_limit_bytes, target.scratch, columns).map_err(|e| PublishError::engine(spec, e))?;
    let new_facts = Facts::since(first_run, &spec.view, target.clock.now_us());
    let mut pass = Pass::new(target, table, &engine, &work.pieces)?;
    let unsure = pass.write(&new_facts).await?;
    if !unsure.is_empty() {
        pass.write(&Facts::of_keys(unsure)).await?;
    }
    Ok(pass.taken())
}

/// Whether every mark of `work` still was the one that was read, and is at the table's version now.
async fn advance(target: &Target<'_>, table: &Table, work: &Work, marks: &[Mark]) -> Result<bool, PublishError> {
    let view = &target.spec.view;
    let due: Vec<Mark> = marks
        .iter()
        .filter(|mark| work.pieces.contains(&mark.piece))
        .cloned()
        .collect();
    let advanced = target.online.advance_marks(&view.id, &due, table.version()).await;
    advanced.context(OnlineSnafu {
        action: "advance the marks",
        view: view.full_name(),
    })
}

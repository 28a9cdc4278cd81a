//! Step 2 of a run: the query over the input range, and what it changes in the table.

pub(crate) mod conform;
pub(crate) mod ranges;
pub(crate) mod reject;

mod append;
mod checks;
mod compute;
mod event_time;
mod forward;
mod judge;
mod known;
mod merge;
mod output;
mod query;
mod read;
mod reference;
mod source;
mod step;

use datafusion::error::DataFusionError;
use snafu::Snafu;

pub use query::QueryError;
pub use reject::RejectError;
pub(crate) use step::{Inputs, transform};

use crate::engine::exhausted;
use crate::objects::{FooterError, ObjectError, RowGroupTooLarge};
use crate::offline::OfflineError;

/// Why a run's rows could not be made.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
pub enum TransformError {
    /// The query is refused.
    #[snafu(transparent)]
    Query {
        /// Why.
        source: QueryError,
    },
    /// A source's timestamp column is not a timestamp in most files.
    #[snafu(display(
        "source {name}: column \"{column}\" is {found} in most files, a timestamp is needed: name another timestampColumn"
    ))]
    SourceTime {
        /// Source.
        name: String,
        /// Column.
        column: String,
        /// Type found.
        found: String,
    },
    /// The query does not fit the columns that the first files have, which are not fixed yet.
    #[snafu(display(
        "{source}; columns are taken from the first files in {paths}: correct the manifest, or replace or remove files that are wrong"
    ))]
    FirstFiles {
        /// Why.
        #[snafu(source(from(TransformError, Box::new)))]
        source: Box<TransformError>,
        /// Bucket-rooted folders.
        paths: String,
    },
    /// The memory budget is too small for one operator.
    #[snafu(display(
        "MemoryLimit: {view} needs more than {limit_bytes} bytes: {operator}; raise spec.materialization.resources or lower the lookback"
    ))]
    MemoryLimit {
        /// `namespace/name`
        view: String,
        /// The budget of the whole process.
        limit_bytes: u64,
        /// The engine's message, which names the operator.
        operator: String,
    },
    /// The memory budget is too small for one object.
    #[snafu(display(
        "MemoryLimit: {view} may use {limit_bytes} bytes: {source}, or raise spec.materialization.resources"
    ))]
    RowGroup {
        /// `namespace/name`
        view: String,
        /// The budget of the whole process.
        limit_bytes: u64,
        /// The object, the row group and what to do.
        source: RowGroupTooLarge,
    },
    /// The engine failed.
    #[snafu(display("failed to compute {view}: {source}"))]
    Engine {
        /// `namespace/name`
        view: String,
        /// Cause.
        source: DataFusionError,
    },
    /// An object keeps changing while it is read.
    #[snafu(display("{path} was replaced again and again while it was read: write objects under new names"))]
    Unsettled {
        /// Bucket-rooted path.
        path: String,
    },
    /// An object could not be looked at.
    #[snafu(display("failed to look at an object"))]
    Look {
        /// Cause.
        source: FooterError,
    },
    /// A small file could not be read or written.
    #[snafu(transparent)]
    Object {
        /// Cause.
        source: ObjectError,
    },
    /// Rejected rows could not be kept.
    #[snafu(transparent)]
    Rejects {
        /// Cause.
        source: RejectError,
    },
    /// The table could not be read or written.
    #[snafu(transparent)]
    Table {
        /// Cause.
        source: OfflineError,
    },
}

impl TransformError {
    /// Name of the cause, stable over versions.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Query { source } => match source {
                QueryError::LookbackRequired { .. } => "LookbackRequired",
                QueryError::VolatileFunction { .. } => "VolatileFunction",
                _ => "InvalidQuery",
            },
            Self::SourceTime { .. } => "InvalidQuery",
            Self::FirstFiles { source, .. } => source.code(),
            Self::MemoryLimit { .. } | Self::RowGroup { .. } => "MemoryLimit",
            _ => "TransformFailed",
        }
    }

    /// Whether other files can heal what else only a change of the manifest does.
    pub(crate) fn heals_by_an_upload(&self) -> bool {
        matches!(self, Self::FirstFiles { .. } | Self::RowGroup { .. })
    }

    /// The same, as one that other files heal where it is about columns that only `paths` propose.
    pub(crate) fn over_first_files(self, paths: &[&str]) -> Self {
        let is_about_columns = match &self {
            Self::SourceTime { .. } => true,
            Self::Query { source } => source.is_about_columns(),
            _ => false,
        };
        if paths.is_empty() || !is_about_columns {
            return self;
        }
        Self::FirstFiles {
            source: Box::new(self),
            paths: paths.join(", "),
        }
    }

    /// Names the operator where memory ran out.
    pub(crate) fn engine(view: &str, limit_bytes: u64, source: DataFusionError) -> Self {
        match exhausted(&source) {
            Some(operator) => Self::MemoryLimit {
                view: view.to_owned(),
                limit_bytes,
                operator,
            },
            None => Self::Engine {
                view: view.to_owned(),
                source,
            },
        }
    }
}

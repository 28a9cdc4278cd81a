//! Why a join stops.

use std::io;
use std::path::{Path, PathBuf};

use arrow::error::ArrowError;
use snafu::Snafu;
use triplane_contract::ValueType;
use triplane_feature_store::semantics::RuleError;

/// Why the join of one view stops. The caller adds the names of the set and the view.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
pub enum JoinError {
    /// A column operation failed.
    #[snafu(display("failed to {step}: {source}"))]
    Arrow {
        /// What was being done.
        step: &'static str,
        /// Cause.
        source: ArrowError,
    },
    /// The scratch directory cannot hold the rows that do not fit in memory.
    #[snafu(display("failed to spill to {}: {source}; free space there or raise the memory limit", path.display()))]
    Spill {
        /// The spill file.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// A spill file does not hold what was written.
    #[snafu(display("failed to read back {}: {source}", path.display()))]
    Unspill {
        /// The spill file.
        path: PathBuf,
        /// Cause.
        source: ArrowError,
    },
    /// A column has another type than the view declares.
    #[snafu(display("column {column} is {found}, the view declares {expected}"))]
    Column {
        /// The column.
        column: String,
        /// Its Arrow type.
        found: String,
        /// The declared type.
        expected: ValueType,
    },
    /// A feature's rule for missing values does not compile.
    #[snafu(display("{source}"))]
    Rule {
        /// Cause, naming the feature.
        source: RuleError,
    },
    /// Facts or observations could not be read.
    #[snafu(display("{message}"))]
    Input {
        /// Cause, naming the file.
        message: String,
    },
}

impl JoinError {
    /// Adapter for `map_err`: says which step failed.
    pub(crate) fn arrow(step: &'static str) -> impl FnOnce(ArrowError) -> Self {
        move |source| Self::Arrow { step, source }
    }

    pub(crate) fn spill(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Spill { path, source }
    }
}

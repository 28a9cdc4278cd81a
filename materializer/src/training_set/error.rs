//! Why a training set could not be built.

use arrow::error::ArrowError;
use snafu::Snafu;

use crate::join::JoinError;
use crate::objects::{FooterError, ObjectError, RowGroupTooLarge};
use crate::offline::OfflineError;
use crate::plan::PlanError;

/// Why a training set could not be built. Nothing is visible of a set that failed: its manifest is written last.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(super)))]
pub enum TrainingSetError {
    /// The spec was written by a newer build.
    #[snafu(display("{message}"))]
    Version {
        /// File, versions, next step.
        message: String,
    },
    /// The store's folder belongs to somebody else, or cannot be claimed.
    #[snafu(display("training set {set}: {source}"))]
    Claim {
        /// Name of the set.
        set: String,
        /// Cause.
        source: PlanError,
    },
    /// The observations could not be listed.
    #[snafu(display("training set {set}: failed to list observations at {path}: {source}"))]
    List {
        /// Name of the set.
        set: String,
        /// Bucket-rooted folder.
        path: String,
        /// Cause.
        source: object_store::Error,
    },
    /// There are no observations, and so no schema.
    #[snafu(display("training set {set}: there is no Parquet file at {path}: write the observations there first"))]
    NoObservations {
        /// Name of the set.
        set: String,
        /// Bucket-rooted folder.
        path: String,
    },
    /// An observation file is not Parquet, cut off or gone.
    #[snafu(display("training set {set}: observations: {source}"))]
    ObservationFile {
        /// Name of the set.
        set: String,
        /// Cause, naming the file.
        source: FooterError,
    },
    /// Rows of an observation file could not be read; a file that was replaced meanwhile counts as that.
    #[snafu(display("training set {set}: failed to read observations {path}: {source}"))]
    ReadObservations {
        /// Name of the set.
        set: String,
        /// Bucket-rooted path.
        path: String,
        /// Cause.
        source: parquet::errors::ParquetError,
    },
    /// A row group of an observation file is too large for the memory limit.
    #[snafu(display("MemoryLimit: training set {set} may use {limit_bytes} bytes: {source}, or raise spec.resources"))]
    RowGroup {
        /// Name of the set.
        set: String,
        /// The budget of the whole process.
        limit_bytes: u64,
        /// The object, the row group and what to do.
        source: RowGroupTooLarge,
    },
    /// Observation files differ in their columns.
    #[snafu(display("training set {set}: columns of {path} ({found}) differ from those of {first} ({expected})"))]
    ObservationSchema {
        /// Name of the set.
        set: String,
        /// Bucket-rooted path.
        path: String,
        /// Its columns.
        found: String,
        /// The first file.
        first: String,
        /// Its columns.
        expected: String,
    },
    /// The observations lack a column, or it has another type than its use needs.
    #[snafu(display("training set {set}: {purpose}: observation column {column} is {found}, needed is {needed}"))]
    ObservationColumn {
        /// Name of the set.
        set: String,
        /// What the column is for: `timestampColumn`, `label`, `request`, or `key x of view y`.
        purpose: String,
        /// The column.
        column: String,
        /// Its type, or `absent`.
        found: String,
        /// What would do.
        needed: String,
    },
    /// A view key has no observation column, or a column is given for something that is no key.
    #[snafu(display("training set {set}: view {view}: keys must name exactly {expected}, they name {found}"))]
    Keys {
        /// Name of the set.
        set: String,
        /// The view.
        view: String,
        /// Keys of the view.
        expected: String,
        /// Keys in the spec.
        found: String,
    },
    /// A feature is not one of the view's.
    #[snafu(display("training set {set}: view {view} has no feature {feature}"))]
    UnknownFeature {
        /// Name of the set.
        set: String,
        /// The view.
        view: String,
        /// The feature.
        feature: String,
    },
    /// Two output columns would have one name.
    #[snafu(display(
        "training set {set}: there would be two columns {column}: rename the observation column, or give the view another name with `as`"
    ))]
    Clash {
        /// Name of the set.
        set: String,
        /// The column.
        column: String,
    },
    /// A view has no offline table yet.
    #[snafu(display(
        "training set {set}: view {view} has no offline table at generation {generation}: wait for its first materialization"
    ))]
    NoTable {
        /// Name of the set.
        set: String,
        /// The view.
        view: String,
        /// Its generation.
        generation: u32,
    },
    /// The offline table of a view could not be read.
    #[snafu(display("training set {set}: view {view}: {source}"))]
    Table {
        /// Name of the set.
        set: String,
        /// The view.
        view: String,
        /// Cause.
        source: OfflineError,
    },
    /// A view could not be joined.
    #[snafu(display("training set {set}: view {view}: {source}"))]
    Join {
        /// Name of the set.
        set: String,
        /// The view, by its alias.
        view: String,
        /// Cause.
        source: JoinError,
    },
    /// Columns of the set could not be put together.
    #[snafu(display("training set {set}: failed to {step}: {source}"))]
    Columns {
        /// Name of the set.
        set: String,
        /// What was being done.
        step: &'static str,
        /// Cause.
        source: ArrowError,
    },
    /// A file of the set could not be written.
    #[snafu(display("training set {set}: failed to write {path}: {source}"))]
    Write {
        /// Name of the set.
        set: String,
        /// Bucket-rooted path.
        path: String,
        /// Cause.
        source: parquet::errors::ParquetError,
    },
    /// The inputs could not be put into words that can be digested.
    #[snafu(display("training set {set}: failed to digest its inputs: {source}"))]
    Address {
        /// Name of the set.
        set: String,
        /// Cause.
        source: serde_json::Error,
    },
    /// The manifest could not be read or written.
    #[snafu(display("training set {set}: {source}"))]
    Manifest {
        /// Name of the set.
        set: String,
        /// Cause.
        source: ObjectError,
    },
    /// A part of the job ended without an answer.
    #[snafu(display("training set {set}: the join of view {view} was stopped"))]
    Stopped {
        /// Name of the set.
        set: String,
        /// The view, by its alias.
        view: String,
    },
}

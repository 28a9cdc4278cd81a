//! Training sets: what the join is told and what it writes beside the rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::store::StoreAccess;
use crate::{ValueType, View};

/// One view joined to the observations, possibly under an alias.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinedView {
    /// Prefix of the output columns: the `as` of the manifest, else the view's name.
    pub alias: String,
    /// The view generation to read.
    pub view: View,
    /// View key -> observation column, for every key of the view.
    pub keys: BTreeMap<String, String>,
    /// Features to take, in output order.
    pub features: Vec<String>,
}

/// What a TrainingSet Job is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainingSetSpec {
    /// Contract version.
    pub version: u32,
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// Stores.
    pub store: StoreAccess,
    /// Bucket-rooted folder or file of observations.
    pub observations_path: String,
    /// As-of time of an observation.
    pub timestamp_column: String,
    /// Label column, kept as it is.
    pub label: Option<String>,
    /// Columns the caller knows at prediction time.
    pub request: Vec<String>,
    /// Views in output order.
    pub views: Vec<JoinedView>,
    /// Memory the job may use, bytes.
    pub memory_limit_bytes: u64,
}

/// Statistics of one output column: the baseline for drift.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ColumnStatistics {
    /// Column name in the output.
    pub name: String,
    /// Type.
    #[serde(rename = "type")]
    pub value_type: ValueType,
    /// Rows.
    pub count: u64,
    /// Rows that are NULL after `onMissing`.
    pub nulls: u64,
    /// Mean of the finite values; `None` for text, bytes, or no value.
    pub mean: Option<f64>,
    /// Quantiles 0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1 of the finite values.
    pub quantiles: Vec<f64>,
    /// Bucket edges (n + 1) of `histogram`, increasing.
    pub edges: Vec<f64>,
    /// Counts per bucket (n).
    pub histogram: Vec<u64>,
}

/// The state of one view that a training set was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PinnedView {
    /// Alias in the set.
    pub alias: String,
    /// View name.
    pub view: String,
    /// Generation.
    pub generation: u32,
    /// Delta version read.
    pub table_version: i64,
}

/// `manifest.json` of a training set version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainingSetManifest {
    /// Contract version.
    pub version: u32,
    /// Name of the TrainingSet.
    pub name: String,
    /// First 16 hex digits of the content address: same inputs, same version.
    pub set_version: String,
    /// sha256 over the observation rows as read, hex.
    pub observation_digest: String,
    /// Views with their generation and Delta version.
    pub views: Vec<PinnedView>,
    /// Observation rows = output rows.
    pub rows: u64,
    /// Share of observations for which each view had a visible row, by alias.
    pub found: BTreeMap<String, f64>,
    /// Output columns in order, with status columns.
    pub columns: Vec<crate::Column>,
    /// Parquet files of the set, relative to the manifest.
    pub files: Vec<String>,
    /// Statistics of each feature, request and label column.
    pub statistics: Vec<ColumnStatistics>,
}

/// What a TrainingSet Job reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainingSetReport {
    /// Contract version.
    pub version: u32,
    /// The set's version.
    pub set_version: String,
    /// Bucket-rooted folder of the set.
    pub path: String,
    /// Rows.
    pub rows: u64,
    /// Share of observations for which each view had a visible row, by alias.
    pub found: BTreeMap<String, f64>,
    /// Peak resident memory, bytes.
    pub peak_memory_bytes: u64,
    /// Wall time, microseconds.
    pub elapsed_us: i64,
}

//! TrainingSet: observations joined with the features that were known at their time.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::name::{IDENTIFIER_MAX, OBJECT_NAME, OBJECT_NAME_MAX, cron_rule, object_name_rule};
use crate::path::BucketPath;
use crate::reference::StoreRef;
use crate::resources::Resources;

/// Observations joined with the features that were known at their time.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "triplane.dev",
    version = "v1alpha1",
    kind = "TrainingSet",
    plural = "trainingsets",
    shortname = "tpts",
    category = "triplane",
    namespaced,
    status = "TrainingSetStatus",
    derive = "PartialEq",
    doc = "A TrainingSet is a pinned Parquet data set: observations joined with the features known at their time.",
    validation = object_name_rule(),
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "REASON", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "ROWS", type_ = "integer", json_path = ".status.rows"),
    printcolumn(name = "VERSION", type_ = "string", json_path = ".status.version"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct TrainingSetSpec {
    /// The FeatureStore whose views are joined.
    pub store_ref: StoreRef,
    /// The rows to join features to; every one survives.
    pub observations: Observations,
    /// Views to join, in output order.
    #[schemars(length(min = 1, max = 64))]
    pub features: Vec<JoinedView>,
    /// When to make a new version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<Refresh>,
    /// Starts no join while true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// Compute resources of the join.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
}

/// The rows to join features to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Observations {
    /// Parquet files.
    pub parquet: Parquet,
    /// Column with the moment each row asks about.
    #[schemars(length(min = 1, max = IDENTIFIER_MAX))]
    pub timestamp_column: String,
    /// Column with the outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = IDENTIFIER_MAX))]
    pub label: Option<String>,
    /// Columns that the caller knows at prediction time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = IDENTIFIER_MAX)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub request: Vec<String>,
}

/// A folder or a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Parquet {
    /// Path in the store's bucket; a folder ends in `/`.
    pub path: BucketPath,
}

/// One view of the join.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct JoinedView {
    /// Name of the FeatureView.
    #[schemars(length(min = 1, max = OBJECT_NAME_MAX), regex(pattern = OBJECT_NAME))]
    pub view: String,
    /// Prefix of its columns instead of the view's name, to join one view twice.
    #[serde(rename = "as", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = OBJECT_NAME_MAX), regex(pattern = OBJECT_NAME))]
    pub alias: Option<String>,
    /// Key of the view -> column of the observations, where they differ.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::name::key_map")]
    pub keys: BTreeMap<String, String>,
    /// Features to take, in output order; all of the view by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000), inner(length(min = 1, max = IDENTIFIER_MAX)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub features: Vec<String>,
}

/// When to make a new version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Refresh {
    /// Cron schedule, UTC.
    #[schemars(length(max = 128))]
    #[x_kube(validation = cron_rule("refresh.schedule must have five cron fields, such as 0 2 * * *"))]
    pub schedule: String,
}

/// What is known about a TrainingSet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrainingSetStatus {
    /// The generation of the spec that was judged last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What the set says about itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Rows of the newest version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub rows: Option<i64>,
    /// The newest version: same inputs, same version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub version: Option<String>,
    /// Its folder in the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub path: Option<String>,
    /// Generation of each view that the newest version was made from, by alias.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub view_generations: BTreeMap<String, i32>,
    /// Share of rows for which the view had a row, by alias.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub found: BTreeMap<String, f64>,
}

//! FeatureView: named, typed features of one entity, and how they are made.

mod status;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::{self, Duration};
use crate::name::{IDENTIFIER, IDENTIFIER_MAX, cron_rule, not_reserved_rule, object_name_rule};
use crate::path::BucketPath;
use crate::policy::DeletionPolicy;
use crate::reference::StoreRef;
use crate::resources::Resources;
use crate::value_type::ValueType;
pub use status::{Definition, FeatureViewStatus, LastRun, LiveSchema, Rejected, SchemaColumn};

/// Named, typed features of one entity, and how they are made.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "triplane.dev",
    version = "v1alpha1",
    kind = "FeatureView",
    plural = "featureviews",
    shortname = "tpfv",
    category = "triplane",
    namespaced,
    status = "FeatureViewStatus",
    derive = "PartialEq",
    doc = "A FeatureView declares the features of one entity and how they are made from sources.",
    validation = object_name_rule(),
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "REASON", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "FRESHNESS", type_ = "date", json_path = ".status.newestEventTime"),
    printcolumn(name = "ROWS", type_ = "integer", json_path = ".status.rows"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = Rule::new("has(self.query) || self.sources.size() == 1")
        .message("query is required when there are several sources"),
    validation = Rule::new("has(self.query) || !has(self.lookback)")
        .message("lookback needs query: plain columns look at one row"),
    validation = Rule::new("self.features.all(f, !has(f.lastKnownFor) || (has(self.ttl) && duration(f.lastKnownFor) > duration(self.ttl)))")
        .message("features[].lastKnownFor must be longer than ttl: it says how long a row is served past its ttl"),
    validation = Rule::new("self.features.all(f, !self.entity.keys.exists(k, k.name == f.name))")
        .message("features[].name must differ from every entity.keys[].name")
)]
#[serde(rename_all = "camelCase")]
pub struct FeatureViewSpec {
    /// The FeatureStore that keeps the rows.
    pub store_ref: StoreRef,
    /// What the features describe.
    pub entity: Entity,
    /// The features.
    #[schemars(length(min = 1, max = 1000))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub features: Vec<Feature>,
    /// Column of the result with the event time: when the features were true.
    #[schemars(length(min = 1, max = IDENTIFIER_MAX))]
    pub timestamp_column: String,
    /// Column of the result with the created time: when they became known. The files' age by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = IDENTIFIER_MAX))]
    pub created_timestamp_column: Option<String>,
    /// How long a row is valid after its event time; without bound by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(duration::NOT_NEGATIVE).message("ttl must not be negative"))]
    pub ttl: Option<Duration>,
    /// How long it takes until a row can be read online; training looks that much further back. 0s by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(duration::NOT_NEGATIVE).message("availabilityDelay must not be negative"))]
    pub availability_delay: Option<Duration>,
    /// How far from its own event time the source rows are that a row of the query is made of; required for aggregates,
    /// windows, joins and subqueries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(duration::NOT_NEGATIVE).message("lookback must not be negative"))]
    pub lookback: Option<Duration>,
    /// Where rows come from.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub sources: Vec<Source>,
    /// SQL over the sources by name; their columns as they are by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32768))]
    pub query: Option<String>,
    /// When and with what the rows are made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub materialization: Option<Materialization>,
    /// What "fresh" means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freshness: Option<Freshness>,
    /// Starts no run while true; rows that exist are served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// What deleting the object does to its table and online rows: Retain (default) keeps them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
}

/// What the features describe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Entity {
    /// Columns that name one entity; none for a view with a single row.
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub keys: Vec<EntityKey>,
}

/// One column of the entity key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = not_reserved_rule("entity.keys[].name"))]
pub struct EntityKey {
    /// Its name.
    #[schemars(length(min = 1, max = IDENTIFIER_MAX), regex(pattern = IDENTIFIER))]
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    #[x_kube(validation = Rule::new("!(self in ['Float32', 'Float64'])")
        .message("entity.keys[].type must not be a float: keys are compared byte by byte"))]
    pub value_type: ValueType,
}

/// One feature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = not_reserved_rule("features[].name"),
    validation = Rule::new("!has(self.onMissing) || self.onMissing != 'Default' || has(self.default)")
        .message("features[].default is required when onMissing is Default"),
    validation = Rule::new("!has(self.default) || (has(self.onMissing) && self.onMissing == 'Default')")
        .message("features[].default needs onMissing: Default"),
    validation = Rule::new("!has(self.onMissing) || self.onMissing != 'LastKnown' || has(self.lastKnownFor)")
        .message("features[].lastKnownFor is required when onMissing is LastKnown"),
    validation = Rule::new("!has(self.lastKnownFor) || (has(self.onMissing) && self.onMissing == 'LastKnown')")
        .message("features[].lastKnownFor needs onMissing: LastKnown"),
    validation = Rule::new("!has(self.default) || self.type != 'Bool' || self.default in ['true', 'false']")
        .message("features[].default of type Bool must be \"true\" or \"false\""),
    validation = Rule::new("!has(self.default) || !(self.type in ['Int32', 'Int64']) || self.default.matches('^[-+]?[0-9]{1,19}$')")
        .message("features[].default of type Int32 or Int64 must be a whole number, such as \"0\""),
    validation = Rule::new("!has(self.default) || !(self.type in ['Float32', 'Float64']) || \
        self.default.matches('^([-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]+)?|NaN|[-+]?(inf|Inf|infinity))$')")
        .message("features[].default of type Float32 or Float64 must be a number, such as \"10.5\"")
)]
pub struct Feature {
    /// Its name, also the column's.
    #[schemars(length(min = 1, max = IDENTIFIER_MAX), regex(pattern = IDENTIFIER))]
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub value_type: ValueType,
    /// What is served where it has no value: LeaveNull (default), Default, LastKnown or Fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_missing: Option<OnMissing>,
    /// The value for `onMissing: Default`, as text so that every type is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub default: Option<String>,
    /// How old a row `onMissing: LastKnown` may serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_known_for: Option<Duration>,
}

/// What is served where a feature has no value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(
    description = "What is served where the feature has no value: NULL (LeaveNull, default), `default` (Default), \
    an expired row up to lastKnownFor old (LastKnown), or error 400 (Fail)."
)]
pub enum OnMissing {
    /// Leave it NULL (NaN for tree models).
    #[default]
    LeaveNull,
    /// Serve `default`.
    Default,
    /// Serve the newest row past its ttl up to `lastKnownFor`, flagged stale.
    LastKnown,
    /// Refuse the request with `FeatureMissing`.
    Fail,
}

/// One source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.parquet) != has(self.kafka)").message("sources[] needs exactly one of parquet, kafka"),
    validation = Rule::new("!has(self.kafka)").message("sources[].kafka is not supported yet; use sources[].parquet")
)]
pub struct Source {
    /// Its table name in `query`.
    #[schemars(length(min = 1, max = IDENTIFIER_MAX), regex(pattern = IDENTIFIER))]
    pub name: String,
    /// Parquet files below a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parquet: Option<ParquetFolder>,
    /// Reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kafka: Option<Kafka>,
    /// Column that places a source row in time; the view's `timestampColumn` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = IDENTIFIER_MAX))]
    pub timestamp_column: Option<String>,
}

/// Every Parquet file below a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ParquetFolder {
    /// Folder in the store's bucket.
    pub path: BucketPath,
}

/// Reserved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Kafka {}

/// When and with what rows are made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct Materialization {
    /// Cron schedule of the runs after the first, UTC; without it only a changed definition starts one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    #[x_kube(validation = cron_rule("materialization.schedule must have five cron fields, such as */15 * * * *"))]
    pub schedule: Option<String>,
    /// What runs the query: Embedded by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == 'Embedded'")
        .message("materialization.engine Spark is not supported yet; use Embedded"))]
    pub engine: Option<Engine>,
    /// Compute resources of a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
}

/// What runs the query of a view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(description = "What runs the query: Embedded (default) is the job itself.")]
pub enum Engine {
    /// In the job itself.
    #[default]
    Embedded,
    /// A Spark cluster; not supported yet.
    Spark,
}

/// What "fresh" means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Freshness {
    /// Oldest acceptable age of the newest event.
    #[x_kube(validation = Rule::new(duration::POSITIVE).message("freshness.target must be more than 0"))]
    pub target: Duration,
}

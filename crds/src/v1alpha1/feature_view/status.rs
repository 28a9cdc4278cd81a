//! What is known about a FeatureView.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::duration::Duration;
use crate::name::IDENTIFIER_MAX;
use crate::time::Time;
use crate::value_type::ValueType;

/// What is known about a FeatureView.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeatureViewStatus {
    /// The generation of the spec that was judged last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What the view says about itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The definition as a counter, from 1: the generation that runs fill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub generation: Option<i32>,
    /// The generation that is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub ready_generation: Option<i32>,
    /// Short id of `generation` in online keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub view_id: Option<String>,
    /// What `generation` was made from, to tell a changed meaning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Definition>,
    /// Live schemas of `generation`, the current one last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    pub schemas: Vec<LiveSchema>,
    /// Newest event time in the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::time::schema")]
    pub newest_event_time: Option<Time>,
    /// Rows in the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub rows: Option<i64>,
    /// Bytes of the table's files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub bytes: Option<i64>,
    /// The last run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<LastRun>,
    /// Rows that were rejected, by cause.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["cause".into()]))]
    pub rejected: Vec<Rejected>,
}

/// What a generation was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Definition {
    /// Digest of entity, sources, query and time columns.
    #[schemars(length(max = 64))]
    pub digest: String,
    /// The ttl it was made with; without bound where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Duration>,
}

/// The columns that rows with one schema id have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct LiveSchema {
    /// Counter within the generation, from 1.
    #[schemars(range(min = 1))]
    pub id: i32,
    /// Features in encoding order.
    #[schemars(length(max = 1000))]
    pub columns: Vec<SchemaColumn>,
}

/// One column of a schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct SchemaColumn {
    /// Its name.
    #[schemars(length(max = IDENTIFIER_MAX))]
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub value_type: ValueType,
}

/// One run of the materialization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastRun {
    /// Its number within the generation, from 1.
    #[schemars(range(min = 0))]
    pub run: i64,
    /// When it ended.
    #[schemars(schema_with = "crate::time::schema")]
    pub finished_at: Time,
    /// Rows it appended.
    #[schemars(range(min = 0))]
    pub rows_appended: i64,
    /// Rows it wrote online.
    #[schemars(range(min = 0))]
    pub rows_published: i64,
}

/// Rows rejected for one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Rejected {
    /// The cause.
    #[schemars(length(max = 64))]
    pub cause: String,
    /// How many.
    #[schemars(range(min = 0))]
    pub rows: i64,
    /// One of them: file, column, value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub example: Option<String>,
}

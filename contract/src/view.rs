//! What the rows of a feature view mean: everything a reader or writer of rows has to know.

use serde::{Deserialize, Serialize};

use crate::ValueType;

/// Columns of every offline table that are Triplane's own.
pub const RESERVED_COLUMNS: [&str; 5] = ["event_time", "created_time", "sequence", "is_deleted", "event_date"];

/// Whether a key or feature cannot have this name: readers of tables do not tell upper from lower case.
pub fn is_reserved(name: &str) -> bool {
    RESERVED_COLUMNS.iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// A named, typed column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Column {
    /// Column name as written in the manifest.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub value_type: ValueType,
}

/// What is served where a feature has no value: its row is absent or expired, or the value is NULL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnMissing {
    /// Leave it NULL (NaN for tree models).
    #[default]
    LeaveNull,
    /// Serve the declared default.
    Default,
    /// Serve the newest row past its ttl up to `lastKnownFor`, flagged stale; NULL beyond.
    LastKnown,
    /// Refuse the request with `FeatureMissing`.
    Fail,
}

/// A feature of a view with its rule for missing values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeatureColumn {
    /// Feature name, unique in its view.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub value_type: ValueType,
    /// Rule for missing values.
    #[serde(default)]
    pub on_missing: OnMissing,
    /// The typed sentinel as text, exact for every type; set iff `on_missing` is `Default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// How old a row `LastKnown` may serve, in microseconds of age; set iff `on_missing` is `LastKnown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_known_for_us: Option<i64>,
}

/// The columns of rows written under one schema id. A row is never decoded with another schema's columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Schema {
    /// Counter within the view generation, from 1.
    pub id: u32,
    /// Feature columns in encoding order.
    pub columns: Vec<Column>,
}

/// One generation of a feature view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// Namespace of the object.
    pub namespace: String,
    /// Name of its FeatureStore.
    pub store: String,
    /// Name of the FeatureView.
    pub name: String,
    /// The definition as a counter, from 1.
    pub generation: u32,
    /// Short id of (namespace, store, view, generation) in online keys: `[A-Za-z0-9_-]`, made by `layout::view_id`.
    pub id: String,
    /// Entity keys in declared order; may be empty (a view without an entity).
    pub keys: Vec<Column>,
    /// Features in declared order.
    pub features: Vec<FeatureColumn>,
    /// Live schemas, at most 16, the current one last; its columns are those of `features` in order.
    pub schemas: Vec<Schema>,
    /// How long a row is valid after its event time (inclusive); `None` and 0 are without bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_us: Option<i64>,
    /// How long a value takes to become readable online, applied by the point-in-time join only.
    #[serde(default)]
    pub availability_delay_us: i64,
}

impl View {
    /// `namespace/name`, for messages.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// The schema new rows are written with; `None` only in a malformed file.
    pub fn current_schema(&self) -> Option<&Schema> {
        self.schemas.last()
    }

    /// `max(ttl, lastKnownFor)`: the greatest age at which any feature of a row is served; `None` is without bound.
    pub fn reach_us(&self) -> Option<i64> {
        let ttl = self.ttl_us.filter(|ttl| *ttl > 0)?;
        Some(
            self.features
                .iter()
                .filter_map(|f| f.last_known_for_us)
                .fold(ttl, i64::max),
        )
    }
}

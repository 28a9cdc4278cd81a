//! What happens to state outside the cluster when an object goes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What deleting the object does to its volumes, tables and online rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(
    description = "What deleting the object does to its volumes, tables and online rows: Retain (default) keeps \
    them for a new object of the same name, Delete removes them."
)]
pub enum DeletionPolicy {
    /// Keep them: a new object of the same name finds them again.
    #[default]
    Retain,
    /// Remove them.
    Delete,
}

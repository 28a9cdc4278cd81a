//! Paths inside the store's bucket.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// CEL over a path: it stays below the root it is joined to.
pub(crate) const RELATIVE: &str = "!self.startsWith('/') && !self.contains('://') && !self.matches('(^|/)[.][.](/|$)')";

/// A bucket-rooted path, `/`-separated: no scheme, no leading slash, no `..`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BucketPath(pub String);

impl BucketPath {
    /// The path as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BucketPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for BucketPath {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "BucketPath".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": 1024,
            "x-kubernetes-validations": [{
                "rule": RELATIVE,
                "message": "path is relative to the store's bucket: no scheme, no leading slash, no '..'",
            }],
        })
    }
}

//! `metadata`, which an API server checks outside the definitions.

use serde_json::{Value, json};

/// What a manifest may carry in `metadata`: what users write, and what a server adds to an object that is read back.
pub(super) fn schema() -> Value {
    let text = json!({ "type": "string" });
    let texts = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    json!({
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": { "type": "string", "minLength": 1, "maxLength": 253 },
            "namespace": { "type": "string", "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" },
            "labels": texts,
            "annotations": texts,
            "finalizers": { "type": "array", "items": text },
            "ownerReferences": { "type": "array", "items": {} },
            "managedFields": { "type": "array", "items": {} },
            "generateName": text,
            "uid": text,
            "resourceVersion": text,
            "selfLink": text,
            "creationTimestamp": {},
            "deletionTimestamp": {},
            "deletionGracePeriodSeconds": { "type": "integer" },
            "generation": { "type": "integer" },
        },
    })
}

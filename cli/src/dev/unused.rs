//! Fields that mean something on a cluster only: said once, never silently ignored.

use std::collections::BTreeSet;

use serde_json::Value;

/// Fields by kind, as JSON pointers.
const CLUSTER_ONLY: &[(&str, &[&str])] = &[
    (
        "FeatureStore",
        &[
            "/spec/online/managed",
            "/spec/online/redis",
            "/spec/offline/s3/endpoint",
            "/spec/offline/s3/region",
            "/spec/offline/s3/credentialsSecretRef",
            "/spec/deletionPolicy",
        ],
    ),
    (
        "FeatureView",
        &["/spec/materialization/resources/requests/cpu", "/spec/deletionPolicy"],
    ),
    ("TrainingSet", &["/spec/resources/requests/cpu"]),
    ("InferenceService", &["/spec/autoscaling", "/spec/resources"]),
];

/// The fields that `objects` set and one machine does not use, as `Kind: field, field`.
pub fn fields(objects: &[Value]) -> BTreeSet<String> {
    let mut said = BTreeSet::new();
    for (kind, pointers) in CLUSTER_ONLY {
        let of_kind = || {
            objects
                .iter()
                .filter(|object| object.get("kind").and_then(Value::as_str) == Some(kind))
        };
        for pointer in *pointers {
            if of_kind().any(|object| object.pointer(pointer).is_some_and(|value| !value.is_null())) {
                said.insert(format!("{kind}.{}", pointer.trim_start_matches('/').replace('/', ".")));
            }
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_fields_that_are_set_are_named() {
        let service =
            json!({"kind": "InferenceService", "spec": {"autoscaling": {"minReplicas": 2}, "deadline": "1s"}});
        let named: Vec<_> = fields(&[service]).into_iter().collect();
        assert_eq!(named, ["InferenceService.spec.autoscaling"]);
    }
}

use serde_json::{Value, json};

use super::*;

fn store() -> Value {
    json!({
        "apiVersion": "triplane.dev/v1alpha1",
        "kind": "FeatureStore",
        "metadata": { "name": "flights", "namespace": "flights" },
        "spec": {
            "online": { "managed": { "shards": 3, "maxMemory": "256Mi" } },
            "offline": { "s3": { "bucket": "flights" } },
        },
    })
}

fn findings(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut manifest = store();
    change(&mut manifest);
    Validator::new()
        .check(&manifest)
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn a_good_manifest_has_no_findings() {
    assert_eq!(findings(|_| ()), Vec::<String>::new());
}

#[test]
fn unknown_fields_are_named_with_the_closest_known_one_and_rules_still_run() {
    let found = findings(|manifest| {
        manifest["spec"]["online"]["managed"]["shard"] = json!(1);
        manifest["spec"]["online"]["managed"]["shards"] = json!(2);
        manifest["metadata"]["label"] = json!({});
    });
    assert_eq!(found[0], "metadata.label: unknown field (did you mean \"labels\"?)");
    assert_eq!(
        found[1],
        "spec.online.managed.shard: unknown field (did you mean \"shards\"?)"
    );
    assert!(
        found[2].starts_with("spec.online.managed.shards: ") && found[2].contains("at least 3"),
        "{found:?}"
    );
    assert_eq!(found.len(), 3);
}

#[test]
fn wrong_types_and_missing_fields_are_named_by_path() {
    let found = findings(|manifest| {
        manifest["spec"]["online"]["managed"]["shards"] = json!("three");
        manifest["spec"]["offline"]["s3"] = json!({});
        manifest["spec"]["suspend"] = Value::Null;
    });
    assert_eq!(
        found,
        [
            "spec.offline.s3.bucket: is required",
            "spec.online.managed.shards: expected a whole number, found the text \"three\"",
            "spec.suspend: expected true or false, found null (leave the field out instead)",
        ]
    );
}

#[test]
fn a_digest_that_yaml_reads_as_a_number_is_told_to_be_quoted() {
    let mut manifest = json!({ "apiVersion": "triplane.dev/v1alpha1", "kind": "Model", "metadata": { "name": "m" } });
    manifest["spec"] = json!({ "artifact": { "path": "m.txt", "sha256": 12 } });
    let found = Validator::new().check(&manifest);
    let digest = found.iter().find(|finding| finding.field == "spec.artifact.sha256");
    assert_eq!(
        digest.unwrap().message,
        "expected text, found the number 12: put it in quotes"
    );
}

#[test]
fn bounds_patterns_and_enums_speak_the_users_words() {
    let found = findings(|manifest| {
        manifest["spec"]["online"]["managed"]["maxMemory"] = json!("256MB");
        manifest["spec"]["online"]["managed"]["replicasPerShard"] = json!(6);
        manifest["spec"]["offline"]["s3"]["bucket"] = json!("ab");
        manifest["spec"]["deletionPolicy"] = json!("Delet");
    });
    assert_eq!(
        found,
        [
            "spec.deletionPolicy: \"Delet\" is not one of Retain, Delete (did you mean \"Delete\"?)",
            "spec.offline.s3.bucket: has 2 characters, needs at least 3",
            "spec.online.managed.maxMemory: \"256MB\" is not a quantity such as 250m, 2, 512Mi or 1Gi",
            "spec.online.managed.replicasPerShard: 6 is more than 5",
        ]
    );
}

#[test]
fn a_name_twice_in_a_list_is_a_finding_that_names_both() {
    let manifest = json!({
        "apiVersion": "triplane.dev/v1alpha1",
        "kind": "FeatureView",
        "metadata": { "name": "v" },
        "spec": {
            "storeRef": { "name": "s" },
            "entity": { "keys": [{ "name": "k", "type": "String" }] },
            "features": [{ "name": "a", "type": "Int64" }, { "name": "a", "type": "Int32" }],
            "timestampColumn": "t",
            "sources": [{ "name": "s", "parquet": { "path": "raw/" } }],
        },
    });
    let found = Validator::new().check(&manifest);
    assert_eq!(
        found[0].to_string(),
        "spec.features[1]: duplicate name \"a\", first at spec.features[0]"
    );
}

#[test]
fn an_unknown_kind_or_version_is_the_only_finding() {
    assert_eq!(
        findings(|manifest| manifest["kind"] = json!("FeatureStor")),
        ["kind: \"FeatureStor\" is not a kind of triplane.dev/v1alpha1 (did you mean \"FeatureStore\"?)"]
    );
    let found = findings(|manifest| manifest["apiVersion"] = json!("triplane.dev/v1"));
    assert_eq!(
        found,
        ["apiVersion: \"triplane.dev/v1\" is not known here; use triplane.dev/v1alpha1"]
    );
    assert!(!Validator::is_ours(&json!({ "apiVersion": "v1", "kind": "Secret" })));
}

#[test]
fn an_update_of_an_immutable_object_is_refused() {
    let mut old = json!({
        "apiVersion": "triplane.dev/v1alpha1",
        "kind": "Model",
        "metadata": { "name": "m" },
        "spec": {
            "storeRef": { "name": "s" },
            "format": "LightGBM",
            "artifact": { "path": "m.txt", "sha256": "0".repeat(64) },
            "inputs": [{ "request": "distance", "type": "Float64" }],
            "output": { "name": "score", "type": "Float64" },
        },
    });
    let validator = Validator::new();
    assert_eq!(validator.check_update(&old, &old), []);
    let new = old.clone();
    old["spec"]["artifact"]["path"] = json!("other.txt");
    let found = validator.check_update(&new, &old);
    assert!(
        found.len() == 1 && found[0].message.contains("spec is immutable"),
        "{found:?}"
    );
}

//! The manifests of the example are accepted and keep every word through the types.

// Helpers of tests fail their test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use triplane_crds::v1alpha1::{FeatureStore, FeatureView, InferenceService, Model, TrainingSet};
use triplane_crds::validate::Validator;

fn manifests() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/flights");
    let mut found = Vec::new();
    for file in [
        "store.yaml",
        "views.yaml",
        "trainingset.yaml",
        "model.yaml.example",
        "service.yaml",
    ] {
        let text = fs::read_to_string(folder.join(file)).unwrap();
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        found.extend(documents.into_iter().map(|document| (file.to_owned(), document)));
    }
    found
}

fn through<T: Serialize + DeserializeOwned>(manifest: &Value) -> Value {
    serde_json::to_value(serde_json::from_value::<T>(manifest.clone()).unwrap()).unwrap()
}

#[test]
fn the_example_has_every_kind() {
    let kinds: Vec<String> = manifests()
        .iter()
        .map(|(_, manifest)| manifest["kind"].as_str().unwrap().into())
        .collect();
    let views = ["FeatureView"; 4];
    let expected = [
        &["FeatureStore"][..],
        &views,
        &["TrainingSet", "Model", "InferenceService"],
    ]
    .concat();
    assert_eq!(kinds, expected);
}

#[test]
fn the_example_is_accepted() {
    let validator = Validator::new();
    for (file, manifest) in manifests() {
        assert_eq!(
            validator.check(&manifest),
            [],
            "{file}: {}",
            manifest["metadata"]["name"]
        );
    }
}

#[test]
fn the_example_keeps_every_word_through_the_types() {
    for (file, manifest) in manifests() {
        let back = match manifest["kind"].as_str().unwrap() {
            "FeatureStore" => through::<FeatureStore>(&manifest),
            "FeatureView" => through::<FeatureView>(&manifest),
            "TrainingSet" => through::<TrainingSet>(&manifest),
            "Model" => through::<Model>(&manifest),
            "InferenceService" => through::<InferenceService>(&manifest),
            other => panic!("unexpected kind {other}"),
        };
        assert_eq!(back, manifest, "{file}");
    }
}

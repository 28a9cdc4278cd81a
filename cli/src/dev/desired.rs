//! What the folder of manifests asks for, checked by the CRDs' own rules and typed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use kube::Resource;
use serde::de::DeserializeOwned;
use serde_json::Value;
use triplane_crds::v1alpha1::{FeatureStore, FeatureView, InferenceService, Model, TrainingSet};
use triplane_plan::Kind;

use crate::lint;
use crate::manifest::{self, Manifest, Problem};

/// The valid objects of one namespace by name.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// `FeatureStore` objects.
    pub stores: BTreeMap<String, FeatureStore>,
    /// `FeatureView` objects.
    pub views: BTreeMap<String, FeatureView>,
    /// `TrainingSet` objects.
    pub training_sets: BTreeMap<String, TrainingSet>,
    /// `Model` objects.
    pub models: BTreeMap<String, Model>,
    /// `InferenceService` objects.
    pub services: BTreeMap<String, InferenceService>,
}

/// What a folder asks for.
#[derive(Clone, Debug, Default)]
pub struct Desired {
    /// Valid objects by namespace.
    pub namespaces: BTreeMap<String, Objects>,
    /// What has to be mended; the objects concerned keep the spec they had.
    pub problems: Vec<Problem>,
    /// Objects that are written down but not valid.
    pub invalid: BTreeSet<Identity>,
    /// Some file could not be read: what it held stays as it was.
    pub incomplete: bool,
    /// Where each valid object is written down.
    files: BTreeMap<Identity, PathBuf>,
}

/// Files with their sizes and times: another print is another content.
pub type Print = Vec<(PathBuf, u64, Option<SystemTime>)>;

/// The print of a folder; what cannot be looked at shows when it is read.
pub fn print(dir: &Path) -> Print {
    let files = manifest::files(dir).unwrap_or_default();
    let print = |file: PathBuf| {
        let metadata = std::fs::metadata(&file).ok();
        let size = metadata.as_ref().map_or(0, std::fs::Metadata::len);
        (file, size, metadata.and_then(|metadata| metadata.modified().ok()))
    };
    files.into_iter().map(print).collect()
}

/// What names an object: kind, namespace, name.
pub type Identity = (String, String, String);

/// Reads a folder. An object written twice is refused in both places, a forbidden change of a `known` object in the new one.
pub fn read(dir: &Path, checks: &lint::Checks, known: &BTreeMap<Identity, Value>) -> Desired {
    let reading = manifest::read(&[dir.to_owned()]);
    let mut desired = Desired {
        problems: reading.problems,
        ..Desired::default()
    };
    desired.problems.extend(reading.unreadable);
    desired.incomplete = !desired.problems.is_empty();
    let ours: Vec<Manifest> = reading.manifests.into_iter().filter(lint::is_ours).collect();
    let twice = lint::duplicates(&ours);
    for (index, manifest) in ours.iter().enumerate() {
        let mut problems = checks.problems(manifest, known.get(&identity(&manifest.json)));
        problems.extend(twice.get(&index).cloned());
        if problems.is_empty()
            && let Err(problem) = desired.place(manifest)
        {
            problems.push(problem);
        }
        if !problems.is_empty() {
            desired.invalid.insert(identity(&manifest.json));
            desired.problems.extend(problems);
        }
    }
    desired.refuse_shared_urls();
    desired
}

/// The identity of an object; the namespace is `default` where none is written.
pub fn identity(object: &Value) -> Identity {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let namespace = Some(text("/metadata/namespace")).filter(|name| !name.is_empty());
    (
        text("/kind"),
        namespace.unwrap_or_else(|| "default".to_owned()),
        text("/metadata/name"),
    )
}

impl Desired {
    /// Whether an object that is not desired stays as it was: its manifest is there but cannot be used at present.
    pub fn keeps(&self, kind: Kind, namespace: &str, name: &str) -> bool {
        self.incomplete
            || self
                .invalid
                .contains(&(kind.to_string(), namespace.to_owned(), name.to_owned()))
    }

    /// One machine has one port: a second service of the same name in another namespace is refused.
    fn refuse_shared_urls(&mut self) {
        let mut taken = BTreeMap::new();
        for (namespace, objects) in &mut self.namespaces {
            objects.services.retain(|name, _| {
                let owner = taken.entry(name.clone()).or_insert_with(|| namespace.clone());
                if owner == namespace {
                    return true;
                }
                let identity = ("InferenceService".to_owned(), namespace.clone(), name.clone());
                self.problems.push(Problem {
                    file: self.files.get(&identity).cloned().unwrap_or_default(),
                    object: Some(format!("InferenceService {namespace}/{name}")),
                    field: Some("metadata.name".to_owned()),
                    message: format!("has the URL of {owner}/{name} on one machine: choose another name"),
                });
                self.invalid.insert(identity);
                false
            });
        }
    }

    fn place(&mut self, manifest: &Manifest) -> Result<(), Problem> {
        let (kind, namespace, name) = identity(&manifest.json);
        self.files
            .insert((kind.clone(), namespace.clone(), name.clone()), manifest.file.clone());
        let objects = self.namespaces.entry(namespace.clone()).or_default();
        match kind.as_str() {
            "FeatureStore" => objects.stores.insert(name, typed(manifest, &namespace)?).map(drop),
            "FeatureView" => objects.views.insert(name, typed(manifest, &namespace)?).map(drop),
            "TrainingSet" => objects
                .training_sets
                .insert(name, typed(manifest, &namespace)?)
                .map(drop),
            "Model" => objects.models.insert(name, typed(manifest, &namespace)?).map(drop),
            "InferenceService" => objects.services.insert(name, typed(manifest, &namespace)?).map(drop),
            _ => None,
        };
        Ok(())
    }
}

/// A status in a manifest is somebody's past; what is true is observed.
fn typed<K: Resource + DeserializeOwned>(manifest: &Manifest, namespace: &str) -> Result<K, Problem> {
    let mut json = manifest.json.clone();
    if let Some(object) = json.as_object_mut() {
        object.remove("status");
    }
    let mut object: K = serde_json::from_value(json).map_err(|error| Problem {
        file: manifest.file.clone(),
        object: Some(manifest.object()),
        field: None,
        message: error.to_string(),
    })?;
    object.meta_mut().namespace = Some(namespace.to_owned());
    Ok(object)
}

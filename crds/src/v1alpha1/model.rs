//! Model: one immutable, verified version.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::name::{IDENTIFIER, IDENTIFIER_MAX, OBJECT_NAME, OBJECT_NAME_MAX, object_name_rule};
use crate::path::BucketPath;
use crate::reference::StoreRef;
use crate::value_type::ValueType;

/// One immutable, verified version of a model.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "triplane.dev",
    version = "v1alpha1",
    kind = "Model",
    plural = "models",
    shortname = "tpm",
    category = "triplane",
    namespaced,
    status = "ModelStatus",
    derive = "PartialEq",
    doc = "A Model is one immutable version of a model: its artifact, its inputs and its safe default.",
    validation = object_name_rule(),
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "REASON", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "FORMAT", type_ = "string", json_path = ".status.format"),
    printcolumn(name = "DIGEST", type_ = "string", json_path = ".status.digest"),
    printcolumn(name = "FEATURES", type_ = "integer", json_path = ".status.features"),
    printcolumn(name = "ROLE", type_ = "string", json_path = ".status.role"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("self == oldSelf")
    .message("spec is immutable: a Model is one version, create another Model for the next one"))]
#[serde(rename_all = "camelCase")]
pub struct ModelSpec {
    /// The FeatureStore whose features the model reads and whose bucket has its artifact.
    pub store_ref: StoreRef,
    /// File format of the artifact.
    #[x_kube(validation = Rule::new("self == 'LightGBM'").message("format ONNX and XGBoost are not supported yet; use LightGBM"))]
    pub format: ModelFormat,
    /// The file.
    pub artifact: Artifact,
    /// Inputs in the model's order.
    #[schemars(length(min = 1, max = 1000))]
    pub inputs: Vec<ModelInput>,
    /// Views that are read under another name or with other keys, to read one view twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["as".into()]))]
    pub views: Vec<ViewAlias>,
    /// What the model returns.
    pub output: ModelOutput,
    /// What is served when the model cannot be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// Predictions of the trainer that a server has to reproduce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub golden: Option<Golden>,
    /// The training set version it was trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trained_on: Option<TrainedOn>,
}

/// File format of an artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(description = "File format of the artifact.")]
pub enum ModelFormat {
    /// LightGBM text model.
    LightGBM,
    /// ONNX; not supported yet.
    #[serde(rename = "ONNX")]
    Onnx,
    /// XGBoost JSON or UBJSON; not supported yet.
    XGBoost,
}

impl ModelFormat {
    /// The word in manifests.
    pub fn name(self) -> &'static str {
        match self {
            Self::LightGBM => "LightGBM",
            Self::Onnx => "ONNX",
            Self::XGBoost => "XGBoost",
        }
    }
}

/// The model's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Artifact {
    /// Path in the store's bucket.
    pub path: BucketPath,
    /// Digest of its bytes, 64 lower-case hex digits; quote it, some digests read as numbers.
    #[schemars(length(max = 64))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9a-f]{64}$')")
        .message("artifact.sha256 must be 64 lower-case hex digits"))]
    pub sha256: String,
}

/// One input: exactly one of feature and request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.feature) != has(self.request)")
        .message("inputs[] needs exactly one of feature, request"),
    validation = Rule::new("!has(self.request) || has(self.type)")
        .message("inputs[].type is required for an input of the request"),
    validation = Rule::new("!has(self.feature) || !has(self.type)")
        .message("inputs[].type belongs to inputs of the request: a feature has the type its view declares"),
    validation = Rule::new("!has(self.allowOverride) || has(self.feature)")
        .message("inputs[].allowOverride belongs to features: an input of the request always comes from the caller"),
    validation = Rule::new("!has(self.categories)").message("inputs[].categories is not supported yet"),
    validation = Rule::new("!has(self.type) || !(self.type in ['String', 'Bytes'])")
        .message("inputs[].type String and Bytes need categories, which are not supported yet; use a number")
)]
pub struct ModelInput {
    /// A feature: `<view or alias>/<feature>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 169))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z]([-a-z0-9]*[a-z0-9])?/[A-Za-z_][A-Za-z0-9_]*$')")
        .message("inputs[].feature must be view/feature"))]
    pub feature: Option<String>,
    /// Whether the caller may supply the feature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_override: Option<bool>,
    /// A value of the request, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = IDENTIFIER_MAX), regex(pattern = IDENTIFIER))]
    pub request: Option<String>,
    /// Type of the request's value.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub value_type: Option<ValueType>,
    /// Reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000), inner(length(max = 128)))]
    pub categories: Option<Vec<String>>,
}

/// A view under a name of the model's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ViewAlias {
    /// The name that `inputs[].feature` uses.
    #[serde(rename = "as")]
    #[schemars(length(min = 1, max = OBJECT_NAME_MAX), regex(pattern = OBJECT_NAME))]
    pub alias: String,
    /// Name of the FeatureView.
    #[schemars(length(min = 1, max = OBJECT_NAME_MAX), regex(pattern = OBJECT_NAME))]
    pub view: String,
    /// Key of the view -> name in the request, where they differ.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "crate::name::key_map")]
    pub keys: BTreeMap<String, String>,
}

/// What the model returns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ModelOutput {
    /// Its name on the wire.
    #[schemars(length(min = 1, max = IDENTIFIER_MAX), regex(pattern = IDENTIFIER))]
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    #[x_kube(validation = Rule::new("self == 'Float64'").message("output.type other than Float64 is not supported yet"))]
    pub value_type: ValueType,
}

/// The safe default of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct Baseline {
    /// The prediction to serve when the model cannot be asked.
    pub prediction: f64,
}

/// Predictions of the trainer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct Golden {
    /// Parquet file in the store's bucket: one Float64 column per input in order, and `prediction`; at most 200 rows.
    pub path: BucketPath,
    /// Largest difference that is accepted; 0.000001 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub tolerance: Option<f64>,
}

/// The training set version a model was trained on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrainedOn {
    /// Name of the TrainingSet.
    #[schemars(length(min = 1, max = OBJECT_NAME_MAX), regex(pattern = OBJECT_NAME))]
    pub training_set: String,
    /// `status.version` of the TrainingSet at that time.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[0-9a-f]+$"))]
    pub version: String,
}

/// What is known about a Model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelStatus {
    /// The generation of the spec that was judged last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What the model says about itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Format of the artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub format: Option<String>,
    /// First 12 digits of the artifact's sha256: the version in answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 12))]
    pub digest: Option<String>,
    /// Inputs that are features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub features: Option<i32>,
    /// What it is in which services, for the column: `stable in delay`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub role: Option<String>,
    /// Services that use the model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["service".into()]))]
    pub used_by: Vec<ModelUse>,
}

/// One use of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ModelUse {
    /// Name of the InferenceService.
    #[schemars(length(max = 63))]
    pub service: String,
    /// What the model is in it: `stable`.
    #[schemars(length(max = 16))]
    pub role: String,
}

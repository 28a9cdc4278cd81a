//! A model as servers and the verification job see it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::store::StoreAccess;
use crate::{ValueType, View};

/// Largest artifact that is verified and served, bytes.
pub const MAX_ARTIFACT_BYTES: u64 = 512 << 20;

/// File format of an artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModelFormat {
    /// LightGBM text model.
    LightGBM,
}

/// Where one input of a model comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Input {
    /// A feature of a view.
    Feature {
        /// Alias of the view in `ServedModel::views`.
        view: String,
        /// Feature name.
        feature: String,
        /// Whether the caller may supply the value under `view/feature`.
        #[serde(default)]
        allow_override: bool,
    },
    /// A value of the request.
    Request {
        /// Name in the request.
        name: String,
        /// Its type.
        #[serde(rename = "type")]
        value_type: ValueType,
    },
}

impl Input {
    /// The input's name on the wire and in golden predictions: `view/feature`, or the request's name.
    pub fn name(&self) -> String {
        match self {
            Self::Feature { view, feature, .. } => format!("{view}/{feature}"),
            Self::Request { name, .. } => name.clone(),
        }
    }
}

/// A view a model reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServedView {
    /// Name of the view inside the model: the alias, else the view's name.
    pub alias: String,
    /// The generation that is read.
    pub view: View,
    /// View key -> request column, for every key of the view.
    pub keys: BTreeMap<String, String>,
}

/// Recorded predictions of the trainer that a server has to reproduce.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Golden {
    /// Bucket-rooted Parquet: one Float64 column per input in order (NULL = missing), and `prediction`; at most 200 rows.
    pub path: String,
    /// Largest absolute difference.
    pub tolerance: f64,
}

/// One immutable model, with everything resolved that a server needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServedModel {
    /// Name of the Model object.
    pub name: String,
    /// sha256 of the artifact, 64 hex digits.
    pub sha256: String,
    /// Bucket-rooted path of the artifact.
    pub artifact_path: String,
    /// Format of the artifact.
    pub format: ModelFormat,
    /// Inputs in the model's order.
    pub inputs: Vec<Input>,
    /// Views the inputs name, each once.
    pub views: Vec<ServedView>,
    /// Name of the output.
    pub output_name: String,
    /// The model's safe default prediction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<f64>,
}

/// What a verification Job is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelCheckSpec {
    /// Contract version.
    pub version: u32,
    /// Namespace of the Model.
    pub namespace: String,
    /// The model as it would be served.
    pub model: ServedModel,
    /// Recorded predictions, where declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub golden: Option<Golden>,
    /// Stores.
    pub store: StoreAccess,
    /// Largest artifact accepted, bytes.
    pub max_artifact_bytes: u64,
}

/// Why a model was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModelFault {
    /// The artifact or the golden file is not at its path.
    ArtifactMissing,
    /// The artifact is larger than accepted.
    ArtifactTooLarge,
    /// The bytes have another sha256.
    DigestMismatch,
    /// The artifact does not parse or is cut off.
    LoadFailed,
    /// The artifact has another number of inputs, or types the model cannot take.
    InputMismatch,
    /// A golden prediction is not reproduced.
    GoldenMismatch,
}

/// What a verification Job reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelCheckReport {
    /// Contract version.
    pub version: u32,
    /// Digest that was checked, 64 hex digits.
    pub sha256: String,
    /// `None`: verified.
    pub fault: Option<ModelFault>,
    /// What was found and what to do, for the condition.
    pub message: String,
    /// Golden rows compared.
    pub golden_rows: u64,
    /// Largest difference seen.
    pub golden_max_difference: f64,
}

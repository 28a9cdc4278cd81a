//! The route table: everything resolved per model. A server reads nothing else.

use serde::{Deserialize, Serialize};

use crate::model::ServedModel;
use crate::store::StoreAccess;

/// What a model is in a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Answers unless a canary does.
    Stable,
}

impl Role {
    /// Name on the wire and in labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stable => "stable",
        }
    }
}

/// When the store of features cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnUnavailable {
    /// Serve the default prediction.
    #[default]
    DefaultPrediction,
    /// Impute every fetched feature and ask the model.
    Impute,
}

/// Circuit breaker over reads of the online store.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Breaker {
    /// Opens at this share of slow or failed reads in the window, 0 to 1.
    pub failure_ratio: f64,
    /// Length of the sliding window.
    pub window_us: i64,
    /// Reads in the window before it may open.
    pub min_requests: u32,
    /// How long it stays open before one read probes.
    pub open_for_us: i64,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            failure_ratio: 0.5,
            window_us: 10_000_000,
            min_requests: 20,
            open_for_us: 5_000_000,
        }
    }
}

/// How features are read.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeaturePolicy {
    /// Budget of all reads of a request.
    pub timeout_us: i64,
    /// Breaker settings.
    pub breaker: Breaker,
    /// Rule when the store fails.
    pub on_unavailable: OnUnavailable,
    /// Share of fetched features of a row that may be imputed before the default prediction is served.
    pub max_imputed: f64,
}

/// One model of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// Its role.
    pub role: Role,
    /// The model.
    pub model: ServedModel,
}

/// The route table of one InferenceService.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteTable {
    /// Contract version.
    pub version: u32,
    /// Namespace of the InferenceService.
    pub namespace: String,
    /// Name of the InferenceService: the model name on the wire.
    pub service: String,
    /// Generation of the table; pods report the one they serve.
    pub generation: u64,
    /// Models; exactly one is stable.
    pub routes: Vec<Route>,
    /// How features are read.
    pub features: FeaturePolicy,
    /// Whole budget of a request; past it the fallback is the answer.
    pub deadline_us: i64,
    /// The safe default prediction: the service's `fallback`, else the stable model's baseline.
    pub fallback: f64,
    /// Stores.
    pub store: StoreAccess,
}

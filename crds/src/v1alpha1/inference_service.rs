//! InferenceService: a model behind one URL.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::duration::{self, Duration};
use crate::name::object_name_rule;
use crate::reference::ObjectRef;
use crate::resources::Resources;

/// A model behind one URL that always answers.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "triplane.dev",
    version = "v1alpha1",
    kind = "InferenceService",
    plural = "inferenceservices",
    shortname = "tpisvc",
    category = "triplane",
    namespaced,
    status = "InferenceServiceStatus",
    derive = "PartialEq",
    doc = "An InferenceService serves a model at one URL and always answers on time.",
    validation = object_name_rule(),
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "REASON", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "STABLE", type_ = "string", json_path = ".status.stable"),
    printcolumn(name = "CANARY", type_ = "string", json_path = ".status.canary"),
    printcolumn(name = "WEIGHT", type_ = "integer", json_path = ".status.weight"),
    printcolumn(name = "SHADOW", type_ = "string", json_path = ".status.shadow"),
    printcolumn(name = "AGREE", type_ = "string", json_path = ".status.agree"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url", priority = 1),
    printcolumn(name = "P99", type_ = "string", json_path = ".status.p99", priority = 1)
)]
#[x_kube(validation = Rule::new(
    "(has(self.features) && has(self.features.timeout) ? duration(self.features.timeout) : duration('50ms')) \
     <= (has(self.deadline) ? duration(self.deadline) : duration('100ms'))")
    .message("features.timeout (50ms by default) must not exceed deadline (100ms by default)"))]
#[serde(rename_all = "camelCase")]
pub struct InferenceServiceSpec {
    /// The model that answers: stable.
    pub model: ObjectRef,
    /// How features are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<FeaturePolicy>,
    /// What is served when the model cannot be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
    /// Whole budget of a request, past it the fallback is the answer; 100ms by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(duration::POSITIVE).message("deadline must be more than 0"))]
    pub deadline: Option<Duration>,
    /// Compute resources of each pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// How many pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
    /// Changes nothing while true; what runs goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// How features are read, and what happens when they cannot be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeaturePolicy {
    /// Budget of all reads of a request; 50ms by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(duration::POSITIVE).message("features.timeout must be more than 0"))]
    pub timeout: Option<Duration>,
    /// When to stop asking a store that fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
    /// The answer when the store fails: DefaultPrediction (default) or Impute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_unavailable: Option<OnUnavailable>,
    /// Share of a row's fetched features that may be imputed before the default prediction is served; 0.5 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_imputed: Option<f64>,
}

/// Circuit breaker over reads of the online store.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Breaker {
    /// Share of slow or failed reads at which it opens; 0.5 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1.0))]
    #[x_kube(validation = Rule::new("self > 0.0").message("features.breaker.failureRatio must be more than 0"))]
    pub failure_ratio: Option<f64>,
    /// Length of the sliding window; 10s by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(duration::POSITIVE).message("features.breaker.window must be more than 0"))]
    pub window: Option<Duration>,
    /// Reads in the window before it may open; 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub min_requests: Option<i32>,
    /// How long it stays open before one read probes; 5s by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(duration::POSITIVE).message("features.breaker.openFor must be more than 0"))]
    pub open_for: Option<Duration>,
}

/// What to answer when the store of features cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(
    description = "What to answer when the store fails: the default prediction (DefaultPrediction, default), or the \
    model's answer on imputed features (Impute)."
)]
pub enum OnUnavailable {
    /// Serve the default prediction.
    #[default]
    DefaultPrediction,
    /// Impute every fetched feature and ask the model.
    Impute,
}

/// The safe default of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct Fallback {
    /// The prediction; the model's baseline by default.
    pub prediction: f64,
}

/// How many pods serve a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.minReplicas) || self.minReplicas <= self.maxReplicas")
    .message("autoscaling.minReplicas must not exceed autoscaling.maxReplicas"))]
pub struct Autoscaling {
    /// Fewest pods; 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub min_replicas: Option<i32>,
    /// Most pods.
    #[schemars(range(min = 1, max = 1000))]
    pub max_replicas: i32,
    /// What to scale on; CPU at 70 % by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(validation = Rule::new("self.filter(metric, has(metric.cpuUtilization)).size() <= 1")
        .message("autoscaling.metrics must name cpuUtilization once"))]
    pub metrics: Vec<Metric>,
}

/// One thing to scale on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metric {
    /// Average CPU of the pods, percent of their request.
    #[schemars(range(min = 1, max = 1000))]
    pub cpu_utilization: i32,
}

/// What is known about an InferenceService.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct InferenceServiceStatus {
    /// The generation of the spec that was judged last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What the service says about itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The model that answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub stable: Option<String>,
    /// The model that is being tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub canary: Option<String>,
    /// Percent of the requests that the canary answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub weight: Option<i32>,
    /// The models that see requests and do not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub shadow: Option<String>,
    /// Share of answers on which the shadow agrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub agree: Option<String>,
    /// Where to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub url: Option<String>,
    /// Latency that 99 % of answers stay below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub p99: Option<String>,
    /// Generation of the route table that is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub route_generation: Option<i64>,
    /// Digest of what the route table says, to raise its generation only when that changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub route_digest: Option<String>,
}

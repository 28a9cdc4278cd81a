//! Compute resources of the pods that an object makes.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::Quantity;

/// Requests and limits of each pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new(not_above_limit("cpu")).message("resources.requests.cpu must not exceed resources.limits.cpu"),
    validation = Rule::new(not_above_limit("memory"))
        .message("resources.requests.memory must not exceed resources.limits.memory")
)]
pub struct Resources {
    /// What the scheduler reserves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<ResourceList>,
    /// What a pod may use at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<ResourceList>,
}

/// CEL over both lists: what is requested is allowed.
fn not_above_limit(resource: &str) -> String {
    format!(
        "!has(self.requests) || !has(self.requests.{resource}) || !has(self.limits) || !has(self.limits.{resource}) || \
         quantity(string(self.requests.{resource})).compareTo(quantity(string(self.limits.{resource}))) <= 0"
    )
}

/// Amounts of the resources that Triplane's pods use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ResourceList {
    /// Cores, such as 250m or 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Quantity>,
    /// Bytes, such as 512Mi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Quantity>,
}

//! FeatureStore: where features are kept, online and offline.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::name::object_name_rule;
use crate::path;
use crate::policy::DeletionPolicy;
use crate::quantity::{self, Quantity};
use crate::reference::SecretRef;

/// Where features are kept: rows for serving online, tables for training offline.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "triplane.dev",
    version = "v1alpha1",
    kind = "FeatureStore",
    plural = "featurestores",
    shortname = "tpfs",
    category = "triplane",
    namespaced,
    status = "FeatureStoreStatus",
    derive = "PartialEq",
    doc = "A FeatureStore keeps features: rows for serving online, tables for training offline.",
    validation = object_name_rule(),
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "REASON", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "SHARDS", type_ = "string", json_path = ".status.shards"),
    printcolumn(name = "MEMORY", type_ = "string", json_path = ".status.memory"),
    printcolumn(name = "VIEWS", type_ = "integer", json_path = ".status.views"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct FeatureStoreSpec {
    /// The online store: exactly one of managed, redis, dynamodb.
    pub online: OnlineStore,
    /// The offline store.
    pub offline: OfflineStore,
    /// What deleting the object does to volumes and tables: Retain (default) keeps them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// Changes nothing while true; what runs goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// The online store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.managed), has(self.redis), has(self.dynamodb)].filter(set, set).size() == 1")
        .message("online needs exactly one of managed, redis, dynamodb"),
    validation = Rule::new("!has(self.dynamodb)")
        .message("online.dynamodb is not supported yet; use online.managed or online.redis")
)]
pub struct OnlineStore {
    /// A Redis Cluster that Triplane makes and heals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed: Option<ManagedRedis>,
    /// A Redis that exists already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<ExternalRedis>,
    /// Reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynamodb: Option<DynamoDb>,
}

/// A Redis Cluster that Triplane makes and heals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManagedRedis {
    /// Primaries that share the keys.
    #[schemars(range(max = 100))]
    #[x_kube(validation = Rule::new("self >= 3")
        .message("online.managed.shards must be at least 3: a Redis Cluster needs three primaries to agree on a failure"))]
    pub shards: i32,
    /// Copies of each primary; 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 5))]
    pub replicas_per_shard: Option<i32>,
    /// Memory for rows per node; the pod's limit is derived from it.
    #[x_kube(validation = Rule::new(quantity::POSITIVE).message("online.managed.maxMemory must be more than 0"))]
    pub max_memory: Quantity,
    /// The volume of each node; without it a restarted node is filled again from its peers or the tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
}

/// A volume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct Storage {
    /// Its size.
    #[x_kube(validation = Rule::new(quantity::POSITIVE).message("online.managed.storage.size must be more than 0"))]
    pub size: Quantity,
}

/// A Redis that exists already.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalRedis {
    /// `host:port`.
    #[schemars(length(max = 260))]
    #[x_kube(validation = Rule::new("self.matches('^[^/@ ]+:[0-9]{1,5}$')")
        .message("online.redis.address must be host:port, without a scheme or a password"))]
    pub address: String,
    /// Secret with the keys `username` (optional) and `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<SecretRef>,
}

/// Reserved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct DynamoDb {}

/// The offline store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct OfflineStore {
    /// A bucket of S3 or of what speaks its protocol.
    pub s3: S3,
}

/// A bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct S3 {
    /// Name of the bucket.
    #[schemars(length(min = 3, max = 63), regex(pattern = r"^[a-z0-9][a-z0-9.-]*[a-z0-9]$"))]
    pub bucket: String,
    /// Triplane writes only below `<prefix>/<namespace>/<store>/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    #[x_kube(validation = Rule::new(path::RELATIVE)
        .message("offline.s3.prefix is relative to the bucket: no scheme, no leading slash, no '..'"))]
    pub prefix: Option<String>,
    /// URL of the service; omit it for AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    #[x_kube(validation = Rule::new("self.matches('^https?://[^/@ ]+/?$')")
        .message("offline.s3.endpoint must be http://host[:port] or https://host[:port]"))]
    pub endpoint: Option<String>,
    /// Region of the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9-]+$"))]
    pub region: Option<String>,
    /// Secret with the keys `accessKeyId` and `secretAccessKey`; omit it for IRSA and Pod Identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<SecretRef>,
}

/// What is known about a FeatureStore.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeatureStoreStatus {
    /// The generation of the spec that was judged last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What the store says about itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Shards that serve, of how many: `3/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub shards: Option<String>,
    /// Memory used by rows, of how much: `12Mi/768Mi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub memory: Option<String>,
    /// FeatureViews that use the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub views: Option<i32>,
}

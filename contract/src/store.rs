//! How a job or pod reaches the stores. Secrets are named by file, never carried.

use serde::{Deserialize, Serialize};

/// The online store of a FeatureStore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum OnlineAccess {
    /// In the process itself (`triplane dev`); refilled by the publish marks at each start.
    Memory,
    /// One Redis server.
    Redis {
        /// `host:port`
        address: String,
        /// Prefix of every key of this store.
        #[serde(default)]
        prefix: String,
        /// ACL user; `None` is the default user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        username: Option<String>,
        /// File that holds the password, read again when a login fails.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password_file: Option<String>,
    },
}

/// The bucket of a FeatureStore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum OfflineAccess {
    /// A directory as bucket.
    Directory {
        /// Absolute path of the bucket's root.
        path: String,
    },
    /// A bucket on S3 or a server that speaks its protocol.
    S3 {
        /// Name of the bucket.
        bucket: String,
        /// `http(s)://host:port` of another server than AWS; objects are then addressed by path, not by host name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        endpoint: Option<String>,
        /// Region of the bucket; `None`: `AWS_REGION`, else us-east-1.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        region: Option<String>,
        /// Where the credentials come from.
        credentials: S3Credentials,
    },
}

/// Where credentials for S3 come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum S3Credentials {
    /// From the surroundings: a role of the service account (IRSA, Pod Identity), environment, profile or instance.
    Chain,
    /// A mounted Secret with the keys `accessKeyId`, `secretAccessKey` and, for temporary ones, `sessionToken`. Read again
    /// when it changes.
    Files {
        /// Absolute path of the folder it is mounted at.
        directory: String,
    },
}

/// Where one FeatureStore keeps its rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreAccess {
    /// Online rows.
    pub online: OnlineAccess,
    /// Bucket with offline tables, raw data and artifacts.
    pub offline: OfflineAccess,
    /// `<prefix>/<namespace>/<store>` inside the bucket (`layout::store_root`).
    pub root: String,
    /// Who may write below `root`: put into the owner marker, compared before the first write.
    pub owner: String,
}

//! References to other objects. They stay in the object's namespace.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::name::{FOREIGN_NAME, FOREIGN_NAME_MAX, OBJECT_NAME, OBJECT_NAME_MAX};

/// The FeatureStore an object belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.__namespace__)")
    .message("storeRef.namespace is not supported yet: a store is used from its own namespace"))]
pub struct StoreRef {
    /// Name of a FeatureStore in the same namespace.
    #[schemars(length(min = 1, max = OBJECT_NAME_MAX), regex(pattern = OBJECT_NAME))]
    pub name: String,
    /// Reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
}

/// A Triplane object in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ObjectRef {
    /// Its name.
    #[schemars(length(min = 1, max = OBJECT_NAME_MAX), regex(pattern = OBJECT_NAME))]
    pub name: String,
}

/// A Secret in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct SecretRef {
    /// Its name.
    #[schemars(length(min = 1, max = FOREIGN_NAME_MAX), regex(pattern = FOREIGN_NAME))]
    pub name: String,
}

//! The owner marker of a store's folder: two clusters that share a bucket by mistake never mix their rows.

use std::sync::Arc;

use object_store::ObjectStore;
use serde::{Deserialize, Serialize};
use triplane_contract::store::StoreAccess;
use triplane_contract::{layout, version};

use super::PlanError;
use crate::objects::put_if_absent;

#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    version: u32,
    owner: String,
}

/// Puts the marker, or refuses a folder that has another owner's.
pub async fn claim(store: &StoreAccess, bucket: &Arc<dyn ObjectStore>) -> Result<(), PlanError> {
    let path = layout::owner_marker(&store.root);
    let ours = Marker {
        version: version::CURRENT,
        owner: store.owner.clone(),
    };
    let found = put_if_absent(bucket, &path, ours).await?;
    if found.owner == store.owner {
        return Ok(());
    }
    Err(PlanError::ForeignOwner {
        path,
        found: found.owner,
        owner: store.owner.clone(),
    })
}

//! Which table the rows come from: one that is made anew in the same place is another one.

use sha2::{Digest, Sha256};
use triplane_feature_store::online::TableId;

use crate::offline::{OfflineError, Table};

/// From the id that Delta gives a table when it is created.
pub(super) fn table_id(table: &Table) -> Result<TableId, OfflineError> {
    let state = table.delta().snapshot().map_err(|source| OfflineError::Log {
        action: "read the id of",
        root: table.root().to_owned(),
        source: source.into(),
    })?;
    let digest = Sha256::digest(state.metadata().id());
    Ok(TableId(
        digest.iter().take(16).fold(0, |id, byte| (id << 8) | u128::from(*byte)),
    ))
}

/// Whether the bucket still has this table, at whatever version.
pub(super) async fn is_in_place(table: &Table) -> Result<bool, OfflineError> {
    match Table::open(table.bucket(), table.root(), None).await? {
        Some(found) => Ok(table_id(&found)? == table_id(table)?),
        None => Ok(false),
    }
}

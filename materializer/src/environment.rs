//! What a job works on: the bucket, the online store, the clock and a folder for spills.

use std::path::PathBuf;
use std::sync::Arc;

use object_store::ObjectStore;
use triplane_feature_store::Clock;
use triplane_feature_store::online::OnlineStore;

/// Everything outside the process. All IO of a run goes through `bucket` and `online`.
#[derive(Clone)]
pub struct Environment {
    /// The bucket, its root being the bucket's root.
    pub bucket: Arc<dyn ObjectStore>,
    /// The online store of the same FeatureStore.
    pub online: Arc<dyn OnlineStore>,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// Folder for sorts that do not fit into memory; its content is of no value afterwards.
    pub scratch: PathBuf,
}

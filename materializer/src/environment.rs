//! What a job works on: the bucket, the online store, the clock and a folder for spills.

use std::path::PathBuf;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use snafu::{ResultExt, Snafu};
use triplane_contract::store::OfflineAccess;
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

/// Why a bucket could not be opened.
#[derive(Debug, Snafu)]
pub enum EnvironmentError {
    /// The directory does not exist or cannot be read.
    #[snafu(display("failed to open bucket directory {path}: {source}; create it first"))]
    OpenBucket {
        /// The directory.
        path: String,
        /// Cause.
        source: object_store::Error,
    },
}

/// Opens the bucket of a FeatureStore.
pub fn open_bucket(access: &OfflineAccess) -> Result<Arc<dyn ObjectStore>, EnvironmentError> {
    match access {
        OfflineAccess::Directory { path } => {
            let directory = LocalFileSystem::new_with_prefix(path).context(OpenBucketSnafu { path })?;
            Ok(Arc::new(directory.with_automatic_cleanup(false)))
        }
    }
}

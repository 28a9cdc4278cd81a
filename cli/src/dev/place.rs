//! How this machine stands in for the stores of a cluster.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use object_store::{ObjectStore, ObjectStoreExt as _};
use triplane_contract::store::{OfflineAccess, OnlineAccess};

/// How long a listing may hold up the session.
const LIST_LIMIT: Duration = Duration::from_secs(2);

/// Stores and clock of a session.
#[derive(Clone, Debug)]
pub struct Place {
    /// What is every bucket.
    pub bucket: OfflineAccess,
    /// Where online rows are.
    pub online: OnlineAccess,
    /// Base of the services' URLs.
    pub url: String,
    /// Where the clock of data stands, microseconds; `None` where it goes.
    pub as_of_us: Option<i64>,
}

impl Place {
    /// Opens the bucket and asks it for something that is not there: then bucket, login and endpoint are right.
    pub async fn open_bucket(&self) -> Result<Arc<dyn ObjectStore>, String> {
        let bucket = triplane_bucket::open(&self.bucket).map_err(|error| error.to_string())?;
        match bucket.head(&"_triplane/nothing".into()).await {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(bucket),
            Err(error) => {
                Err(triplane_bucket::BucketError::find(&error).map_or_else(|| error.to_string(), ToString::to_string))
            }
        }
    }

    /// The largest generation of a view below a store's `root`; 0 where there is none. Generations that are in the bucket were
    /// filled by definitions that nobody remembers, so their numbers are not used again. Call it on a thread that may wait.
    pub fn last_generation(&self, root: &str, view: &str) -> Result<u32, String> {
        let path = format!("{root}/views/{view}");
        let names: Vec<String> = match &self.bucket {
            OfflineAccess::Directory { path: bucket } => {
                let folders = std::fs::read_dir(Path::new(bucket).join(path));
                let names = folders.into_iter().flatten().flatten();
                names
                    .filter_map(|folder| folder.file_name().into_string().ok())
                    .collect()
            }
            OfflineAccess::S3 { .. } => {
                let bucket = triplane_bucket::open(&self.bucket).map_err(|error| error.to_string())?;
                let path = path.into();
                let list = tokio::time::timeout(LIST_LIMIT, bucket.list_with_delimiter(Some(&path)));
                let listed = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(list));
                let listed = listed.map_err(|_| format!("no listing within {} s", LIST_LIMIT.as_secs()))?;
                let folders = listed.map_err(|error| error.to_string())?.common_prefixes;
                folders
                    .iter()
                    .filter_map(|folder| folder.filename().map(str::to_owned))
                    .collect()
            }
        };
        let number = |name: &String| name.strip_prefix('g')?.parse::<u32>().ok();
        Ok(names.iter().filter_map(number).max().unwrap_or(0))
    }
}

//! One machine of a test: a directory as bucket, and how stores are reached.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use triplane_contract::run::{RunReport, RunSpec};
use triplane_contract::store::{OfflineAccess, OnlineAccess, StoreAccess};
use triplane_contract::{View, layout};
use triplane_feature_store::{Clock, FixedClock, online};
use triplane_materializer::progress::Silent;
use triplane_materializer::{Environment, open_bucket};

use crate::delta::Table;
use crate::fixture::table;
use crate::fixture::view::{NAMESPACE, STORE};

/// A bucket of its own, removed when dropped.
pub struct World {
    dir: tempfile::TempDir,
    scratch: tempfile::TempDir,
    online: OnlineAccess,
}

impl World {
    /// An empty bucket beside the online store `online`.
    pub fn new(online: OnlineAccess) -> Self {
        let folder = || tempfile::tempdir().expect("failed to create a folder");
        Self {
            dir: folder(),
            scratch: folder(),
            online,
        }
    }

    /// A bucket with the same objects, to the inode: their `ETag`s are the same too. Objects are replaced by renaming, never
    /// written in place, so that the two buckets go their own ways from here.
    pub fn fork(&self) -> Self {
        let fork = Self::new(self.online.clone());
        link_tree(self.dir.path(), fork.dir.path());
        fork
    }

    /// The bucket's root.
    pub fn bucket(&self) -> &Path {
        self.dir.path()
    }

    /// A folder beside the bucket.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// The bucket as data planes use it.
    pub fn object_store(&self) -> Arc<dyn ObjectStore> {
        open_bucket(&self.access().offline).expect("a directory as bucket")
    }

    /// How contract files name the stores.
    pub fn access(&self) -> StoreAccess {
        StoreAccess {
            online: self.online.clone(),
            offline: OfflineAccess::Directory {
                path: self.dir.path().display().to_string(),
            },
            root: layout::store_root("features", NAMESPACE, STORE),
            owner: format!("{NAMESPACE}/{STORE}"),
        }
    }

    /// What a job works on here, the clock standing at `now_us`.
    pub async fn environment(&self, now_us: i64) -> Environment {
        let clock: Arc<dyn Clock> = Arc::new(FixedClock::new(now_us));
        Environment {
            bucket: self.object_store(),
            online: online::connect(&self.online, clock.clone())
                .await
                .expect("an online store"),
            clock,
            scratch: self.scratch.path().to_owned(),
        }
    }

    /// Runs `spec` in this process with the clock at `now_us`.
    pub async fn materialize(&self, spec: &RunSpec, now_us: i64) -> RunReport {
        let environment = self.environment(now_us).await;
        triplane_materializer::run(spec, &environment, &Silent)
            .await
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Uploads `bytes` as `path` with `modified_s` as its Last-Modified.
    pub fn put(&self, path: &str, bytes: &[u8], modified_s: u64) {
        table::put(&self.dir.path().join(path), bytes, modified_s);
    }

    /// Removes the object at `path`.
    pub fn remove(&self, path: &str) {
        std::fs::remove_file(self.dir.path().join(path)).expect("failed to remove an object");
    }

    /// Folder of a view's table.
    pub fn view_root(&self, view: &View) -> PathBuf {
        self.dir.path().join(layout::view_root(&self.access().root, view))
    }

    /// What was put aside, by file below `_rejected`.
    pub fn rejected(&self, view: &View) -> BTreeMap<PathBuf, String> {
        let folder = self.view_root(view).join("_rejected");
        let mut files = Vec::new();
        walk(&folder, &mut files);
        let name = |path: &Path| path.strip_prefix(&folder).expect("below the folder").to_owned();
        let read = |path: &Path| std::fs::read_to_string(path).expect("a rejected file is text");
        files.iter().map(|path| (name(path), read(path))).collect()
    }

    /// The view's table, once there is one.
    pub fn table(&self, view: &View) -> Option<Table> {
        Table::read(&self.view_root(view))
    }
}

fn link_tree(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("failed to list a folder") {
        let entry = entry.expect("folder entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("file type").is_dir() {
            std::fs::create_dir(&target).expect("failed to create a folder");
            link_tree(&entry.path(), &target);
        } else {
            std::fs::hard_link(entry.path(), &target).expect("failed to link a file");
        }
    }
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("folder entry").path();
        if path.is_dir() {
            walk(&path, files);
        } else {
            files.push(path);
        }
    }
}

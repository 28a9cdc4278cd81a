//! One machine of a test: a bucket, and how stores are reached.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use triplane_contract::run::{RunReport, RunSpec};
use triplane_contract::store::{OfflineAccess, OnlineAccess, StoreAccess};
use triplane_contract::{View, layout};
use triplane_feature_store::{Clock, FixedClock, online};
use triplane_materializer::Environment;
use triplane_materializer::progress::Silent;

use crate::delta::Table;
use crate::fixture::table;
use crate::fixture::view::{NAMESPACE, STORE};
use crate::minio::Minio;
use crate::redis::on_a_cluster;

/// A bucket of its own, removed when dropped.
pub struct World {
    bucket: Bucket,
    /// The bucket itself, or what was last seen of it.
    dir: tempfile::TempDir,
    scratch: tempfile::TempDir,
    online: OnlineAccess,
}

enum Bucket {
    Directory,
    Minio { server: Arc<Minio>, name: String },
}

impl World {
    /// An empty bucket beside the online store `online`: a directory, or on MinIO where suites run on the stores of a cluster.
    pub fn new(online: OnlineAccess) -> Self {
        if on_a_cluster() {
            return Self::on_minio(&Minio::shared(), online);
        }
        Self::with(Bucket::Directory, online)
    }

    /// An empty bucket on MinIO.
    pub fn on_minio(server: &Arc<Minio>, online: OnlineAccess) -> Self {
        let bucket = Bucket::Minio {
            name: server.bucket(),
            server: Arc::clone(server),
        };
        Self::with(bucket, online)
    }

    fn with(bucket: Bucket, online: OnlineAccess) -> Self {
        let folder = || tempfile::tempdir().expect("failed to create a folder");
        Self {
            bucket,
            dir: folder(),
            scratch: folder(),
            online,
        }
    }

    /// A bucket with the same objects and `ETag`s; the two go their own ways from here. Objects in a directory are replaced by
    /// renaming, never written in place: to the inode they are the same.
    pub fn fork(&self) -> Self {
        match &self.bucket {
            Bucket::Directory => {
                let fork = Self::with(Bucket::Directory, self.online.clone());
                link_tree(self.dir.path(), fork.dir.path());
                fork
            }
            Bucket::Minio { server, name } => {
                let bucket = Bucket::Minio {
                    name: server.fork(name),
                    server: Arc::clone(server),
                };
                Self::with(bucket, self.online.clone())
            }
        }
    }

    /// The bucket's content as a folder: the bucket itself, or a copy made now.
    pub fn bucket(&self) -> &Path {
        if let Bucket::Minio { server, name } = &self.bucket {
            copy_out(server, name, self.dir.path());
        }
        self.dir.path()
    }

    /// A folder beside the bucket.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// The bucket as data planes use it.
    pub fn object_store(&self) -> Arc<dyn ObjectStore> {
        triplane_bucket::open(&self.access().offline).expect("a bucket")
    }

    /// How contract files name the stores.
    pub fn access(&self) -> StoreAccess {
        let offline = match &self.bucket {
            Bucket::Directory => OfflineAccess::Directory {
                path: self.dir.path().display().to_string(),
            },
            Bucket::Minio { server, name } => server.access(name),
        };
        StoreAccess {
            online: self.online.clone(),
            offline,
            root: layout::store_root("features", NAMESPACE, STORE),
            owner: format!("{NAMESPACE}/{STORE}"),
        }
    }

    /// What a job works on here, the clock standing at `now_us`.
    pub async fn environment(&self, now_us: i64) -> Environment {
        environment(&self.access(), self.scratch.path(), now_us).await
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
        match &self.bucket {
            Bucket::Directory => table::put(&self.dir.path().join(path), bytes, modified_s),
            Bucket::Minio { server, name } => server.put(name, path, bytes, modified_s),
        }
    }

    /// Removes the object at `path`.
    pub fn remove(&self, path: &str) {
        match &self.bucket {
            Bucket::Directory => {
                std::fs::remove_file(self.dir.path().join(path)).expect("failed to remove an object");
            }
            Bucket::Minio { server, name } => server.remove(name, path),
        }
    }

    /// Folder of a view's table.
    pub fn view_root(&self, view: &View) -> PathBuf {
        self.bucket().join(layout::view_root(&self.access().root, view))
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

/// What a job works on with `access`, the clock standing at `now_us`.
pub async fn environment(access: &StoreAccess, scratch: &Path, now_us: i64) -> Environment {
    let clock: Arc<dyn Clock> = Arc::new(FixedClock::new(now_us));
    Environment {
        bucket: triplane_bucket::open(&access.offline).expect("a bucket"),
        online: online::connect(&access.online, clock.clone())
            .await
            .expect("an online store"),
        clock,
        scratch: scratch.to_owned(),
    }
}

fn copy_out(server: &Minio, bucket: &str, to: &Path) {
    std::fs::remove_dir_all(to).expect("failed to empty a folder");
    std::fs::create_dir(to).expect("failed to create a folder");
    for (key, bytes) in server.objects(bucket) {
        let path = to.join(key);
        std::fs::create_dir_all(path.parent().expect("a file in a folder")).expect("failed to create a folder");
        std::fs::write(path, bytes).expect("failed to copy an object");
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

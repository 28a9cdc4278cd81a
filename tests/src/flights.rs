//! The flights example on one machine: its data prepared by its own scripts, its manifests run by the real `triplane`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::Value;
use triplane_contract::store::{OfflineAccess, S3Credentials};

use crate::dev::{Dev, Session};
use crate::minio::Minio;
use crate::redis::on_a_cluster;

/// A bucket with the example's data and a folder with its manifests.
pub struct Flights {
    /// The bucket itself, or what the example's scripts see of it.
    bucket: tempfile::TempDir,
    /// Where the bucket is on the stores of a cluster.
    s3: Option<(Arc<Minio>, String)>,
    manifests: tempfile::TempDir,
    state: tempfile::TempDir,
}

impl Flights {
    /// Prepares the data that is knowable at `known_by` (RFC 3339) and copies the manifests; there is no model yet.
    pub fn prepare(known_by: &str) -> Self {
        let folder = || tempfile::tempdir().expect("failed to create a folder");
        let on_minio = || {
            let minio = Minio::shared();
            let bucket = minio.bucket();
            (minio, bucket)
        };
        let flights = Self {
            bucket: folder(),
            s3: on_a_cluster().then(on_minio),
            manifests: folder(),
            state: folder(),
        };
        let bucket = flights.bucket().display().to_string();
        python("prepare.py", &["--bucket", &bucket, "--as-of", known_by], None);
        flights.push("");
        for entry in std::fs::read_dir(example()).expect("the example") {
            let path = entry.expect("folder entry").path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                std::fs::copy(&path, flights.manifests().join(path.file_name().expect("a name"))).expect("copy");
            }
        }
        flights
    }

    /// The bucket's folder.
    pub fn bucket(&self) -> &Path {
        self.bucket.path()
    }

    /// Uploads what lies below `prefix` in the folder, where the bucket is another.
    pub fn push(&self, prefix: &str) {
        let Some((minio, bucket)) = &self.s3 else { return };
        for path in files(&self.bucket().join(prefix)) {
            let key = path
                .strip_prefix(self.bucket())
                .expect("below the folder")
                .display()
                .to_string();
            let modified = path.metadata().and_then(|meta| meta.modified()).expect("a time");
            let since = modified.duration_since(std::time::UNIX_EPOCH).expect("after 1970");
            minio.put(bucket, &key, &std::fs::read(&path).expect("a file"), since.as_secs());
        }
    }

    /// Fetches what lies below `prefix` in the bucket, where it is not the folder.
    fn pull(&self, prefix: &str) {
        let Some((minio, bucket)) = &self.s3 else { return };
        for (key, bytes) in minio.objects_below(bucket, prefix) {
            let path = self.bucket().join(key);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("failed to create a folder");
            std::fs::write(path, bytes).expect("failed to write an object");
        }
    }

    /// How the bucket is named to `triplane dev`.
    fn bucket_arguments(&self) -> Vec<String> {
        let Some((minio, bucket)) = &self.s3 else {
            return vec!["--bucket".to_owned(), self.bucket().display().to_string()];
        };
        let OfflineAccess::S3 {
            endpoint: Some(endpoint),
            region: Some(region),
            credentials: S3Credentials::Files { directory },
            ..
        } = minio.access(bucket)
        else {
            panic!("a bucket on MinIO has an endpoint, a region and keys in files");
        };
        let name = format!("s3://{bucket}");
        let words = [
            "--bucket",
            &name,
            "--endpoint",
            &endpoint,
            "--region",
            &region,
            "--credentials-file",
            &directory,
        ];
        words.into_iter().map(str::to_owned).collect()
    }

    /// The manifests' folder, which `triplane dev` watches.
    pub fn manifests(&self) -> &Path {
        self.manifests.path()
    }

    /// Starts `triplane dev` with the clock fixed at `as_of`, in memory or with a Redis at `host:port`.
    pub fn dev(&self, as_of: &str, redis: Option<&str>) -> Dev {
        Dev::start(&Session {
            manifests: self.manifests(),
            bucket: &self.bucket_arguments(),
            state: self.state.path(),
            as_of: Some(as_of),
            redis,
        })
    }

    /// Fits a model on the newest version of the training set and writes `model.yaml`.
    pub fn train(&self) {
        let set = self.training_set("flight-delays").display().to_string();
        let (bucket, out) = (self.bucket().display().to_string(), self.manifests().join("model.yaml"));
        python(
            "train.py",
            &[
                "--training-set",
                &set,
                "--bucket",
                &bucket,
                "--out",
                &out.display().to_string(),
            ],
            None,
        );
        self.push("models");
    }

    /// What LightGBM itself says of vectors (`null` is missing).
    pub fn score(&self, vectors: &Value) -> Vec<f64> {
        let model = self.bucket().join("models/delay/v1/model.txt").display().to_string();
        let scores = python("score.py", &["--model", &model, "-"], Some(&vectors.to_string()));
        serde_json::from_str(&scores).expect("scores are JSON")
    }

    /// Folder of the only version of a training set.
    pub fn training_set(&self, name: &str) -> PathBuf {
        let versions = format!("features/flights/flights/training-sets/{name}");
        self.pull(&format!("{versions}/"));
        let versions = self.bucket().join(versions);
        let mut found = std::fs::read_dir(&versions).unwrap_or_else(|error| panic!("{}: {error}", versions.display()));
        let only = found.next().expect("a version").expect("folder entry").path();
        assert!(found.next().is_none(), "{name} has several versions");
        only
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("folder entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// The example's folder in the checkout.
pub fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/flights")
}

/// Runs a script of the example with the venv's Python (`$TRIPLANE_PYTHON`); its standard output.
fn python(script: &str, arguments: &[&str], input: Option<&str>) -> String {
    let default = || PathBuf::from(std::env::var_os("HOME").expect("HOME")).join(".cache/triplane/venv/bin/python");
    let python = std::env::var_os("TRIPLANE_PYTHON").map_or_else(default, PathBuf::from);
    assert!(
        python.exists(),
        "{}: no such Python; `make setup` makes it, or set TRIPLANE_PYTHON",
        python.display()
    );
    let mut command = Command::new(python);
    command
        .current_dir(example())
        .arg(script)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("failed to start {script}: {error}"));
    let mut stdin = child.stdin.take().expect("stdin");
    let text = input.unwrap_or_default().to_owned();
    // Written beside the reading of the output, so that neither side waits for the other.
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().expect("failed to wait for Python");
    writer.join().expect("the writer").expect("failed to write to Python");
    assert!(output.status.success(), "{script} failed: {}", output.status);
    String::from_utf8(output.stdout).expect("UTF-8")
}

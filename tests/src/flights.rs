//! The flights example on one machine: its data prepared by its own scripts, its manifests run by the real `triplane`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::dev::{Dev, Session};

/// A bucket with the example's data and a folder with its manifests.
pub struct Flights {
    bucket: tempfile::TempDir,
    manifests: tempfile::TempDir,
    state: tempfile::TempDir,
}

impl Flights {
    /// Prepares the data that is knowable at `known_by` (RFC 3339) and copies the manifests; there is no model yet.
    pub fn prepare(known_by: &str) -> Self {
        let folder = || tempfile::tempdir().expect("failed to create a folder");
        let flights = Self {
            bucket: folder(),
            manifests: folder(),
            state: folder(),
        };
        let bucket = flights.bucket().display().to_string();
        python("prepare.py", &["--bucket", &bucket, "--as-of", known_by], None);
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

    /// The manifests' folder, which `triplane dev` watches.
    pub fn manifests(&self) -> &Path {
        self.manifests.path()
    }

    /// Starts `triplane dev` with the clock fixed at `as_of`, in memory or with a Redis at `host:port`.
    pub fn dev(&self, as_of: &str, redis: Option<&str>) -> Dev {
        Dev::start(&Session {
            manifests: self.manifests(),
            bucket: self.bucket(),
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
    }

    /// What LightGBM itself says of vectors (`null` is missing).
    pub fn score(&self, vectors: &Value) -> Vec<f64> {
        let model = self.bucket().join("models/delay/v1/model.txt").display().to_string();
        let scores = python("score.py", &["--model", &model, "-"], Some(&vectors.to_string()));
        serde_json::from_str(&scores).expect("scores are JSON")
    }

    /// Folder of the only version of a training set.
    pub fn training_set(&self, name: &str) -> PathBuf {
        let versions = self.bucket().join("features/flights/flights/training-sets").join(name);
        let mut found = std::fs::read_dir(&versions).unwrap_or_else(|error| panic!("{}: {error}", versions.display()));
        let only = found.next().expect("a version").expect("folder entry").path();
        assert!(found.next().is_none(), "{name} has several versions");
        only
    }
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

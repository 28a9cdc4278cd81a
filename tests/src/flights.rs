//! The flights example on one machine: its data prepared by its own scripts, its manifests run by the real `triplane`.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::{Process, Program};
use crate::redis::free_port;
use crate::wait;

/// How long the slowest step (a first materialization in the development profile, on a busy machine) may take.
const PATIENCE: Duration = Duration::from_mins(5);

/// File of the state folder with every object and its status.
const OBJECTS: &str = "objects.json";

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
        let port = free_port();
        let state = self.state.path().to_owned();
        // What an earlier process said is not what this one says.
        let _ = std::fs::remove_file(state.join(OBJECTS));
        let mut command = Program::triplane().command();
        command
            .arg("dev")
            .arg(self.manifests())
            .arg("--bucket")
            .arg(self.bucket());
        command
            .arg("--state")
            .arg(self.state.path())
            .args(["--as-of", as_of, "--port", &port.to_string()]);
        command.args(redis.into_iter().flat_map(|address| ["--redis", address]));
        let log = tempfile::NamedTempFile::new().expect("failed to create a file");
        let output = |log: &tempfile::NamedTempFile| Stdio::from(log.reopen().expect("log"));
        command.stdin(Stdio::null()).stdout(output(&log)).stderr(output(&log));
        Dev {
            process: Process::spawn(&mut command),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            state,
            log,
        }
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

/// A running `triplane dev`.
pub struct Dev {
    process: Process,
    address: SocketAddr,
    state: PathBuf,
    log: tempfile::NamedTempFile,
}

impl Dev {
    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the object is Ready.
    pub async fn ready(&mut self, kind: &str, name: &str) {
        let end = Instant::now() + PATIENCE;
        while !is_ready(&self.state, kind, name) {
            assert!(self.process.is_running(), "triplane dev ended:\n{}", self.log());
            assert!(
                std::time::Instant::now() < end,
                "{kind} {name} did not become Ready:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ctrl-C; it has to end by itself, successfully.
    pub async fn end(mut self) {
        self.process.interrupt();
        let process = &mut self.process;
        let mut status = None;
        wait::until("triplane dev ends", Duration::from_mins(1), async || {
            status = process.wait(Duration::ZERO);
            status.is_some()
        })
        .await;
        assert!(
            status.is_some_and(|status| status.success()),
            "{status:?}:\n{}",
            self.log()
        );
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).expect("log")
    }
}

/// What `triplane dev` last wrote about the object; nothing is known before it has looked at it.
fn is_ready(state: &Path, kind: &str, name: &str) -> bool {
    let Ok(text) = std::fs::read(state.join(OBJECTS)) else {
        return false;
    };
    let list: Value = serde_json::from_slice(&text).expect("the list of objects is JSON");
    let objects = list["items"].as_array().expect("a list of objects");
    let object = objects
        .iter()
        .find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    let conditions = object.and_then(|object| object["status"]["conditions"].as_array());
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
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

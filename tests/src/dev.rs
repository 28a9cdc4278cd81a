//! `triplane dev` in a process of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::{Process, Program};
use crate::redis::free_port;
use crate::wait;

/// How long the slowest step (a first materialization in the development profile, on a busy machine) may take.
const PATIENCE: Duration = Duration::from_mins(5);

/// File of the state folder with every object and its status.
const OBJECTS: &str = "objects.json";

/// What a session is started with.
#[derive(Clone, Copy, Debug)]
pub struct Session<'a> {
    /// Folder of manifests.
    pub manifests: &'a Path,
    /// What names the bucket: `--bucket` and what belongs to it.
    pub bucket: &'a [String],
    /// Where it keeps its state.
    pub state: &'a Path,
    /// Where its clock stands (RFC 3339); `None` where it goes.
    pub as_of: Option<&'a str>,
    /// `host:port` of a Redis, with options; `None` keeps rows in memory.
    pub redis: Option<&'a str>,
}

/// A running `triplane dev`.
pub struct Dev {
    process: Process,
    address: SocketAddr,
    state: PathBuf,
    log: tempfile::NamedTempFile,
}

impl Dev {
    /// Starts a session on a free port.
    pub fn start(session: &Session<'_>) -> Self {
        let port = free_port();
        let state = session.state.to_owned();
        // What an earlier process said is not what this one says.
        let _ = std::fs::remove_file(state.join(OBJECTS));
        let mut command = Program::triplane().command();
        command.arg("dev").arg(session.manifests);
        command.args(session.bucket).arg("--state").arg(session.state);
        command.args(["--port", &port.to_string()]);
        command.args(session.as_of.into_iter().flat_map(|as_of| ["--as-of", as_of]));
        command.args(session.redis.into_iter().flat_map(|address| ["--redis", address]));
        let log = tempfile::NamedTempFile::new().expect("failed to create a file");
        let output = |log: &tempfile::NamedTempFile| Stdio::from(log.reopen().expect("log"));
        command.stdin(Stdio::null()).stdout(output(&log)).stderr(output(&log));
        Self {
            process: Process::spawn(&mut command),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            state,
            log,
        }
    }

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
                Instant::now() < end,
                "{kind} {name} did not become Ready:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ctrl-C; it has to end by itself, successfully. Gives what it said.
    pub async fn end(mut self) -> String {
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
        self.log()
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

//! Child processes of a test, and what `/proc` says about them.

use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Clock ticks a second in `/proc/<pid>/stat`: fixed by the Linux ABI on every platform Triplane is built for.
const TICKS_PER_SECOND: f64 = 100.0;

/// How to start a child.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    role: Option<&'static str>,
}

impl Program {
    /// A binary of this package (`env!("CARGO_BIN_EXE_...")`) or any other.
    pub fn binary(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            role: None,
        }
    }

    /// This executable again, told its role by the first argument.
    pub fn itself(role: &'static str) -> Self {
        Self {
            path: std::env::current_exe().expect("path of this executable"),
            role: Some(role),
        }
    }

    /// The `triplane` binary of this build.
    pub fn triplane() -> Self {
        Self::of_build("triplane", "triplane-cli")
    }

    /// The binary that materialization Jobs run, of this build.
    pub fn materializer() -> Self {
        Self::of_build("triplane-materializer", "triplane-materializer")
    }

    /// A binary beside the test's own folder, or built there now.
    fn of_build(name: &str, package: &str) -> Self {
        let test = std::env::current_exe().expect("path of this executable");
        let profile = test.ancestors().nth(2).expect("folder of the build profile");
        let binary = profile.join(name);
        if !binary.exists() {
            let mut build = Command::new(env!("CARGO"));
            build.args(["build", "--quiet", "--package", package, "--bin", name, "--target-dir"]);
            build.arg(profile.parent().expect("target directory"));
            build.current_dir(env!("CARGO_MANIFEST_DIR"));
            assert!(
                build.status().is_ok_and(|status| status.success()),
                "failed to build {name}"
            );
        }
        Self::binary(binary)
    }

    /// A command without further arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(self.role);
        command
    }
}

/// A child that is killed when dropped.
pub struct Process(Child);

impl Process {
    /// Starts `command`.
    pub fn spawn(command: &mut Command) -> Self {
        let program = command.get_program().to_string_lossy().into_owned();
        Self(
            command
                .spawn()
                .unwrap_or_else(|error| panic!("failed to start {program}: {error}")),
        )
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Its standard output, once, where it is piped.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.0.stdout.take()
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).expect("failed to send SIGTERM");
    }

    /// SIGINT, as Ctrl-C sends it.
    pub fn interrupt(&self) {
        kill_process(Pid::from_child(&self.0), Signal::INT).expect("failed to send SIGINT");
    }

    /// Waits for the end, at most `within`.
    pub fn wait(&mut self, within: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + within;
        loop {
            match self.0.try_wait().expect("failed to wait for a child") {
                Some(status) => return Some(status),
                None if Instant::now() > until => return None,
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; there is nobody left to tell.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// CPU seconds, user and system, that process `pid` has used.
pub fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("failed to read /proc stat");
    // The command name may hold spaces; the fields after it do not.
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .expect("stat without a name")
        .1
        .split_whitespace()
        .collect();
    let ticks: f64 = fields[11..13]
        .iter()
        .map(|ticks| ticks.parse::<f64>().expect("ticks"))
        .sum();
    ticks / TICKS_PER_SECOND
}

/// Resident memory of process `pid`, bytes: now and at its peak.
pub fn memory_bytes(pid: u32) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("failed to read /proc status");
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap_or("0 0");
        line.split_whitespace()
            .nth(1)
            .and_then(|kib| kib.parse::<u64>().ok())
            .unwrap_or(0)
            * 1024
    };
    (field("VmRSS:"), field("VmHWM:"))
}

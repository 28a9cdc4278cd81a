//! Runs of the materializer in processes of their own, which may be killed anywhere.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use triplane_contract::run::{RunReport, RunSpec};

use crate::kill::{Cut, Phase};
use crate::process::Program;

/// How a run ended.
#[derive(Debug)]
pub enum Ending {
    /// It went through.
    Done(RunReport),
    /// By SIGKILL.
    Killed,
    /// With an error on stderr.
    Failed(String),
}

impl Ending {
    /// The report of a run that has to go through.
    pub fn report(self) -> RunReport {
        match self {
            Self::Done(report) => report,
            other => panic!("the run did not go through: {other:?}"),
        }
    }
}

/// Everything a run process is told.
#[derive(Clone, Debug)]
pub struct Run {
    program: Program,
    spec: PathBuf,
    now_us: i64,
}

impl Run {
    /// Prepares runs of `spec` by `program` (`materializer-killable`) at the fixed clock `now_us`; `dir` keeps the spec.
    pub fn new(program: &Program, dir: &Path, spec: &RunSpec, now_us: i64) -> Self {
        let path = dir.join(format!("run-{}-{now_us}.json", spec.view.name));
        std::fs::write(&path, serde_json::to_vec(spec).expect("a spec is JSON")).expect("failed to write a spec");
        Self {
            program: program.clone(),
            spec: path,
            now_us,
        }
    }

    /// Runs to the end, or to `cut`.
    pub fn to(&self, cut: Option<Cut>) -> Ending {
        ending(&self.command(cut).output().expect("failed to start a run"))
    }

    /// Runs to the end and says which calls it made.
    pub fn calls(&self) -> Vec<(Phase, String)> {
        let file = tempfile::NamedTempFile::new().expect("failed to create a file");
        let output = self
            .command(None)
            .arg("--calls")
            .arg(file.path())
            .output()
            .expect("failed to start a run");
        ending(&output).report();
        serde_json::from_slice(&std::fs::read(file.path()).expect("calls")).expect("calls are JSON")
    }

    /// Runs to the end; `begun` is told the process id.
    pub fn begin(&self, begun: impl FnOnce(u32)) -> Ending {
        let child = self.command(None).spawn().expect("failed to start a run");
        begun(child.id());
        ending(&child.wait_with_output().expect("failed to wait for a run"))
    }

    /// Runs `count` processes at once.
    pub fn at_once(&self, count: usize) -> Vec<Ending> {
        let children: Vec<_> = (0..count)
            .map(|_| self.command(None).spawn().expect("failed to start a run"))
            .collect();
        children
            .into_iter()
            .map(|child| ending(&child.wait_with_output().expect("failed to wait for a run")))
            .collect()
    }

    fn command(&self, cut: Option<Cut>) -> Command {
        let mut command = self.program.command();
        command.arg(&self.spec).arg(self.now_us.to_string());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(cut) = cut {
            command.args(["--cut", &cut.to_string()]);
        }
        command
    }
}

fn ending(output: &Output) -> Ending {
    use std::os::unix::process::ExitStatusExt;
    if output.status.signal() == Some(9) {
        return Ending::Killed;
    }
    if output.status.success() {
        return Ending::Done(serde_json::from_slice(&output.stdout).expect("a run prints its report"));
    }
    Ending::Failed(String::from_utf8_lossy(&output.stderr).into_owned())
}

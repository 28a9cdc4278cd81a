//! Counts calls, names the phase of the run each belongs to, and kills at the chosen one.

use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;

use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};

/// Step of the run protocol a call belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Up to the run's plan file.
    Plan,
    /// Sources in, data files out.
    Transform,
    /// The table's log.
    Commit,
    /// The online store.
    Publish,
    /// After the last mark.
    Report,
}

/// When, relative to call `n` (from 1), the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing of the call has happened.
    Before(usize),
    /// Of a write of several rows the first half has happened; as `Before` for other calls.
    Halfway(usize),
    /// The call has happened and nobody has seen its answer.
    After(usize),
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Before(call) => write!(f, "before:{call}"),
            Self::Halfway(call) => write!(f, "halfway:{call}"),
            Self::After(call) => write!(f, "after:{call}"),
        }
    }
}

impl FromStr for Cut {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (when, call) = text
            .split_once(':')
            .ok_or_else(|| format!("kill point {text} is not WHEN:CALL"))?;
        let call = call.parse().map_err(|error| format!("kill point {text}: {error}"))?;
        match when {
            "before" => Ok(Self::Before(call)),
            "halfway" => Ok(Self::Halfway(call)),
            "after" => Ok(Self::After(call)),
            _ => Err(format!("kill point {text}: {when} is not before, halfway or after")),
        }
    }
}

#[derive(Debug, Default)]
struct Seen {
    calls: Vec<(Phase, String)>,
    planned: bool,
    committed: bool,
}

/// Shared by the stores of one run.
#[derive(Debug)]
pub struct Gate {
    cut: Option<Cut>,
    seen: Mutex<Seen>,
}

impl Gate {
    /// A gate that kills at `cut`, or never.
    pub fn new(cut: Option<Cut>) -> Self {
        Self {
            cut,
            seen: Mutex::default(),
        }
    }

    /// A call is about to happen; its number.
    pub fn enter(&self, operation: &str, path: &str) -> usize {
        let call = {
            let mut seen = self.seen.lock().expect("gate");
            let phase = seen.phase(operation, path);
            seen.calls.push((phase, format!("{operation} {path}")));
            seen.calls.len()
        };
        if self.cut == Some(Cut::Before(call)) {
            die();
        }
        call
    }

    /// Whether half of call `call` has to happen before the process dies.
    pub fn is_halfway(&self, call: usize) -> bool {
        self.cut == Some(Cut::Halfway(call))
    }

    /// Call `call` has happened.
    pub fn leave(&self, call: usize) {
        if matches!(self.cut, Some(Cut::After(at) | Cut::Halfway(at)) if at == call) {
            die();
        }
    }

    /// The calls so far. Those after the last online one are the report's.
    pub fn calls(&self) -> Vec<(Phase, String)> {
        let mut calls = self.seen.lock().expect("gate").calls.clone();
        let last = calls.iter().rposition(|(_, call)| call.starts_with("online"));
        for (phase, _) in calls.iter_mut().skip(last.map_or(usize::MAX, |last| last + 1)) {
            *phase = Phase::Report;
        }
        calls
    }
}

impl Seen {
    fn phase(&mut self, operation: &str, path: &str) -> Phase {
        match operation {
            "report" => return Phase::Report,
            online if online.starts_with("online") => return Phase::Publish,
            _ => {}
        }
        let writes = operation.starts_with("put") || operation.starts_with("complete");
        if writes && path.contains("_triplane/runs/") {
            self.planned = true;
            return Phase::Plan;
        }
        if writes && path.contains("_delta_log/") {
            // The empty table's own commit comes before any data.
            self.committed = self.planned && !path.ends_with("00000.json");
            return Phase::Commit;
        }
        match (self.planned, self.committed) {
            (false, _) => Phase::Plan,
            (true, false) => Phase::Transform,
            (true, true) => Phase::Publish,
        }
    }
}

/// SIGKILL to the own process: no destructor, no flush.
pub fn die() -> ! {
    kill_process(getpid(), Signal::KILL).expect("failed to kill the own process");
    loop {
        std::thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_sorted_into_the_steps_of_the_protocol() {
        let gate = Gate::new(None);
        for (operation, path) in [
            ("list", "raw/events"),
            ("put", "s/views/v/g1/_triplane/runs/1.json"),
            ("get", "raw/events/1.parquet"),
            ("put", "s/views/v/g1/_delta_log/00000000000000000000.json"),
            ("complete", "s/views/v/g1/part-1.parquet"),
            ("put", "s/views/v/g1/_delta_log/00000000000000000001.json"),
            ("get", "s/views/v/g1/part-1.parquet"),
            ("online.write", "7"),
            ("online.advance_mark", "3"),
            ("list", "s/views/v/g1/_rejected"),
        ] {
            let call = gate.enter(operation, path);
            gate.leave(call);
        }
        let phases: Vec<Phase> = gate.calls().into_iter().map(|(phase, _)| phase).collect();
        use Phase::{Commit, Plan, Publish, Report, Transform};
        assert_eq!(
            phases,
            [
                Plan, Plan, Transform, Commit, Transform, Commit, Publish, Publish, Publish, Report
            ]
        );
    }

    #[test]
    fn kill_points_are_read_as_they_are_written() {
        for cut in [Cut::Before(1), Cut::Halfway(20), Cut::After(333)] {
            assert_eq!(cut.to_string().parse(), Ok(cut));
        }
        assert!("sometime:1".parse::<Cut>().is_err());
    }
}

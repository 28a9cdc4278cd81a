//! Counts calls and kills at the chosen one.

use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;

use rustix::process::{Signal, getpid, kill_process};

use super::{Phase, Steps};

/// When, relative to a call, the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Nothing of the call has happened.
    Before,
    /// Of a write of several rows the first half has happened; as `After` for other calls.
    Halfway,
    /// The call has happened and nobody has seen its answer.
    After,
}

/// A call of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// By its number, from 1.
    Call(usize),
    /// The report, whatever its number: some calls before it are made at the same time and not always all of them.
    Report,
}

/// A place where a run dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// When.
    pub when: When,
    /// Of which call.
    pub at: Point,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let when = match self.when {
            When::Before => "before",
            When::Halfway => "halfway",
            When::After => "after",
        };
        match self.at {
            Point::Call(call) => write!(f, "{when}:{call}"),
            Point::Report => write!(f, "{when}:report"),
        }
    }
}

impl FromStr for Cut {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (when, at) = text
            .split_once(':')
            .ok_or_else(|| format!("kill point {text} is not WHEN:CALL"))?;
        let when = match when {
            "before" => When::Before,
            "halfway" => When::Halfway,
            "after" => When::After,
            _ => return Err(format!("kill point {text}: {when} is not before, halfway or after")),
        };
        let at = match at {
            "report" => Point::Report,
            call => Point::Call(call.parse().map_err(|error| format!("kill point {text}: {error}"))?),
        };
        Ok(Self { when, at })
    }
}

#[derive(Debug, Default)]
struct Seen {
    calls: Vec<(Phase, String)>,
    steps: Steps,
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
            let phase = seen.steps.phase(operation, path);
            seen.calls.push((phase, format!("{operation} {path}")));
            seen.calls.len()
        };
        if self.is_cut(call, &[When::Before]) {
            die();
        }
        call
    }

    /// Whether half of call `call` has to happen before the process dies.
    pub fn is_halfway(&self, call: usize) -> bool {
        self.is_cut(call, &[When::Halfway])
    }

    /// Call `call` has happened.
    pub fn leave(&self, call: usize) {
        if self.is_cut(call, &[When::Halfway, When::After]) {
            die();
        }
    }

    fn is_cut(&self, call: usize, when: &[When]) -> bool {
        let Some(cut) = self.cut.filter(|cut| when.contains(&cut.when)) else {
            return false;
        };
        match cut.at {
            Point::Call(at) => at == call,
            Point::Report => self.seen.lock().expect("gate").calls[call - 1].1.starts_with("report"),
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
        use Phase::{Commit, Plan, Publish, Report, Transform};
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
            ("online.advance_marks", "3"),
            ("list", "s/views/v/g1/_rejected"),
        ] {
            let call = gate.enter(operation, path);
            gate.leave(call);
        }
        let phases: Vec<Phase> = gate.calls().into_iter().map(|(phase, _)| phase).collect();
        assert_eq!(
            phases,
            [
                Plan, Plan, Transform, Commit, Transform, Commit, Publish, Publish, Publish, Report
            ]
        );
    }

    #[test]
    fn kill_points_are_read_as_they_are_written() {
        for when in [When::Before, When::Halfway, When::After] {
            for at in [Point::Call(1), Point::Call(333), Point::Report] {
                let cut = Cut { when, at };
                assert_eq!(cut.to_string().parse(), Ok(cut));
            }
        }
        assert!("sometime:1".parse::<Cut>().is_err());
    }
}

//! What a run is doing, for people who wait.

/// Steps of a run, in order. A resumed run skips what is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Run `run` is planned: `objects` arrived, of which `bytes` are to be read at least.
    Planned {
        /// Number of the run.
        run: u64,
        /// Objects that arrived, removed ones included.
        objects: usize,
        /// Their bytes.
        bytes: u64,
    },
    /// Rows of the query seen so far.
    Transformed {
        /// Rows.
        rows: u64,
    },
    /// The run's rows are in the offline table.
    Committed {
        /// Number of the run.
        run: u64,
        /// Rows appended.
        rows: u64,
    },
    /// Rows written online so far.
    Published {
        /// Rows.
        rows: u64,
    },
    /// The view is joined to the observations of a training set.
    Joined {
        /// Observations.
        rows: u64,
        /// Observations for which the view has a visible row.
        found: u64,
    },
}

/// Is told what a run is doing. Calls are cheap and may come from any thread.
pub trait Progress: Send + Sync {
    /// `view` (`namespace/name`) reached `step`.
    fn report(&self, view: &str, step: &Step);
}

/// Says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn report(&self, _view: &str, _step: &Step) {}
}

/// Writes a structured log line a step.
#[derive(Clone, Copy, Debug, Default)]
pub struct Logged;

impl Progress for Logged {
    fn report(&self, view: &str, step: &Step) {
        tracing::info!(view, ?step, "materialization step");
    }
}

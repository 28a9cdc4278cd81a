//! Which step of the run protocol a call belongs to, told from the calls before it.

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

/// How far a run is.
#[derive(Debug, Default)]
pub struct Steps {
    planned: bool,
    committed: bool,
}

impl Steps {
    /// The step that a call belongs to, the run being told call by call.
    pub fn phase(&mut self, operation: &str, path: &str) -> Phase {
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

//! What there is to publish, from the marks and the log.

use std::collections::BTreeMap;

use triplane_contract::View;
use triplane_feature_store::online::Piece;

use crate::offline::{OfflineError, Table};

/// Pieces that are behind, and from which run on facts are missing in one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) pieces: Vec<Piece>,
    /// `None`: no run since the marks, only other commits. 0: a piece has to be refilled.
    pub(super) first_run: Option<u64>,
}

impl Work {
    /// `None` where every piece is at the table's version.
    pub(super) async fn decide(
        table: &Table,
        view: &View,
        marks: &[(Piece, Option<i64>)],
    ) -> Result<Option<Self>, OfflineError> {
        let behind: Vec<_> = marks
            .iter()
            .filter(|(_, mark)| mark.is_none_or(|m| m < table.version()))
            .collect();
        if behind.is_empty() {
            return Ok(None);
        }
        let mut first_runs: BTreeMap<Option<i64>, Option<u64>> = BTreeMap::new();
        for (_, mark) in &behind {
            if first_runs.contains_key(mark) {
                continue;
            }
            let first = match mark {
                None => Some(0),
                // Where the log no longer tells, everything may be missing.
                Some(version) => table.first_run_after(view, *version).await?.unwrap_or(Some(0)),
            };
            first_runs.insert(*mark, first);
        }
        let first_run = first_runs.values().flatten().min().copied();
        Ok(Some(Self {
            pieces: behind.iter().map(|(piece, _)| *piece).collect(),
            first_run,
        }))
    }
}

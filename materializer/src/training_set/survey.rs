//! The first pass over the observations: what decides the set's version and how far back facts matter.

use arrow::array::AsArray;
use arrow::compute::{max, min};
use arrow::datatypes::TimestampMicrosecondType;
use futures::TryStreamExt;
use snafu::ResultExt;
use triplane_contract::ValueType;

use super::digest::ObservationDigest;
use super::error::{ColumnsSnafu, TrainingSetError};
use super::observations::Observations;
use crate::join::canonical;

/// What is known after one pass.
pub(super) struct Survey {
    /// sha256 over the rows, hex.
    pub(super) digest: String,
    pub(super) rows: u64,
    /// Smallest and largest as-of time; `None` without one.
    pub(super) as_of_us: Option<(i64, i64)>,
}

/// Reads all observations once.
pub(super) async fn survey(
    set: &str,
    observations: &Observations,
    timestamp: usize,
) -> Result<Survey, TrainingSetError> {
    let mut digest = ObservationDigest::new(observations.schema());
    let mut as_of_us: Option<(i64, i64)> = None;
    let mut rows = observations.rows(None);
    while let Some(batch) = rows.try_next().await? {
        digest.update(&batch).context(ColumnsSnafu {
            set,
            step: "digest observations",
        })?;
        let times = canonical(batch.column(timestamp), ValueType::Timestamp);
        let times = times
            .as_ref()
            .and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>());
        if let Some((low, high)) = times.and_then(|times| min(times).zip(max(times))) {
            as_of_us = Some(as_of_us.map_or((low, high), |(from, to)| (from.min(low), to.max(high))));
        }
    }
    let (digest, rows) = digest.finish();
    Ok(Survey { digest, rows, as_of_us })
}

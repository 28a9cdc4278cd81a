//! Model runtimes: a file of some format becomes something that scores vectors.

pub mod lightgbm;

use std::sync::Arc;

use snafu::{ResultExt, Snafu};
use triplane_contract::model::ModelFormat;

/// A loaded model. One dynamic call scores a whole request; a tree model takes microseconds a row, so it runs where the
/// request runs: a hand-over to another thread would cost more than the work.
pub trait Runtime: Send + Sync {
    /// Number of inputs of one row.
    fn inputs(&self) -> usize;

    /// Scores `rows` (row-major, `inputs()` values a row, NaN = missing) into `scores`, one per row. A row that `rows` does
    /// not hold completely is left as it is.
    fn predict(&self, rows: &[f64], scores: &mut [f64]);
}

/// Why a model file was not loaded.
#[derive(Debug, Snafu)]
pub enum RuntimeError {
    /// Not a LightGBM text model this build can evaluate exactly.
    #[snafu(display("the file is not a LightGBM text model that can be served: {source}"))]
    LightGbm {
        /// What is wrong with it.
        source: lightgbm::LoadError,
    },
}

/// Loads a model file of the given format.
pub fn load(format: ModelFormat, file: &[u8]) -> Result<Arc<dyn Runtime>, RuntimeError> {
    match format {
        ModelFormat::LightGBM => Ok(Arc::new(lightgbm::Model::load(file).context(LightGbmSnafu)?)),
    }
}

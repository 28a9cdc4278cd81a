//! LightGBM text models (written by 3.x and 4.x), evaluated bit for bit as the library does.
//!
//! One output, numerical and categorical splits. What is not evaluated exactly is refused by name: linear trees, several
//! classes, objectives without a known output function.

mod block;
mod error;
mod forest;
mod header;
mod objective;
mod tree;

pub use error::LoadError;

use super::Runtime;
use error::LoadError as Error;
use forest::Forest;
use header::Header;
use objective::Output;

/// A loaded model.
#[derive(Debug)]
pub struct Model {
    inputs: usize,
    forest: Forest,
    /// Number of trees the sum is divided by (random forests), else `None`.
    averaged_over: Option<f64>,
    output: Output,
}

impl Model {
    /// Reads a model file. A file that was cut off anywhere before its `end of trees` is an error.
    pub fn load(file: &[u8]) -> Result<Self, LoadError> {
        let text = std::str::from_utf8(file).map_err(|_| Error::NotText)?;
        let header = Header::read(text)?;
        let mut forest = Forest::default();
        for (index, block) in header.blocks()?.into_iter().enumerate() {
            forest.push(tree::read(&block, header.inputs).map_err(|fault| fault.in_tree(index))?);
        }
        Ok(Self {
            inputs: header.inputs,
            averaged_over: header.average_output.then_some(forest.trees() as f64),
            output: Output::parse(header.objective)?,
            forest,
        })
    }

    /// The sum over the trees before the objective's output function: what the library calls the raw score.
    fn raw(&self, row: &[f64]) -> f64 {
        let sum = self.forest.sum(row);
        self.averaged_over.map_or(sum, |trees| sum / trees)
    }
}

impl Runtime for Model {
    fn inputs(&self) -> usize {
        self.inputs
    }

    fn predict(&self, rows: &[f64], scores: &mut [f64]) {
        for (row, score) in rows.chunks_exact(self.inputs).zip(scores) {
            *score = self.output.convert(self.raw(row));
        }
    }
}

#[cfg(test)]
mod tests;

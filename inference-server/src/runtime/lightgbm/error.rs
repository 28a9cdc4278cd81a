//! What is wrong with a model file.

use snafu::Snafu;

/// Why a file is not loaded.
#[derive(Clone, Debug, PartialEq, Eq, Snafu)]
pub enum LoadError {
    /// The bytes are not UTF-8.
    #[snafu(display("it is not text"))]
    NotText,
    /// The first line is not `tree`.
    #[snafu(display("the first line is not `tree`: save the model with Booster.save_model"))]
    NotAModel,
    /// The file ends early.
    #[snafu(display("it is cut off: {missing} is missing; upload the whole file"))]
    Truncated {
        /// What should have come.
        missing: String,
    },
    /// A header line has a value that cannot be read.
    #[snafu(display("the header line `{line}` cannot be read"))]
    Header {
        /// The line.
        line: String,
    },
    /// A tree's text contradicts itself.
    #[snafu(display("tree {tree}: {fault}"))]
    Tree {
        /// Index of the tree, from 0.
        tree: usize,
        /// What is wrong.
        fault: String,
    },
    /// The model uses something this evaluator does not compute exactly.
    #[snafu(display("{what} is not supported: {instead}"))]
    Unsupported {
        /// What the model uses.
        what: String,
        /// What to do.
        instead: String,
    },
}

/// A fault of one tree, before its index is known.
#[derive(Debug)]
pub(super) enum TreeFault {
    /// The text is malformed.
    Malformed(String),
    /// The tree is of a kind that is not evaluated.
    Linear,
}

impl TreeFault {
    pub(super) fn in_tree(self, tree: usize) -> LoadError {
        match self {
            Self::Malformed(fault) => LoadError::Tree { tree, fault },
            Self::Linear => LoadError::Unsupported {
                what: "a linear tree".to_owned(),
                instead: "train with linear_tree=false".to_owned(),
            },
        }
    }
}

//! The lines before the first tree, and where each tree's text begins and ends.

use super::block::Block;
use super::error::LoadError;

/// What the header says.
#[derive(Debug)]
pub(super) struct Header<'a> {
    /// Inputs of a row: `max_feature_idx` + 1.
    pub inputs: usize,
    /// The objective with its parameters; `None` where the scores are raw.
    pub objective: Option<&'a str>,
    /// The prediction is the mean of the trees, not their sum.
    pub average_output: bool,
    /// Bytes of each tree's text.
    tree_sizes: Vec<usize>,
    /// The text from the first tree on.
    trees: &'a str,
}

/// Lines of the header that decide something here.
#[derive(Default)]
struct Lines<'a> {
    version: Option<&'a str>,
    num_class: Option<&'a str>,
    per_iteration: Option<&'a str>,
    max_feature_idx: Option<&'a str>,
    objective: Option<&'a str>,
    tree_sizes: Option<&'a str>,
    average_output: bool,
}

const END_OF_TREES: &str = "end of trees";

impl<'a> Header<'a> {
    /// Reads the header of a model file.
    pub(super) fn read(text: &'a str) -> Result<Self, LoadError> {
        if text.lines().next() != Some("tree") {
            return Err(LoadError::NotAModel);
        }
        let start = text.find("\nTree=").map_or(text.len(), |at| at + 1);
        let (head, trees) = text.split_at(start);
        let lines = Lines::collect(head);
        lines.check_supported()?;
        let max_feature_idx = number(required(lines.max_feature_idx, "max_feature_idx")?, "max_feature_idx")?;
        let sizes = required(lines.tree_sizes, "tree_sizes")?;
        let tree_sizes = sizes
            .split_ascii_whitespace()
            .map(|s| number(s, "tree_sizes"))
            .collect::<Result<Vec<_>, _>>()?;
        if tree_sizes.is_empty() {
            return Err(LoadError::Header {
                line: format!("tree_sizes={sizes}"),
            });
        }
        let inputs = max_feature_idx.checked_add(1).ok_or(LoadError::Header {
            line: "max_feature_idx".to_owned(),
        })?;
        Ok(Self {
            inputs,
            objective: lines.objective,
            average_output: lines.average_output,
            tree_sizes,
            trees,
        })
    }

    /// The text of each tree, cut by the announced sizes, which is how a file that was cut off is noticed.
    pub(super) fn blocks(&self) -> Result<Vec<Block<'a>>, LoadError> {
        let mut rest = self.trees;
        let mut blocks = Vec::with_capacity(self.tree_sizes.len().min(rest.len()));
        for (index, size) in self.tree_sizes.iter().enumerate() {
            let (block, after) = rest.split_at_checked(*size).ok_or_else(|| LoadError::Truncated {
                missing: format!(
                    "tree {index} of {} ({size} bytes announced, {} left)",
                    self.tree_sizes.len(),
                    rest.len()
                ),
            })?;
            if block.lines().next() != Some(&format!("Tree={index}")) {
                let fault = "does not begin where `tree_sizes` says: was the file edited or its line ends changed?";
                return Err(LoadError::Tree {
                    tree: index,
                    fault: fault.to_owned(),
                });
            }
            blocks.push(Block::new(block));
            rest = after;
        }
        if rest.lines().find(|line| !line.is_empty()) != Some(END_OF_TREES) {
            return Err(LoadError::Truncated {
                missing: format!("`{END_OF_TREES}`"),
            });
        }
        Ok(blocks)
    }
}

impl<'a> Lines<'a> {
    fn collect(head: &'a str) -> Self {
        let mut lines = Self::default();
        for line in head.lines() {
            let (key, value) = line.split_once('=').unwrap_or((line, ""));
            match key {
                "version" => lines.version = Some(value),
                "num_class" => lines.num_class = Some(value),
                "num_tree_per_iteration" => lines.per_iteration = Some(value),
                "max_feature_idx" => lines.max_feature_idx = Some(value),
                "objective" => lines.objective = Some(value),
                "tree_sizes" => lines.tree_sizes = Some(value),
                "average_output" => lines.average_output = true,
                _ => {}
            }
        }
        lines
    }

    fn check_supported(&self) -> Result<(), LoadError> {
        let version = required(self.version, "version")?;
        if !matches!(version, "v3" | "v4") {
            return Err(LoadError::Unsupported {
                what: format!("model version `{version}`"),
                instead: "save the model with LightGBM 3 or 4".to_owned(),
            });
        }
        let classes = required(self.num_class, "num_class")?;
        let per_iteration = self.per_iteration.unwrap_or(classes);
        if classes != "1" || per_iteration != "1" {
            return Err(LoadError::Unsupported {
                what: format!("a model of {classes} classes with {per_iteration} trees an iteration"),
                instead: "serve one score: train a binary, regression or ranking objective".to_owned(),
            });
        }
        Ok(())
    }
}

fn required<'a>(value: Option<&'a str>, key: &str) -> Result<&'a str, LoadError> {
    value.ok_or_else(|| LoadError::Truncated {
        missing: format!("the header line `{key}=`"),
    })
}

fn number(text: &str, key: &str) -> Result<usize, LoadError> {
    text.parse().map_err(|_| LoadError::Header {
        line: format!("{key}={text}"),
    })
}

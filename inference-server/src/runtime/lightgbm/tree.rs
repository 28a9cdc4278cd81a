//! One tree: reading and checking its text.

use super::block::Block;
use super::error::TreeFault;
use super::forest::{Categories, Node, Rule};

/// A tree whose indices have been checked: every walk from node 0 ends at a leaf.
#[derive(Debug)]
pub(super) struct Tree {
    /// Inner nodes; a child index below 0 is leaf `!child`. Empty for a tree of one leaf.
    pub nodes: Vec<Node>,
    /// Values of the leaves.
    pub leaves: Vec<f64>,
    /// Sets of categories that `Rule::Category` nodes name.
    pub categories: Vec<Categories>,
}

/// Bits of `decision_type`.
const CATEGORICAL: u8 = 1;
const DEFAULT_LEFT: u8 = 2;

/// Reads the text of one tree over `inputs` inputs.
pub(super) fn read(block: &Block<'_>, inputs: usize) -> Result<Tree, TreeFault> {
    if block.line("is_linear").is_some_and(|v| v.trim() != "0") {
        return Err(TreeFault::Linear);
    }
    let leaf_count: usize = block.one("num_leaves")?;
    let leaves = block.many("leaf_value", leaf_count)?;
    let Some(inner) = leaf_count.checked_sub(1) else {
        return Err(TreeFault::Malformed("it has no leaf".to_owned()));
    };
    if inner == 0 {
        return Ok(Tree {
            nodes: Vec::new(),
            leaves,
            categories: Vec::new(),
        });
    }
    let categories = read_categories(block)?;
    let left: Vec<i32> = block.many("left_child", inner)?;
    let right: Vec<i32> = block.many("right_child", inner)?;
    check_shape(&left, &right)?;
    let features: Vec<u32> = block.many("split_feature", inner)?;
    let thresholds: Vec<f64> = block.many("threshold", inner)?;
    let decisions: Vec<u8> = block.many("decision_type", inner)?;
    let mut nodes = Vec::with_capacity(inner);
    for index in 0..inner {
        let feature = features[index];
        if feature as usize >= inputs {
            return Err(TreeFault::Malformed(format!(
                "node {index} splits on input {feature} of {inputs}"
            )));
        }
        let rule = rule(decisions[index], thresholds[index], categories.len())
            .map_err(|fault| TreeFault::Malformed(format!("node {index} {fault}")))?;
        nodes.push(Node {
            threshold: thresholds[index],
            feature,
            left: left[index],
            right: right[index],
            rule,
        });
    }
    Ok(Tree {
        nodes,
        leaves,
        categories,
    })
}

fn rule(decision: u8, threshold: f64, categories: usize) -> Result<Rule, String> {
    if decision & CATEGORICAL != 0 {
        let set = threshold as usize;
        if threshold < 0.0 || set as f64 != threshold || set >= categories {
            return Err(format!("names category set {threshold} of {categories}"));
        }
        return Ok(Rule::Category);
    }
    let default_left = decision & DEFAULT_LEFT != 0;
    match (decision >> 2) & 3 {
        // Without a missing type the library reads NaN as 0.
        0 => Ok(Rule::Number {
            nan_left: 0.0 <= threshold,
        }),
        1 => Ok(Rule::ZeroIsMissing { default_left }),
        2 => Ok(Rule::Number { nan_left: default_left }),
        other => Err(format!("has the unknown missing type {other}")),
    }
}

/// Every inner node but the first, and every leaf, is the child of exactly one node before it: no cycle, nothing unreachable.
fn check_shape(left: &[i32], right: &[i32]) -> Result<(), TreeFault> {
    let mut seen_nodes = vec![false; left.len()];
    let mut seen_leaves = vec![false; left.len() + 1];
    for (parent, pair) in left.iter().zip(right).enumerate() {
        for child in [*pair.0, *pair.1] {
            let seen = if child < 0 {
                seen_leaves.get_mut(!child as usize)
            } else {
                seen_nodes.get_mut(child as usize).filter(|_| child as usize > parent)
            };
            match seen {
                Some(seen) if !*seen => *seen = true,
                _ => {
                    return Err(TreeFault::Malformed(format!(
                        "node {parent} has the impossible child {child}"
                    )));
                }
            }
        }
    }
    Ok(())
}

fn read_categories(block: &Block<'_>) -> Result<Vec<Categories>, TreeFault> {
    let count: usize = block.one("num_cat")?;
    if count == 0 {
        return Ok(Vec::new());
    }
    let boundaries: Vec<usize> = block.many("cat_boundaries", count.saturating_add(1))?;
    let words: Vec<u32> = block.many("cat_threshold", boundaries.last().copied().unwrap_or(0))?;
    boundaries
        .windows(2)
        .map(|pair| words.get(pair[0]..pair[1]).map(|words| Categories(words.into())))
        .collect::<Option<_>>()
        .ok_or_else(|| TreeFault::Malformed("`cat_boundaries` does not increase".to_owned()))
}

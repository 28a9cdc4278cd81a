//! All trees in flat arrays, walked without recursion.

use super::tree::Tree;

/// How a node decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// `value <= threshold` goes left; NaN where it says.
    Number { nan_left: bool },
    /// As above, but zero and NaN go where the node says.
    ZeroIsMissing { default_left: bool },
    /// Members of the category set number `threshold` go left.
    Category,
}

/// An inner node. A child below 0 is leaf `!child`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub threshold: f64,
    pub feature: u32,
    pub left: i32,
    pub right: i32,
    pub rule: Rule,
}

/// A set of categories as bits.
#[derive(Clone, Debug)]
pub(super) struct Categories(pub Box<[u32]>);

impl Categories {
    /// Membership as the library decides it: NaN and negatives are in no set, fractions are cut off.
    fn holds(&self, value: f64) -> bool {
        // `as` maps NaN to 0, which could be a member; saturation keeps what is too large out of every set.
        let category = if value.is_nan() { -1 } else { value as i32 };
        let Ok(category) = usize::try_from(category) else {
            return false;
        };
        self.0
            .get(category / 32)
            .is_some_and(|word| (word >> (category % 32)) & 1 == 1)
    }
}

/// Values this close to zero count as zero; the library compares with the 32-bit constant.
const ZERO: f64 = 1e-35_f32 as f64;

/// The trees of a model. Indices were checked when each tree was read.
#[derive(Debug, Default)]
pub(super) struct Forest {
    nodes: Vec<Node>,
    leaves: Vec<f64>,
    categories: Vec<Categories>,
    /// Index of each tree's first node, or `!leaf` for a tree of one leaf.
    roots: Vec<i32>,
}

impl Forest {
    /// Adds a tree at the end.
    pub(super) fn push(&mut self, tree: Tree) {
        let (node, leaf) = (self.nodes.len() as i32, self.leaves.len() as i32);
        let set = self.categories.len() as f64;
        let moved = |child: i32| if child < 0 { child - leaf } else { child + node };
        self.roots.push(if tree.nodes.is_empty() { !leaf } else { node });
        self.nodes.extend(tree.nodes.into_iter().map(|n| Node {
            threshold: if n.rule == Rule::Category {
                n.threshold + set
            } else {
                n.threshold
            },
            left: moved(n.left),
            right: moved(n.right),
            ..n
        }));
        self.leaves.extend(tree.leaves);
        self.categories.extend(tree.categories);
    }

    /// Number of trees.
    pub(super) fn trees(&self) -> usize {
        self.roots.len()
    }

    /// The sum of the trees in their order, which fixes every rounding.
    pub(super) fn sum(&self, row: &[f64]) -> f64 {
        let mut sum = 0.0;
        for root in &self.roots {
            let mut at = *root;
            while at >= 0 {
                let node = &self.nodes[at as usize];
                at = if self.goes_left(node, row[node.feature as usize]) {
                    node.left
                } else {
                    node.right
                };
            }
            sum += self.leaves[!at as usize];
        }
        sum
    }

    #[inline]
    fn goes_left(&self, node: &Node, value: f64) -> bool {
        match node.rule {
            Rule::Number { nan_left } => value <= node.threshold || (value.is_nan() && nan_left),
            Rule::ZeroIsMissing { default_left } => {
                if value.is_nan() || (-ZERO..=ZERO).contains(&value) {
                    default_left
                } else {
                    value <= node.threshold
                }
            }
            Rule::Category => self.categories[node.threshold as usize].holds(value),
        }
    }
}

//! From request and rows to a model's input vector, by a plan that is compiled when the route table loads.
//!
//! Executing the plan costs no allocation, hash lookup or dynamic call per feature.

mod compile;
mod fill;
mod keys;

use std::sync::Arc;

use triplane_contract::ValueType;
use triplane_feature_store::Value;
use triplane_feature_store::row::RowDecoder;
use triplane_feature_store::semantics::{FeatureRule, ViewRule};

pub use compile::PlanError;
pub use fill::{FeatureRefused, Gathered, Origin, RowVerdict};
pub use keys::Keys;

/// A value the caller sends for each row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestColumn {
    /// Name on the wire.
    pub name: Arc<str>,
    /// Its type.
    pub value_type: ValueType,
    /// Entity keys and request inputs have to be sent (NULL is a value); overrides may be.
    pub required: bool,
}

/// One row read from the online store for each request row: a view under one choice of key columns.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    /// Name of the view, for metrics.
    pub view: String,
    /// Short id of the view generation.
    pub view_id: String,
    /// Request columns of the keys, in the order of the keys' names.
    pub key_columns: Vec<usize>,
    /// Decodes the features that inputs name, in the order of their slots.
    pub decoder: RowDecoder,
    /// When a row is visible.
    pub rule: ViewRule,
}

/// Where one input comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A feature of a read.
    Feature {
        /// Which read.
        read: usize,
        /// The feature's slot in the read's decoder.
        slot: usize,
        /// What is served where it is missing.
        rule: FeatureRule,
        /// Request column that replaces it where it is not NULL.
        override_column: Option<usize>,
    },
    /// A column of the request.
    Request {
        /// Which column.
        column: usize,
    },
}

/// How the input vector of one model is filled.
#[derive(Clone, Debug)]
pub struct GatherPlan {
    columns: Vec<RequestColumn>,
    reads: Vec<Read>,
    inputs: Vec<Source>,
    names: Vec<Arc<str>>,
    prefix: String,
}

impl GatherPlan {
    /// What the caller sends for each row.
    pub fn columns(&self) -> &[RequestColumn] {
        &self.columns
    }

    /// Names of the inputs in the model's order: `view/feature`, or the request's name.
    pub fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// Names of the views that are read, one per read.
    pub fn views(&self) -> impl Iterator<Item = &str> {
        self.reads.iter().map(|read| read.view.as_str())
    }
}

/// Decoded request rows: `columns().len()` values a row.
#[derive(Clone, Debug)]
pub struct Rows {
    width: usize,
    values: Vec<Value>,
    len: usize,
}

impl Rows {
    /// No rows of `width` columns.
    pub fn new(width: usize) -> Self {
        Self {
            width,
            values: Vec::with_capacity(width),
            len: 0,
        }
    }

    /// `len` rows of NULL.
    pub fn nulls(width: usize, len: usize) -> Self {
        Self {
            width,
            values: vec![Value::Null; width * len],
            len,
        }
    }

    /// Appends a row of NULL and returns it to be filled.
    pub fn push(&mut self) -> &mut [Value] {
        let start = self.values.len();
        self.values.resize(start + self.width, Value::Null);
        self.len += 1;
        &mut self.values[start..]
    }

    /// Replaces one value; a place outside is left alone.
    pub fn set(&mut self, row: usize, column: usize, value: Value) {
        if let Some(place) = self.values.get_mut(row * self.width + column) {
            *place = value;
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The values of one row.
    pub fn row(&self, index: usize) -> &[Value] {
        &self.values[index * self.width..(index + 1) * self.width]
    }
}

//! Entity keys as bytes that compare like the keys.

use arrow::array::{ArrayRef, BinaryArray};
use arrow::row::{RowConverter, SortField};
use triplane_contract::ValueType;

use super::JoinError;
use crate::offline::arrow_type;

/// Encodes the keys of one view. Equal bytes mean equal keys (floats by bits); codes are never prefixes of each other.
#[derive(Debug)]
pub(crate) struct KeyCoder {
    /// `None` for a view without an entity: one key, the empty code.
    converter: Option<RowConverter>,
}

impl KeyCoder {
    /// A coder for keys of these types, in this order.
    pub(crate) fn new(types: &[ValueType]) -> Result<Self, JoinError> {
        if types.is_empty() {
            return Ok(Self { converter: None });
        }
        let fields = types.iter().map(|key| SortField::new(arrow_type(*key))).collect();
        let converter = RowConverter::new(fields).map_err(JoinError::arrow("prepare key encoding"))?;
        Ok(Self {
            converter: Some(converter),
        })
    }

    /// One code a row. `keys` have the coder's types and hold no NULL.
    pub(crate) fn encode(&self, keys: &[ArrayRef], rows: usize) -> Result<BinaryArray, JoinError> {
        match &self.converter {
            None => Ok(BinaryArray::from_iter_values(std::iter::repeat_n(b"", rows))),
            Some(converter) => converter
                .convert_columns(keys)
                .and_then(arrow::row::Rows::try_into_binary)
                .map_err(JoinError::arrow("encode keys")),
        }
    }
}

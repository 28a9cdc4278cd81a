//! Rows picked one by one, copied out many at a time.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::JoinError;
use super::block::{Block, gather_payload};

/// Place of a row that is nowhere.
const NOWHERE: (usize, usize) = (usize::MAX, 0);

/// Picks of rows; their blocks are kept alive until they are copied out.
#[derive(Default)]
pub(crate) struct Gathered {
    blocks: Vec<Arc<Block>>,
    index: HashMap<*const Block, usize>,
    places: Vec<(usize, usize)>,
    held: usize,
}

impl Gathered {
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Bytes of the blocks that are kept alive.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Picks a row.
    pub(crate) fn add(&mut self, block: &Arc<Block>, row: usize) {
        let place = (self.index_of(block), row);
        self.places.push(place);
    }

    /// Picks the row that `take_payload` is given for this.
    pub(crate) fn add_nowhere(&mut self) {
        self.places.push(NOWHERE);
    }

    /// Number of a block among those that are kept alive.
    pub(crate) fn index_of(&mut self, block: &Arc<Block>) -> usize {
        *self.index.entry(Arc::as_ptr(block)).or_insert_with(|| {
            self.held += block.memory();
            self.blocks.push(Arc::clone(block));
            self.blocks.len() - 1
        })
    }

    /// The blocks that are kept alive, by number.
    pub(crate) fn blocks(&self) -> &[Arc<Block>] {
        &self.blocks
    }

    /// The picked rows, whole. None may be nowhere.
    pub(crate) fn take(&mut self) -> Result<Block, JoinError> {
        let picked = std::mem::take(self);
        let blocks: Vec<&Block> = picked.blocks.iter().map(Arc::as_ref).collect();
        Block::gather(&blocks, &picked.places)
    }

    /// The payload of the picked rows; `nowhere` is one row that stands for rows that are nowhere.
    pub(crate) fn take_payload(&mut self, nowhere: &RecordBatch) -> Result<RecordBatch, JoinError> {
        let picked = std::mem::take(self);
        payload_of(&picked.blocks, &picked.places, nowhere)
    }
}

/// Payload of rows by (block number, row); numbers past the blocks stand for `nowhere`.
pub(crate) fn payload_of(
    blocks: &[Arc<Block>],
    places: &[(usize, usize)],
    nowhere: &RecordBatch,
) -> Result<RecordBatch, JoinError> {
    let mut batches: Vec<&RecordBatch> = blocks.iter().map(|block| block.payload()).collect();
    batches.push(nowhere);
    let last = batches.len() - 1;
    let places: Vec<_> = places.iter().map(|(block, row)| ((*block).min(last), *row)).collect();
    gather_payload(&batches, &places)
}

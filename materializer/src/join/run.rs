//! Sorted rows as one stream, whether they lie in memory, in one file or in several to be merged.

use std::sync::Arc;

use super::JoinError;
use super::block::Block;
use super::order::{Entry, Head, head, order};
use super::spill::{SpillFile, SpillReader};

/// One ascending run.
pub(crate) enum Run {
    /// Blocks as they came, with the order of their rows.
    Memory {
        blocks: Vec<Arc<Block>>,
        order: Vec<Entry>,
        next: usize,
    },
    /// A file whose rows are in order.
    File {
        reader: Box<SpillReader>,
        block: Option<Arc<Block>>,
        row: usize,
    },
}

impl Run {
    pub(crate) fn memory(blocks: Vec<Arc<Block>>) -> Self {
        let order = order(&blocks);
        Self::Memory { blocks, order, next: 0 }
    }

    pub(crate) fn file(file: SpillFile) -> Result<Self, JoinError> {
        let mut run = Self::File {
            reader: Box::new(file.open()?),
            block: None,
            row: 0,
        };
        run.advance()?;
        Ok(run)
    }

    pub(crate) fn peek(&self) -> Option<Head<'_>> {
        match self {
            Self::Memory { blocks, order, next } => order.get(*next).map(|entry| head(blocks, entry)),
            Self::File { block, row, .. } => block.as_ref().map(|block| Head {
                prefix: block.prefix(*row),
                time: block.time(*row),
                block,
                row: *row,
            }),
        }
    }

    pub(crate) fn advance(&mut self) -> Result<(), JoinError> {
        match self {
            Self::Memory { next, .. } => *next += 1,
            Self::File { reader, block, row } => {
                *row += 1;
                if block.as_ref().is_some_and(|block| *row < block.len()) {
                    return Ok(());
                }
                *row = 0;
                *block = next_block(reader)?;
            }
        }
        Ok(())
    }
}

fn next_block(reader: &mut SpillReader) -> Result<Option<Arc<Block>>, JoinError> {
    while let Some(batch) = reader.next()? {
        if batch.num_rows() > 0 {
            return Ok(Some(Arc::new(Block::from_batch(&batch)?)));
        }
    }
    Ok(None)
}

/// Several runs as one; the runs form a binary heap with the smallest row on top.
pub(crate) struct Sorted {
    heap: Vec<Run>,
}

impl Sorted {
    /// Merges `runs`; rows that compare equal may come in any order, so every order key here is unique or its ties do
    /// not matter.
    pub(crate) fn merge(runs: Vec<Run>) -> Self {
        let heap = runs.into_iter().filter(|run| run.peek().is_some()).collect();
        let mut sorted = Self { heap };
        for at in (0..sorted.heap.len() / 2).rev() {
            sorted.sift_down(at);
        }
        sorted
    }

    /// The blocks, where all rows lie in memory: then every place stays valid for as long as they do.
    pub(crate) fn in_memory(&self) -> bool {
        self.heap.iter().all(|run| matches!(run, Run::Memory { .. }))
    }

    /// The smallest row not passed yet.
    pub(crate) fn peek(&self) -> Option<Head<'_>> {
        self.heap.first().and_then(Run::peek)
    }

    /// Passes the smallest row.
    pub(crate) fn advance(&mut self) -> Result<(), JoinError> {
        let Some(top) = self.heap.first_mut() else {
            return Ok(());
        };
        top.advance()?;
        if top.peek().is_none() {
            self.heap.swap_remove(0);
        }
        if self.heap.len() > 1 {
            self.sift_down(0);
        }
        Ok(())
    }

    fn sift_down(&mut self, mut at: usize) {
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let mut least = at;
            for child in [left, right] {
                if child < self.heap.len() && self.is_before(child, least) {
                    least = child;
                }
            }
            if least == at {
                return;
            }
            self.heap.swap(at, least);
            at = least;
        }
    }

    fn is_before(&self, a: usize, b: usize) -> bool {
        match (self.heap[a].peek(), self.heap[b].peek()) {
            (Some(a), Some(b)) => a.compare(&b).is_lt(),
            (a, b) => a.is_some() && b.is_none(),
        }
    }
}

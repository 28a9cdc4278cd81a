//! External sort: rows stay in memory up to a share of it, then go to scratch in sorted runs.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::JoinError;
use super::block::Block;
use super::gather::Gathered;
use super::order::ENTRY_BYTES;
use super::run::{Run, Sorted};
use super::spill::{Scratch, SpillFile, SpillWriter};

/// Bytes of one spilled batch, about: small, because a merge holds one batch of each run.
const SPILL_BYTES: usize = 256 << 10;

/// Files that are merged to one of the next level, so that each row is rewritten once a level and the number of open
/// files grows with the logarithm of the rows.
const FAN_IN: usize = 32;

/// Takes blocks in any order and gives their rows sorted by (code, time, major, minor).
pub(crate) struct Sorter {
    share: usize,
    held: usize,
    blocks: Vec<Arc<Block>>,
    levels: Vec<Vec<SpillFile>>,
    schema: SchemaRef,
    scratch: Arc<Scratch>,
}

impl Sorter {
    /// A sorter that holds `share` bytes in memory, or one block where that is more. `schema` is the payload's.
    pub(crate) fn new(share: usize, schema: &SchemaRef, scratch: &Arc<Scratch>) -> Self {
        Self {
            share,
            held: 0,
            blocks: Vec::new(),
            levels: Vec::new(),
            schema: Block::spill_schema(schema),
            scratch: Arc::clone(scratch),
        }
    }

    pub(crate) fn push(&mut self, block: Block) -> Result<(), JoinError> {
        if block.len() == 0 {
            return Ok(());
        }
        let bytes = block.memory() + block.len() * ENTRY_BYTES;
        if self.held + bytes > self.share && !self.blocks.is_empty() {
            self.spill()?;
        }
        self.held += bytes;
        self.blocks.push(Arc::new(block));
        Ok(())
    }

    /// All rows in order. What was never spilled is not copied.
    pub(crate) fn finish(mut self) -> Result<Sorted, JoinError> {
        if self.levels.is_empty() {
            return Ok(Sorted::merge(vec![Run::memory(self.blocks)]));
        }
        // Merging needs memory for a batch of each run: give the held rows back first.
        if !self.blocks.is_empty() {
            self.spill()?;
        }
        open_all(self.levels.into_iter().flatten())
    }

    fn spill(&mut self) -> Result<(), JoinError> {
        let held_rows: usize = self.blocks.iter().map(|block| block.len()).sum();
        let batch_rows = (SPILL_BYTES / (self.held / held_rows.max(1)).max(1)).clamp(16, 8_192);
        let mut run = Sorted::merge(vec![Run::memory(std::mem::take(&mut self.blocks))]);
        self.held = 0;
        for level in 0.. {
            let file = self.write(run, batch_rows)?;
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            self.levels[level].push(file);
            if self.levels[level].len() < FAN_IN {
                break;
            }
            run = open_all(std::mem::take(&mut self.levels[level]))?;
        }
        Ok(())
    }

    fn write(&self, mut rows: Sorted, batch_rows: usize) -> Result<SpillFile, JoinError> {
        let mut writer = SpillWriter::create(&self.scratch, &self.schema)?;
        let mut pending = Gathered::default();
        while let Some(head) = rows.peek() {
            pending.add(head.block, head.row);
            rows.advance()?;
            if pending.len() == batch_rows {
                writer.write(&pending.take()?.to_batch(&self.schema)?)?;
            }
        }
        if pending.len() > 0 {
            writer.write(&pending.take()?.to_batch(&self.schema)?)?;
        }
        writer.finish()
    }
}

fn open_all(files: impl IntoIterator<Item = SpillFile>) -> Result<Sorted, JoinError> {
    Ok(Sorted::merge(
        files.into_iter().map(Run::file).collect::<Result<_, _>>()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{BinaryArray, Int64Array};
    use arrow::datatypes::Schema;

    fn sort(share: usize, blocks: usize, scratch: &Arc<Scratch>) -> Vec<(Vec<u8>, i64, i64)> {
        let mut sorter = Sorter::new(share, &Arc::new(Schema::empty()), scratch);
        for block in 0..blocks {
            let codes = (0..7)
                .map(|row| vec![((block * 31 + row * 17) % 13) as u8])
                .collect::<Vec<_>>();
            let times = (0..7)
                .map(|row| ((block * 7 + row * 5) % 11) as i64 - 5)
                .collect::<Vec<_>>();
            let rows = (0..7).map(|row| (block * 7 + row) as i64).collect::<Vec<_>>();
            sorter
                .push(Block::asks(
                    BinaryArray::from_iter_values(codes),
                    Int64Array::from(times),
                    Int64Array::from(rows),
                ))
                .unwrap();
        }
        let mut sorted = sorter.finish().unwrap();
        let mut out = Vec::new();
        while let Some(head) = sorted.peek() {
            out.push((
                head.block.code(head.row).to_vec(),
                head.time,
                head.block.version(head.row).0,
            ));
            sorted.advance().unwrap();
        }
        out
    }

    #[test]
    fn rows_that_went_through_many_files_come_back_as_from_memory() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = Scratch::create(dir.path()).unwrap();
        let memory = sort(usize::MAX, 100, &scratch);
        assert_eq!(scratch.files_written(), 0);
        assert!(memory.is_sorted());
        assert_eq!(memory.len(), 700);
        // One block a run: more runs than are merged at once.
        assert_eq!(sort(1, 100, &scratch), memory);
        assert!(scratch.files_written() > FAN_IN as u64, "{}", scratch.files_written());
        drop(scratch);
        assert_eq!(
            std::fs::read_dir(dir.path()).unwrap().count(),
            0,
            "scratch is left clean"
        );
    }

    #[test]
    fn no_rows_give_no_rows() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = Scratch::create(dir.path()).unwrap();
        assert_eq!(sort(1, 0, &scratch), vec![]);
    }
}

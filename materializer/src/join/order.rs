//! Sorting rows that are in memory, by moving 32-byte entries instead of rows.

use std::cmp::Ordering;
use std::sync::Arc;

use super::block::{Block, CODE_PREFIX};

/// Memory that sorting one row takes beside the row: its entry, and its share of the sort's own buffer.
pub(crate) const ENTRY_BYTES: usize = size_of::<Entry>() + size_of::<Entry>() / 2;

/// A row among several blocks, with what nearly always decides its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) prefix: u128,
    pub(crate) time: i64,
    pub(crate) block: u32,
    pub(crate) row: u32,
}

/// A row to be compared with others: its place, and its entry's prefix and time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    pub(crate) prefix: u128,
    pub(crate) time: i64,
    pub(crate) block: &'a Arc<Block>,
    pub(crate) row: usize,
}

impl Head<'_> {
    /// Orders by code alone.
    pub(crate) fn compare_key(&self, other: &Head<'_>) -> Ordering {
        self.prefix.cmp(&other.prefix).then_with(|| {
            // Codes are prefix-free: with equal prefixes, both have a tail or neither does.
            if self.block.has_long_codes() && other.block.has_long_codes() {
                self.tail().cmp(other.tail())
            } else {
                Ordering::Equal
            }
        })
    }

    /// Orders by (code, time, major, minor).
    pub(crate) fn compare(&self, other: &Head<'_>) -> Ordering {
        self.compare_key(other)
            .then_with(|| self.time.cmp(&other.time))
            .then_with(|| self.block.version(self.row).cmp(&other.block.version(other.row)))
    }

    fn tail(&self) -> &[u8] {
        self.block.code(self.row).get(CODE_PREFIX..).unwrap_or_default()
    }
}

/// Every row, ordered by (code, time, major, minor); equal ones stay in order of arrival.
pub(crate) fn order(blocks: &[Arc<Block>]) -> Vec<Entry> {
    let mut entries = Vec::with_capacity(blocks.iter().map(|block| block.len()).sum());
    for (index, block) in blocks.iter().enumerate() {
        entries.extend((0..block.len()).map(|row| Entry {
            prefix: block.prefix(row),
            time: block.time(row),
            block: index as u32,
            row: row as u32,
        }));
    }
    let long_codes = blocks.iter().any(|block| block.has_long_codes());
    // A stable sort finds the ascending stretches that files written in key order already have.
    entries.sort_by(|a, b| {
        let by_prefix = a.prefix.cmp(&b.prefix);
        // Blocks are only looked at where the entries do not tell.
        let by_entry = if long_codes {
            by_prefix
        } else {
            by_prefix.then(a.time.cmp(&b.time))
        };
        by_entry.then_with(|| head(blocks, a).compare(&head(blocks, b)))
    });
    entries
}

/// The row of an entry.
pub(crate) fn head<'a>(blocks: &'a [Arc<Block>], entry: &Entry) -> Head<'a> {
    Head {
        prefix: entry.prefix,
        time: entry.time,
        block: &blocks[entry.block as usize],
        row: entry.row as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{BinaryArray, Int64Array};

    fn asks(codes: &[&[u8]], times: &[i64], first_row: i64) -> Arc<Block> {
        let rows = (first_row..).take(codes.len()).collect::<Vec<_>>();
        Arc::new(Block::asks(
            BinaryArray::from_iter_values(codes),
            Int64Array::from(times.to_vec()),
            Int64Array::from(rows),
        ))
    }

    #[test]
    fn rows_are_ordered_by_the_whole_code_then_time_then_row_across_blocks() {
        let long = b"0123456789abcdefX";
        let longer = b"0123456789abcdefY";
        let first = asks(&[longer, long, b"b"], &[1, 9, -5], 0);
        let second = asks(&[long, b"b", long], &[-3, -5, 9], 3);
        let blocks = [first, second];
        let rows = order(&blocks)
            .iter()
            .map(|e| blocks[e.block as usize].version(e.row as usize).0)
            .collect::<Vec<_>>();
        assert_eq!(rows, vec![3, 1, 5, 0, 2, 4]);
    }
}

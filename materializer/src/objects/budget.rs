//! How much of a Parquet object is held at once: the column chunks of one row group as they lie in the bucket, and batches
//! of its rows.

use parquet::arrow::ProjectionMask;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use snafu::Snafu;

/// Less is not worth refusing a file for.
const LEAST_BYTES: u64 = 8 << 20;
/// The part of the budget that a batch may have. Two are alive: one that is made and one that is used.
const BATCH_PART: u64 = 16;

/// A row group that cannot be read within the budget.
#[derive(Clone, Debug, PartialEq, Eq, Snafu)]
#[snafu(display(
    "row group {group} of {path} has {bytes} bytes in the columns that are read, {fit_bytes} fit: write the file with smaller row groups"
))]
pub struct RowGroupTooLarge {
    /// Bucket-rooted path.
    pub path: String,
    /// Index of the row group.
    pub group: usize,
    /// Its bytes, compressed.
    pub bytes: u64,
    /// How many could be held.
    pub fit_bytes: u64,
}

/// Bytes that reading one object may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadBudget(u64);

impl ReadBudget {
    pub(crate) fn new(bytes: u64) -> Self {
        Self(bytes.max(LEAST_BYTES))
    }

    /// Rows of a batch, `most` at most, for the columns in `mask` of `groups`.
    pub(crate) fn batch_rows(
        self,
        path: &str,
        metadata: &ParquetMetaData,
        (groups, mask): (&[usize], &ProjectionMask),
        most: usize,
    ) -> Result<usize, RowGroupTooLarge> {
        let batch_bytes = self.0 / BATCH_PART;
        let fit_bytes = self.0 - 2 * batch_bytes;
        let mut row_bytes = 1;
        for &group in groups {
            let found = metadata.row_group(group);
            let bytes = compressed_bytes(found, mask);
            if bytes > fit_bytes {
                let path = path.to_owned();
                return Err(RowGroupTooLarge {
                    path,
                    group,
                    bytes,
                    fit_bytes,
                });
            }
            row_bytes = row_bytes.max(decoded_bytes(found, mask).div_ceil(count(found.num_rows()).max(1)));
        }
        let rows = usize::try_from(batch_bytes / row_bytes).unwrap_or(usize::MAX);
        Ok(rows.clamp(1, most))
    }
}

fn compressed_bytes(group: &RowGroupMetaData, mask: &ProjectionMask) -> u64 {
    let columns = group.columns().iter().enumerate();
    columns
        .filter(|(leaf, _)| mask.leaf_included(*leaf))
        .map(|(_, column)| count(column.compressed_size()))
        .sum()
}

/// Text in a dictionary is longer than its pages; some writers say how long.
fn decoded_bytes(group: &RowGroupMetaData, mask: &ProjectionMask) -> u64 {
    let columns = group.columns().iter().enumerate();
    columns
        .filter(|(leaf, _)| mask.leaf_included(*leaf))
        .map(|(_, column)| {
            let text = column.unencoded_byte_array_data_bytes().unwrap_or(0);
            count(column.uncompressed_size().max(text))
        })
        .sum()
}

/// Parquet counts in signed numbers; a negative one is a broken footer's.
fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    use bytes::Bytes;
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::ArrowReaderMetadata;

    use super::*;

    /// Two row groups of `rows` texts of 100,000 bytes beside a number.
    fn file(rows: usize, texts: impl Fn(usize) -> String) -> ArrowReaderMetadata {
        let texts: StringArray = (0..rows).map(|row| Some(texts(row))).collect();
        let numbers: Int64Array = (0..rows as i64).map(Some).collect();
        let columns: [(&str, ArrayRef); 2] = [("text", Arc::new(texts)), ("number", Arc::new(numbers))];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut buffer = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut buffer, batch.schema(), None).unwrap();
        for _ in 0..2 {
            writer.write(&batch).unwrap();
            writer.flush().unwrap();
        }
        writer.close().unwrap();
        ArrowReaderMetadata::load(&Bytes::from(buffer), <_>::default()).unwrap()
    }

    fn batch_rows(file: &ArrowReaderMetadata, budget: u64, columns: &[usize]) -> Result<usize, RowGroupTooLarge> {
        let schema = file.metadata().file_metadata().schema_descr();
        let mask = ProjectionMask::leaves(schema, columns.iter().copied());
        ReadBudget::new(budget).batch_rows("raw/a.parquet", file.metadata(), (&[0, 1], &mask), 8192)
    }

    fn different(row: usize) -> String {
        format!("{row:05}{}", "x".repeat(99_995))
    }

    #[test]
    fn wide_rows_come_in_small_batches_and_narrow_ones_in_large_ones() {
        let file = file(60, different);
        assert_eq!(batch_rows(&file, 32 << 20, &[0, 1]), Ok(20));
        assert_eq!(batch_rows(&file, 32 << 20, &[1]), Ok(8192));
        assert_eq!(batch_rows(&file, 0, &[0, 1]), Ok(5), "the least budget is 8 MiB");
    }

    #[test]
    fn text_that_is_stored_once_counts_as_often_as_it_is_read() {
        let file = file(60, |_| different(0));
        assert_eq!(batch_rows(&file, 32 << 20, &[0, 1]), Ok(20));
    }

    #[test]
    fn a_row_group_that_does_not_fit_is_named_and_one_that_is_not_read_does_not_count() {
        let file = file(80, different);
        let refused = batch_rows(&file, 8 << 20, &[0, 1]).unwrap_err();
        assert_eq!((refused.group, refused.fit_bytes), (0, 7 << 20));
        assert!(refused.bytes > 8_000_000, "{}", refused.bytes);
        let message = refused.to_string();
        assert!(message.starts_with("row group 0 of raw/a.parquet"), "{message}");
        assert_eq!(batch_rows(&file, 8 << 20, &[1]), Ok(8192));
    }
}

//! Groups of equal keys in a sorted stream of batches.

use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};
use datafusion::error::Result;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;

use super::Columns;

/// A batch with its keys in comparable form.
pub(crate) struct Page {
    pub(crate) batch: RecordBatch,
    pub(crate) columns: Columns,
    /// `None` where there is no key column: all rows are one group.
    keys: Option<Rows>,
    content: OnceLock<Rows>,
}

impl Page {
    /// Compares the keys of a row with those of a row of a page of the same columns.
    pub(crate) fn compare(&self, row: usize, other: &Self, other_row: usize) -> std::cmp::Ordering {
        match (&self.keys, &other.keys) {
            (Some(own), Some(others)) => own.row(row).cmp(&others.row(other_row)),
            _ => std::cmp::Ordering::Equal,
        }
    }

    /// Whether two rows have the same bits in the columns that `converter` takes; floats are equal by bits.
    pub(crate) fn same_content(
        &self,
        row: usize,
        other: &Self,
        other_row: usize,
        converter: &RowConverter,
        columns: &std::ops::Range<usize>,
    ) -> Result<bool, ArrowError> {
        let own = self.content(converter, columns)?.row(row);
        Ok(own == other.content(converter, columns)?.row(other_row))
    }

    fn content(&self, converter: &RowConverter, columns: &std::ops::Range<usize>) -> Result<&Rows, ArrowError> {
        if let Some(rows) = self.content.get() {
            return Ok(rows);
        }
        let rows = converter.convert_columns(&self.batch.columns()[columns.clone()])?;
        Ok(self.content.get_or_init(|| rows))
    }
}

/// Walks a stream that is sorted by `keys` (ascending, NULL first), group by group.
pub(crate) struct Cursor {
    stream: SendableRecordBatchStream,
    converter: RowConverter,
    keys: Vec<usize>,
    at: Option<(Arc<Page>, usize)>,
}

impl Cursor {
    /// `keys` are columns of the stream.
    pub(crate) fn new(stream: SendableRecordBatchStream, keys: Vec<usize>) -> Result<Self> {
        let schema = stream.schema();
        let fields = keys
            .iter()
            .map(|&i| SortField::new(schema.field(i).data_type().clone()))
            .collect();
        Ok(Self {
            converter: RowConverter::new(fields)?,
            stream,
            keys,
            at: None,
        })
    }

    /// Loads the first rows: whatever sorts below has then read all its input.
    pub(crate) async fn prime(&mut self) -> Result<()> {
        self.here().await.map(|_| ())
    }

    /// The next row, without passing it.
    async fn here(&mut self) -> Result<Option<(Arc<Page>, usize)>> {
        loop {
            match &self.at {
                Some((page, row)) if *row < page.batch.num_rows() => return Ok(Some((Arc::clone(page), *row))),
                _ => {}
            }
            let Some(batch) = self.stream.next().await.transpose()? else {
                self.at = None;
                return Ok(None);
            };
            let key_columns: Vec<_> = self.keys.iter().map(|&i| Arc::clone(batch.column(i))).collect();
            let keys = if key_columns.is_empty() {
                None
            } else {
                Some(self.converter.convert_columns(&key_columns)?)
            };
            let columns = Columns::new(batch.columns());
            self.at = Some((
                Arc::new(Page {
                    batch,
                    columns,
                    keys,
                    content: OnceLock::new(),
                }),
                0,
            ));
        }
    }

    /// Shows `visit` every row of the next group, in order; false at the end.
    pub(crate) async fn next_group(&mut self, mut visit: impl FnMut(&Arc<Page>, usize) -> Result<()>) -> Result<bool> {
        let Some((first, first_row)) = self.here().await? else {
            return Ok(false);
        };
        visit(&first, first_row)?;
        self.pass();
        while let Some((page, row)) = self.here().await? {
            if first.compare(first_row, &page, row).is_ne() {
                break;
            }
            visit(&page, row)?;
            self.pass();
        }
        Ok(true)
    }

    fn pass(&mut self) {
        if let Some((_, row)) = &mut self.at {
            *row += 1;
        }
    }
}

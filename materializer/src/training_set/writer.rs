//! Files of a set: parts of bounded length, each with a bounded row group in memory.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use object_store::ObjectStore;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use parquet::arrow::AsyncArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use snafu::ResultExt;

use super::error::{TrainingSetError, WriteSnafu};

/// A row group is flushed at this size in memory.
const GROUP_BYTES: usize = 16 << 20;
/// Rows of a part.
const PART_ROWS: usize = 1_000_000;

/// Writes `part-0000.parquet` and so on. The same rows give the same files: a second attempt overwrites them with the same.
pub(super) struct PartWriter {
    set: String,
    bucket: Arc<dyn ObjectStore>,
    root: String,
    schema: SchemaRef,
    open: Option<(String, usize, AsyncArrowWriter<BufWriter>)>,
    done: Vec<String>,
}

impl PartWriter {
    pub(super) fn new(set: &str, bucket: &Arc<dyn ObjectStore>, root: &str, schema: &SchemaRef) -> Self {
        Self {
            set: set.to_owned(),
            bucket: Arc::clone(bucket),
            root: root.to_owned(),
            schema: Arc::clone(schema),
            open: None,
            done: Vec::new(),
        }
    }

    pub(super) async fn write(&mut self, batch: &RecordBatch) -> Result<(), TrainingSetError> {
        let (name, rows, mut writer) = match self.open.take() {
            Some(open) => open,
            None => self.start()?,
        };
        // Awaited first: a shared borrow of `self` must not live across it, writers being no good to share.
        let appended = append(&mut writer, batch).await;
        self.within(&name, appended)?;
        let rows = rows + batch.num_rows();
        self.open = Some((name, rows, writer));
        if rows >= PART_ROWS { self.close().await } else { Ok(()) }
    }

    fn start(&self) -> Result<(String, usize, AsyncArrowWriter<BufWriter>), TrainingSetError> {
        let name = format!("part-{:04}.parquet", self.done.len());
        let sink = BufWriter::new(Arc::clone(&self.bucket), Path::from(format!("{}/{name}", self.root)));
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let writer = AsyncArrowWriter::try_new(sink, Arc::clone(&self.schema), Some(properties));
        Ok((name.clone(), 0, self.within(&name, writer)?))
    }

    async fn close(&mut self) -> Result<(), TrainingSetError> {
        if let Some((name, _, writer)) = self.open.take() {
            let closed = writer.close().await;
            self.within(&name, closed)?;
            self.done.push(name);
        }
        Ok(())
    }

    /// Closes the last part; names of all, at least one: a set without rows has a part with the schema.
    pub(super) async fn finish(mut self) -> Result<Vec<String>, TrainingSetError> {
        if self.done.is_empty() && self.open.is_none() {
            self.open = Some(self.start()?);
        }
        self.close().await?;
        Ok(self.done)
    }

    fn within<T>(&self, name: &str, result: Result<T, ParquetError>) -> Result<T, TrainingSetError> {
        result.with_context(|_| WriteSnafu {
            set: &self.set,
            path: format!("{}/{name}", self.root),
        })
    }
}

async fn append(writer: &mut AsyncArrowWriter<BufWriter>, batch: &RecordBatch) -> Result<(), ParquetError> {
    writer.write(batch).await?;
    if writer.in_progress_size() > GROUP_BYTES {
        writer.flush().await
    } else {
        Ok(())
    }
}

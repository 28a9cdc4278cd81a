//! Writing data files: one open file at a time, a bounded row group in memory.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Int64Type, SchemaRef, TimestampMicrosecondType};
use object_store::ObjectStore;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use parquet::arrow::AsyncArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use snafu::ResultExt;

use super::file::{day_name, day_of};
use super::schema::{EVENT_DATE, EVENT_TIME, SEQUENCE};
use super::table::{ColumnsSnafu, FileSnafu, OfflineError};

/// Rows are encoded in chunks of exactly this many, and sizes are looked at between chunks: the bytes of a file depend on
/// its rows alone, not on how they arrived.
const CHUNK_ROWS: usize = 1024;
/// A row group is flushed at this size in memory.
const GROUP_BYTES: usize = 8 << 20;
/// A file is closed at this size.
const FILE_BYTES: usize = 256 << 20;

/// A file that is written but not committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenFile {
    /// Path relative to the table's root.
    pub path: String,
    /// Event date of its rows, `YYYY-MM-DD`.
    pub date: String,
    /// Bytes.
    pub size: u64,
    /// Rows.
    pub rows: u64,
    /// Smallest and largest event time, microseconds.
    pub event_us: (i64, i64),
    /// Smallest and largest sequence.
    pub sequence: (i64, i64),
}

struct Open {
    day: i64,
    written: WrittenFile,
    full_path: Path,
    writer: AsyncArrowWriter<BufWriter>,
    /// Rows of the chunk that is not full yet.
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
}

impl Open {
    /// Encodes the waiting chunk.
    async fn encode(&mut self) -> Result<(), OfflineError> {
        let Some(first) = self.waiting.first() else {
            return Ok(());
        };
        let path = self.full_path.to_string();
        let chunk = concat_batches(&first.schema(), &self.waiting).context(ColumnsSnafu { path: &path })?;
        (self.waiting, self.waiting_rows) = (Vec::new(), 0);
        self.writer.write(&chunk).await.context(FileSnafu {
            action: "write",
            path: &path,
        })?;
        if self.writer.in_progress_size() > GROUP_BYTES {
            self.writer.flush().await.context(FileSnafu {
                action: "write",
                path: &path,
            })?;
        }
        Ok(())
    }
}

/// Writes rows that come ordered by event date into one file a date (more where one grows large).
///
/// A file's name is made of the run and a digest of everything its rows are made from. So a second attempt overwrites the
/// files of a killed one with the same bytes, and an attempt that saw other inputs never touches committed files.
pub struct TableWriter {
    bucket: Arc<dyn ObjectStore>,
    root: String,
    stem: String,
    schema: SchemaRef,
    open: Option<Open>,
    done: Vec<WrittenFile>,
}

impl TableWriter {
    /// A writer of files `event_date=<date>/<stem>-<n>.parquet` below `root`.
    pub fn new(bucket: Arc<dyn ObjectStore>, root: String, stem: String, schema: SchemaRef) -> Self {
        Self {
            bucket,
            root,
            stem,
            schema,
            open: None,
            done: Vec::new(),
        }
    }

    /// Appends rows; event dates never go back.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<(), OfflineError> {
        let Some(times) = batch
            .column_by_name(EVENT_TIME)
            .and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>())
        else {
            return Ok(());
        };
        let mut start = 0;
        while start < batch.num_rows() {
            let day = day_of(times.value(start));
            let end = (start..batch.num_rows())
                .find(|&i| day_of(times.value(i)) != day)
                .unwrap_or(batch.num_rows());
            self.write_day(day, &batch.slice(start, end - start)).await?;
            start = end;
        }
        Ok(())
    }

    async fn write_day(&mut self, day: i64, batch: &RecordBatch) -> Result<(), OfflineError> {
        let mut at = 0;
        while at < batch.num_rows() {
            let full = |open: &Open| open.waiting_rows == 0 && open.writer.bytes_written() > FILE_BYTES;
            if self.open.as_ref().is_some_and(|open| open.day != day || full(open)) {
                self.close().await?;
            }
            let mut open = match self.open.take() {
                Some(open) => open,
                None => self.start(day)?,
            };
            let part = batch.slice(at, (CHUNK_ROWS - open.waiting_rows).min(batch.num_rows() - at));
            at += part.num_rows();
            open.written.rows += part.num_rows() as u64;
            widen(&mut open.written, &part);
            open.waiting_rows += part.num_rows();
            open.waiting.push(part);
            if open.waiting_rows == CHUNK_ROWS {
                open.encode().await?;
            }
            self.open = Some(open);
        }
        Ok(())
    }

    fn start(&self, day: i64) -> Result<Open, OfflineError> {
        let date = day_name(day);
        let number = self.done.iter().filter(|file| file.date == date).count();
        let path = format!("{EVENT_DATE}={date}/{}-{number}.parquet", self.stem);
        let full_path = Path::from(format!("{}/{path}", self.root));
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let sink = BufWriter::new(Arc::clone(&self.bucket), full_path.clone());
        let writer =
            AsyncArrowWriter::try_new(sink, Arc::clone(&self.schema), Some(properties)).context(FileSnafu {
                action: "start",
                path: full_path.to_string(),
            })?;
        let nothing = (i64::MAX, i64::MIN);
        let written = WrittenFile {
            path,
            date,
            size: 0,
            rows: 0,
            event_us: nothing,
            sequence: nothing,
        };
        Ok(Open {
            day,
            written,
            full_path,
            writer,
            waiting: Vec::new(),
            waiting_rows: 0,
        })
    }

    async fn close(&mut self) -> Result<(), OfflineError> {
        if let Some(mut open) = self.open.take() {
            open.encode().await?;
            open.writer.finish().await.context(FileSnafu {
                action: "write",
                path: open.full_path.to_string(),
            })?;
            open.written.size = open.writer.bytes_written() as u64;
            self.done.push(open.written);
        }
        Ok(())
    }

    /// Closes the last file; gives all files in order.
    pub async fn finish(mut self) -> Result<Vec<WrittenFile>, OfflineError> {
        self.close().await?;
        Ok(self.done)
    }
}

fn widen(file: &mut WrittenFile, batch: &RecordBatch) {
    let over = |(min, max): (i64, i64), value: i64| (min.min(value), max.max(value));
    if let Some(times) = batch
        .column_by_name(EVENT_TIME)
        .and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>())
    {
        file.event_us = times.values().iter().fold(file.event_us, |bounds, &t| over(bounds, t));
    }
    if let Some(sequences) = batch
        .column_by_name(SEQUENCE)
        .and_then(|c| c.as_primitive_opt::<Int64Type>())
    {
        file.sequence = sequences
            .values()
            .iter()
            .fold(file.sequence, |bounds, &s| over(bounds, s));
    }
}

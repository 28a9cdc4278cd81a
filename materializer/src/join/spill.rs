//! Rows that do not fit in memory, as Arrow IPC streams in a scratch directory.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

use super::JoinError;

/// A directory of its own below the one given, removed with everything in it when dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    next: AtomicU64,
}

impl Scratch {
    /// Makes a fresh directory below `parent` (created where missing).
    pub fn create(parent: &Path) -> Result<Arc<Self>, JoinError> {
        let path = parent.join(format!("join-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(&path).map_err(JoinError::spill(&path))?;
        Ok(Arc::new(Self {
            path,
            next: AtomicU64::new(0),
        }))
    }

    /// Files written so far.
    pub fn files_written(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    fn next_path(&self) -> PathBuf {
        self.path
            .join(format!("{}.arrow", self.next.fetch_add(1, Ordering::Relaxed)))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "failed to remove the scratch directory");
        }
    }
}

/// A spill file being written.
pub(crate) struct SpillWriter {
    path: PathBuf,
    writer: StreamWriter<BufWriter<File>>,
    scratch: Arc<Scratch>,
}

impl SpillWriter {
    pub(crate) fn create(scratch: &Arc<Scratch>, schema: &SchemaRef) -> Result<Self, JoinError> {
        let path = scratch.next_path();
        let file = File::create_new(&path).map_err(JoinError::spill(&path))?;
        let writer = StreamWriter::try_new(BufWriter::new(file), schema).map_err(write_failed(&path))?;
        Ok(Self {
            path,
            writer,
            scratch: Arc::clone(scratch),
        })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), JoinError> {
        self.writer.write(batch).map_err(write_failed(&self.path))
    }

    pub(crate) fn finish(mut self) -> Result<SpillFile, JoinError> {
        self.writer.finish().map_err(write_failed(&self.path))?;
        Ok(SpillFile {
            path: self.path,
            _scratch: self.scratch,
        })
    }
}

/// A written spill file, removed when dropped.
#[derive(Debug)]
pub(crate) struct SpillFile {
    path: PathBuf,
    /// Keeps the directory until its last file is gone.
    _scratch: Arc<Scratch>,
}

impl SpillFile {
    pub(crate) fn open(self) -> Result<SpillReader, JoinError> {
        let file = File::open(&self.path).map_err(JoinError::spill(&self.path))?;
        let reader = StreamReader::try_new(BufReader::new(file), None).map_err(|source| JoinError::Unspill {
            path: self.path.clone(),
            source,
        })?;
        Ok(SpillReader { reader, file: self })
    }
}

impl Drop for SpillFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "failed to remove a spill file");
        }
    }
}

/// Reads a spill file batch by batch.
pub(crate) struct SpillReader {
    reader: StreamReader<BufReader<File>>,
    file: SpillFile,
}

impl SpillReader {
    pub(crate) fn next(&mut self) -> Result<Option<RecordBatch>, JoinError> {
        self.reader.next().transpose().map_err(|source| JoinError::Unspill {
            path: self.file.path.clone(),
            source,
        })
    }
}

fn write_failed(path: &Path) -> impl FnOnce(ArrowError) -> JoinError {
    let path = path.to_owned();
    move |error| match error {
        ArrowError::IoError(_, source) => JoinError::Spill { path, source },
        other => JoinError::Spill {
            path,
            source: std::io::Error::other(other),
        },
    }
}

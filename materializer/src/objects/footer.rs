//! The footer of a Parquet object, and why there is none.

use std::sync::Arc;

use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::errors::ParquetError;
use snafu::Snafu;

use super::ObjectReader;

/// How often an object that keeps being replaced is tried.
const ATTEMPTS: u32 = 5;

/// Why a footer could not be had.
#[derive(Debug, Snafu)]
pub enum FooterError {
    /// The object is not there any more.
    #[snafu(display("{path} is gone"))]
    Gone {
        /// Bucket-rooted path.
        path: String,
    },
    /// The object is not Parquet, or cut off.
    #[snafu(display("{path} is not a readable Parquet file: {message}"))]
    Unreadable {
        /// Bucket-rooted path.
        path: String,
        /// What the reader says.
        message: String,
    },
    /// The bucket did not answer: nothing is known of the object.
    #[snafu(display("failed to read the footer of {path}: {source}"))]
    Bucket {
        /// Bucket-rooted path.
        path: String,
        /// Cause.
        source: object_store::Error,
    },
}

/// An object pinned to the content its footer was read from.
#[derive(Clone, Debug)]
pub(crate) struct Pinned {
    /// Bucket-rooted path.
    pub(crate) path: Path,
    /// Bytes.
    pub(crate) size: u64,
    /// `ETag` of this content, where the bucket gives one.
    pub(crate) etag: Option<String>,
    /// When it was written, microseconds.
    pub(crate) last_modified_us: i64,
    /// Schema, row groups, statistics.
    pub(crate) metadata: ArrowReaderMetadata,
}

impl Pinned {
    /// What tells this content from another one, as plans name it.
    pub(crate) fn version(&self) -> String {
        self.etag
            .clone()
            .unwrap_or_else(|| format!("{}-{}", self.size, self.last_modified_us))
    }

    /// A reader of this content; it fails once the object is replaced.
    pub(crate) fn reader(&self, bucket: &Arc<dyn ObjectStore>) -> ObjectReader {
        ObjectReader::new(Arc::clone(bucket), self.path.clone(), self.size, self.etag.clone())
    }
}

/// Reads the footer of what is at `path` now.
pub(crate) async fn open_footer(bucket: &Arc<dyn ObjectStore>, path: &Path) -> Result<Pinned, FooterError> {
    let mut attempt = 1;
    loop {
        let meta = bucket.head(path).await.map_err(|source| classify(path, source))?;
        match read(bucket, meta).await {
            Err(FooterError::Bucket {
                source: object_store::Error::Precondition { .. },
                ..
            }) if attempt < ATTEMPTS => {
                attempt += 1;
            }
            other => return other,
        }
    }
}

async fn read(bucket: &Arc<dyn ObjectStore>, meta: ObjectMeta) -> Result<Pinned, FooterError> {
    let (path, size, etag) = (meta.location, meta.size, meta.e_tag);
    let mut reader = ObjectReader::new(Arc::clone(bucket), path.clone(), size, etag.clone());
    let loaded = ArrowReaderMetadata::load_async(&mut reader, ArrowReaderOptions::new()).await;
    let metadata = loaded.map_err(|error| match bucket_error(error) {
        Ok(source) => classify(&path, source),
        Err(message) => FooterError::Unreadable {
            path: path.to_string(),
            message,
        },
    })?;
    Ok(Pinned {
        path,
        size,
        etag,
        last_modified_us: meta.last_modified.timestamp_micros(),
        metadata,
    })
}

fn classify(path: &Path, source: object_store::Error) -> FooterError {
    let path = path.to_string();
    match source {
        object_store::Error::NotFound { .. } => FooterError::Gone { path },
        source => FooterError::Bucket { path, source },
    }
}

/// Tells an error of the bucket from one of the file's content.
pub(crate) fn bucket_error(error: ParquetError) -> Result<object_store::Error, String> {
    match error {
        ParquetError::External(inner) => match inner.downcast::<object_store::Error>() {
            Ok(source) => Ok(*source),
            Err(other) => Err(other.to_string()),
        },
        other => Err(other.to_string()),
    }
}

//! Rows of data files as an operator's input.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::error::{DataFusionError, Result};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStore;

use crate::offline::{DataFile, ReadOptions, read_file};

/// The rows of `files`, one file after the other.
pub(crate) fn rows_of_files(
    bucket: Arc<dyn ObjectStore>,
    files: Vec<DataFile>,
    options: ReadOptions,
) -> BoxStream<'static, Result<RecordBatch>> {
    futures::stream::iter(files)
        .then(move |file| {
            let (bucket, options) = (Arc::clone(&bucket), options.clone());
            async move { read_file(&bucket, &file, &options).await.map_err(external) }
        })
        .map_ok(|batches| batches.map_err(external))
        .try_flatten()
        .boxed()
}

fn external(error: crate::offline::OfflineError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

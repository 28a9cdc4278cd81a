//! The observations: Parquet files in path order, each pinned to the content that was first seen.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ProjectionMask;
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use snafu::{OptionExt, ResultExt, ensure};
use triplane_contract::training::TrainingSetSpec;

use super::error::{
    ListSnafu, NoObservationsSnafu, ObservationFileSnafu, ObservationSchemaSnafu, RowGroupSnafu, TrainingSetError,
};
use crate::objects::{Pinned, ReadBudget, open_footer};
use crate::plan::is_hidden;

/// Rows of a batch at most.
const BATCH_ROWS: usize = 8_192;
/// The part of the memory limit that reading observations may have beside the join's.
const READ_PART: u64 = 4;

/// Rows of a stream of observations, or why it ends.
pub(super) type Rows = BoxStream<'static, Result<RecordBatch, TrainingSetError>>;

/// The files of one set's observations.
#[derive(Clone)]
pub(super) struct Observations {
    set: String,
    bucket: Arc<dyn ObjectStore>,
    files: Arc<Vec<Pinned>>,
    schema: SchemaRef,
    limit_bytes: u64,
}

impl Observations {
    /// Finds the files at the observations' path, a file or a folder, and checks that they have the same columns.
    pub(super) async fn open(spec: &TrainingSetSpec, bucket: &Arc<dyn ObjectStore>) -> Result<Self, TrainingSetError> {
        let (set, path) = (spec.name.as_str(), spec.observations_path.as_str());
        let mut files = Vec::new();
        for location in list(set, bucket, path).await? {
            files.push(
                open_footer(bucket, &location)
                    .await
                    .context(ObservationFileSnafu { set })?,
            );
        }
        let first = files.first().context(NoObservationsSnafu { set, path })?;
        let schema = columns(first);
        for file in &files[1..] {
            let found = columns(file);
            ensure!(
                found == schema,
                ObservationSchemaSnafu {
                    set,
                    path: file.path.to_string(),
                    found: describe(&found),
                    first: first.path.to_string(),
                    expected: describe(&schema),
                }
            );
        }
        Ok(Self {
            set: set.to_owned(),
            bucket: Arc::clone(bucket),
            files: Arc::new(files),
            schema: Arc::new(schema),
            limit_bytes: spec.memory_limit_bytes,
        })
    }

    /// Columns as they are read; all count as nullable.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Rows in order, with the columns at `wanted` (in that order, repeats allowed), or all.
    pub(super) fn rows(&self, wanted: Option<&[usize]>) -> Rows {
        let (this, wanted) = (self.clone(), wanted.map(<[usize]>::to_vec));
        futures::stream::iter(0..self.files.len())
            .map(move |file| this.file_rows(file, wanted.as_deref()))
            .try_flatten()
            .boxed()
    }

    fn file_rows(&self, file: usize, wanted: Option<&[usize]>) -> Result<Rows, TrainingSetError> {
        let file = &self.files[file];
        let (set, path) = (self.set.clone(), file.path.to_string());
        let context = move |source| TrainingSetError::ReadObservations {
            set: set.clone(),
            path: path.clone(),
            source,
        };
        let builder =
            ParquetRecordBatchStreamBuilder::new_with_metadata(file.reader(&self.bucket), file.metadata.clone());
        // The reader gives a projection in file order; `picked` puts it in the wanted one.
        let mut present = wanted.map_or_else(|| (0..self.schema.fields().len()).collect(), <[usize]>::to_vec);
        let order = present.clone();
        present.sort_unstable();
        present.dedup();
        let mask = ProjectionMask::roots(builder.parquet_schema(), present.iter().copied());
        let picked: Vec<usize> = order
            .iter()
            .filter_map(|column| present.binary_search(column).ok())
            .collect();
        let schema = Arc::new(self.schema.project(&order).map_err(|e| context(e.into()))?);
        let batch_rows = self.batch_rows(file, &mask)?;
        let builder = builder.with_projection(mask).with_batch_size(batch_rows);
        let rows = builder.build().map_err(&context)?;
        let rows = rows.map(move |batch| {
            let batch = batch.map_err(&context)?;
            let columns = picked.iter().map(|column| Arc::clone(batch.column(*column))).collect();
            let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options).map_err(|e| context(e.into()))
        });
        Ok(rows.boxed())
    }

    fn batch_rows(&self, file: &Pinned, mask: &ProjectionMask) -> Result<usize, TrainingSetError> {
        let (path, metadata) = (file.path.to_string(), file.metadata.metadata());
        let groups: Vec<usize> = (0..metadata.num_row_groups()).collect();
        let budget = ReadBudget::new(self.limit_bytes / READ_PART);
        budget
            .batch_rows(&path, metadata, (&groups, mask), BATCH_ROWS)
            .context(RowGroupSnafu {
                set: &self.set,
                limit_bytes: self.limit_bytes,
            })
    }
}

async fn list(set: &str, bucket: &Arc<dyn ObjectStore>, path: &str) -> Result<Vec<Path>, TrainingSetError> {
    let root = Path::from(path);
    match bucket.head(&root).await {
        Ok(file) => return Ok(vec![file.location]),
        Err(object_store::Error::NotFound { .. }) => {}
        // A folder of a directory bucket is no object either, but says so in its own way.
        Err(error) => tracing::debug!(path, %error, "observations are not one file"),
    }
    let listed: Vec<_> = bucket
        .list(Some(&root))
        .try_collect()
        .await
        .context(ListSnafu { set, path })?;
    let mut files: Vec<Path> = listed.into_iter().map(|object| object.location).collect();
    files.retain(|location| !is_hidden(&root, location));
    files.sort();
    Ok(files)
}

fn columns(file: &Pinned) -> Schema {
    let fields = file.metadata.schema().fields().iter();
    Schema::new(
        fields
            .map(|field| field.as_ref().clone().with_nullable(true).with_metadata([].into()))
            .collect::<Vec<_>>(),
    )
}

fn describe(schema: &Schema) -> String {
    let fields = schema
        .fields()
        .iter()
        .map(|field| format!("{} {}", field.name(), field.data_type()));
    fields.collect::<Vec<_>>().join(", ")
}

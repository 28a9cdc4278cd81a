//! Reading data files, pruned by row group.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, new_null_array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStore;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use snafu::ResultExt;

use super::file::DataFile;
use super::schema::EVENT_TIME;
use super::table::{ColumnsSnafu, FileSnafu, OfflineError};
use crate::objects::ObjectReader;

/// What is read of a file.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// Columns wanted, in order (a part of `row_schema`); a column the file lacks is NULL.
    pub schema: SchemaRef,
    /// Rows with an event time outside `[0, 1]` are left out, microseconds, inclusive.
    pub event_times: (i64, i64),
    /// Rows a batch has at most.
    pub batch_rows: usize,
}

/// Streams the rows of a file in the file's order: (key, event time) within one run's file.
pub async fn read_file(
    bucket: &Arc<dyn ObjectStore>,
    file: &DataFile,
    options: &ReadOptions,
) -> Result<BoxStream<'static, Result<RecordBatch, OfflineError>>, OfflineError> {
    let path = file.path.to_string();
    let reader = ObjectReader::new(Arc::clone(bucket), file.path.clone(), file.size, None);
    let builder = ParquetRecordBatchStreamBuilder::new(reader).await.context(FileSnafu {
        action: "open",
        path: &path,
    })?;
    let groups = row_groups(&builder, options.event_times);
    let wanted = options
        .schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .chain([EVENT_TIME]);
    let mask = ProjectionMask::columns(builder.parquet_schema(), wanted);
    let stream = builder
        .with_projection(mask)
        .with_row_groups(groups)
        .with_batch_size(options.batch_rows)
        .build()
        .context(FileSnafu {
            action: "read",
            path: &path,
        })?;
    let options = options.clone();
    Ok(stream
        .map_err({
            let path = path.clone();
            move |source| OfflineError::File {
                action: "read",
                path: path.clone(),
                source,
            }
        })
        .and_then(move |batch| {
            let shaped = shape(&batch, &options).context(ColumnsSnafu { path: &path });
            async move { shaped }
        })
        .boxed())
}

fn row_groups(builder: &ParquetRecordBatchStreamBuilder<ObjectReader>, (from, to): (i64, i64)) -> Vec<usize> {
    let groups = builder.metadata().row_groups();
    let all = || (0..groups.len()).collect();
    let Ok(converter) = StatisticsConverter::try_new(EVENT_TIME, builder.schema(), builder.parquet_schema()) else {
        return all();
    };
    let (Ok(min), Ok(max)) = (converter.row_group_mins(groups), converter.row_group_maxes(groups)) else {
        return all();
    };
    let (Some(min), Some(max)) = (
        min.as_primitive_opt::<TimestampMicrosecondType>().cloned(),
        max.as_primitive_opt::<TimestampMicrosecondType>().cloned(),
    ) else {
        return all();
    };
    let known = |array: &arrow::array::TimestampMicrosecondArray, i: usize, otherwise: i64| {
        if arrow::array::Array::is_valid(array, i) {
            array.value(i)
        } else {
            otherwise
        }
    };
    (0..groups.len())
        .filter(|&i| known(&min, i, i64::MIN) <= to && known(&max, i, i64::MAX) >= from)
        .collect()
}

fn shape(batch: &RecordBatch, options: &ReadOptions) -> Result<RecordBatch, arrow::error::ArrowError> {
    let (from, to) = options.event_times;
    let mut batch = batch.clone();
    if (from, to) != (i64::MIN, i64::MAX)
        && let Some(times) = batch
            .column_by_name(EVENT_TIME)
            .and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>())
    {
        let keep: BooleanArray = times
            .iter()
            .map(|t| Some(t.is_some_and(|t| from <= t && t <= to)))
            .collect();
        batch = filter_record_batch(&batch, &keep)?;
    }
    let columns = options
        .schema
        .fields()
        .iter()
        .map(|field| match batch.column_by_name(field.name()) {
            Some(column) if column.data_type() == field.data_type() => Ok(Arc::clone(column)),
            Some(column) => arrow::compute::cast(column, field.data_type()),
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        })
        .collect::<Result<Vec<ArrayRef>, _>>()?;
    let rows = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(&options.schema), columns, &rows)
}

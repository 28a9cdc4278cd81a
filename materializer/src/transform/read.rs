//! Reading the objects of a source, one after the other.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use datafusion::error::{DataFusionError, Result};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use parquet::errors::ParquetError;
use triplane_contract::run::RejectCause;

use super::conform::{conform, may_conform, micros};
use super::judge::{Candidate, describe, verdict};
use super::reject::Rejected;
use super::source::{FILE_RANK, Fault, InputObject, SourceInput};
use crate::objects::{FooterError, Pinned, bucket_error, open_footer};
use crate::plan::{ChangedObject, span};

/// The rows of every object, in order, as columns of `wanted`.
pub(crate) fn read_objects(
    input: SourceInput,
    wanted: SchemaRef,
    reports: bool,
) -> BoxStream<'static, Result<RecordBatch>> {
    let objects = input.objects.clone();
    let input = Arc::new(input);
    futures::stream::iter(objects)
        .then(move |object| {
            let (input, wanted) = (Arc::clone(&input), Arc::clone(&wanted));
            async move { read_object(input, object, wanted, reports).await }
        })
        .try_flatten()
        .boxed()
}

async fn read_object(
    input: Arc<SourceInput>,
    object: InputObject,
    wanted: SchemaRef,
    reports: bool,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let reject = |cause, rows, column: &str, value: String| -> Result<_> {
        if reports && object.arrived {
            let (place, column) = (object.path.clone(), column.to_owned());
            input.scope.add(&Rejected {
                cause,
                rows,
                place,
                column,
                value,
                row: std::collections::BTreeMap::new(),
            })?;
        }
        Ok(futures::stream::empty().boxed())
    };
    if let Some(message) = &object.unreadable {
        return reject(RejectCause::UnreadableFile, 1, "", message.clone());
    }
    let pinned = match open_footer(&input.bucket, &object.path.as_str().into()).await {
        Ok(pinned) => pinned,
        Err(FooterError::Gone { .. }) => {
            note_changed(&input, &object, None);
            return Ok(futures::stream::empty().boxed());
        }
        Err(FooterError::Unreadable { message, .. }) => {
            note_changed(&input, &object, None);
            return reject(RejectCause::UnreadableFile, 1, "", message);
        }
        Err(other) => return Err(external(other)),
    };
    if pinned.version() != object.etag {
        let times = match span(&input.bucket, &pinned, &input.timestamp_column).await {
            Ok(times) => times,
            // It is found broken while it is read, and gives no row.
            Err(FooterError::Unreadable { .. }) => None,
            Err(other) => return Err(external(other)),
        };
        note_changed(&input, &object, times);
    }
    input.findings.note(&object.path, pinned.etag.as_deref());
    let rows = pinned.metadata.metadata().file_metadata().num_rows() as u64;
    for field in input.needed.fields() {
        let Ok(found) = pinned.metadata.schema().field_with_name(field.name()) else {
            return reject(RejectCause::MissingColumn, rows, field.name(), String::new());
        };
        if !may_conform(found.data_type(), field.data_type(), input.rule) {
            let value = format!("the file has {}, {} is needed", found.data_type(), field.data_type());
            return reject(RejectCause::WrongType, rows, field.name(), value);
        }
    }
    Ok(rows_of(input, object, &pinned, wanted, reports))
}

fn external(error: FooterError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// `times`: those of the content that is read instead of the planned one.
fn note_changed(input: &SourceInput, object: &InputObject, times: Option<(i64, i64)>) {
    input.findings.note_changed(ChangedObject {
        source: input.name.clone(),
        path: object.path.clone(),
        min_us: times.map(|(min, _)| min),
        max_us: times.map(|(_, max)| max),
    });
}

fn rows_of(
    input: Arc<SourceInput>,
    object: InputObject,
    pinned: &Pinned,
    wanted: SchemaRef,
    reports: bool,
) -> BoxStream<'static, Result<RecordBatch>> {
    let builder =
        ParquetRecordBatchStreamBuilder::new_with_metadata(pinned.reader(&input.bucket), pinned.metadata.clone());
    let names = input.needed.fields().iter().map(|field| field.name().as_str());
    let mask = ProjectionMask::columns(builder.parquet_schema(), names);
    let groups = row_groups(&input, pinned, object.arrived);
    let (metadata, read) = (pinned.metadata.metadata(), (groups.as_slice(), &mask));
    let rows = match input.budget.batch_rows(&object.path, metadata, read, input.batch_rows) {
        Ok(rows) => rows,
        Err(source) => {
            let error = DataFusionError::Execution(source.to_string());
            input.findings.set_fault(Fault::TooLarge { source });
            return futures::stream::once(async move { Err(error) }).boxed();
        }
    };
    let built = builder
        .with_projection(mask)
        .with_row_groups(groups)
        .with_batch_size(rows)
        .build();
    let (faults, path) = (input.findings.clone(), object.path.clone());
    let failed = move |error: ParquetError| {
        let fault = match bucket_error(error) {
            Ok(object_store::Error::Precondition { .. } | object_store::Error::NotFound { .. }) => {
                Fault::Changed { path: path.clone() }
            }
            Ok(source) => return DataFusionError::External(Box::new(source)),
            Err(message) => Fault::Broken {
                path: path.clone(),
                message,
            },
        };
        faults.set_fault(fault);
        DataFusionError::Execution(format!("{path} could not be read to its end"))
    };
    match built {
        Err(error) => futures::stream::once(async move { Err(failed(error)) }).boxed(),
        Ok(batches) => batches
            .map_err(failed)
            .and_then(move |batch| {
                let shaped = shape(&input, &object, &batch, &wanted, reports);
                async move { shaped }
            })
            .try_filter(|batch| futures::future::ready(batch.num_rows() > 0))
            .boxed(),
    }
}

fn row_groups(input: &SourceInput, pinned: &Pinned, arrived: bool) -> Vec<usize> {
    let metadata = pinned.metadata.metadata();
    let groups = metadata.row_groups();
    let spans = || {
        let descr = metadata.file_metadata().schema_descr();
        let converter = StatisticsConverter::try_new(&input.timestamp_column, pinned.metadata.schema(), descr).ok()?;
        let (min, max) = (
            micros(&converter.row_group_mins(groups).ok()?)?,
            micros(&converter.row_group_maxes(groups).ok()?)?,
        );
        Some((min, max, converter.row_group_null_counts(groups).ok()?))
    };
    let Some((min, max, nulls)) = spans() else {
        return (0..groups.len()).collect();
    };
    let wanted = |&i: &usize| {
        let known = min.is_valid(i) && max.is_valid(i);
        let timeless = arrived && (nulls.is_null(i) || nulls.value(i) > 0);
        !known || timeless || input.ranges.overlaps(min.value(i), max.value(i))
    };
    (0..groups.len()).filter(wanted).collect()
}

fn shape(
    input: &SourceInput,
    object: &InputObject,
    found: &RecordBatch,
    wanted: &SchemaRef,
    reports: bool,
) -> Result<RecordBatch> {
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(input.needed.fields().len());
    let mut wrong = Vec::with_capacity(columns.capacity());
    let mut ordered = Vec::with_capacity(columns.capacity());
    for field in input.needed.fields() {
        let (index, _) = found
            .schema()
            .column_with_name(field.name())
            .map(|(i, f)| (i, f.clone()))
            .ok_or_else(|| DataFusionError::Internal(format!("{} lost column {}", object.path, field.name())))?;
        let done = conform(found.column(index), field.data_type())?;
        columns.push(done.array);
        wrong.push(done.wrong);
        ordered.push(index);
    }
    let found = found.project(&ordered)?;
    let batch = with_rows(&input.needed, columns, found.num_rows())?;
    let candidate = Candidate {
        found: &found,
        batch: &batch,
        wrong: &wrong,
    };
    let keep = keep(input, object, &candidate, reports)?;
    let kept = filter_record_batch(&batch, &keep)?;
    let projection = wanted.fields().iter().map(|field| {
        if field.name() == FILE_RANK {
            let ranks = Int64Array::from_value(object.rank, kept.num_rows());
            return Ok(Arc::new(ranks) as ArrayRef);
        }
        Ok(Arc::clone(kept.column(kept.schema().index_of(field.name())?)))
    });
    let columns = projection.collect::<Result<Vec<_>>>()?;
    with_rows(wanted, columns, kept.num_rows())
}

fn with_rows(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns,
        &options,
    )?)
}

fn keep(input: &SourceInput, object: &InputObject, candidate: &Candidate<'_>, reports: bool) -> Result<BooleanArray> {
    let times = candidate.batch.column_by_name(&input.timestamp_column);
    let times = times.and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
    let mut keep = Vec::with_capacity(candidate.batch.num_rows());
    for row in 0..candidate.batch.num_rows() {
        let timeless = times.is_none_or(|times| times.is_null(row));
        let in_range = if timeless {
            object.arrived
        } else {
            times.is_some_and(|t| input.ranges.contains(t.value(row)))
        };
        let fault = if in_range {
            verdict(candidate, input.rows.as_ref(), row)
        } else {
            None
        };
        if let Some(fault) = fault
            && reports
            && object.arrived
        {
            input.scope.add(&describe(&object.path, candidate, row, fault)?)?;
        }
        keep.push(in_range && fault.is_none());
    }
    Ok(BooleanArray::from(keep))
}

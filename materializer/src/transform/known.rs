//! What the table says about the affected range.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimestampMicrosecondType};
use datafusion::error::Result;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::TryStreamExt;
use triplane_contract::View;

use super::ranges::Ranges;
use crate::engine::input;
use crate::offline::{EVENT_DATE, EVENT_TIME, OfflineError, ReadOptions, Table, day_of, row_schema};
use crate::rows::rows_of_files;

/// The table's rows in the affected range, with the event date as a day number last.
pub(super) fn known_rows(
    table: &Table,
    view: &View,
    affected: &Ranges,
    batch_rows: usize,
) -> Result<Arc<dyn PartitionStream>, OfflineError> {
    let bounds = affected.bounds();
    let files = table
        .files()?
        .into_iter()
        .filter(|f| affected.overlaps(f.min_event_us, f.max_event_us))
        .collect::<Vec<_>>();
    let (bucket, affected) = (Arc::clone(table.bucket()), affected.clone());
    let rows = row_schema(view);
    let mut fields: Vec<Arc<Field>> = rows.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(EVENT_DATE, DataType::Int64, true)));
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let out = Arc::clone(&schema);
    Ok(input(schema, move |_| {
        let options = ReadOptions {
            schema: Arc::clone(&rows),
            event_times: bounds.unwrap_or((0, -1)),
            batch_rows,
        };
        let (affected, out) = (affected.clone(), Arc::clone(&out));
        let stream = rows_of_files(Arc::clone(&bucket), files.clone(), options);
        Box::pin(stream.and_then(move |batch| {
            let dated = dated(&batch, &affected, &out);
            async move { dated }
        }))
    }))
}

fn dated(batch: &RecordBatch, affected: &Ranges, schema: &SchemaRef) -> Result<RecordBatch> {
    let times = batch
        .column(batch.schema().index_of(EVENT_TIME)?)
        .as_primitive::<TimestampMicrosecondType>();
    let keep: BooleanArray = times
        .iter()
        .map(|t| Some(t.is_some_and(|t| affected.contains(t))))
        .collect();
    let days: Int64Array = times.iter().map(|t| t.map(day_of)).collect();
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    columns.push(Arc::new(days));
    Ok(filter_record_batch(
        &RecordBatch::try_new(Arc::clone(schema), columns)?,
        &keep,
    )?)
}

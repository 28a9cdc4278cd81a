//! The result of a query, row by row: conformed to the declared types, cut to the affected range, bad rows put aside.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, TimestampMicrosecondArray,
};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimestampMicrosecondType};
use datafusion::error::Result;

use super::conform::conform;
use super::judge::{Candidate, RowRules, describe, verdict};
use super::ranges::Ranges;
use super::reject::RejectScope;
use super::source::FILE_RANK;
use crate::offline::{CREATED_TIME, EVENT_DATE, EVENT_TIME, day_of, declared_fields, timestamp};
use triplane_contract::View;

/// Columns of a checked row: keys, features, `event_time`, `created_time`, the event date as a day number, and `FILE_RANK`.
pub(crate) fn checked_schema(view: &View) -> SchemaRef {
    let own = [
        Field::new(EVENT_TIME, timestamp(), true),
        Field::new(CREATED_TIME, timestamp(), true),
        Field::new(EVENT_DATE, DataType::Int64, true),
        Field::new(FILE_RANK, DataType::Int64, true),
    ];
    Arc::new(Schema::new(declared_fields(view).chain(own).collect::<Vec<_>>()))
}

/// Checks batches of a query's result.
#[derive(Clone, Debug)]
pub(crate) struct Checker {
    pub(crate) schema: SchemaRef,
    pub(crate) rules: RowRules,
    /// Rows outside are dropped.
    pub(crate) affected: Ranges,
    /// Created time of rows that do not say.
    pub(crate) created_us: i64,
    /// Whether the last column found is `FILE_RANK`; else all rows have the same.
    pub(crate) ranked: bool,
    pub(crate) scope: RejectScope,
}

impl Checker {
    /// Columns of `found` are by place: keys, features, event time, created time where declared, rank where there is one.
    pub(crate) fn check(&self, found: &RecordBatch) -> Result<RecordBatch> {
        let (found, rank) = self.ranked(found)?;
        let found = &found;
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        let mut wrong = Vec::with_capacity(self.schema.fields().len());
        for (column, field) in found.columns().iter().zip(self.schema.fields()) {
            let done = conform(column, field.data_type())?;
            columns.push(done.array);
            wrong.push(done.wrong);
        }
        let times = columns[self.rules.event_time]
            .as_primitive::<TimestampMicrosecondType>()
            .clone();
        if columns.len() == self.rules.event_time + 1 {
            columns.push(Arc::new(
                TimestampMicrosecondArray::new_null(found.num_rows()).with_timezone("UTC"),
            ));
        }
        let created = columns[self.rules.event_time + 1].as_primitive::<TimestampMicrosecondType>();
        let created: TimestampMicrosecondArray = created.iter().map(|t| Some(t.unwrap_or(self.created_us))).collect();
        columns[self.rules.event_time + 1] = Arc::new(created.with_timezone("UTC"));
        columns.push(Arc::new(times.iter().map(|t| t.map(day_of)).collect::<Int64Array>()));
        columns.push(rank);
        let options = RecordBatchOptions::new().with_row_count(Some(found.num_rows()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        let keep = self.keep(
            &Candidate {
                found,
                batch: &batch,
                wrong: &wrong,
            },
            &times,
        )?;
        Ok(filter_record_batch(&batch, &keep)?)
    }

    /// The columns of the view, and the rank of each row.
    fn ranked(&self, found: &RecordBatch) -> Result<(RecordBatch, ArrayRef)> {
        let last = found.num_columns().saturating_sub(1);
        if self.ranked {
            let columns: Vec<usize> = (0..last).collect();
            return Ok((found.project(&columns)?, Arc::clone(found.column(last))));
        }
        Ok((found.clone(), Arc::new(Int64Array::from_value(0, found.num_rows()))))
    }

    fn keep(&self, candidate: &Candidate<'_>, times: &TimestampMicrosecondArray) -> Result<BooleanArray> {
        let mut keep = Vec::with_capacity(candidate.batch.num_rows());
        for row in 0..candidate.batch.num_rows() {
            let affected = times.is_null(row) || self.affected.contains(times.value(row));
            let fault = if affected {
                verdict(candidate, Some(&self.rules), row)
            } else {
                None
            };
            if let Some(fault) = fault {
                self.scope
                    .add(&describe("result of the query", candidate, row, fault)?)?;
            }
            keep.push(affected && fault.is_none());
        }
        Ok(BooleanArray::from(keep))
    }
}

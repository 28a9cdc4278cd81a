//! Which rows are rejected, and why: one rule for rows of plain sources and rows of a query's result.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use triplane_contract::run::RejectCause;
use triplane_feature_store::semantics::is_future;

use super::reject::Rejected;

/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999Z: what every reader of the table can name.
const CALENDAR_US: (i64, i64) = (-62_135_596_800_000_000, 253_402_300_799_999_999);

/// What a row of the view needs.
#[derive(Clone, Debug)]
pub(crate) struct RowRules {
    /// Columns that may not be NULL.
    pub(crate) keys: Vec<usize>,
    /// Column of the event time.
    pub(crate) event_time: usize,
    /// When the run was planned.
    pub(crate) planned_at_us: i64,
}

/// A batch whose columns have the wanted types, with what did not fit.
pub(crate) struct Candidate<'a> {
    /// Columns as they were found, for messages.
    pub(crate) found: &'a RecordBatch,
    /// Columns of the wanted types.
    pub(crate) batch: &'a RecordBatch,
    /// Per column, rows whose value did not fit.
    pub(crate) wrong: &'a [Option<BooleanArray>],
}

/// Why row `row` is rejected, with the column at fault; `None`: it counts.
pub(crate) fn verdict(candidate: &Candidate<'_>, rules: Option<&RowRules>, row: usize) -> Option<(RejectCause, usize)> {
    let misfit = candidate
        .wrong
        .iter()
        .position(|wrong| wrong.as_ref().is_some_and(|w| w.value(row)));
    if let Some(column) = misfit {
        return Some((RejectCause::WrongType, column));
    }
    let rules = rules?;
    let null = |column: &usize| candidate.batch.column(*column).is_null(row);
    if let Some(&column) = rules.keys.iter().find(|column| null(column)) {
        return Some((RejectCause::NullKey, column));
    }
    let times = candidate
        .batch
        .column(rules.event_time)
        .as_primitive_opt::<TimestampMicrosecondType>()?;
    if times.is_null(row) {
        return Some((RejectCause::NullEventTime, rules.event_time));
    }
    let time = times.value(row);
    if time < CALENDAR_US.0 || time > CALENDAR_US.1 {
        return Some((RejectCause::WrongType, rules.event_time));
    }
    is_future(time, rules.planned_at_us).then_some((RejectCause::FutureEventTime, rules.event_time))
}

/// Makes the record of a rejected row.
pub(crate) fn describe(
    place: &str,
    candidate: &Candidate<'_>,
    row: usize,
    (cause, column): (RejectCause, usize),
) -> Result<Rejected, ArrowError> {
    let schema = candidate.found.schema();
    let mut values = BTreeMap::new();
    for (field, array) in schema.fields().iter().zip(candidate.found.columns()) {
        values.insert(field.name().clone(), text(array, row)?);
    }
    let name = schema.field(column).name().clone();
    let value = values
        .get(&name)
        .cloned()
        .flatten()
        .unwrap_or_else(|| "NULL".to_owned());
    Ok(Rejected {
        cause,
        rows: 1,
        place: place.to_owned(),
        column: name,
        value,
        row: values,
    })
}

fn text(array: &ArrayRef, row: usize) -> Result<Option<String>, ArrowError> {
    if array.is_null(row) {
        return Ok(None);
    }
    let options = FormatOptions::default();
    Ok(Some(
        ArrayFormatter::try_new(array.as_ref(), &options)?
            .value(row)
            .try_to_string()?,
    ))
}

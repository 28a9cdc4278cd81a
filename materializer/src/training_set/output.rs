//! Rows of the set: observations with the answers of every view beside them.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, DictionaryArray, RecordBatch, StringArray};
use arrow::datatypes::{Int8Type, SchemaRef};
use arrow::error::ArrowError;
use triplane_feature_store::semantics::Status;

/// Puts the columns of one batch together: `observed`, then each of `answers` (feature and status in turns, statuses as
/// numbers).
pub(super) fn rows(
    schema: &SchemaRef,
    observed: &RecordBatch,
    answers: &[RecordBatch],
) -> Result<RecordBatch, ArrowError> {
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(Status::ALL.map(Status::name)));
    let mut columns: Vec<ArrayRef> = observed.columns().to_vec();
    for answer in answers {
        for pair in answer.columns().chunks(2) {
            columns.push(Arc::clone(&pair[0]));
            // A status is its own place among the names.
            let keys = pair[1].as_primitive::<Int8Type>().clone();
            columns.push(Arc::new(DictionaryArray::try_new(keys, Arc::clone(&names))?));
        }
    }
    RecordBatch::try_new(Arc::clone(schema), columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training_set::layout::status_type;
    use arrow::array::{Float64Array, Int8Array, Int64Array};
    use arrow::datatypes::{DataType, Field, Schema};

    #[test]
    fn statuses_are_written_by_name() {
        let numbers: Vec<i8> = Status::ALL.map(|status| status as i8).to_vec();
        let observed = RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![1, 2, 3, 4])) as ArrayRef)]);
        let answer = RecordBatch::try_from_iter([
            ("f", Arc::new(Float64Array::from(vec![0.5; 4])) as ArrayRef),
            ("f.status", Arc::new(Int8Array::from(numbers))),
        ]);
        let schema = Arc::new(Schema::new(vec![
            Field::new("id", DataType::Int64, true),
            Field::new("v/f", DataType::Float64, true),
            Field::new("v/f.status", status_type(), false),
        ]));
        let out = rows(&schema, &observed.unwrap(), &[answer.unwrap()]).unwrap();
        let names = arrow::compute::cast(out.column(2), &DataType::Utf8).unwrap();
        let names: Vec<_> = names.as_string::<i32>().iter().flatten().map(str::to_owned).collect();
        assert_eq!(names, ["PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE"]);
    }
}

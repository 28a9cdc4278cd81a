//! The form in which rows are sorted and merged: an order key in typed columns in front of any payload.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};

use super::JoinError;

/// Bytes of a code that are compared without following a pointer.
pub(crate) const CODE_PREFIX: usize = size_of::<u128>();

/// Columns of the order key and the flag, in front of the payload in a spilled batch.
const HEAD: usize = 5;

/// Rows with the order key (code, time, major, minor), a flag and payload columns of equal length.
///
/// Facts: entity code, event time, created time, sequence; the flag is `is_deleted`, the payload the features.
/// Asks: entity code, as-of time, row number, 0; no payload. Answers: empty code, row number, 0, 0; the answer columns.
#[derive(Debug)]
pub(crate) struct Block {
    code: BinaryArray,
    time: Int64Array,
    major: Int64Array,
    minor: Int64Array,
    flag: BooleanArray,
    payload: RecordBatch,
    long_codes: bool,
}

impl Block {
    /// Facts of one view. All arrays have the length of `features`; none of the first five may hold NULL.
    pub(crate) fn facts(
        code: BinaryArray,
        [event_time, created_time, sequence]: [Int64Array; 3],
        deleted: BooleanArray,
        features: RecordBatch,
    ) -> Self {
        Self {
            long_codes: has_long(&code),
            code,
            time: event_time,
            major: created_time,
            minor: sequence,
            flag: deleted,
            payload: features,
        }
    }

    /// Observations as one view sees them.
    pub(crate) fn asks(code: BinaryArray, time: Int64Array, row: Int64Array) -> Self {
        let rows = code.len();
        Self {
            long_codes: has_long(&code),
            code,
            time,
            major: row,
            minor: zeros(rows),
            flag: unset(rows),
            payload: no_columns(rows),
        }
    }

    /// Answers that are to be brought back into row order.
    pub(crate) fn answers(row: Int64Array, columns: RecordBatch) -> Self {
        let rows = row.len();
        Self {
            code: BinaryArray::from_iter_values(std::iter::repeat_n(b"", rows)),
            time: row,
            major: zeros(rows),
            minor: zeros(rows),
            flag: unset(rows),
            payload: columns,
            long_codes: false,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.time.len()
    }

    pub(crate) fn code(&self, row: usize) -> &[u8] {
        self.code.value(row)
    }

    pub(crate) fn time(&self, row: usize) -> i64 {
        self.time.value(row)
    }

    /// What decides between rows of one code and time.
    pub(crate) fn version(&self, row: usize) -> (i64, i64) {
        (self.major.value(row), self.minor.value(row))
    }

    /// The first bytes of a code as a number that compares like them.
    pub(crate) fn prefix(&self, row: usize) -> u128 {
        let code = self.code.value(row);
        let mut bytes = [0; CODE_PREFIX];
        let shared = code.len().min(CODE_PREFIX);
        bytes[..shared].copy_from_slice(&code[..shared]);
        u128::from_be_bytes(bytes)
    }

    /// Whether a code may go on past its prefix.
    pub(crate) fn has_long_codes(&self) -> bool {
        self.long_codes
    }

    pub(crate) fn flag(&self, row: usize) -> bool {
        self.flag.value(row)
    }

    pub(crate) fn payload(&self) -> &RecordBatch {
        &self.payload
    }

    /// Bytes held.
    pub(crate) fn memory(&self) -> usize {
        let head: [&dyn Array; HEAD] = [&self.code, &self.time, &self.major, &self.minor, &self.flag];
        head.iter().map(|column| column.get_array_memory_size()).sum::<usize>() + self.payload.get_array_memory_size()
    }

    /// One batch with the order key in front, for a spill file.
    pub(crate) fn to_batch(&self, schema: &SchemaRef) -> Result<RecordBatch, JoinError> {
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.code.clone()),
            Arc::new(self.time.clone()),
            Arc::new(self.major.clone()),
            Arc::new(self.minor.clone()),
            Arc::new(self.flag.clone()),
        ];
        columns.extend(self.payload.columns().iter().cloned());
        RecordBatch::try_new(Arc::clone(schema), columns).map_err(JoinError::arrow("lay out rows for spilling"))
    }

    /// The block a spilled batch was made from.
    pub(crate) fn from_batch(batch: &RecordBatch) -> Result<Self, JoinError> {
        let columns = batch.columns();
        let schema = Schema::new(batch.schema().fields()[HEAD..].to_vec());
        let code = columns[0].as_binary::<i32>().clone();
        Ok(Self {
            long_codes: has_long(&code),
            code,
            time: columns[1].as_primitive::<Int64Type>().clone(),
            major: columns[2].as_primitive::<Int64Type>().clone(),
            minor: columns[3].as_primitive::<Int64Type>().clone(),
            flag: columns[4].as_boolean().clone(),
            payload: batch_of(Arc::new(schema), columns[HEAD..].to_vec(), batch.num_rows())?,
        })
    }

    /// Schema of spilled batches whose payload has `payload`'s schema.
    pub(crate) fn spill_schema(payload: &Schema) -> SchemaRef {
        let mut fields = vec![
            Arc::new(Field::new("code", DataType::Binary, false)),
            Arc::new(Field::new("time", DataType::Int64, false)),
            Arc::new(Field::new("major", DataType::Int64, false)),
            Arc::new(Field::new("minor", DataType::Int64, false)),
            Arc::new(Field::new("flag", DataType::Boolean, false)),
        ];
        fields.extend(payload.fields().iter().cloned());
        Arc::new(Schema::new(fields))
    }

    /// Rows of several blocks of one schema, in the order of `places` (block index, row).
    pub(crate) fn gather(blocks: &[&Self], places: &[(usize, usize)]) -> Result<Self, JoinError> {
        let pick = |column: &dyn Fn(&Self) -> &dyn Array| {
            let arrays: Vec<&dyn Array> = blocks.iter().map(|block| column(block)).collect();
            arrow::compute::interleave(&arrays, places).map_err(JoinError::arrow("gather rows"))
        };
        Ok(Self {
            long_codes: blocks.iter().any(|block| block.long_codes),
            code: pick(&|block| &block.code)?.as_binary::<i32>().clone(),
            time: pick(&|block| &block.time)?.as_primitive::<Int64Type>().clone(),
            major: pick(&|block| &block.major)?.as_primitive::<Int64Type>().clone(),
            minor: pick(&|block| &block.minor)?.as_primitive::<Int64Type>().clone(),
            flag: pick(&|block| &block.flag)?.as_boolean().clone(),
            payload: gather_payload(&blocks.iter().map(|block| &block.payload).collect::<Vec<_>>(), places)?,
        })
    }
}

/// Rows of several batches of one schema, in the order of `places` (batch index, row).
pub(crate) fn gather_payload(batches: &[&RecordBatch], places: &[(usize, usize)]) -> Result<RecordBatch, JoinError> {
    let Some(first) = batches.first() else {
        return Ok(no_columns(0));
    };
    let columns = (0..first.num_columns())
        .map(|column| {
            let arrays: Vec<&dyn Array> = batches.iter().map(|batch| batch.column(column).as_ref()).collect();
            arrow::compute::interleave(&arrays, places).map_err(JoinError::arrow("gather rows"))
        })
        .collect::<Result<Vec<_>, _>>()?;
    batch_of(first.schema(), columns, places.len())
}

/// A batch that knows its length even without columns.
pub(crate) fn batch_of(schema: SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, JoinError> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema, columns, &options).map_err(JoinError::arrow("put columns together"))
}

fn no_columns(rows: usize) -> RecordBatch {
    let empty = RecordBatch::new_empty(Arc::new(Schema::empty()));
    batch_of(empty.schema(), Vec::new(), rows).unwrap_or(empty)
}

fn has_long(code: &BinaryArray) -> bool {
    code.value_offsets()
        .windows(2)
        .any(|ends| (ends[1] - ends[0]) as usize > CODE_PREFIX)
}

fn zeros(rows: usize) -> Int64Array {
    Int64Array::from_value(0, rows)
}

fn unset(rows: usize) -> BooleanArray {
    BooleanArray::new(arrow::buffer::BooleanBuffer::new_unset(rows), None)
}

//! The digest of observations: of their rows, however they are cut into files, row groups and batches.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Float32Type, Float64Type, Int32Type, Int64Type, Schema};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use sha2::{Digest, Sha256};
use triplane_contract::ValueType;

use crate::join::{canonical, value_type};

/// sha256 over name, type and values of each column. A value is one byte (0: NULL, 1: set) and, where set, its bytes:
/// little-endian numbers, text and bytes after their length (u64). Other types than `v1alpha1`'s count by their text.
pub(super) struct ObservationDigest {
    columns: Vec<Sha256>,
    buffer: Vec<u8>,
    rows: u64,
}

impl ObservationDigest {
    pub(super) fn new(schema: &Schema) -> Self {
        let columns = schema.fields().iter().map(|field| {
            let mut sha = Sha256::new();
            sized(field.name().as_bytes(), |bytes| sha.update(bytes));
            sized(type_name(field.data_type()).as_bytes(), |bytes| sha.update(bytes));
            sha
        });
        Self {
            columns: columns.collect(),
            buffer: Vec::new(),
            rows: 0,
        }
    }

    /// Takes the next rows.
    pub(super) fn update(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        self.rows += batch.num_rows() as u64;
        for (sha, column) in self.columns.iter_mut().zip(batch.columns()) {
            self.buffer.clear();
            encode(column, &mut self.buffer)?;
            sha.update(&self.buffer);
        }
        Ok(())
    }

    /// The digest in hex, and the number of rows.
    pub(super) fn finish(self) -> (String, u64) {
        let mut all = Sha256::new();
        all.update(self.rows.to_le_bytes());
        self.columns
            .into_iter()
            .for_each(|column| all.update(column.finalize()));
        (hex::encode(all.finalize()), self.rows)
    }
}

fn type_name(data_type: &DataType) -> String {
    match value_type(data_type) {
        // The unit of a time counts: its values are taken as they are.
        Some(ValueType::Timestamp) | None => data_type.to_string(),
        Some(known) => known.name().to_owned(),
    }
}

fn encode(column: &ArrayRef, out: &mut Vec<u8>) -> Result<(), ArrowError> {
    let known = value_type(column.data_type());
    let Some(known) = known else { return text(column, out) };
    if known == ValueType::Timestamp {
        primitive::<Int64Type, 8>(&cast(column, &DataType::Int64)?, i64::to_le_bytes, out);
        return Ok(());
    }
    let Some(column) = canonical(column, known) else {
        return text(column, out);
    };
    match known {
        ValueType::Bool => values(column.as_boolean().iter(), |value, out| out.push(u8::from(value)), out),
        ValueType::Int32 => primitive::<Int32Type, 4>(&column, i32::to_le_bytes, out),
        ValueType::Int64 | ValueType::Timestamp => primitive::<Int64Type, 8>(&column, i64::to_le_bytes, out),
        ValueType::Float32 => primitive::<Float32Type, 4>(&column, f32::to_le_bytes, out),
        ValueType::Float64 => primitive::<Float64Type, 8>(&column, f64::to_le_bytes, out),
        ValueType::String => values(
            column.as_string::<i32>().iter(),
            |text, out| bytes(text.as_bytes(), out),
            out,
        ),
        ValueType::Bytes => values(column.as_binary::<i32>().iter(), bytes, out),
    }
    Ok(())
}

fn values<T>(items: impl Iterator<Item = Option<T>>, write: impl Fn(T, &mut Vec<u8>), out: &mut Vec<u8>) {
    for item in items {
        out.push(u8::from(item.is_some()));
        if let Some(value) = item {
            write(value, out);
        }
    }
}

fn primitive<T: ArrowPrimitiveType, const N: usize>(
    column: &ArrayRef,
    le: fn(T::Native) -> [u8; N],
    out: &mut Vec<u8>,
) {
    values(
        column.as_primitive::<T>().iter(),
        |value, out| out.extend_from_slice(&le(value)),
        out,
    );
}

fn text(column: &ArrayRef, out: &mut Vec<u8>) -> Result<(), ArrowError> {
    let formatter = ArrayFormatter::try_new(column.as_ref(), &FormatOptions::default())?;
    for row in 0..column.len() {
        out.push(u8::from(column.is_valid(row)));
        if column.is_valid(row) {
            bytes(formatter.value(row).try_to_string()?.as_bytes(), out);
        }
    }
    Ok(())
}

fn bytes(value: &[u8], out: &mut Vec<u8>) {
    sized(value, |part| out.extend_from_slice(part));
}

fn sized(value: &[u8], mut write: impl FnMut(&[u8])) {
    write(&(value.len() as u64).to_le_bytes());
    write(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Date32Array, Int64Array, StringArray, StringViewArray, TimestampMillisecondArray};
    use arrow::datatypes::Field;
    use std::sync::Arc;

    fn digest(batches: &[RecordBatch]) -> (String, u64) {
        let mut digest = ObservationDigest::new(&batches[0].schema());
        for batch in batches {
            digest.update(batch).unwrap();
        }
        digest.finish()
    }

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        let fields: Vec<_> = columns
            .iter()
            .map(|(n, c)| Field::new(*n, c.data_type().clone(), true))
            .collect();
        RecordBatch::try_new(
            Arc::new(Schema::new(fields)),
            columns.into_iter().map(|(_, c)| c).collect(),
        )
        .unwrap()
    }

    fn sample(texts: ArrayRef) -> RecordBatch {
        batch(vec![
            ("key", texts),
            ("n", Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]))),
            ("t", Arc::new(TimestampMillisecondArray::from(vec![1, 2, 3]))),
            ("day", Arc::new(Date32Array::from(vec![Some(1), None, Some(3)]))),
        ])
    }

    #[test]
    fn cuts_and_layouts_do_not_matter_and_every_value_and_its_place_does() {
        let texts = vec![Some("a"), None, Some("")];
        let whole = sample(Arc::new(StringArray::from(texts.clone())));
        let (expected, rows) = digest(std::slice::from_ref(&whole));
        assert_eq!(rows, 3);
        assert_eq!(digest(&[whole.slice(0, 1), whole.slice(1, 2)]).0, expected);
        assert_eq!(digest(&[sample(Arc::new(StringViewArray::from(texts)))]).0, expected);
        let nulls = sample(Arc::new(StringArray::from(vec![Some("a"), Some(""), None])));
        assert_ne!(digest(&[nulls]).0, expected);
        assert_ne!(digest(&[whole.slice(0, 2)]).0, expected);
        let renamed = batch(vec![("x", Arc::clone(whole.column(1)))]);
        assert_ne!(digest(&[renamed]).0, digest(&[whole.project(&[1]).unwrap()]).0);
    }
}

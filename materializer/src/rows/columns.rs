//! Values of a batch, without a lookup of types per value.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array,
    StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use triplane_feature_store::Value;
use triplane_feature_store::value::ValueRef;

/// One column, downcast once.
#[derive(Clone, Debug)]
enum Typed {
    Bool(BooleanArray),
    Int32(Int32Array),
    Int64(Int64Array),
    Float32(Float32Array),
    Float64(Float64Array),
    String(StringArray),
    Bytes(BinaryArray),
    Timestamp(TimestampMicrosecondArray),
    /// A type no row has; reads as NULL.
    Other,
}

/// Columns of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Columns(Vec<Typed>);

impl Columns {
    pub(crate) fn new(arrays: &[ArrayRef]) -> Self {
        Self(arrays.iter().map(typed).collect())
    }

    /// The value at (column, row).
    pub(crate) fn get(&self, column: usize, row: usize) -> ValueRef<'_> {
        match &self.0[column] {
            Typed::Bool(a) if a.is_valid(row) => ValueRef::Bool(a.value(row)),
            Typed::Int32(a) if a.is_valid(row) => ValueRef::Int32(a.value(row)),
            Typed::Int64(a) if a.is_valid(row) => ValueRef::Int64(a.value(row)),
            Typed::Float32(a) if a.is_valid(row) => ValueRef::Float32(a.value(row)),
            Typed::Float64(a) if a.is_valid(row) => ValueRef::Float64(a.value(row)),
            Typed::String(a) if a.is_valid(row) => ValueRef::String(a.value(row)),
            Typed::Bytes(a) if a.is_valid(row) => ValueRef::Bytes(a.value(row)),
            Typed::Timestamp(a) if a.is_valid(row) => ValueRef::Timestamp(a.value(row)),
            _ => ValueRef::Null,
        }
    }

    /// The value at (column, row), owned.
    pub(crate) fn owned(&self, column: usize, row: usize) -> Value {
        match self.get(column, row) {
            ValueRef::Null => Value::Null,
            ValueRef::Bool(v) => Value::Bool(v),
            ValueRef::Int32(v) => Value::Int32(v),
            ValueRef::Int64(v) => Value::Int64(v),
            ValueRef::Float32(v) => Value::Float32(v),
            ValueRef::Float64(v) => Value::Float64(v),
            ValueRef::String(v) => Value::String(v.to_owned()),
            ValueRef::Bytes(v) => Value::Bytes(bytes::Bytes::copy_from_slice(v)),
            ValueRef::Timestamp(v) => Value::Timestamp(v),
        }
    }

    /// A time or int64 at (column, row); 0 where there is none.
    pub(crate) fn int(&self, column: usize, row: usize) -> i64 {
        match self.get(column, row) {
            ValueRef::Int64(v) | ValueRef::Timestamp(v) => v,
            _ => 0,
        }
    }

    /// A bool at (column, row); false where there is none.
    pub(crate) fn flag(&self, column: usize, row: usize) -> bool {
        matches!(self.get(column, row), ValueRef::Bool(true))
    }
}

fn typed(array: &ArrayRef) -> Typed {
    match array.data_type() {
        DataType::Boolean => Typed::Bool(array.as_boolean().clone()),
        DataType::Int32 => Typed::Int32(array.as_primitive::<Int32Type>().clone()),
        DataType::Int64 => Typed::Int64(array.as_primitive::<Int64Type>().clone()),
        DataType::Float32 => Typed::Float32(array.as_primitive::<Float32Type>().clone()),
        DataType::Float64 => Typed::Float64(array.as_primitive::<Float64Type>().clone()),
        DataType::Utf8 => Typed::String(array.as_string::<i32>().clone()),
        DataType::Binary => Typed::Bytes(array.as_binary::<i32>().clone()),
        DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, _) => {
            Typed::Timestamp(array.as_primitive::<TimestampMicrosecondType>().clone())
        }
        _ => Typed::Other,
    }
}

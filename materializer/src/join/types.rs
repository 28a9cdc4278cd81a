//! Declared types and the Arrow types that hold them.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, StringArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::DataType;
use triplane_contract::ValueType;
use triplane_feature_store::Value;

use crate::offline::arrow_type;
use crate::transform::conform::micros;

/// The declared type of a column; `None` for types that `v1alpha1` does not know. Layouts of one type (views, large
/// offsets, dictionaries; timestamps of any unit, naive ones being UTC) count as that type; integers are not widened.
pub fn value_type(data_type: &DataType) -> Option<ValueType> {
    Some(match data_type {
        DataType::Boolean => ValueType::Bool,
        DataType::Int32 => ValueType::Int32,
        DataType::Int64 => ValueType::Int64,
        DataType::Float32 => ValueType::Float32,
        DataType::Float64 => ValueType::Float64,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ValueType::String,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => ValueType::Bytes,
        DataType::Timestamp(_, _) => ValueType::Timestamp,
        DataType::Dictionary(_, values) => return value_type(values),
        _ => return None,
    })
}

/// `array` in the layout of `arrow_type(value_type)`; `None` if its type is another one. Nanoseconds are cut to
/// microseconds (towards the past), the resolution of every comparison here.
pub fn canonical(array: &ArrayRef, value_type: ValueType) -> Option<ArrayRef> {
    let to = arrow_type(value_type);
    if *array.data_type() == to {
        return Some(Arc::clone(array));
    }
    if self::value_type(array.data_type()) != Some(value_type) {
        return None;
    }
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    match array.data_type() {
        DataType::Timestamp(..) => {
            // A time past the range of microseconds makes the whole column another type.
            let times = micros(array).filter(|times| times.null_count() == array.null_count());
            times.map(|times| Arc::new(times) as ArrayRef)
        }
        DataType::Dictionary(_, values) => {
            let values = cast_with_options(array, values, &options).ok()?;
            canonical(&values, value_type)
        }
        _ => cast_with_options(array, &to, &options).ok(),
    }
}

/// One row that holds `value`, in the Arrow type of `value_type`; NULL where the value is NULL or of another type.
pub fn one_row(value: &Value, value_type: ValueType) -> ArrayRef {
    if value.value_type() != Some(value_type) {
        return new_null_array(&arrow_type(value_type), 1);
    }
    match value {
        Value::Null => new_null_array(&arrow_type(value_type), 1),
        Value::Bool(value) => Arc::new(BooleanArray::from(vec![*value])),
        Value::Int32(value) => Arc::new(Int32Array::from(vec![*value])),
        Value::Int64(value) => Arc::new(Int64Array::from(vec![*value])),
        Value::Float32(value) => Arc::new(Float32Array::from(vec![*value])),
        Value::Float64(value) => Arc::new(Float64Array::from(vec![*value])),
        Value::String(value) => Arc::new(StringArray::from_iter_values([value])),
        Value::Bytes(value) => Arc::new(BinaryArray::from_iter_values([value])),
        Value::Timestamp(value) => Arc::new(TimestampMicrosecondArray::from(vec![*value]).with_timezone("UTC")),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, StringViewArray, TimestampMillisecondArray, TimestampNanosecondArray};
    use arrow::datatypes::TimestampMicrosecondType;

    use super::*;

    #[test]
    fn layouts_of_one_type_become_the_same_array() {
        let view: ArrayRef = Arc::new(StringViewArray::from(vec![Some("JFK"), None]));
        let text = canonical(&view, ValueType::String).unwrap();
        assert_eq!(
            text.as_string::<i32>().iter().collect::<Vec<_>>(),
            vec![Some("JFK"), None]
        );
        assert!(canonical(&view, ValueType::Bytes).is_none());
    }

    #[test]
    fn naive_times_are_utc_and_nanoseconds_before_1970_are_cut_towards_the_past() {
        let naive: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![-1, 0]));
        let micros = canonical(&naive, ValueType::Timestamp).unwrap();
        assert_eq!(micros.data_type(), &arrow_type(ValueType::Timestamp));
        assert_eq!(
            micros.as_primitive::<TimestampMicrosecondType>().values().as_ref(),
            &[-1_000, 0]
        );
        let nanos: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![-1, 1_999]));
        let micros = canonical(&nanos, ValueType::Timestamp).unwrap();
        assert_eq!(
            micros.as_primitive::<TimestampMicrosecondType>().values().as_ref(),
            &[-1, 1]
        );
    }
}

//! Bringing a column to the type that is wanted: exact, or not at all.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, TimestampMicrosecondArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::TimestampMicrosecondType;
use arrow::datatypes::{
    DataType, Float64Type, Int64Type, TimeUnit, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow::error::ArrowError;
use triplane_feature_store::value;

use crate::offline::timestamp;

/// Which differences of type are bridged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Towards a declared type: other encodings of the same type, and integers to Float64.
    Declared,
    /// Towards the type that most files of a source have: any number that fits exactly, too.
    Source,
}

/// A column of the wanted type; where `wrong` is true the value does not fit and is NULL.
pub(crate) struct Conformed {
    pub(crate) array: ArrayRef,
    pub(crate) wrong: Option<BooleanArray>,
}

/// One type for all encodings of the same values.
pub(crate) fn plain_type(found: &DataType) -> DataType {
    match found {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            DataType::Binary
        }
        DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::Timestamp(..) => timestamp(),
        other => other.clone(),
    }
}

/// Whether a column of type `found` can become `wanted`, value by value.
pub(crate) fn may_conform(found: &DataType, wanted: &DataType, rule: Rule) -> bool {
    let plain = plain_type(found);
    let integer = plain.is_integer();
    plain == *wanted
        || (integer && *wanted == DataType::Float64)
        || (rule == Rule::Source && integer && wanted.is_integer())
        || (rule == Rule::Source && plain == DataType::Float32 && *wanted == DataType::Float64)
}

/// Converts a column for which `may_conform` holds.
pub(crate) fn conform(array: &ArrayRef, wanted: &DataType) -> Result<Conformed, ArrowError> {
    let found = array.data_type();
    if found == wanted {
        return Ok(Conformed {
            array: Arc::clone(array),
            wrong: None,
        });
    }
    let converted: ArrayRef = match (found, wanted) {
        (DataType::Timestamp(..), DataType::Timestamp(..)) => match micros(array) {
            Some(times) => Arc::new(times),
            None => Arc::clone(array),
        },
        (found, DataType::Float64) if plain_type(found).is_integer() => exact_floats(array)?,
        _ => cast_with_options(
            array,
            wanted,
            &CastOptions {
                safe: true,
                ..CastOptions::default()
            },
        )?,
    };
    let wrong = (converted.null_count() > array.logical_null_count()).then(|| {
        let nulls = array.logical_nulls();
        (0..array.len())
            .map(|i| Some(converted.is_null(i) && nulls.as_ref().is_none_or(|n| n.is_valid(i))))
            .collect()
    });
    Ok(Conformed {
        array: converted,
        wrong,
    })
}

fn exact_floats(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let safe = CastOptions {
        safe: true,
        ..CastOptions::default()
    };
    // UInt64 above i64::MAX is NULL here, so it is reported as not exact: it is beyond 2^53 anyway.
    let whole = cast_with_options(array, &DataType::Int64, &safe)?;
    let exact = whole
        .as_primitive::<Int64Type>()
        .unary_opt::<_, Float64Type>(value::exact_f64);
    Ok(Arc::new(exact))
}

/// A timestamp column of any unit and zone as microseconds UTC; a naive one is taken as UTC; nanoseconds are rounded down.
/// Times beyond the range of microseconds become NULL. `None` for another type.
pub(crate) fn micros(array: &ArrayRef) -> Option<TimestampMicrosecondArray> {
    let DataType::Timestamp(unit, _) = array.data_type() else {
        return None;
    };
    let times: TimestampMicrosecondArray = match unit {
        TimeUnit::Second => array
            .as_primitive::<TimestampSecondType>()
            .unary_opt::<_, TimestampMicrosecondType>(|t| t.checked_mul(1_000_000)),
        TimeUnit::Millisecond => array
            .as_primitive::<TimestampMillisecondType>()
            .unary_opt::<_, TimestampMicrosecondType>(|t| t.checked_mul(1_000)),
        TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().clone(),
        TimeUnit::Nanosecond => array
            .as_primitive::<TimestampNanosecondType>()
            .unary::<_, TimestampMicrosecondType>(|t| t.div_euclid(1_000)),
    };
    Some(times.with_timezone("UTC"))
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        DictionaryArray, Int64Array, StringArray, TimestampMillisecondArray, TimestampNanosecondArray,
        TimestampSecondArray, UInt64Array,
    };
    use arrow::datatypes::Int8Type;

    use super::*;

    #[test]
    fn integers_become_floats_only_where_that_is_exact() {
        let ints: ArrayRef = Arc::new(Int64Array::from(vec![
            Some(1 << 53),
            Some((1 << 53) + 1),
            None,
            Some(i64::MAX),
            Some(i64::MIN),
        ]));
        assert!(may_conform(ints.data_type(), &DataType::Float64, Rule::Declared));
        let done = conform(&ints, &DataType::Float64).unwrap();
        let wrong = done.wrong.unwrap();
        assert_eq!(
            wrong.iter().map(Option::unwrap).collect::<Vec<_>>(),
            [false, true, false, true, false]
        );
        assert_eq!(done.array.as_primitive::<Float64Type>().value(0), 9007199254740992.0);
        assert_eq!(done.array.as_primitive::<Float64Type>().value(4), i64::MIN as f64);
    }

    #[test]
    fn times_of_every_unit_become_microseconds_rounded_down() {
        let arrays: [(ArrayRef, i64); 3] = [
            (
                Arc::new(TimestampSecondArray::from(vec![-1]).with_timezone("+02:00")),
                -1_000_000,
            ),
            (Arc::new(TimestampMillisecondArray::from(vec![-1])), -1_000),
            (
                Arc::new(TimestampNanosecondArray::from(vec![-1]).with_timezone("UTC")),
                -1,
            ),
        ];
        for (array, expected) in arrays {
            let done = conform(&array, &timestamp()).unwrap();
            assert_eq!(done.array.as_primitive::<TimestampMicrosecondType>().value(0), expected);
            assert!(done.wrong.is_none());
        }
        let far: ArrayRef = Arc::new(TimestampSecondArray::from(vec![i64::MAX]));
        assert!(conform(&far, &timestamp()).unwrap().wrong.is_some());
    }

    #[test]
    fn text_is_no_number_and_encodings_of_text_are_text() {
        assert!(!may_conform(&DataType::Utf8, &DataType::Float64, Rule::Source));
        assert!(!may_conform(&DataType::Int32, &DataType::Int64, Rule::Declared));
        assert!(may_conform(&DataType::Int32, &DataType::Int64, Rule::Source));
        let words: DictionaryArray<Int8Type> = vec![Some("a"), None, Some("a")].into_iter().collect();
        let words: ArrayRef = Arc::new(words);
        let done = conform(&words, &DataType::Utf8).unwrap();
        assert_eq!(
            done.array.as_string::<i32>(),
            &StringArray::from(vec![Some("a"), None, Some("a")])
        );
        assert!(done.wrong.is_none());
    }

    #[test]
    fn unsigned_values_beyond_int64_do_not_fit() {
        let big: ArrayRef = Arc::new(UInt64Array::from(vec![1, u64::MAX]));
        let wrong = conform(&big, &DataType::Int64).unwrap().wrong.unwrap();
        assert!(!wrong.value(0) && wrong.value(1));
    }
}

//! Columns of the table.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use deltalake_core::kernel::{DataType as DeltaType, PrimitiveType, StructField};
use triplane_contract::{ValueType, View};

/// When a row was true: timestamp(us, UTC).
pub const EVENT_TIME: &str = "event_time";
/// When it was learned: timestamp(us, UTC).
pub const CREATED_TIME: &str = "created_time";
/// `run << 40 | ordinal`: int64.
pub const SEQUENCE: &str = "sequence";
/// The row retracts its (key, event time): bool.
pub const IS_DELETED: &str = "is_deleted";
/// Partition column, the UTC date of `event_time`: in the log and the folder name, not in the files.
pub const EVENT_DATE: &str = "event_date";

/// The Arrow type a declared type has in files and batches.
pub fn arrow_type(value_type: ValueType) -> DataType {
    match value_type {
        ValueType::Bool => DataType::Boolean,
        ValueType::Int32 => DataType::Int32,
        ValueType::Int64 => DataType::Int64,
        ValueType::Float32 => DataType::Float32,
        ValueType::Float64 => DataType::Float64,
        ValueType::String => DataType::Utf8,
        ValueType::Bytes => DataType::Binary,
        ValueType::Timestamp => timestamp(),
    }
}

/// timestamp(us, UTC).
pub(crate) fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Columns of a data file, in order: keys, features, `event_time`, `created_time`, `sequence`, `is_deleted`.
pub fn row_schema(view: &View) -> SchemaRef {
    let own = [
        Field::new(EVENT_TIME, timestamp(), true),
        Field::new(CREATED_TIME, timestamp(), true),
        Field::new(SEQUENCE, DataType::Int64, true),
        Field::new(IS_DELETED, DataType::Boolean, true),
    ];
    Arc::new(Schema::new(declared_fields(view).chain(own).collect::<Vec<_>>()))
}

/// The keys, then the features, as they are in files and batches.
pub(crate) fn declared_fields(view: &View) -> impl Iterator<Item = Field> {
    let keys = view.keys.iter().map(|key| (&key.name, key.value_type));
    let features = view.features.iter().map(|f| (&f.name, f.value_type));
    keys.chain(features)
        .map(|(name, value_type)| Field::new(name, arrow_type(value_type), true))
}

/// The same as Delta fields, with the partition column last.
pub(crate) fn delta_fields(view: &View) -> Vec<StructField> {
    let keys = view
        .keys
        .iter()
        .map(|key| (key.name.as_str(), delta_type(key.value_type)));
    let features = view
        .features
        .iter()
        .map(|f| (f.name.as_str(), delta_type(f.value_type)));
    let own = [
        (EVENT_TIME, PrimitiveType::Timestamp),
        (CREATED_TIME, PrimitiveType::Timestamp),
        (SEQUENCE, PrimitiveType::Long),
        (IS_DELETED, PrimitiveType::Boolean),
        (EVENT_DATE, PrimitiveType::Date),
    ];
    keys.chain(features)
        .chain(own)
        .map(|(name, primitive)| StructField::nullable(name, DeltaType::Primitive(primitive)))
        .collect()
}

fn delta_type(value_type: ValueType) -> PrimitiveType {
    match value_type {
        ValueType::Bool => PrimitiveType::Boolean,
        ValueType::Int32 => PrimitiveType::Integer,
        ValueType::Int64 => PrimitiveType::Long,
        ValueType::Float32 => PrimitiveType::Float,
        ValueType::Float64 => PrimitiveType::Double,
        ValueType::String => PrimitiveType::String,
        ValueType::Bytes => PrimitiveType::Binary,
        ValueType::Timestamp => PrimitiveType::Timestamp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_beside_keys_and_features_are_the_reserved_ones() {
        let view = View {
            namespace: "n".into(),
            store: "s".into(),
            name: "v".into(),
            generation: 1,
            id: "i".into(),
            keys: Vec::new(),
            features: Vec::new(),
            schemas: Vec::new(),
            ttl_us: None,
            availability_delay_us: 0,
        };
        let own: Vec<String> = delta_fields(&view).iter().map(|field| field.name().clone()).collect();
        assert_eq!(own, triplane_contract::view::RESERVED_COLUMNS);
    }
}

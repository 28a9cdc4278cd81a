//! What the fuzz target and the tests run over arbitrary bytes.

use triplane_contract::{Column, FeatureColumn, OnMissing, Schema, ValueType, View};

use super::RowDecoder;

/// Opens `bytes` as a row of `view` and reads every feature in both forms. Both forms have to agree; nothing may panic.
/// Returns whether the row was opened.
///
/// # Panics
/// Where the two forms differ: that is what it looks for.
pub fn read_everything(view: &View, bytes: &[u8]) -> bool {
    let names: Vec<&str> = view.features.iter().map(|feature| feature.name.as_str()).collect();
    let Ok(decoder) = RowDecoder::new(view, &names) else {
        return false;
    };
    let Ok(row) = decoder.open(bytes) else { return false };
    for index in 0..=names.len() {
        let number = row.f64(index).map(f64::to_bits);
        if let Ok(value) = row.value(index) {
            assert_eq!(
                number,
                value.as_f64().map(f64::to_bits),
                "feature {index} reads differently in its two forms"
            );
        }
    }
    true
}

/// A view with one feature `f<i>` per type, schema id 1.
pub fn view_of(types: &[ValueType]) -> View {
    let columns: Vec<Column> = types
        .iter()
        .enumerate()
        .map(|(i, t)| Column {
            name: format!("f{i}"),
            value_type: *t,
        })
        .collect();
    let feature = |column: &Column| FeatureColumn {
        name: column.name.clone(),
        value_type: column.value_type,
        on_missing: OnMissing::LeaveNull,
        default: None,
        last_known_for_us: None,
    };
    View {
        namespace: "namespace".to_owned(),
        store: "store".to_owned(),
        name: "view".to_owned(),
        generation: 1,
        id: "AAAAAAAA".to_owned(),
        keys: Vec::new(),
        features: columns.iter().map(feature).collect(),
        schemas: vec![Schema { id: 1, columns }],
        ttl_us: None,
        availability_delay_us: 0,
    }
}

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use triplane_contract::{Column, FeatureColumn, OnMissing, Schema, ValueType, View};

use super::exercise::read_everything;
use super::header::RANK_BYTES;
use super::*;
use crate::Value;
use crate::order::Order;

fn view(schemas: &[&[(&str, ValueType)]]) -> View {
    let columns = |columns: &[(&str, ValueType)]| -> Vec<Column> {
        columns
            .iter()
            .map(|(name, value_type)| Column {
                name: (*name).into(),
                value_type: *value_type,
            })
            .collect()
    };
    let features = schemas.last().unwrap().iter().map(|(name, value_type)| FeatureColumn {
        name: (*name).into(),
        value_type: *value_type,
        on_missing: OnMissing::LeaveNull,
        default: None,
        last_known_for_us: None,
    });
    View {
        namespace: "n".into(),
        store: "s".into(),
        name: "v".into(),
        generation: 1,
        id: "AAAAAAAA".into(),
        keys: Vec::new(),
        features: features.collect(),
        schemas: schemas
            .iter()
            .zip(1..)
            .map(|(c, id)| Schema {
                id,
                columns: columns(c),
            })
            .collect(),
        ttl_us: None,
        availability_delay_us: 0,
    }
}

fn order(event_time_us: i64, created_time_us: i64, sequence: i64) -> Order {
    Order {
        event_time_us,
        created_time_us,
        sequence,
    }
}

fn encode(view: &View, rank: Rank, content: Order, values: &[Value]) -> Bytes {
    let mut out = BytesMut::new();
    RowEncoder::new(view)
        .unwrap()
        .encode(rank, content, values.iter().map(Value::borrowed), &mut out)
        .unwrap();
    out.freeze()
}

fn encode_live(view: &View, values: &[Value]) -> Bytes {
    encode(view, Rank::live(order(1, 2, 3)), order(1, 2, 3), values)
}

fn names(view: &View) -> Vec<String> {
    view.features.iter().map(|f| f.name.clone()).collect()
}

fn decoded(view: &View, row: &[u8]) -> Vec<Value> {
    let decoder = RowDecoder::new(view, &names(view)).unwrap();
    let row = decoder.open(row).unwrap();
    (0..view.features.len()).map(|i| row.value(i).unwrap()).collect()
}

const ALL: [(&str, ValueType); 8] = [
    ("b", ValueType::Bool),
    ("i", ValueType::Int32),
    ("s", ValueType::String),
    ("l", ValueType::Int64),
    ("f", ValueType::Float32),
    ("x", ValueType::Bytes),
    ("d", ValueType::Float64),
    ("t", ValueType::Timestamp),
];

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[test]
fn a_live_row_has_the_documented_bytes() {
    let view = view(&[&[
        ("temp", ValueType::Float64),
        ("n", ValueType::Int32),
        ("s", ValueType::String),
    ]]);
    let order = order(1_700_000_000_000_000, -1, Order::sequence(2, 5));
    let row = encode(
        &view,
        Rank::live(order),
        order,
        &[Value::Float64(0.5), Value::Null, Value::String("hi".into())],
    );
    let header = concat!(
        "01",
        "00",
        "01000000",
        "80060a24181e4000",
        "7fffffffffffffff",
        "8000020000000005"
    );
    assert_eq!(
        hex(&row),
        format!(
            "{header}{}",
            concat!("02", "000000000000e03f", "00000000", "02000000", "6869")
        )
    );
}

#[test]
fn a_row_that_stands_in_for_a_retraction_has_the_documented_bytes() {
    let view = view(&[&[("b", ValueType::Bool)]]);
    let rank = Rank {
        top: order(2, 0, 0),
        known_run: 3,
    };
    let row = encode(&view, rank, order(1, 0, 0), &[Value::Bool(true)]);
    let top = "8000000000000002".to_owned() + &"8000000000000000".repeat(2);
    let content = "8000000000000001".to_owned() + &"8000000000000000".repeat(2);
    assert_eq!(hex(&row), format!("010101000000{top}0000000000000003{content}0001"));
    let mut out = BytesMut::new();
    RowEncoder::new(&view).unwrap().tombstone(rank, &mut out);
    assert_eq!(hex(&out), format!("010301000000{top}0000000000000003"));
    assert_eq!(out.len(), RANK_BYTES);
}

#[test]
fn fifty_doubles_take_437_bytes_and_fifty_floats_237() {
    let names: Vec<String> = (0..50).map(|i| format!("f{i}")).collect();
    for (value_type, value, len) in [
        (ValueType::Float64, Value::Float64(1.0), 437),
        (ValueType::Float32, Value::Float32(1.0), 237),
    ] {
        let columns: Vec<(&str, ValueType)> = names.iter().map(|name| (name.as_str(), value_type)).collect();
        assert_eq!(encode_live(&view(&[&columns]), &vec![value; 50]).len(), len);
    }
}

#[test]
fn a_megabyte_of_bytes_and_empty_text_come_back() {
    let view = view(&[&ALL]);
    let big = Value::Bytes(vec![7; 1 << 20].into());
    let mut values = vec![Value::Null; 8];
    values[2] = Value::String(String::new());
    values[5] = big;
    assert_eq!(decoded(&view, &encode_live(&view, &values)), values);
}

#[test]
fn rows_of_older_schemas_decode_with_their_own_columns_only() {
    let old: &[(&str, ValueType)] = &[("dropped", ValueType::Int64), ("kept", ValueType::Int64)];
    let new: &[(&str, ValueType)] = &[("kept", ValueType::Int64), ("added", ValueType::Int64)];
    let row = encode_live(&view(&[old]), &[Value::Int64(1), Value::Int64(2)]);
    assert_eq!(decoded(&view(&[old, new]), &row), [Value::Int64(2), Value::Null]);
    let mut later = view(&[old, new]);
    later.schemas.remove(0);
    let decoder = RowDecoder::new(&later, &["kept"]).unwrap();
    assert_eq!(
        decoder.open(&row).unwrap_err(),
        RowError::UnknownSchema { schema_id: 1 }
    );
}

#[test]
fn a_tombstone_has_no_values_and_no_event_time() {
    let view = view(&[&ALL]);
    let mut out = BytesMut::new();
    RowEncoder::new(&view).unwrap().tombstone(
        Rank {
            top: order(1, 2, 3),
            known_run: 0,
        },
        &mut out,
    );
    let decoder = RowDecoder::new(&view, &names(&view)).unwrap();
    let row = decoder.open(&out).unwrap();
    assert_eq!(
        (row.event_time_us(), row.header().content, row.header().rank.known_run),
        (None, None, 1)
    );
    assert!((0..8).all(|i| row.value(i).unwrap().is_null() && row.f64(i).is_none()));
}

#[test]
fn values_that_do_not_fit_the_schema_are_refused_and_leave_the_buffer_as_it_was() {
    let view = view(&[&[("i", ValueType::Int32), ("d", ValueType::Float64)]]);
    let encoder = RowEncoder::new(&view).unwrap();
    let mut out = BytesMut::from(&b"before"[..]);
    let mut put = |values: &[Value]| {
        let at = order(0, 0, 0);
        let error = encoder
            .encode(Rank::live(at), at, values.iter().map(Value::borrowed), &mut out)
            .unwrap_err();
        assert_eq!(&out[..], b"before");
        error
    };
    let wrong = RowError::ColumnType {
        index: 1,
        expected: ValueType::Float64,
        found: ValueType::Int32,
    };
    assert_eq!(put(&[Value::Int32(1), Value::Int32(1)]), wrong);
    assert_eq!(put(&[Value::Int32(1)]), RowError::ColumnCount { expected: 2, found: 1 });
    assert_eq!(
        put(&[Value::Null, Value::Null, Value::Null]),
        RowError::ColumnCount { expected: 2, found: 3 }
    );
}

#[test]
fn decoders_refuse_unknown_features_and_views_that_contradict_themselves() {
    let good = view(&[&[("a", ValueType::Int32)]]);
    assert!(
        RowDecoder::new(&good, &["b"])
            .unwrap_err()
            .to_string()
            .contains("has no feature \"b\"")
    );
    let retyped = view(&[&[("a", ValueType::Int32)], &[("a", ValueType::Int64)]]);
    assert!(
        RowDecoder::new(&retyped, &["a"])
            .unwrap_err()
            .to_string()
            .contains("a is Int32 in schema 1, not Int64")
    );
    let mut twice = good.clone();
    twice.schemas.push(twice.schemas[0].clone());
    assert!(
        RowDecoder::new(&twice, &["a"])
            .unwrap_err()
            .to_string()
            .contains("listed twice")
    );
    let mut many = good;
    many.schemas = (0..17)
        .map(|id| Schema {
            id,
            columns: Vec::new(),
        })
        .collect();
    assert!(RowDecoder::new(&many, &["a"]).is_err());
}

fn any_rank() -> impl Strategy<Value = Rank> {
    let part = || prop_oneof![any::<i64>(), -2_i64..3, Just(i64::MIN), Just(i64::MAX)];
    let run = prop_oneof![Just(0), 0..3_u64, any::<u64>()];
    (part(), part(), part(), run).prop_map(|(a, b, c, known_run)| Rank {
        top: order(a, b, c),
        known_run,
    })
}

fn any_value(value_type: ValueType) -> BoxedStrategy<Value> {
    let some = match value_type {
        ValueType::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        ValueType::Int32 => any::<i32>().prop_map(Value::Int32).boxed(),
        ValueType::Int64 => prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX)]
            .prop_map(Value::Int64)
            .boxed(),
        // Any bits: NaN payloads, infinities, -0.0, subnormals.
        ValueType::Float32 => any::<u32>().prop_map(|b| Value::Float32(f32::from_bits(b))).boxed(),
        ValueType::Float64 => any::<u64>().prop_map(|b| Value::Float64(f64::from_bits(b))).boxed(),
        ValueType::String => any::<String>().prop_map(Value::String).boxed(),
        ValueType::Bytes => any::<Vec<u8>>().prop_map(|b| Value::Bytes(b.into())).boxed(),
        ValueType::Timestamp => any::<i64>().prop_map(Value::Timestamp).boxed(),
    };
    prop_oneof![1 => Just(Value::Null), 4 => some].boxed()
}

fn any_row() -> impl Strategy<Value = (View, Vec<Value>)> {
    proptest::collection::vec(0..8_usize, 0..20).prop_flat_map(|types| {
        let names: Vec<String> = (0..types.len()).map(|i| format!("f{i}")).collect();
        let columns: Vec<(&str, ValueType)> = names
            .iter()
            .zip(&types)
            .map(|(n, t)| (n.as_str(), ValueType::ALL[*t]))
            .collect();
        let view = view(&[&columns]);
        let values: Vec<_> = types.iter().map(|t| any_value(ValueType::ALL[*t])).collect();
        (Just(view), values)
    })
}

proptest! {
    #[test]
    fn rows_come_back_bit_for_bit((view, values) in any_row(), rank in any_rank(), older in any_rank()) {
        let content = if rank.known_run == 0 { rank.top } else { older.top };
        let row = encode(&view, rank, content, &values);
        prop_assert_eq!(decoded(&view, &row), values.clone());
        let (header, _) = Header::decode(&row).unwrap();
        prop_assert_eq!(header, Header { schema_id: 1, content: Some(content), rank });
        let decoder = RowDecoder::new(&view, &names(&view)).unwrap();
        let view = decoder.open(&row).unwrap();
        for (i, value) in values.iter().enumerate() {
            prop_assert_eq!(view.f64(i).map(f64::to_bits), value.as_f64().map(f64::to_bits));
        }
    }

    #[test]
    fn encoded_ranks_compare_as_ranks_do(old in any_rank(), new in any_rank()) {
        let view = view(&[&[("b", ValueType::Bool)]]);
        let row = |rank: Rank| encode(&view, rank, rank.top, &[Value::Null]);
        let expected = match new.cmp(&old) {
            std::cmp::Ordering::Greater => Superseded::Yes,
            std::cmp::Ordering::Less if old.known_run > 0 && new.known_run == 0 => Superseded::NoRetracted,
            _ => Superseded::No,
        };
        prop_assert_eq!(compare(&row(old), &row(new)), expected);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(
        (view, values) in any_row(), cut in any::<prop::sample::Index>(), flips in proptest::collection::vec(any::<(prop::sample::Index, u8)>(), 0..4),
        noise in proptest::collection::vec(any::<u8>(), 0..64), rank in any_rank(),
    ) {
        let mut row = encode(&view, rank, rank.top, &values).to_vec();
        read_everything(&view, &noise);
        read_everything(&view, &row[..cut.index(row.len())]);
        for (at, byte) in flips {
            let at = at.index(row.len());
            row[at] ^= byte;
        }
        read_everything(&view, &row);
        row.extend(noise);
        read_everything(&view, &row);
    }
}

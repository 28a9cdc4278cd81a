use proptest::prelude::*;

use super::*;

fn view(id: &str, keys: &[(&str, ValueType)]) -> View {
    View {
        namespace: "n".into(),
        store: "s".into(),
        name: "v".into(),
        generation: 1,
        id: id.into(),
        keys: keys
            .iter()
            .map(|(name, value_type)| Column {
                name: (*name).into(),
                value_type: *value_type,
            })
            .collect(),
        features: Vec::new(),
        schemas: Vec::new(),
        ttl_us: None,
        availability_delay_us: 0,
    }
}

fn text(value: &str) -> Value {
    Value::String(value.into())
}

fn entity(values: &[Value]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    encode_entity(values.iter().map(Value::borrowed), &mut out).map(|()| out)
}

#[test]
fn keys_have_the_documented_bytes() {
    let key = |keys: &[(&str, ValueType)], values: &[Value]| {
        let key = KeyEncoder::new("p:", &view("view_id1", keys))
            .unwrap()
            .key(values)
            .unwrap();
        String::from_utf8(key.as_bytes().to_vec()).unwrap()
    };
    assert_eq!(
        key(&[("carrier", ValueType::String)], &[text("AA")]),
        "p:{AQYCQUE}view_id1"
    );
    assert_eq!(
        key(&[("id", ValueType::Int64)], &[Value::Int64(1001)]),
        "p:{AQPpAwAAAAAAAA}view_id1"
    );
    assert_eq!(key(&[], &[]), "p:{AQ}view_id1");
    let long = entity(&[text(&"x".repeat(300))]).unwrap();
    assert_eq!(&long[..4], &[1, 6, 0xac, 0x02]);
}

#[test]
fn views_that_list_the_same_keys_in_another_order_share_the_hash_tag() {
    let (a, b) = (("a", ValueType::Int32), ("b", ValueType::String));
    let one = KeyEncoder::new("", &view("11111111", &[a, b])).unwrap();
    let other = KeyEncoder::new("", &view("22222222", &[b, a])).unwrap();
    let one = one.key(&[Value::Int32(1), text("x")]).unwrap();
    let other = other.key(&[text("x"), Value::Int32(1)]).unwrap();
    assert_eq!(one.hash_tag(), other.hash_tag());
    assert_eq!(one.slot(), other.slot());
    assert_eq!((one.view_id(), other.view_id()), (&b"11111111"[..], &b"22222222"[..]));
}

#[test]
fn null_wrong_types_and_wrong_counts_are_refused_by_name() {
    let keys = KeyEncoder::new("", &view("11111111", &[("id", ValueType::Int64)])).unwrap();
    assert_eq!(
        keys.key(&[Value::Null]).unwrap_err().to_string(),
        "key \"id\" is NULL: give it a value"
    );
    assert_eq!(
        keys.key(&[Value::Int32(1)]).unwrap_err().to_string(),
        "key \"id\" is Int32, the view declares Int64"
    );
    assert_eq!(keys.key(&[]).unwrap_err(), KeyError::KeyCount { expected: 1, found: 0 });
    assert!(
        KeyEncoder::new("{x}", &view("11111111", &[]))
            .unwrap_err()
            .to_string()
            .contains("braces")
    );
    let mut out = vec![9];
    assert_eq!(encode_entity([ValueRef::Bool(true), ValueRef::Null], &mut out), None);
    assert_eq!(out, [9]);
}

#[test]
fn slots_are_those_of_redis() {
    // The example of the Redis Cluster specification, and its rule for what counts as a hash tag.
    assert_eq!(RowKey(b"123456789".to_vec()).slot(), 0x31c3 % SLOTS);
    assert_eq!(RowKey(b"foo{bar}{zap}".to_vec()).hash_tag(), b"bar");
    assert_eq!(RowKey(b"foo{}{bar}".to_vec()).hash_tag(), b"foo{}{bar}");
    assert_eq!(RowKey(b"foo{{bar}}zap".to_vec()).hash_tag(), b"{bar");
}

#[test]
fn the_mark_of_a_piece_lies_in_the_first_slot_of_the_piece() {
    for first in [0, 1, 1_024, 5_461, 10_923, 16_383] {
        let key = RowKey::mark("flights:", "AAAAAAAA", Piece { first, last: 16_383 });
        assert_eq!(key.slot(), first, "{key:?}");
        assert!(key.is_mark() && key.is_of("AAAAAAAA") && !key.is_of("BAAAAAAA"));
        assert_ne!(key.view_id(), b"AAAAAAAA");
    }
    assert_eq!(
        RowKey::mark("", "A", Piece { first: 0, last: 0 }).as_bytes(),
        b"{m3433}mark:A"
    );
}

fn any_key_value() -> impl Strategy<Value = Value> {
    let bytes = proptest::collection::vec(0..3_u8, 0..4);
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        (-2..3_i32).prop_map(Value::Int32),
        (-2..3_i64).prop_map(Value::Int64),
        (-2..3_i64).prop_map(Value::Timestamp),
        (0..3_u32).prop_map(|b| Value::Float32(f32::from_bits(b))),
        (0..3_u64).prop_map(|b| Value::Float64(f64::from_bits(b))),
        bytes.clone().prop_map(|b| Value::Bytes(b.into())),
        bytes.prop_map(|b| Value::String(String::from_utf8(b).unwrap())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn different_entities_have_different_encodings(
        a in proptest::collection::vec(any_key_value(), 0..4), b in proptest::collection::vec(any_key_value(), 0..4),
    ) {
        prop_assert_eq!(a == b, entity(&a) == entity(&b));
        let prefix = entity(&a).unwrap();
        prop_assert!(a.len() != b.len() || a == b || !entity(&b).unwrap().starts_with(&prefix));
    }

    #[test]
    fn a_key_ends_with_its_view_and_holds_one_hash_tag(values in proptest::collection::vec(any_key_value(), 0..4)) {
        let key = RowKey::new("store:", &entity(&values).unwrap(), "AAAAAAAA");
        prop_assert_eq!(key.view_id(), b"AAAAAAAA");
        prop_assert_eq!(URL_SAFE_NO_PAD.decode(key.hash_tag()).unwrap(), entity(&values).unwrap());
    }
}

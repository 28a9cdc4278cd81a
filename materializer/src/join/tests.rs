//! The join against a naive one that compares every observation with every fact.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, RecordBatchOptions,
    StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, Float64Type, Int8Type, Int64Type, Schema};
use proptest::prelude::*;
use triplane_contract::{Column, FeatureColumn, OnMissing, ValueType, View};
use triplane_feature_store::Value;
use triplane_feature_store::semantics::{EXPIRY_GRACE_US, FeatureRule, RowAge, Status, ViewRule};

use super::{Scratch, Shares, ViewJoin};

const HOUR: i64 = 3_600_000_000;
const ROOMY: Shares = Shares {
    asks: usize::MAX,
    facts: usize::MAX,
    matches: usize::MAX,
    answers: usize::MAX,
};
const TINY: Shares = Shares {
    asks: 1,
    facts: 1,
    matches: 1,
    answers: 1,
};
/// Facts stay in memory, answers do not.
const MIXED: Shares = Shares { matches: 1, ..ROOMY };

type Key = (Option<String>, Option<i32>);

#[derive(Clone, Debug)]
struct FactRow {
    key: Key,
    event: i64,
    created: i64,
    sequence: i64,
    deleted: bool,
    number: Option<f64>,
    count: Option<i64>,
    text: Option<String>,
    flag: Option<bool>,
}

#[derive(Clone, Debug)]
struct AskRow {
    key: Key,
    at: Option<i64>,
}

fn feature(name: &str, value_type: ValueType, on_missing: OnMissing) -> FeatureColumn {
    let default = (on_missing == OnMissing::Default).then(|| "-7".to_owned());
    let last_known_for_us = (on_missing == OnMissing::LastKnown).then_some(6 * HOUR);
    FeatureColumn {
        name: name.into(),
        value_type,
        on_missing,
        default,
        last_known_for_us,
    }
}

fn view(keys: &[(&str, ValueType)], ttl_us: Option<i64>, availability_delay_us: i64) -> View {
    let column = |(name, value_type): &(&str, ValueType)| Column {
        name: (*name).into(),
        value_type: *value_type,
    };
    View {
        namespace: "n".into(),
        store: "s".into(),
        name: "v".into(),
        generation: 1,
        id: "AAAAAAAA".into(),
        keys: keys.iter().map(column).collect(),
        features: vec![
            feature("number", ValueType::Float64, OnMissing::LeaveNull),
            feature("count", ValueType::Int64, OnMissing::Default),
            feature("text", ValueType::String, OnMissing::LastKnown),
            feature("flag", ValueType::Bool, OnMissing::Fail),
        ],
        schemas: Vec::new(),
        ttl_us,
        availability_delay_us,
    }
}

fn batch(columns: Vec<(&str, ArrayRef)>, rows: usize) -> RecordBatch {
    let fields: Vec<_> = columns
        .iter()
        .map(|(name, c)| Field::new(*name, c.data_type().clone(), true))
        .collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options).unwrap()
}

fn keys_of<'a>(view: &View, keys: impl Iterator<Item = &'a Key> + Clone) -> Vec<(&'static str, ArrayRef)> {
    let text: ArrayRef = Arc::new(keys.clone().map(|key| key.0.clone()).collect::<StringArray>());
    let number: ArrayRef = Arc::new(keys.map(|key| key.1).collect::<Int32Array>());
    [("text", text), ("number", number)]
        .into_iter()
        .take(view.keys.len())
        .collect()
}

fn times(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}

fn ask_batch(view: &View, rows: &[AskRow]) -> RecordBatch {
    let mut columns = keys_of(view, rows.iter().map(|row| &row.key));
    columns.push(("at", times(rows.iter().map(|row| row.at))));
    batch(columns, rows.len())
}

fn fact_batch(view: &View, rows: &[FactRow]) -> RecordBatch {
    let mut columns = keys_of(view, rows.iter().map(|row| &row.key));
    columns.extend([
        ("event_time", times(rows.iter().map(|row| Some(row.event)))),
        ("created_time", times(rows.iter().map(|row| Some(row.created)))),
        (
            "sequence",
            Arc::new(rows.iter().map(|row| Some(row.sequence)).collect::<Int64Array>()) as ArrayRef,
        ),
        (
            "is_deleted",
            Arc::new(rows.iter().map(|row| Some(row.deleted)).collect::<BooleanArray>()),
        ),
        (
            "number",
            Arc::new(rows.iter().map(|row| row.number).collect::<Float64Array>()),
        ),
        (
            "count",
            Arc::new(rows.iter().map(|row| row.count).collect::<Int64Array>()),
        ),
        (
            "text",
            Arc::new(rows.iter().map(|row| row.text.clone()).collect::<StringArray>()),
        ),
        (
            "flag",
            Arc::new(rows.iter().map(|row| row.flag).collect::<BooleanArray>()),
        ),
    ]);
    batch(columns, rows.len())
}

/// Answers as values and statuses, by observation and feature.
type Answers = Vec<Vec<(Value, i8)>>;

fn join(view: &View, asks: &[AskRow], facts: &[FactRow], size: usize, shares: Shares) -> (Answers, u64) {
    let dir = tempfile::tempdir().unwrap();
    let scratch = Scratch::create(dir.path()).unwrap();
    let rows = asks.len() as u64;
    let join = ViewJoin {
        view,
        features: &view.features,
        rows,
        shares,
    };
    let ask_batches = asks.chunks(size).map(|rows| Ok(ask_batch(view, rows)));
    let fact_batches = facts.chunks(size).map(|rows| Ok(fact_batch(view, rows)));
    let mut answers = join.run(ask_batches, fact_batches, &scratch).unwrap();
    let mut out = Vec::new();
    loop {
        let batch = answers.take(size + 1).unwrap();
        if batch.num_rows() == 0 {
            return (out, answers.fresh());
        }
        out.extend((0..batch.num_rows()).map(|row| {
            (0..4)
                .map(|f| {
                    (
                        value(batch.column(2 * f), row),
                        batch.column(2 * f + 1).as_primitive::<Int8Type>().value(row),
                    )
                })
                .collect()
        }));
    }
}

fn value(column: &ArrayRef, row: usize) -> Value {
    use arrow::datatypes::DataType;
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Float64 => Value::Float64(column.as_primitive::<Float64Type>().value(row)),
        DataType::Int64 => Value::Int64(column.as_primitive::<Int64Type>().value(row)),
        DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
        _ => Value::String(column.as_string::<i32>().value(row).to_owned()),
    }
}

fn oracle(view: &View, asks: &[AskRow], facts: &[FactRow]) -> (Answers, u64) {
    let rule = ViewRule::offline(view);
    let keys = view.keys.len();
    let same =
        |a: &Key, b: &Key| (keys < 1 || (a.0.is_some() && a.0 == b.0)) && (keys < 2 || (a.1.is_some() && a.1 == b.1));
    let mut fresh = 0;
    let answers = asks.iter().map(|ask| {
        let known: Vec<&FactRow> = facts
            .iter()
            .filter(|fact| {
                ask.at
                    .is_some_and(|at| same(&fact.key, &ask.key) && rule.is_known(fact.event, at))
            })
            .collect();
        let newest = known
            .iter()
            .filter(|fact| !fact.deleted)
            .filter(|fact| {
                let version = |f: &FactRow| (f.created, f.sequence);
                known
                    .iter()
                    .all(|other| other.event != fact.event || version(other) <= version(fact))
            })
            .max_by_key(|fact| fact.event);
        let gone = |fact: &FactRow| {
            view.reach_us().zip(ask.at).is_some_and(|(reach, at)| {
                i128::from(at) - i128::from(fact.event) >= i128::from(reach + EXPIRY_GRACE_US)
            })
        };
        let newest = newest.filter(|fact| !gone(fact));
        let age = ask
            .at
            .map_or(RowAge::Absent, |at| rule.age(newest.map(|fact| fact.event), at));
        fresh += u64::from(age == RowAge::Fresh);
        let raw = newest.map_or([const { Value::Null }; 4], |fact| {
            [
                fact.number.map_or(Value::Null, Value::Float64),
                fact.count.map_or(Value::Null, Value::Int64),
                fact.text.clone().map_or(Value::Null, Value::String),
                fact.flag.map_or(Value::Null, Value::Bool),
            ]
        });
        let served = view.features.iter().zip(raw).map(|(column, raw)| {
            match FeatureRule::compile(column).unwrap().serve(age, raw) {
                Ok(served) => (served.value, served.status as i8),
                Err(missing) => (Value::Null, missing.status as i8),
            }
        });
        served.collect()
    });
    (answers.collect(), fresh)
}

fn a_key() -> impl Strategy<Value = Key> {
    let text = prop::option::weighted(
        0.9,
        prop::sample::select(vec!["", "a", "a\0", "ab", "a-key-of-many-bytes"]),
    );
    (
        text.prop_map(|text| text.map(str::to_owned)),
        prop::option::weighted(0.9, -1..2_i32),
    )
}

fn a_time() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => (-40..41_i64).prop_map(|hours| hours * HOUR),
        2 => -3..4_i64,
        1 => prop::sample::select(vec![i64::MIN, i64::MAX]),
    ]
}

fn a_fact() -> impl Strategy<Value = FactRow> {
    let order = (a_time(), 0..3_i64, prop::bool::weighted(0.25));
    let number = prop::option::of(prop::sample::select(vec![0.0, -0.0, 1.5, f64::NAN, f64::INFINITY]));
    let count = prop::option::of(prop::sample::select(vec![0, i64::MAX, (1 << 53) + 1]));
    let features = (
        number,
        count,
        prop::option::of("[a-c]{0,12}"),
        prop::option::of(any::<bool>()),
    );
    (a_key(), order, features).prop_map(
        |(key, (event, created, deleted), (number, count, text, flag))| FactRow {
            key,
            event,
            created,
            sequence: 0,
            deleted,
            number,
            count,
            text,
            flag,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn the_join_answers_as_comparing_all_with_all_does_in_memory_and_through_files(
        keys in 0..3_usize,
        ttl in prop::option::of(1..6_i64),
        delay in 0..3_i64,
        mut facts in prop::collection::vec(a_fact(), 0..60),
        asks in prop::collection::vec((a_key(), prop::option::weighted(0.95, a_time())), 0..40),
        size in 1..9_usize,
    ) {
        for (place, fact) in facts.iter_mut().enumerate() {
            // Any order of arrival, each place once.
            fact.sequence = ((place * 37) % 61) as i64;
        }
        let types = [("text", ValueType::String), ("number", ValueType::Int32)];
        let view = view(&types[..keys], ttl.map(|hours| hours * HOUR), delay * HOUR);
        let asks: Vec<_> = asks.into_iter().map(|(key, at)| AskRow { key, at }).collect();
        let expected = oracle(&view, &asks, &facts);
        prop_assert_eq!(&join(&view, &asks, &facts, size, ROOMY), &expected);
        prop_assert_eq!(&join(&view, &asks, &facts, size, MIXED), &expected);
        prop_assert_eq!(&join(&view, &asks, &facts, size, TINY), &expected);
    }
}

fn fact(text: &str, event: i64, created: i64, number: Option<f64>) -> FactRow {
    let key = (Some(text.to_owned()), None);
    FactRow {
        key,
        event,
        created,
        sequence: created,
        deleted: false,
        number,
        count: None,
        text: None,
        flag: None,
    }
}

fn ask(text: Option<&str>, at: Option<i64>) -> AskRow {
    AskRow {
        key: (text.map(str::to_owned), None),
        at,
    }
}

fn numbers(ttl: Option<i64>, delay: i64, asks: &[AskRow], facts: &[FactRow]) -> Vec<(Value, i8)> {
    let view = view(&[("text", ValueType::String)], ttl, delay);
    let memory = join(&view, asks, facts, 3, ROOMY);
    assert_eq!(memory, join(&view, asks, facts, 3, TINY));
    memory.0.into_iter().map(|features| features[0].clone()).collect()
}

fn present(number: f64) -> (Value, i8) {
    (Value::Float64(number), Status::Present as i8)
}

fn missing(status: Status) -> (Value, i8) {
    (Value::Null, status as i8)
}

#[test]
fn a_fact_is_found_from_its_own_moment_to_its_ttl_both_included() {
    let facts = [fact("a", 0, 0, Some(1.0))];
    let asks = [-1, 0, HOUR, HOUR + 1].map(|at| ask(Some("a"), Some(at)));
    let expected = [
        missing(Status::NotFound),
        present(1.0),
        present(1.0),
        missing(Status::OutsideMaxAge),
    ];
    assert_eq!(numbers(Some(HOUR), 0, &asks, &facts), expected);
}

#[test]
fn a_fact_is_found_when_the_availability_delay_has_passed_and_not_before() {
    let facts = [fact("a", -10, 0, Some(1.0)), fact("a", 0, 0, Some(2.0))];
    let asks = [-6, -5, 4, 5].map(|at| ask(Some("a"), Some(at)));
    let expected = [missing(Status::NotFound), present(1.0), present(1.0), present(2.0)];
    assert_eq!(numbers(None, 5, &asks, &facts), expected);
}

#[test]
fn null_keys_and_null_times_find_nothing_and_keep_their_place() {
    let mut facts = vec![fact("a", 0, 0, Some(1.0)), fact("b", 0, 0, Some(2.0))];
    facts[1].key.0 = None;
    let asks = [
        ask(None, Some(5)),
        ask(Some("a"), Some(5)),
        ask(Some("a"), None),
        ask(Some("a"), Some(6)),
    ];
    let nothing = missing(Status::NotFound);
    assert_eq!(
        numbers(None, 0, &asks, &facts),
        [nothing.clone(), present(1.0), nothing, present(1.0)]
    );
}

#[test]
fn a_retraction_hides_its_event_time_and_uncovers_the_older_one() {
    let mut facts = vec![
        fact("a", 0, 0, Some(1.0)),
        fact("a", 5, 0, Some(2.0)),
        fact("a", 5, 1, Some(3.0)),
    ];
    facts.push(FactRow {
        deleted: true,
        ..fact("a", 5, 2, None)
    });
    let asks = [ask(Some("a"), Some(9))];
    assert_eq!(numbers(None, 0, &asks, &facts), [present(1.0)]);
    facts.push(fact("a", 5, 3, Some(4.0)));
    assert_eq!(
        numbers(None, 0, &asks, &facts),
        [present(4.0)],
        "a later version of the same moment counts again"
    );
}

#[test]
fn a_null_in_the_newest_fact_is_null_and_does_not_reach_back() {
    let facts = [fact("a", 0, 0, Some(1.0)), fact("a", 1, 0, None)];
    assert_eq!(
        numbers(None, 0, &[ask(Some("a"), Some(2))], &facts),
        [missing(Status::NullValue)]
    );
}

#[test]
fn no_observations_give_no_answers() {
    assert_eq!(numbers(None, 0, &[], &[fact("a", 0, 0, Some(1.0))]), []);
}

use proptest::prelude::*;
use triplane_contract::Column;

use super::*;

fn view(ttl_us: Option<i64>, availability_delay_us: i64) -> View {
    View {
        namespace: "n".into(),
        store: "s".into(),
        name: "v".into(),
        generation: 1,
        id: "AAAAAAAA".into(),
        keys: vec![Column {
            name: "id".into(),
            value_type: ValueType::Int64,
        }],
        features: Vec::new(),
        schemas: Vec::new(),
        ttl_us,
        availability_delay_us,
    }
}

fn feature(on_missing: OnMissing, default: Option<&str>, last_known_for_us: Option<i64>) -> FeatureColumn {
    FeatureColumn {
        name: "f".into(),
        value_type: ValueType::Float64,
        on_missing,
        default: default.map(str::to_owned),
        last_known_for_us,
    }
}

fn rule(on_missing: OnMissing, default: Option<&str>, last_known_for_us: Option<i64>) -> FeatureRule {
    FeatureRule::compile(&feature(on_missing, default, last_known_for_us)).unwrap()
}

const MONTH_US: i64 = 30 * 24 * 3_600 * 1_000_000;

#[test]
fn a_row_is_fresh_until_its_age_is_the_ttl_and_no_longer() {
    let rule = ViewRule::online(&view(Some(100), 0));
    assert_eq!(rule.age(Some(0), 0), RowAge::Fresh);
    assert_eq!(rule.age(Some(0), 100), RowAge::Fresh);
    assert_eq!(rule.age(Some(0), 101), RowAge::Expired(101));
    assert_eq!(rule.age(Some(1), 0), RowAge::Absent);
    assert_eq!(rule.age(None, 0), RowAge::Absent);
}

#[test]
fn a_row_old_enough_to_be_removed_is_absent_whether_it_is_removed_or_not() {
    let mut view = view(Some(100), 0);
    assert_eq!(
        ViewRule::online(&view).age(Some(0), 99 + EXPIRY_GRACE_US),
        RowAge::Expired(99 + EXPIRY_GRACE_US as u64)
    );
    assert_eq!(
        ViewRule::online(&view).age(Some(0), 100 + EXPIRY_GRACE_US),
        RowAge::Absent
    );
    view.features = vec![feature(OnMissing::LastKnown, None, Some(MONTH_US))];
    assert_eq!(
        ViewRule::online(&view).age(Some(0), MONTH_US),
        RowAge::Expired(MONTH_US as u64)
    );
    let rank = Rank::live(crate::order::Order {
        event_time_us: 7,
        created_time_us: 0,
        sequence: 0,
    });
    assert_eq!(expires_at_us(&view, rank), Some(7 + MONTH_US + EXPIRY_GRACE_US));
    assert_eq!(
        ViewRule::online(&view).age(Some(7), 7 + MONTH_US + EXPIRY_GRACE_US),
        RowAge::Absent
    );
}

#[test]
fn no_ttl_and_a_ttl_of_zero_are_without_bound() {
    for ttl_us in [None, Some(0)] {
        let view = view(ttl_us, 0);
        assert_eq!(ViewRule::online(&view).age(Some(i64::MIN), i64::MAX), RowAge::Fresh);
        let rank = Rank::live(crate::order::Order {
            event_time_us: 0,
            created_time_us: 0,
            sequence: 0,
        });
        assert_eq!(expires_at_us(&view, rank), None);
    }
}

#[test]
fn the_join_waits_for_the_availability_delay_and_servers_do_not() {
    let view = view(Some(100), 10);
    assert_eq!(ViewRule::offline(&view).age(Some(0), 9), RowAge::Absent);
    assert_eq!(ViewRule::offline(&view).age(Some(0), 10), RowAge::Fresh);
    assert_eq!(ViewRule::online(&view).age(Some(0), 9), RowAge::Fresh);
    // The age counts from the event time, not from when the row became readable.
    assert_eq!(ViewRule::offline(&view).age(Some(0), 101), RowAge::Expired(101));
}

#[test]
fn rows_more_than_five_minutes_ahead_are_future() {
    assert!(!is_future(FUTURE_LIMIT_US, 0));
    assert!(is_future(FUTURE_LIMIT_US + 1, 0));
    assert!(!is_future(i64::MAX, i64::MAX));
}

#[test]
fn each_rule_serves_what_it_says_for_every_kind_of_missing() {
    let value = Value::Float64(1.5);
    let served = |value, status, stale| Ok(Served { value, status, stale });
    let leave = rule(OnMissing::LeaveNull, None, None);
    let default = rule(OnMissing::Default, Some("7"), None);
    let last = rule(OnMissing::LastKnown, None, Some(50));
    let fail = rule(OnMissing::Fail, None, None);
    for rule in [&leave, &default, &last, &fail] {
        assert_eq!(
            rule.serve(RowAge::Fresh, value.clone()),
            served(value.clone(), Status::Present, false)
        );
    }
    for (age, found, status) in [
        (RowAge::Absent, Value::Null, Status::NotFound),
        (RowAge::Fresh, Value::Null, Status::NullValue),
        (RowAge::Expired(51), value.clone(), Status::OutsideMaxAge),
        (RowAge::Expired(10), Value::Null, Status::OutsideMaxAge),
    ] {
        assert_eq!(leave.serve(age, found.clone()), served(Value::Null, status, false));
        assert_eq!(
            default.serve(age, found.clone()),
            served(Value::Float64(7.0), status, false)
        );
        assert_eq!(last.serve(age, found.clone()), served(Value::Null, status, false));
        assert_eq!(
            fail.serve(age, found),
            Err(FeatureMissing {
                feature: "f".into(),
                status
            })
        );
    }
    assert_eq!(
        last.serve(RowAge::Expired(50), value.clone()),
        served(value, Status::OutsideMaxAge, true)
    );
}

#[test]
fn a_rule_that_lacks_its_default_or_duration_names_the_feature_and_the_field() {
    let compile = |f: &FeatureColumn| FeatureRule::compile(f).unwrap_err().to_string();
    assert_eq!(
        compile(&feature(OnMissing::Default, None, None)),
        "feature \"f\": onMissing is Default, so set default"
    );
    let message = compile(&feature(OnMissing::Default, Some("many"), None));
    assert!(
        message.starts_with("feature \"f\": default: \"many\" is not a Float64"),
        "{message}"
    );
    assert!(compile(&feature(OnMissing::LastKnown, None, Some(-1))).contains("lastKnownFor"));
}

fn any_time() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        -5_i64..5,
        Just(i64::MIN),
        Just(i64::MAX),
        Just(i64::MAX - 3)
    ]
}

proptest! {
    #[test]
    fn ages_agree_with_exact_arithmetic_for_any_times(
        event in any_time(), as_of in any_time(), ttl in 0..=i64::MAX, delay in 0..=i64::MAX, small in any::<bool>(),
    ) {
        let (ttl, delay) = if small { (ttl % 4, delay % 4) } else { (ttl, delay) };
        let (e, t, d) = (i128::from(event), i128::from(as_of), i128::from(delay));
        let kept = i128::from(ttl.saturating_add(EXPIRY_GRACE_US));
        let expected = if e + d > t {
            RowAge::Absent
        } else if ttl == 0 || t - e <= i128::from(ttl) {
            if ttl > 0 && t - e >= kept { RowAge::Absent } else { RowAge::Fresh }
        } else if t - e >= kept {
            RowAge::Absent
        } else {
            RowAge::Expired((t - e) as u64)
        };
        let rule = ViewRule::offline(&view(Some(ttl), delay));
        prop_assert_eq!(rule.age(Some(event), as_of), expected);
        prop_assert_eq!(rule.newest_known_us(as_of).is_some_and(|latest| event <= latest), e + d <= t);
    }

    #[test]
    fn the_number_form_serves_what_the_value_form_serves(
        kind in 0..4_u8, age in prop_oneof![Just(RowAge::Absent), Just(RowAge::Fresh), (0..100_u64).prop_map(RowAge::Expired)],
        value in proptest::option::of(any::<f64>()),
    ) {
        let rule = match kind {
            0 => rule(OnMissing::LeaveNull, None, None),
            1 => rule(OnMissing::Default, Some("-0.0"), None),
            2 => rule(OnMissing::LastKnown, None, Some(50)),
            _ => rule(OnMissing::Fail, None, None),
        };
        let value = value.filter(|_| age != RowAge::Absent);
        let general = rule.serve(age, value.map_or(Value::Null, Value::Float64));
        match (rule.serve_f64(age, value), general) {
            (Ok(number), Ok(served)) => {
                prop_assert_eq!(number.value.to_bits(), served.value.as_f64().unwrap_or(f64::NAN).to_bits());
                prop_assert_eq!((number.status, number.stale), (served.status, served.stale));
            }
            (Err(status), Err(missing)) => prop_assert_eq!(rule.missing(status), missing),
            (number, served) => prop_assert!(false, "{:?} and {:?}", number, served),
        }
    }
}

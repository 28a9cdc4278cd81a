//! The boundary cases and random facts, against every online store and the oracle.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use triplane_contract::{Column, FeatureColumn, OnMissing, Schema, ValueType, View};
use triplane_feature_store::conformance::oracle::{self, Side};
use triplane_feature_store::conformance::{Case, Expected, Fact, Target, ask, load, publish};
use triplane_feature_store::key::KeyError;
use triplane_feature_store::online::memory::MemoryStore;
use triplane_feature_store::order::Order;
use triplane_feature_store::{FixedClock, Value};

use crate::fixture::Fixture;

/// How the facts of a case arrive.
#[derive(Clone, Copy, Debug)]
enum Arrival {
    /// Everything in one publication.
    AtOnce,
    /// Run by run.
    ByRun,
    /// Run by run; then publishers that were stopped come back with older pictures.
    StalePublishersLast,
    /// A publisher with everything and others with older pictures, all at the same time and from the beginning.
    Racing,
}

const ARRIVALS: [Arrival; 4] = [
    Arrival::AtOnce,
    Arrival::ByRun,
    Arrival::StalePublishersLast,
    Arrival::Racing,
];

async fn arrive(f: &Fixture, view: &View, facts: &[Fact], arrival: Arrival) {
    let runs = facts
        .iter()
        .map(|fact| Order::run_of(fact.order.sequence))
        .max()
        .unwrap_or(0);
    let known = |run: u64| -> Vec<Fact> {
        facts
            .iter()
            .filter(|fact| Order::run_of(fact.order.sequence) <= run)
            .cloned()
            .collect()
    };
    match arrival {
        Arrival::AtOnce => publish(&*f.store, view, facts, 1).await.unwrap(),
        Arrival::ByRun | Arrival::StalePublishersLast => {
            let stale = if matches!(arrival, Arrival::StalePublishersLast) {
                runs
            } else {
                0
            };
            for run in (1..=runs).chain((1..=stale).rev()) {
                publish(&*f.store, view, &known(run), run).await.unwrap();
            }
        }
        Arrival::Racing => {
            let publishers = (1..=runs).map(|run| {
                let (store, view, facts) = (Arc::clone(&f.store), view.clone(), known(run));
                tokio::spawn(async move { publish(&*store, &view, &facts, 1).await })
            });
            for publisher in publishers.collect::<Vec<_>>() {
                publisher.await.unwrap().unwrap();
            }
        }
    }
}

async fn check(f: &Fixture, case: &Case, target: Target, arrival: Arrival) {
    for question in case.questions.iter().filter(|q| q.targets.contains(&target)) {
        // Redis counts physical expiry in real time, which goes on while a question waits for its turn.
        f.clock.set(question.as_of_us.saturating_sub(60_000_000));
        for view in &case.views {
            f.store.drop_view(&view.view.id).await.unwrap();
            arrive(f, &view.view, &view.facts, arrival).await;
        }
        f.clock.set(question.as_of_us);
        for read in &case.reads {
            let view = &case.views[read.view].view;
            let keys = question.keys(case, read).expect("a question has every key");
            let answers = ask(&*f.store, view, &keys, question.as_of_us).await;
            if keys.contains(&Value::Null) {
                let refused = answers.unwrap_err();
                assert!(
                    matches!(refused.downcast_ref(), Some(KeyError::NullKey { .. })),
                    "{refused}"
                );
                continue;
            }
            for (feature, answer) in answers.unwrap() {
                let name = format!("{}/{feature}", read.alias);
                let place = format!("case {} ({arrival:?}), {name} at {}", case.number, question.as_of_us);
                assert_eq!(answer, question.expect[&name], "{place}");
            }
        }
    }
}

fn cases(target: Target) -> Vec<Case> {
    let cases: Vec<Case> = load()
        .unwrap()
        .into_iter()
        .filter(|case| case.targets.contains(&target))
        .collect();
    assert!(cases.len() >= 18, "only {} cases for {target:?}", cases.len());
    cases
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_answers_every_case_however_its_facts_arrive() {
    for case in cases(Target::Memory) {
        for arrival in ARRIVALS {
            check(&Fixture::memory(), &case, Target::Memory, arrival).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_answers_every_case_however_its_facts_arrive() {
    let f = Fixture::redis().await;
    for case in cases(Target::Redis) {
        for arrival in ARRIVALS {
            check(&f, &case, Target::Redis, arrival).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_cluster_answers_every_case_however_its_facts_arrive() {
    let f = Fixture::cluster().await;
    for case in cases(Target::Redis) {
        for arrival in ARRIVALS {
            check(&f, &case, Target::Redis, arrival).await;
        }
    }
}

#[test]
fn the_oracle_agrees_with_every_case_on_both_sides() {
    for case in load().unwrap() {
        for question in &case.questions {
            for (side, target) in [(Side::Offline, Target::Join), (Side::Online, Target::Memory)] {
                if !question.targets.contains(&target) {
                    continue;
                }
                for read in &case.reads {
                    let view = &case.views[read.view];
                    let keys = question.keys(&case, read).unwrap();
                    let answers = oracle::answer(&view.view, &view.facts, &keys, question.as_of_us, side);
                    for (feature, answer) in view.view.features.iter().zip(answers) {
                        let name = format!("{}/{}", read.alias, feature.name);
                        assert_eq!(answer, question.expect[&name], "case {}, {name}, {side:?}", case.number);
                    }
                }
            }
        }
    }
}

#[test]
fn every_case_of_the_list_is_there_once() {
    let numbers: Vec<u32> = load().unwrap().iter().map(|case| case.number).collect();
    assert_eq!(
        numbers,
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16, 18, 19, 21, 22, 31]
    );
}

const DAY_US: i64 = 86_400_000_000;

fn any_view() -> impl Strategy<Value = View> {
    let ttl = prop_oneof![Just(None), Just(Some(0)), (1..6_i64).prop_map(Some)];
    let rule = (0..4_u8, 0..9_i64);
    (ttl, proptest::collection::vec(rule, 1..4), 0..3_i64).prop_map(|(ttl_us, rules, availability_delay_us)| {
        let feature = |(index, (kind, last_known)): (usize, &(u8, i64))| FeatureColumn {
            name: format!("f{index}"),
            value_type: ValueType::Int64,
            on_missing: [
                OnMissing::LeaveNull,
                OnMissing::Default,
                OnMissing::LastKnown,
                OnMissing::Fail,
            ][usize::from(*kind)],
            default: (*kind == 1).then(|| "-7".to_owned()),
            last_known_for_us: (*kind == 2).then_some(*last_known),
        };
        let features: Vec<FeatureColumn> = rules.iter().enumerate().map(feature).collect();
        let columns = features
            .iter()
            .map(|f| Column {
                name: f.name.clone(),
                value_type: f.value_type,
            })
            .collect();
        View {
            namespace: "n".into(),
            store: "s".into(),
            name: "v".into(),
            generation: 1,
            id: "AAAAAAAA".into(),
            keys: vec![Column {
                name: "id".into(),
                value_type: ValueType::Int32,
            }],
            features,
            schemas: vec![Schema { id: 1, columns }],
            ttl_us,
            availability_delay_us,
        }
    })
}

/// A row as it is drawn: entity, event time, created time, run, deleted, values.
type Draw = (i32, i64, i64, u64, bool, Vec<Option<i64>>);

fn any_facts(features: usize) -> impl Strategy<Value = Vec<Fact>> {
    let time = prop_oneof![8 => -4..8_i64, 1 => Just(-DAY_US - 3)];
    let values = proptest::collection::vec(proptest::option::of(-3..3_i64), features);
    let row = (
        0..2_i32,
        time,
        0..3_i64,
        1..4_u64,
        proptest::bool::weighted(0.3),
        values,
    );
    let facts = |rows: Vec<Draw>| {
        rows.into_iter()
            .enumerate()
            .map(|(ordinal, row)| fact(ordinal as u64, row))
            .collect()
    };
    proptest::collection::vec(row, 0..10).prop_map(facts)
}

fn fact(ordinal: u64, (id, event_time_us, created_time_us, run, deleted, values): Draw) -> Fact {
    let sequence = Order::sequence(run, ordinal);
    let values = values
        .into_iter()
        .map(|v| v.filter(|_| !deleted).map_or(Value::Null, Value::Int64))
        .collect();
    let order = Order {
        event_time_us,
        created_time_us,
        sequence,
    };
    Fact {
        keys: vec![Value::Int32(id)],
        order,
        deleted,
        values,
    }
}

#[test]
fn random_facts_are_answered_as_the_oracle_says_however_they_arrive() {
    let strategy = any_view().prop_flat_map(|view| {
        let facts = any_facts(view.features.len());
        (Just(view), facts, -5..20_i64, 0..4_usize)
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let mut runner = TestRunner::new(ProptestConfig::with_cases(1_500));
    let outcome = runner.run(&strategy, |(view, facts, as_of_us, arrival)| {
        let f = Fixture {
            clock: Arc::new(FixedClock::new(as_of_us)),
            ..Fixture::memory()
        };
        let store = Arc::new(MemoryStore::new(Arc::<FixedClock>::clone(&f.clock)));
        let f = Fixture { store, ..f };
        runtime.block_on(async {
            arrive(&f, &view, &facts, ARRIVALS[arrival]).await;
            for id in 0..3 {
                let keys = [Value::Int32(id)];
                let expected = oracle::answer(&view, &facts, &keys, as_of_us, Side::Online);
                let answers: Vec<Expected> = ask(&*f.store, &view, &keys, as_of_us)
                    .await
                    .unwrap()
                    .into_values()
                    .collect();
                prop_assert_eq!(answers, expected, "entity {}", id);
            }
            Ok(())
        })
    });
    outcome.unwrap();
}

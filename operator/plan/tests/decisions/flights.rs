//! The real example: whatever the order its objects are applied in, the same end is reached, and then nothing is written.

use crate::world::{HOUR, MINUTE, START_US, World, documents, message, said};
use proptest::prelude::*;
use triplane_plan::{Plan, Snapshot, plan};

const STORE: &str = include_str!("../../../../examples/flights/store.yaml");
const VIEWS: &str = include_str!("../../../../examples/flights/views.yaml");
const SET: &str = include_str!("../../../../examples/flights/trainingset.yaml");
const MODEL: &str = include_str!("../../../../examples/flights/model.yaml.example");
const SERVICE: &str = include_str!("../../../../examples/flights/service.yaml");

fn objects() -> Vec<serde_json::Value> {
    [STORE, VIEWS, SET, MODEL, SERVICE]
        .into_iter()
        .flat_map(documents)
        .collect()
}

fn all() -> World {
    let mut world = World::new("flights");
    for document in objects() {
        world.apply_one(&document);
    }
    world
}

/// Every Ready condition as `name=status/reason`.
fn readiness(plan: &Plan) -> Vec<String> {
    let mut out = Vec::new();
    let mut add = |name: &String, conditions: &[_]| out.push(format!("{name} {}", said(conditions).join(" ")));
    plan.stores
        .iter()
        .for_each(|(name, status)| add(name, &status.conditions));
    plan.views
        .iter()
        .for_each(|(name, status)| add(name, &status.conditions));
    plan.training_sets
        .iter()
        .for_each(|(name, status)| add(name, &status.conditions));
    plan.models
        .iter()
        .for_each(|(name, status)| add(name, &status.conditions));
    plan.services
        .iter()
        .for_each(|(name, status)| add(name, &status.conditions));
    out
}

#[test]
fn everything_becomes_ready_and_the_steps_are_those_a_reader_expects() {
    let mut world = all();
    let plan = world.settle();
    assert_eq!(
        readiness(&plan),
        [
            "flights Ready=True/Available",
            "airport-weather Ready=True/Available Fresh=True/WithinTarget",
            "carrier-activity Ready=True/Available",
            "plane-previous-leg Ready=True/Available",
            "route-history Ready=True/Available",
            "flight-delays Ready=True/Available",
            "delay-v1 Ready=True/Available Verified=True/Passed FeaturesChanged=Unknown/NotRecorded",
            "delay Ready=True/Available",
        ]
    );
    assert_eq!(
        world.done,
        [
            "run airport-weather g1 Creation",
            "run carrier-activity g1 Creation",
            "run plane-previous-leg g1 Creation",
            "run route-history g1 Creation",
            "join flight-delays Creation",
            "check delay-v1 Creation",
            "serve delay 1",
        ]
    );
    assert_eq!(plan.models["delay-v1"].role.as_deref(), Some("stable in delay"));
    assert_eq!(plan.models["delay-v1"].features, Some(10));
    assert_eq!(plan.stores["flights"].views, Some(4));
    assert_eq!(plan.services["delay"].stable.as_deref(), Some("delay-v1"));
}

#[test]
fn the_contract_files_carry_what_the_manifests_say() {
    let mut world = all();
    world.settle();
    let table = world.snapshot.services["delay"].table.clone().unwrap();
    assert_eq!(
        (table.fallback, table.deadline_us, table.features.timeout_us),
        (0.23, 100_000, 50_000)
    );
    let model = &table.routes[0].model;
    let names: Vec<String> = model.inputs.iter().map(triplane_contract::model::Input::name).collect();
    assert_eq!(names[0], "airport-weather/temp");
    assert_eq!(names[12], "weekday");
    let route = model
        .views
        .iter()
        .find(|served| served.alias == "route-history")
        .unwrap();
    assert_eq!(
        route.keys,
        [("dest", "dest"), ("origin", "origin")]
            .map(|(a, b)| (a.into(), b.into()))
            .into()
    );
    assert_eq!((route.view.ttl_us, route.view.generation), (Some(336 * HOUR), 1));
    let weather = &world.snapshot.views["airport-weather"].record.ready().unwrap().view;
    assert_eq!(weather.reach_us(), Some(12 * HOUR));
    let activity = world.snapshot.views["carrier-activity"].record.ready().unwrap();
    assert_eq!(
        (activity.transform.lookback_us, activity.view.availability_delay_us),
        (6 * HOUR, 5 * MINUTE)
    );
}

#[test]
fn without_a_model_the_service_waits_for_it_and_the_rest_is_ready() {
    let mut world = World::new("flights");
    for yaml in [STORE, VIEWS, SET, SERVICE] {
        world.apply(yaml);
    }
    let plan = world.settle();
    let service = &plan.services["delay"];
    assert_eq!(
        said(&service.conditions),
        ["Ready=Unknown/WaitingForModel", "Reconciling=True/WaitingForModel"]
    );
    assert!(message(&service.conditions, "Ready").contains("delay-v1"));
    assert!(
        readiness(&plan)
            .iter()
            .filter(|line| line.contains("Ready=True"))
            .count()
            == 6
    );
    world.apply(MODEL);
    assert!(
        readiness(&world.settle())
            .iter()
            .all(|line| line.contains("Ready=True"))
    );
}

#[test]
fn at_rest_the_next_thing_is_the_next_schedule_and_forbidden_to_overlap() {
    let mut world = all();
    let rest = world.settle();
    assert_eq!(rest.next_us(), Some(START_US + 5 * MINUTE));
    world.done.clear();
    world.advance(5 * MINUTE).settle();
    assert_eq!(world.done, ["run airport-weather g1 Schedule"]);
    world.done.clear();
    world.slow.insert("plane-previous-leg".to_owned());
    world.advance(10 * MINUTE).settle();
    assert_eq!(
        world.done,
        ["run carrier-activity g1 Schedule", "run plane-previous-leg g1 Schedule"]
    );
    world.done.clear();
    world.advance(15 * MINUTE).settle();
    assert_eq!(world.done, ["run carrier-activity g1 Schedule"]);
}

fn shuffled() -> impl Strategy<Value = (Vec<serde_json::Value>, Vec<bool>)> {
    let count = objects().len();
    (
        Just(objects()).prop_shuffle(),
        prop::collection::vec(any::<bool>(), count),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_applying_reaches_the_same_end((order, look) in shuffled()) {
        let mut world = World::new("flights");
        for (document, look) in order.iter().zip(look) {
            world.apply_one(document);
            if look {
                world.pass();
            }
        }
        let end = world.settle();
        let mut direct = all();
        let wanted = direct.settle();
        prop_assert_eq!(&end, &wanted);
        prop_assert_eq!(statuses(&world.snapshot), statuses(&direct.snapshot));
        let again = plan(&world.snapshot, world.now_us);
        prop_assert!(again.actions.is_empty());
        prop_assert_eq!(again, end);
    }
}

fn statuses(snapshot: &Snapshot) -> String {
    let views: Vec<_> = snapshot
        .views
        .values()
        .map(|view| (&view.object.status, &view.record))
        .collect();
    format!(
        "{views:?} {:?}",
        snapshot
            .services
            .values()
            .map(|service| &service.table)
            .collect::<Vec<_>>()
    )
}

//! InferenceService: its route table, when it changes, and what is said.

use triplane_plan::plan;

use crate::farm::{MODEL, SERVICE, STORE, VIEW, settled};
use crate::world::{MINUTE, SECOND, START_US, World, message, said};

fn conditions(world: &World) -> Vec<String> {
    said(&plan(&world.snapshot, world.now_us).services["yield"].conditions)
}

fn says(world: &World, type_: &str) -> String {
    message(&plan(&world.snapshot, world.now_us).services["yield"].conditions, type_).to_owned()
}

#[test]
fn the_route_table_carries_everything_resolved() {
    let world = settled();
    let table = world.snapshot.services["yield"].table.clone().unwrap();
    insta::assert_json_snapshot!(serde_json::to_value(&table).unwrap());
}

#[test]
fn the_generation_of_the_table_rises_only_when_the_table_changes() {
    let mut world = settled();
    world.apply(SERVICE);
    world.settle();
    assert!(world.done.is_empty(), "{:?}", world.done);
    world.apply(&SERVICE.replace("spec: {", "spec: {deadline: 80ms, "));
    world.settle();
    assert_eq!(world.done, ["serve yield 2"]);
    assert_eq!(
        plan(&world.snapshot, world.now_us).services["yield"].route_generation,
        Some(2)
    );
}

#[test]
fn a_changed_default_of_a_feature_reaches_the_servers_without_a_run() {
    let mut world = settled();
    world.apply(&VIEW.replace("default: '4'", "default: '5'"));
    world.settle();
    assert_eq!(world.done, ["serve yield 2"]);
}

#[test]
fn a_service_without_its_model_waits() {
    let mut world = World::new("farm");
    for yaml in [STORE, VIEW, SERVICE] {
        world.apply(yaml);
    }
    world.settle();
    assert_eq!(
        conditions(&world),
        ["Ready=Unknown/WaitingForModel", "Reconciling=True/WaitingForModel"]
    );
    assert!(says(&world, "Ready").contains("Model yield-v1 does not exist yet"));
    world.advance(10 * MINUTE).settle();
    assert_eq!(conditions(&world)[0], "Ready=False/WaitingForModel");
    world.apply(MODEL);
    world.settle();
    assert_eq!(conditions(&world), ["Ready=True/Available"]);
}

#[test]
fn a_new_stable_model_serves_once_it_is_verified_and_the_old_one_until_then() {
    let mut world = settled();
    world.apply(&SERVICE.replace("yield-v1", "yield-v2"));
    world.settle();
    assert_eq!(
        conditions(&world),
        ["Ready=True/Available", "Reconciling=True/WaitingForModel"]
    );
    assert!(says(&world, "Reconciling").contains("yield-v1 answers meanwhile"));
    world.apply(&MODEL.replace("yield-v1", "yield-v2").replace("aaaa", "bbbb"));
    let plan = world.settle();
    assert_eq!(conditions(&world), ["Ready=True/Available"]);
    assert_eq!(plan.services["yield"].stable.as_deref(), Some("yield-v2"));
    assert_eq!(
        (
            plan.models["yield-v1"].role.clone(),
            plan.models["yield-v2"].role.as_deref()
        ),
        (None, Some("stable in yield"))
    );
    assert_eq!(plan.models["yield-v2"].used_by[0].service, "yield");
}

#[test]
fn a_model_that_is_deleted_is_served_on_and_the_service_says_so() {
    let mut world = settled();
    world.snapshot.models.clear();
    world.settle();
    assert_eq!(
        conditions(&world),
        ["Ready=True/Available", "Degraded=True/ModelNotReady"]
    );
    assert!(world.done.is_empty());
}

#[test]
fn a_feature_that_is_dropped_from_a_view_keeps_the_last_table() {
    let mut world = settled();
    world.apply(&VIEW.replace("  - {name: fat, type: Float32, onMissing: Default, default: '4'}\n", ""));
    world.settle();
    assert_eq!(
        conditions(&world),
        ["Ready=True/Available", "Degraded=True/ModelNotReady"]
    );
    assert!(world.done.is_empty(), "{:?}", world.done);
}

#[test]
fn servers_that_are_lost_are_started_again_with_the_same_table() {
    let mut world = settled();
    world.snapshot.services.get_mut("yield").unwrap().server = None;
    world.settle();
    assert_eq!(world.done, ["serve yield 1"]);
}

#[test]
fn a_server_that_is_not_ready_breaks_the_promise_after_half_a_minute() {
    let mut world = settled();
    let server = world
        .snapshot
        .services
        .get_mut("yield")
        .unwrap()
        .server
        .as_mut()
        .unwrap();
    server.ready = false;
    server.message = "port 8080 does not answer".to_owned();
    server.since_us = START_US;
    let soon = plan(&world.snapshot, START_US + 10 * SECOND);
    assert_eq!(
        said(&soon.services["yield"].conditions),
        ["Ready=True/Available", "Reconciling=True/Routing"]
    );
    assert_eq!(
        soon.due
            .get(&(triplane_plan::Kind::InferenceService, "yield".to_owned())),
        Some(&(START_US + 30 * SECOND))
    );
    let late = plan(&world.snapshot, START_US + 30 * SECOND);
    assert_eq!(
        said(&late.services["yield"].conditions),
        ["Ready=False/Routing", "Reconciling=True/Routing"]
    );
    assert!(message(&late.services["yield"].conditions, "Ready").contains("port 8080 does not answer"));
}

#[test]
fn a_server_that_refuses_its_table_is_asked_again_after_a_pause() {
    let mut world = settled();
    let server = world
        .snapshot
        .services
        .get_mut("yield")
        .unwrap()
        .server
        .as_mut()
        .unwrap();
    (server.ready, server.generation, server.since_us) = (false, 0, START_US);
    assert_eq!(plan(&world.snapshot, START_US + 5 * SECOND - 1).actions.len(), 0);
    assert_eq!(plan(&world.snapshot, START_US + 5 * SECOND).actions.len(), 1);
}

#[test]
fn an_open_breaker_degrades_and_the_service_stays_ready() {
    let mut world = settled();
    world
        .snapshot
        .services
        .get_mut("yield")
        .unwrap()
        .server
        .as_mut()
        .unwrap()
        .breaker_open = true;
    assert_eq!(
        conditions(&world),
        ["Ready=True/Available", "Degraded=True/BreakerOpen"]
    );
}

#[test]
fn without_any_default_prediction_nothing_is_served() {
    let mut world = World::new("farm");
    let model = MODEL.replace("  baseline: {prediction: 21.5}\n", "");
    for yaml in [STORE, VIEW, &model, SERVICE] {
        world.apply(yaml);
    }
    world.settle();
    assert_eq!(
        conditions(&world),
        ["Ready=False/FallbackRequired", "Stalled=True/FallbackRequired"]
    );
    world.apply(&SERVICE.replace("spec: {", "spec: {fallback: {prediction: 20}, "));
    world.settle();
    assert_eq!(
        world.snapshot.services["yield"]
            .table
            .as_ref()
            .map(|table| table.fallback),
        Some(20.0)
    );
}

#[test]
fn a_suspended_service_goes_on_with_what_it_has() {
    let mut world = settled();
    world.apply(&SERVICE.replace("spec: {", "spec: {suspend: true, deadline: 80ms, "));
    world.settle();
    assert!(world.done.is_empty());
    assert_eq!(conditions(&world), ["Ready=True/Available"]);
}

#[test]
fn numbers_out_of_range_stall_with_the_field() {
    for (part, field) in [
        (
            "deadline: 40ms, ",
            "spec.features.timeout is out of range: it must not exceed spec.deadline",
        ),
        ("deadline: 0s, ", "spec.deadline is out of range"),
        (
            "features: {maxImputed: 1.5}, ",
            "spec.features.maxImputed is out of range",
        ),
        (
            "features: {breaker: {failureRatio: 0}}, ",
            "spec.features.breaker.failureRatio is out of range",
        ),
        (
            "features: {breaker: {minRequests: 0}}, ",
            "spec.features.breaker.minRequests is out of range",
        ),
        (
            "features: {breaker: {window: soon}}, ",
            "spec.features.breaker.window: ",
        ),
    ] {
        let mut world = settled();
        world.apply(&SERVICE.replace("spec: {", &format!("spec: {{{part}")));
        world.settle();
        assert_eq!(
            conditions(&world),
            ["Ready=False/InvalidSpec", "Stalled=True/InvalidSpec"],
            "{part}"
        );
        assert!(
            says(&world, "Stalled").contains(field),
            "{part}: {}",
            says(&world, "Stalled")
        );
        assert!(world.done.is_empty());
    }
}

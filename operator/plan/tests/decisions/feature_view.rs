//! FeatureView: desired record, contract file and conditions for each thing that can happen to it.

use crate::farm::{STORE, VIEW, settled};
use crate::world::{HOUR, MINUTE, SECOND, START_US, World, message, said};
use triplane_plan::feature_store::observed::Reach;
use triplane_plan::{Action, plan};

fn farm() -> World {
    let mut world = World::new("farm");
    world.apply(STORE);
    world.apply(VIEW);
    world
}

fn conditions(world: &World) -> Vec<String> {
    said(&plan(&world.snapshot, world.now_us).views["milk"].conditions)
}

fn says(world: &World, type_: &str) -> String {
    message(&plan(&world.snapshot, world.now_us).views["milk"].conditions, type_).to_owned()
}

#[test]
fn the_first_run_is_told_everything_it_has_to_know() {
    let actions = plan(&farm().snapshot, START_US).actions;
    let [Action::StartRun(start)] = actions.as_slice() else {
        panic!("{actions:?}")
    };
    assert_eq!(start.spec.memory_limit_bytes, 512 << 20);
    insta::assert_json_snapshot!(serde_json::to_value(&start.spec).unwrap());
}

#[test]
fn a_view_without_its_store_waits_and_does_not_fail() {
    let mut world = World::new("farm");
    world.apply(VIEW);
    world.settle();
    assert_eq!(
        conditions(&world),
        ["Ready=Unknown/WaitingForStore", "Reconciling=True/WaitingForStore"]
    );
    assert!(says(&world, "Ready").contains("FeatureStore barn does not exist yet"));
    world.apply(STORE);
    world.settle();
    assert_eq!(conditions(&world), ["Ready=True/Available"]);
}

#[test]
fn a_status_carries_generation_rows_and_the_last_run() {
    let mut world = farm();
    let status = &world.settle().views["milk"];
    assert_eq!(
        (status.generation, status.ready_generation, status.rows),
        (Some(1), Some(1), Some(10))
    );
    assert_eq!(status.last_run.as_ref().map(|run| run.run), Some(1));
    assert_eq!(status.schemas[0].columns.len(), 2);
    assert_eq!(status.observed_generation, Some(1));
}

#[test]
fn a_failed_first_run_is_tried_again_later_and_later() {
    let mut world = farm();
    world
        .failing
        .insert("milk".to_owned(), ("Unreachable", "raw/milk/ does not answer", true));
    world.settle();
    assert_eq!(
        conditions(&world),
        ["Ready=Unknown/RunFailed", "Reconciling=True/Materializing"]
    );
    let rest = plan(&world.snapshot, world.now_us);
    assert_eq!(rest.next_us(), Some(START_US + 5 * SECOND));
    world.advance(5 * SECOND).settle();
    assert_eq!(world.done, ["run milk g1 Creation", "run milk g1 Retry"]);
    assert!(says(&world, "Ready").contains("attempt 2, tried again at 2026-03-01T00:00:15Z"));
    world.failing.clear();
    world.advance(10 * SECOND).settle();
    assert_eq!(conditions(&world), ["Ready=True/Available"]);
}

#[test]
fn a_failure_that_needs_an_edit_stalls_until_the_edit() {
    let mut world = farm();
    world.failing.insert(
        "milk".to_owned(),
        ("LookbackRequired", "avg() needs spec.lookback", false),
    );
    world.settle();
    assert_eq!(
        conditions(&world),
        ["Ready=False/LookbackRequired", "Stalled=True/LookbackRequired"]
    );
    world.advance(24 * HOUR).settle();
    assert_eq!(world.done.len(), 1);
    world.failing.clear();
    world.apply(&VIEW.replace("timestampColumn", "query: SELECT 1\n  lookback: 1h\n  timestampColumn"));
    world.settle();
    assert_eq!(conditions(&world), ["Ready=True/Available"]);
    assert_eq!(world.snapshot.views["milk"].record.ready, Some(2));
}

#[test]
fn a_failure_that_another_upload_heals_stalls_and_is_tried_again() {
    let mut world = farm();
    world.failing.insert(
        "milk".to_owned(),
        (
            "InvalidQuery",
            "there is no column fat: replace or remove raw/milk/a",
            true,
        ),
    );
    world.settle();
    assert_eq!(
        conditions(&world),
        ["Ready=False/InvalidQuery", "Stalled=True/InvalidQuery"]
    );
    let message = says(&world, "Stalled");
    assert!(
        message.contains("replace or remove raw/milk/a") && message.contains("attempt 1, tried again at"),
        "{message}"
    );
    world.failing.clear();
    world.advance(5 * SECOND).settle();
    assert_eq!(conditions(&world), ["Ready=True/Available"]);
}

#[test]
fn a_run_short_of_memory_is_tried_at_once_when_it_may_use_more() {
    let mut world = farm();
    world
        .failing
        .insert("milk".to_owned(), ("MemoryLimit", "the sort needs 600 MiB", false));
    world.settle();
    assert_eq!(
        conditions(&world),
        ["Ready=False/MemoryLimit", "Stalled=True/MemoryLimit"]
    );
    world.failing.clear();
    let roomy = "materialization: {resources: {limits: {memory: 1Gi}}, ";
    world.apply(&VIEW.replace("materialization: {", roomy));
    world.settle();
    assert_eq!(conditions(&world), ["Ready=True/Available"]);
    assert_eq!(world.snapshot.views["milk"].record.ready, Some(1));
}

#[test]
fn a_later_run_that_fails_degrades_and_the_rows_are_served_on() {
    let mut world = farm();
    world.settle();
    world
        .failing
        .insert("milk".to_owned(), ("Unreachable", "raw/milk/ does not answer", true));
    world.advance(HOUR).settle();
    assert_eq!(conditions(&world), ["Ready=True/Available", "Degraded=True/RunFailed"]);
    world.failing.clear();
    world.advance(5 * SECOND).settle();
    assert_eq!(conditions(&world), ["Ready=True/Available"]);
}

#[test]
fn a_new_generation_is_filled_beside_the_old_then_switched_to_then_the_old_is_dropped() {
    let mut world = settled();
    world.slow.insert("milk".to_owned());
    world.apply(&VIEW.replace("raw/milk/", "raw/milk-corrected/"));
    world.settle();
    assert_eq!(world.done, ["run milk g2 NewGeneration"]);
    assert_eq!(
        conditions(&world),
        ["Ready=True/Available", "Reconciling=True/Backfilling"]
    );
    assert!(says(&world, "Reconciling").contains("sources changed"));
    let table = world.snapshot.services["yield"].table.clone().unwrap();
    assert!(
        table.routes[0]
            .model
            .views
            .iter()
            .all(|served| served.view.generation == 1)
    );
    world.finish_run("milk", 2);
    world.slow.clear();
    world.settle();
    assert_eq!(
        world.done,
        ["run milk g2 NewGeneration", "serve yield 2", "drop milk g1"]
    );
    let record = &world.snapshot.views["milk"].record;
    assert_eq!((record.ready, record.generations.len()), (Some(2), 1));
    assert_eq!(conditions(&world), ["Ready=True/Available"]);
}

#[test]
fn the_old_generation_follows_its_schedule_while_the_new_one_is_filled() {
    let mut world = settled();
    world.apply(&VIEW.replace("raw/milk/", "raw/milk-corrected/"));
    world
        .snapshot
        .views
        .get_mut("milk")
        .unwrap()
        .runs
        .entry(2)
        .or_default()
        .start(START_US);
    world.advance(HOUR).settle();
    assert_eq!(world.done, ["run milk g1 Schedule"]);
}

#[test]
fn a_generation_that_servers_still_read_is_not_dropped() {
    let mut world = settled();
    world.slow.insert("yield".to_owned());
    world.apply(&VIEW.replace("raw/milk/", "raw/milk-corrected/"));
    for _ in 0..5 {
        world.pass();
    }
    assert!(!world.done.contains(&"drop milk g1".to_owned()), "{:?}", world.done);
    assert_eq!(world.snapshot.views["milk"].record.ready, Some(2));
    world.slow.clear();
    world.settle();
    assert!(world.done.contains(&"drop milk g1".to_owned()), "{:?}", world.done);
}

#[test]
fn going_back_to_what_is_served_abandons_the_generation_under_way_and_numbers_are_not_used_twice() {
    let mut world = settled();
    world.slow.insert("milk".to_owned());
    world.apply(&VIEW.replace("raw/milk/", "raw/other/"));
    world.settle();
    world.apply(VIEW);
    world.settle();
    assert_eq!(conditions(&world), ["Ready=True/Available"]);
    world.finish_run("milk", 2);
    world.slow.clear();
    world.settle();
    assert_eq!(world.done, ["run milk g2 NewGeneration", "drop milk g2"]);
    world.apply(&VIEW.replace("raw/milk/", "raw/third/"));
    world.settle();
    assert_eq!(world.snapshot.views["milk"].record.ready, Some(3));
}

#[test]
fn dropping_a_feature_nobody_uses_is_a_new_schema_and_starts_no_run() {
    let mut world = farm();
    world.settle();
    world.done.clear();
    world.apply(&VIEW.replace("  - {name: fat, type: Float32, onMissing: Default, default: '4'}\n", ""));
    world.settle();
    assert!(world.done.is_empty(), "{:?}", world.done);
    let view = &world.snapshot.views["milk"].record.ready().unwrap().view;
    assert_eq!((view.generation, view.schemas.len(), view.features.len()), (1, 2, 1));
    assert_eq!(
        view.current_schema().map(|schema| (schema.id, schema.columns.len())),
        Some((2, 1))
    );
}

#[test]
fn a_store_that_is_away_holds_runs_and_degrades() {
    let mut world = farm();
    world.settle();
    world.done.clear();
    let down = Reach::Down {
        message: "cache:6379 refuses".to_owned(),
        since_us: START_US,
    };
    world.snapshot.stores.get_mut("barn").unwrap().reach = down;
    world.advance(2 * HOUR).settle();
    assert!(world.done.is_empty());
    assert_eq!(
        conditions(&world),
        ["Ready=True/Available", "Degraded=True/StoreUnavailable"]
    );
    let store = plan(&world.snapshot, world.now_us).stores["barn"].clone();
    assert_eq!(
        said(&store.conditions),
        ["Ready=False/StoreUnavailable", "Reconciling=True/Starting"]
    );
}

#[test]
fn freshness_turns_false_by_itself_and_the_plan_says_when() {
    let mut world = farm();
    world.apply(&VIEW.replace("materialization: {schedule: '0 * * * *'}", "freshness: {target: 10m}"));
    let rest = world.settle();
    assert_eq!(conditions(&world), ["Ready=True/Available", "Fresh=True/WithinTarget"]);
    assert_eq!(rest.next_us(), Some(START_US + 9 * MINUTE + 1));
    world.advance(9 * MINUTE + 1);
    assert_eq!(conditions(&world), ["Ready=True/Available", "Fresh=False/TooOld"]);
}

#[test]
fn rejected_rows_are_counted_by_cause_and_degrade() {
    use triplane_contract::run::{RejectCause, RejectCount};
    let mut world = farm();
    world.settle();
    let work = world.snapshot.views.get_mut("milk").unwrap().runs.get_mut(&1).unwrap();
    let count = RejectCount {
        cause: RejectCause::NullKey,
        rows: 3,
        example: "a.parquet: cow is NULL".to_owned(),
    };
    work.done.as_mut().unwrap().report.rejected.push(count);
    assert_eq!(
        conditions(&world),
        ["Ready=True/Available", "Degraded=True/RowsRejected"]
    );
    assert!(says(&world, "Degraded").contains("a.parquet: cow is NULL"));
    assert_eq!(
        plan(&world.snapshot, world.now_us).views["milk"].rejected[0].cause,
        "NullKey"
    );
}

#[test]
fn a_suspended_view_starts_no_run_and_serves_on() {
    let mut world = farm();
    world.settle();
    world.done.clear();
    world.apply(&VIEW.replace("spec:", "spec:\n  suspend: true"));
    world.advance(5 * HOUR).settle();
    assert!(world.done.is_empty());
    assert_eq!(conditions(&world), ["Ready=True/Available"]);
    assert!(says(&world, "Ready").contains("spec.suspend"));
}

/// Edits that make the view invalid, and what is said.
const INVALID: &[(&str, &str, &str)] = &[
    (
        "default: '4'",
        "default: four",
        "spec.features[fat].default `four` is no Float32",
    ),
    (
        "'0 * * * *'",
        "'0 25 * * *'",
        "spec.materialization.schedule: field hour `25`",
    ),
    ("name: fat", "name: cow", "cow twice"),
    (
        "name: fat",
        "name: sequence",
        "sequence is the name of a column that Triplane writes",
    ),
    ("ttl: 24h", "ttl: 24d", "spec.ttl: "),
    ("ttl: 24h", "lookback: 1h", "spec.lookback needs spec.query"),
    (
        "onMissing: Default, default: '4'",
        "onMissing: Default",
        "needs default",
    ),
    (
        "onMissing: Default, default: '4'",
        "default: '4'",
        "only used with onMissing: Default",
    ),
    (
        "onMissing: Default, default: '4'",
        "onMissing: LastKnown",
        "needs lastKnownFor",
    ),
    (
        "onMissing: Default, default: '4'",
        "onMissing: LastKnown, lastKnownFor: 1h",
        "longer than spec.ttl",
    ),
    (
        "onMissing: Default, default: '4'",
        "lastKnownFor: 48h",
        "only used with onMissing: LastKnown",
    ),
    (
        "[{name: milkings,",
        "[{name: more, parquet: {path: more/}}, {name: milkings,",
        "spec.query is required",
    ),
    (
        "[{name: milkings,",
        "[{name: milkings, parquet: {path: more/}}, {name: milkings,",
        "milkings twice",
    ),
    (
        "schedule:",
        "resources: {limits: {memory: lots}}, schedule:",
        "resources.limits.memory: ",
    ),
];

#[test]
fn an_invalid_spec_stalls_with_the_field_and_the_next_step() {
    for &(from, to, part) in INVALID {
        let mut world = farm();
        let changed = VIEW.replace(from, to);
        assert_ne!(changed, VIEW, "{from}");
        world.apply(&changed);
        world.settle();
        assert_eq!(
            conditions(&world),
            ["Ready=False/InvalidSpec", "Stalled=True/InvalidSpec"],
            "{to}"
        );
        assert!(
            says(&world, "Stalled").contains(part),
            "{to}: {}",
            says(&world, "Stalled")
        );
        assert!(world.done.is_empty());
    }
}

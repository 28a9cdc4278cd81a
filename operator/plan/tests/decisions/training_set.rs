//! TrainingSet: what the join is told, when it runs, and what is said.

use triplane_plan::{Action, plan};

use crate::farm::{SET, STORE, VIEW, settled};
use crate::world::{HOUR, World, message, said};

fn farm() -> World {
    let mut world = World::new("farm");
    for yaml in [STORE, VIEW, SET] {
        world.apply(yaml);
    }
    world
}

fn conditions(world: &World) -> Vec<String> {
    said(&plan(&world.snapshot, world.now_us).training_sets["yields"].conditions)
}

fn says(world: &World, type_: &str) -> String {
    message(
        &plan(&world.snapshot, world.now_us).training_sets["yields"].conditions,
        type_,
    )
    .to_owned()
}

#[test]
fn the_join_is_told_every_view_under_its_alias_with_its_columns() {
    let mut world = farm();
    world.pass();
    let actions = plan(&world.snapshot, world.now_us).actions;
    let [Action::StartTrainingSet(start)] = actions.as_slice() else {
        panic!("{actions:?}")
    };
    let spec = &start.spec;
    assert_eq!(
        (spec.label.as_deref(), spec.request.as_slice()),
        (Some("litres_next"), &["season".to_owned()][..])
    );
    let [milk, mother] = spec.views.as_slice() else {
        panic!("{:?}", spec.views)
    };
    assert_eq!(
        (milk.alias.as_str(), milk.features.join(" "), &milk.keys["cow"]),
        ("milk", "litres fat".into(), &"cow".into())
    );
    assert_eq!(
        (mother.alias.as_str(), mother.features.join(" "), &mother.keys["cow"]),
        ("mother", "fat".into(), &"mother_id".into())
    );
    assert_eq!(mother.view.name, "milk");
}

#[test]
fn a_set_waits_for_its_view_and_then_for_its_first_rows() {
    let mut world = World::new("farm");
    for yaml in [STORE, SET] {
        world.apply(yaml);
    }
    world.settle();
    assert_eq!(
        conditions(&world),
        ["Ready=Unknown/WaitingForView", "Reconciling=True/WaitingForView"]
    );
    assert!(says(&world, "Ready").contains("FeatureView milk does not exist yet"));
    world.slow.insert("milk".to_owned());
    world.apply(VIEW);
    world.settle();
    assert!(says(&world, "Ready").contains("no complete generation yet"));
    world.finish_run("milk", 1);
    world.settle();
    assert_eq!(conditions(&world), ["Ready=True/Available"]);
}

#[test]
fn a_status_names_version_rows_and_the_generations_it_was_made_from() {
    let mut world = farm();
    let status = &world.settle().training_sets["yields"];
    assert_eq!(
        (status.rows, status.version.as_deref()),
        (Some(7), Some("0000000069a38180"))
    );
    assert_eq!(
        status.view_generations,
        [("milk".to_owned(), 1), ("mother".to_owned(), 1)].into()
    );
}

#[test]
fn a_set_is_pinned_and_only_its_own_spec_makes_a_new_version() {
    let mut world = settled();
    world.advance(5 * HOUR).settle();
    world.apply(&VIEW.replace("raw/milk/", "raw/corrected/"));
    world.settle();
    assert!(
        world.done.iter().all(|step| !step.starts_with("join")),
        "{:?}",
        world.done
    );
    assert_eq!(conditions(&world), ["Ready=True/Available"]);
    world.apply(&SET.replace("label: litres_next", "label: litres_after"));
    world.settle();
    assert!(world.done.contains(&"join yields SpecChange".to_owned()));
    assert_eq!(
        plan(&world.snapshot, world.now_us).training_sets["yields"].view_generations["milk"],
        2
    );
}

#[test]
fn a_new_set_is_not_made_from_a_definition_that_is_on_its_way_out() {
    let mut world = settled();
    world.slow.insert("milk".to_owned());
    world.apply(&VIEW.replace("raw/milk/", "raw/corrected/"));
    world.apply(&SET.replace("name: yields", "name: second"));
    world.settle();
    let status = plan(&world.snapshot, world.now_us).training_sets["second"].clone();
    assert_eq!(said(&status.conditions)[0], "Ready=Unknown/WaitingForView");
    assert!(message(&status.conditions, "Ready").contains("generation 2 of FeatureView milk is being filled"));
}

#[test]
fn a_refresh_is_due_by_its_schedule_and_a_failed_one_keeps_the_last_version() {
    let mut world = farm();
    world.apply(&SET.replace("spec:", "spec:\n  refresh: {schedule: '0 2 * * *'}"));
    world.settle();
    world.done.clear();
    world
        .failing
        .insert("yields".to_owned(), ("Unreachable", "labels/ does not answer", true));
    world.advance(2 * HOUR).settle();
    assert!(
        world.done.contains(&"join yields Schedule".to_owned()),
        "{:?}",
        world.done
    );
    assert_eq!(conditions(&world), ["Ready=True/Available", "Degraded=True/RunFailed"]);
    assert!(says(&world, "Degraded").contains("labels/ does not answer"));
}

#[test]
fn a_first_join_that_cannot_succeed_stalls() {
    let mut world = farm();
    world.failing.insert(
        "yields".to_owned(),
        ("InvalidObservations", "labels/ has no column asked_at", false),
    );
    world.settle();
    assert_eq!(
        conditions(&world),
        ["Ready=False/InvalidObservations", "Stalled=True/InvalidObservations"]
    );
}

#[test]
fn what_does_not_fit_its_views_stalls_with_the_field() {
    for (from, to, part) in [
        (
            "features: [fat]",
            "features: [colour]",
            "has no feature colour (spec.features[1].features): it has litres, fat",
        ),
        (
            "{cow: mother_id}",
            "{bull: mother_id}",
            "maps bull, which is no key of FeatureView milk: its keys are cow",
        ),
        ("as: mother, ", "", "milk twice"),
        ("[fat]", "[fat, fat]", "spec.features[1].features has fat twice"),
        ("request: [season]", "request: [litres_next]", "litres_next twice"),
        (
            "spec:",
            "spec:\n  refresh: {schedule: daily}",
            "spec.refresh.schedule: ",
        ),
    ] {
        let mut world = farm();
        let changed = SET.replace(from, to);
        assert_ne!(changed, SET, "{from}");
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
    }
}

//! Model: what the verification is told, what it may find, and what is said.

use triplane_contract::model::ModelFault;
use triplane_plan::{Action, plan};

use crate::farm::{MODEL, STORE, VIEW, settled};
use crate::world::{MINUTE, SECOND, World, message, said};

fn farm() -> World {
    let mut world = World::new("farm");
    for yaml in [STORE, VIEW, MODEL] {
        world.apply(yaml);
    }
    world
}

fn conditions(world: &World) -> Vec<String> {
    said(&plan(&world.snapshot, world.now_us).models["yield-v1"].conditions)
}

fn says(world: &World, type_: &str) -> String {
    message(
        &plan(&world.snapshot, world.now_us).models["yield-v1"].conditions,
        type_,
    )
    .to_owned()
}

#[test]
fn the_verification_is_told_what_a_server_would_be() {
    let mut world = farm();
    world.pass();
    let actions = plan(&world.snapshot, world.now_us).actions;
    let [Action::StartModelCheck(start)] = actions.as_slice() else {
        panic!("{actions:?}")
    };
    insta::assert_json_snapshot!(serde_json::to_value(&start.spec).unwrap());
}

#[test]
fn a_model_is_ready_only_after_a_report_about_its_own_digest() {
    let mut world = farm();
    world.settle();
    assert_eq!(
        conditions(&world),
        [
            "Ready=True/Available",
            "Verified=True/Passed",
            "FeaturesChanged=Unknown/NotRecorded"
        ]
    );
    let status = plan(&world.snapshot, world.now_us).models["yield-v1"].clone();
    assert_eq!(
        (status.digest.as_deref(), status.features, status.role),
        (Some("aaaaaaaaaaaa"), Some(2), None)
    );
    world.done.clear();
    world.apply(&MODEL.replace("aaaaaaaa", "bbbbbbbb"));
    assert_eq!(conditions(&world)[0], "Ready=False/Verifying");
    world.settle();
    assert_eq!(world.done, ["check yield-v1 SpecChange"]);
}

#[test]
fn each_fault_is_said_by_its_name_and_stalls() {
    for (fault, reason) in [
        (ModelFault::ArtifactTooLarge, "ArtifactTooLarge"),
        (ModelFault::DigestMismatch, "DigestMismatch"),
        (ModelFault::LoadFailed, "LoadFailed"),
        (ModelFault::InputMismatch, "InputMismatch"),
        (ModelFault::GoldenMismatch, "GoldenMismatch"),
    ] {
        let mut world = farm();
        world.faults.insert("yield-v1".to_owned(), fault);
        world.settle();
        let said = conditions(&world);
        assert_eq!(said[0], format!("Ready=False/{reason}"));
        assert!(said.contains(&format!("Stalled=True/{reason}")) && said.contains(&format!("Verified=False/{reason}")));
    }
}

#[test]
fn an_artifact_that_is_not_there_yet_is_looked_for_again() {
    let mut world = farm();
    world.faults.insert("yield-v1".to_owned(), ModelFault::ArtifactMissing);
    world.settle();
    assert_eq!(
        conditions(&world)[..2],
        ["Ready=Unknown/ArtifactMissing", "Reconciling=True/Verifying"]
    );
    world.faults.clear();
    world.advance(15 * SECOND).settle();
    assert_eq!(conditions(&world)[0], "Ready=True/Available");
}

#[test]
fn what_an_upload_heals_is_looked_at_again_and_what_the_spec_says_is_final() {
    let faults = [
        (ModelFault::DigestMismatch, 2),
        (ModelFault::GoldenMismatch, 2),
        (ModelFault::InputMismatch, 1),
    ];
    for (fault, checks) in faults {
        let mut world = farm();
        world.faults.insert("yield-v1".to_owned(), fault);
        world.settle();
        world.advance(5 * MINUTE).settle();
        assert_eq!(
            world.done.iter().filter(|step| step.starts_with("check")).count(),
            checks,
            "{fault:?}"
        );
    }
}

#[test]
fn a_model_waits_for_its_view_in_any_order() {
    let mut world = World::new("farm");
    for yaml in [STORE, MODEL] {
        world.apply(yaml);
    }
    world.settle();
    assert_eq!(
        conditions(&world)[..2],
        ["Ready=Unknown/WaitingForView", "Reconciling=True/WaitingForView"]
    );
    world.apply(VIEW);
    world.settle();
    assert_eq!(conditions(&world)[0], "Ready=True/Available");
}

#[test]
fn a_feature_that_only_the_generation_under_way_has_is_waited_for() {
    let mut world = farm();
    world.settle();
    world.slow.insert("milk".to_owned());
    world.apply(&VIEW.replace(
        "  timestampColumn",
        "  - {name: protein, type: Float64}\n  timestampColumn",
    ));
    world.apply(
        &MODEL
            .replace("yield-v1", "yield-v2")
            .replace("milk/litres", "milk/protein"),
    );
    world.settle();
    let status = plan(&world.snapshot, world.now_us).models["yield-v2"].clone();
    assert!(message(&status.conditions, "Ready").contains("generation 2 of FeatureView milk is being filled"));
    assert_eq!(conditions(&world)[0], "Ready=True/Available");
    world.finish_run("milk", 2);
    world.slow.clear();
    world.settle();
    let status = plan(&world.snapshot, world.now_us).models["yield-v2"].clone();
    assert_eq!(said(&status.conditions)[0], "Ready=True/Available");
}

#[test]
fn inputs_that_do_not_fit_stall_with_the_input() {
    for (from, to, part) in [
        (
            "milk/litres",
            "milk/colour",
            "has no feature colour (spec.inputs[0].feature milk/colour)",
        ),
        (
            "{cow: mother_id}",
            "{bull: mother_id}",
            "maps bull, which is no key of FeatureView milk",
        ),
        (
            "{cow: mother_id}",
            "{cow: season}",
            "column season is read as Int32 and as Int64",
        ),
    ] {
        let mut world = farm();
        let changed = MODEL.replace(from, to);
        assert_ne!(changed, MODEL, "{from}");
        world.apply(&changed);
        world.settle();
        assert_eq!(conditions(&world)[0], "Ready=False/InputMismatch", "{to}");
        assert!(
            says(&world, "Stalled").contains(part),
            "{to}: {}",
            says(&world, "Stalled")
        );
    }
    let mut world = farm();
    world.apply(&VIEW.replace("name: litres, type: Float64", "name: litres, type: String"));
    world.settle();
    assert!(says(&world, "Stalled").contains("spec.inputs[0].feature milk/litres is String: LightGBM takes numbers"));
}

#[test]
fn a_spec_that_contradicts_itself_stalls() {
    for (from, to, part) in [
        (
            "format: LightGBM",
            "format: ONNX",
            "spec.format ONNX is not supported yet",
        ),
        (
            "request: season, type: Int32",
            "request: season",
            "spec.inputs[2] needs exactly one",
        ),
        (
            "- {request: season",
            "- {feature: milk/litres}\n  - {request: season",
            "milk/litres twice",
        ),
        ("mother/fat", "milk/fat", "spec.views[as=mother] is used by no input"),
        ("sha256: 'aa", "sha256: 'AA", "not 64 lower-case hex digits"),
    ] {
        let mut world = farm();
        let changed = MODEL.replace(from, to);
        assert_ne!(changed, MODEL, "{from}");
        world.apply(&changed);
        world.settle();
        assert_eq!(
            conditions(&world)[..2],
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

#[test]
fn features_changed_follows_the_generations_of_the_training_set_version() {
    let mut world = settled();
    let version = plan(&world.snapshot, world.now_us).training_sets["yields"]
        .version
        .clone()
        .unwrap();
    let trained_on = format!("spec:\n  trainedOn: {{trainingSet: yields, version: '{version}'}}");
    world.apply(&MODEL.replace("spec:", &trained_on));
    world.settle();
    assert!(conditions(&world).contains(&"FeaturesChanged=False/SameGenerations".to_owned()));
    world.apply(&VIEW.replace("raw/milk/", "raw/corrected/"));
    world.settle();
    assert!(conditions(&world).contains(&"FeaturesChanged=True/OtherGenerations".to_owned()));
    assert!(says(&world, "FeaturesChanged").contains("milk was at generation 1 in training and is at 2"));
    world.snapshot.training_sets.clear();
    assert!(conditions(&world).contains(&"FeaturesChanged=Unknown/NotRecorded".to_owned()));
}

#[test]
fn a_verified_model_stays_ready_when_its_store_is_away() {
    use triplane_plan::feature_store::observed::Reach;
    let mut world = settled();
    let down = Reach::Down {
        message: "cache:6379 refuses".to_owned(),
        since_us: 0,
    };
    world.snapshot.stores.get_mut("barn").unwrap().reach = down;
    world.settle();
    assert_eq!(conditions(&world)[0], "Ready=True/Available");
}

//! What a session knows over edits, mistakes and restarts; no jobs and no server.

use std::path::{Path, PathBuf};

use triplane_contract::store::{OfflineAccess, OnlineAccess};
use triplane_plan::plan;
use triplane_plan::work::Ticket;

use super::desired::{self, Desired};
use super::place::Place;
use super::saved;
use super::stale::Stale;
use super::world::World;
use crate::lint::Checks;

const NOW_US: i64 = 1_767_225_600_000_000;

fn flights() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/flights")
}

fn folder(files: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        std::fs::copy(flights().join(file), folder.path().join(file)).unwrap();
    }
    folder
}

fn place(bucket: &Path, online: OnlineAccess) -> Place {
    Place {
        bucket: OfflineAccess::Directory {
            path: bucket.display().to_string(),
        },
        online,
        url: "http://127.0.0.1:1".to_owned(),
        as_of_us: None,
    }
}

fn redis() -> OnlineAccess {
    OnlineAccess::Redis {
        address: "127.0.0.1:1".to_owned(),
        prefix: String::new(),
        username: None,
        password_file: None,
    }
}

fn read(folder: &Path, world: &World) -> Desired {
    let known = world
        .objects()
        .into_iter()
        .map(|object| (desired::identity(&object), object))
        .collect();
    desired::read(folder, &Checks::default(), &known)
}

fn messages(desired: &Desired) -> Vec<String> {
    desired.problems.iter().map(ToString::to_string).collect()
}

/// Plans once and takes statuses and records over, as a session does.
fn settle(world: &mut World) {
    let plan = plan(&world.namespaces["flights"], NOW_US);
    world.follow("flights", &plan);
}

#[test]
fn a_file_that_does_not_parse_leaves_its_objects_as_they_were() {
    let folder = folder(&["store.yaml", "views.yaml"]);
    let place = place(folder.path(), OnlineAccess::Memory);
    let mut world = World::default();
    world.take(&read(folder.path(), &world), &place, NOW_US);
    settle(&mut world);
    let before = world.namespaces["flights"].views.clone();
    assert_eq!(before.len(), 4);
    std::fs::write(folder.path().join("views.yaml"), "kind: [\n").unwrap();
    let broken = read(folder.path(), &world);
    assert!(
        messages(&broken)[0].contains("views.yaml: is not valid YAML"),
        "{:?}",
        messages(&broken)
    );
    world.take(&broken, &place, NOW_US);
    assert_eq!(world.namespaces["flights"].views, before);
}

#[test]
fn a_view_that_comes_back_does_not_take_the_number_of_rows_of_another_definition() {
    let folder = folder(&["store.yaml", "views.yaml"]);
    let place = place(folder.path(), OnlineAccess::Memory);
    std::fs::create_dir_all(folder.path().join("features/flights/flights/views/airport-weather/g3")).unwrap();
    let mut world = World::default();
    world.take(&read(folder.path(), &world), &place, NOW_US);
    settle(&mut world);
    let views = &world.namespaces["flights"].views;
    assert_eq!(views["airport-weather"].record.target, Some(4));
    assert_eq!(views["route-history"].record.target, Some(1));
}

#[test]
fn a_restart_without_the_rows_waits_for_them_and_with_them_does_not() {
    for (online, fixed, kept) in [
        (OnlineAccess::Memory, false, false),
        (redis(), false, true),
        (redis(), true, false),
    ] {
        let folder = folder(&["store.yaml", "views.yaml", "service.yaml"]);
        let place = Place {
            as_of_us: fixed.then_some(NOW_US),
            ..place(folder.path(), online.clone())
        };
        let mut world = World::default();
        world.take(&read(folder.path(), &world), &place, NOW_US);
        let snapshot = world.namespaces.get_mut("flights").unwrap();
        let report = serde_json::json!({
            "version": 1, "run": 1, "tableVersion": 1, "rows": 5, "rowsAppended": 5, "bytes": 9,
            "newestEventUs": NOW_US, "rowsPublished": 5, "rejected": [], "peakMemoryBytes": 0, "elapsedUs": 1,
        });
        let view = snapshot.views.get_mut("airport-weather").unwrap();
        let work = view.runs.entry(1).or_default();
        work.succeed(
            Ticket::of(&"content", &1),
            serde_json::from_value(report).unwrap(),
            NOW_US,
        );
        settle(&mut world);
        assert_eq!(
            world.namespaces["flights"].views["airport-weather"].record.ready,
            Some(1)
        );
        saved::write(folder.path(), &world, &place).unwrap();
        let again = saved::read(folder.path(), &place).unwrap();
        let view = &again.namespaces["flights"].views["airport-weather"];
        assert_eq!(view.record.ready.is_some(), kept, "{online:?}");
        assert_eq!(view.runs.is_empty(), !kept, "{online:?}");
        assert_eq!(view.record.target, Some(1), "{online:?}");
        let stale = Stale::of(&again, &place);
        assert_eq!(
            stale.is_empty(),
            !fixed,
            "rows of another clock are dropped, where they outlive a session"
        );
    }
}

#[test]
fn a_model_is_not_changed_in_place_and_one_port_has_one_service_of_a_name() {
    let folder = folder(&["store.yaml", "service.yaml"]);
    let place = place(folder.path(), OnlineAccess::Memory);
    let model = std::fs::read_to_string(flights().join("model.yaml.example")).unwrap();
    std::fs::write(folder.path().join("model.yaml"), &model).unwrap();
    let mut world = World::default();
    let first = read(folder.path(), &world);
    assert_eq!(messages(&first), Vec::<String>::new());
    world.take(&first, &place, NOW_US);
    std::fs::write(
        folder.path().join("model.yaml"),
        model.replace("prediction: 0.23", "prediction: 0.5"),
    )
    .unwrap();
    let service = std::fs::read_to_string(flights().join("service.yaml")).unwrap();
    let elsewhere = service.replace("namespace: flights", "namespace: other");
    std::fs::write(folder.path().join("elsewhere.yaml"), elsewhere).unwrap();
    let second = read(folder.path(), &world);
    let said = messages(&second);
    assert!(
        said.iter()
            .any(|m| m.contains("model.yaml") && m.contains("Model flights/delay-v1")),
        "{said:#?}"
    );
    assert!(
        said.iter()
            .any(|m| m.contains("elsewhere.yaml") && m.contains("choose another name")),
        "{said:#?}"
    );
    world.take(&second, &place, NOW_US);
    let kept = world.namespaces["flights"].models["delay-v1"]
        .object
        .spec
        .baseline
        .as_ref()
        .map(|b| b.prediction);
    assert_eq!(kept, Some(0.23));
}

#[test]
fn a_changed_spec_counts_up_the_generation_and_an_untouched_one_does_not() {
    let folder = folder(&["store.yaml", "views.yaml"]);
    let place = place(folder.path(), OnlineAccess::Memory);
    let mut world = World::default();
    world.take(&read(folder.path(), &world), &place, NOW_US);
    let views = std::fs::read_to_string(flights().join("views.yaml")).unwrap();
    std::fs::write(folder.path().join("views.yaml"), views.replace("ttl: 24h", "ttl: 25h")).unwrap();
    world.take(&read(folder.path(), &world), &place, NOW_US + 1);
    let generation = |name: &str| world.namespaces["flights"].views[name].object.metadata.generation;
    assert_eq!(generation("plane-previous-leg"), Some(2));
    assert_eq!(generation("airport-weather"), Some(1));
}

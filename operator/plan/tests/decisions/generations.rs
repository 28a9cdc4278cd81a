//! Which edits of a view begin a new generation, which a new schema, and which neither.

use proptest::prelude::*;
use triplane_contract::View;

use crate::farm::{STORE, VIEW};
use crate::world::World;

/// Applies one spec after the other, each to its end; returns the view that is read.
fn after(specs: &[String]) -> View {
    let world = applied(specs);
    let ready = world.snapshot.views["milk"].record.ready();
    ready
        .map(|generation| generation.view.clone())
        .expect("a generation is read")
}

fn applied(specs: &[String]) -> World {
    let mut world = World::new("farm");
    world.apply(STORE);
    for spec in specs {
        world.apply(spec);
        world.settle();
    }
    world
}

fn edited(from: &str, to: &str) -> View {
    let changed = VIEW.replace(from, to);
    assert_ne!(changed, VIEW, "{from}");
    after(&[VIEW.to_owned(), changed])
}

#[test]
fn edits_that_change_the_meaning_of_rows_begin_a_generation() {
    for (from, to) in [
        ("name: cow, type: Int64", "name: cow, type: Int32"),
        ("name: cow, type: Int64", "name: animal, type: Int64"),
        ("path: raw/milk/", "path: raw/goat-milk/"),
        (
            "  timestampColumn",
            "  query: SELECT * FROM milkings\n  timestampColumn",
        ),
        ("milked_at", "sold_at"),
        (
            "  timestampColumn",
            "  createdTimestampColumn: entered_at\n  timestampColumn",
        ),
        ("name: litres, type: Float64", "name: litres, type: Float32"),
        (
            "  timestampColumn",
            "  - {name: protein, type: Float64}\n  timestampColumn",
        ),
        ("ttl: 24h", "ttl: 25h"),
        ("  ttl: 24h\n", ""),
        (
            "name: litres, type: Float64",
            "name: litres, type: Float64, onMissing: LastKnown, lastKnownFor: 48h",
        ),
    ] {
        let view = edited(from, to);
        assert_eq!((view.generation, view.schemas.len()), (2, 1), "{from} -> {to}");
        assert_eq!(view.schemas[0].id, 1);
    }
}

#[test]
fn another_time_column_of_a_source_begins_a_generation() {
    let queried = VIEW.replace(
        "  timestampColumn",
        "  query: SELECT * FROM milkings\n  timestampColumn",
    );
    let elsewhere = queried.replace("{path: raw/milk/}", "{path: raw/milk/}, timestampColumn: at");
    assert_eq!(after(&[queried, elsewhere]).generation, 2);
}

#[test]
fn edits_that_only_change_how_rows_are_read_keep_generation_and_schema() {
    for (from, to) in [
        ("ttl: 24h", "ttl: 23h"),
        ("ttl: 24h", "ttl: 24h\n  availabilityDelay: 5m"),
        ("default: '4'", "default: '5'"),
        ("onMissing: Default, default: '4'", "onMissing: Fail"),
        ("schedule: '0 * * * *'", "schedule: '30 * * * *'"),
        ("ttl: 24h", "ttl: 24h\n  freshness: {target: 1h}"),
    ] {
        let view = edited(from, to);
        assert_eq!((view.generation, view.schemas.len()), (1, 1), "{from} -> {to}");
    }
    assert_eq!(edited("ttl: 24h", "ttl: 23h").ttl_us, Some(23 * crate::world::HOUR));
}

#[test]
fn dropped_and_reordered_features_are_a_new_schema_of_the_same_generation() {
    let fat = "  - {name: fat, type: Float32, onMissing: Default, default: '4'}\n";
    let litres = "  - {name: litres, type: Float64}\n";
    for (from, to) in [
        (fat.to_owned(), String::new()),
        (format!("{litres}{fat}"), format!("{fat}{litres}")),
    ] {
        let view = edited(&from, &to);
        assert_eq!((view.generation, view.schemas.len(), view.schemas[1].id), (1, 2, 2));
        let names = |columns: &[triplane_contract::Column]| columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
        let features: Vec<String> = view.features.iter().map(|f| f.name.clone()).collect();
        assert_eq!(names(&view.schemas[1].columns), features);
    }
}

#[test]
fn a_query_that_differs_only_in_space_around_it_is_the_same() {
    let with = |query: &str| VIEW.replace("  timestampColumn", &format!("  query: {query}\n  timestampColumn"));
    assert_eq!(after(&[with("SELECT 1"), with("\"SELECT 1\\n\"")]).generation, 1);
    let lookback = with("SELECT 1").replace("  ttl", "  lookback: 1h\n  ttl");
    assert_eq!(after(&[with("SELECT 1"), lookback]).generation, 2);
}

#[test]
fn the_seventeenth_schema_begins_a_generation() {
    let swapped = VIEW
        .replace("{name: litres, type: Float64}", "{name: fat, type: Float32}")
        .replace(
            "{name: fat, type: Float32, onMissing: Default, default: '4'}",
            "{name: litres, type: Float64}",
        );
    let specs: Vec<String> = (0..16)
        .map(|i| if i % 2 == 0 { VIEW.to_owned() } else { swapped.clone() })
        .collect();
    let view = after(&specs);
    assert_eq!((view.generation, view.schemas.len()), (1, 16));
    let view = after(&[specs, vec![VIEW.to_owned()]].concat());
    assert_eq!((view.generation, view.schemas.len()), (2, 1));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// Schema ids are in the rows: within a generation one id never stands for two lists of columns.
    #[test]
    fn a_schema_id_never_means_two_things(drops in prop::collection::vec(any::<[bool; 3]>(), 1..12)) {
        let spec = |keep: &[bool; 3]| {
            let names = ["litres", "fat", "protein"];
            let kept = names.iter().zip(keep).filter(|(_, keep)| **keep).map(|(name, _)| *name);
            let features: Vec<String> =
                kept.chain(["always"]).map(|name| format!("  - {{name: {name}, type: Float64}}")).collect();
            let start = VIEW.find("  - {name: litres").unwrap();
            let end = VIEW.find("  timestampColumn").unwrap();
            format!("{}{}\n{}", &VIEW[..start], features.join("\n"), &VIEW[end..])
        };
        let mut seen = std::collections::BTreeMap::new();
        let mut world = World::new("farm");
        world.apply(STORE);
        for keep in &drops {
            world.apply(&spec(keep));
            world.settle();
            let view = &world.snapshot.views["milk"].record.ready().unwrap().view;
            prop_assert!(view.schemas.len() <= 16);
            let current = view.current_schema().unwrap();
            prop_assert_eq!(current.columns.len(), view.features.len());
            for schema in &view.schemas {
                let columns = seen.entry((view.generation, schema.id)).or_insert_with(|| schema.columns.clone());
                prop_assert_eq!(&*columns, &schema.columns);
            }
        }
    }
}

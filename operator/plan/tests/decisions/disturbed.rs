//! Whatever happens in between, in whatever order: when it is over, all is Ready, one generation lives, nothing is left to do.

use proptest::prelude::*;
use triplane_plan::feature_store::observed::Reach;
use triplane_plan::inference_service::table;
use triplane_plan::{Action, Plan};

use crate::farm::{MODEL, SERVICE, SET, STORE, VIEW};
use crate::world::{HOUR, SECOND, World, said};

#[derive(Clone, Debug)]
enum Event {
    Edit(usize),
    Fails(bool),
    Slow(bool),
    Finish,
    StoreDown(bool),
    ServersLost,
    Pass,
    Wait(i64),
}

fn view(edit: usize) -> String {
    match edit {
        0 => VIEW.to_owned(),
        1 => VIEW.replace("raw/milk/", "raw/corrected/"),
        2 => VIEW.replace("ttl: 24h", "ttl: 48h"),
        3 => VIEW.replace("default: '4'", "default: four"),
        _ => VIEW.replace(
            "  timestampColumn",
            "  - {name: protein, type: Float64}\n  timestampColumn",
        ),
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        1 => (0_usize..5).prop_map(Event::Edit),
        1 => any::<bool>().prop_map(Event::Fails),
        1 => any::<bool>().prop_map(Event::Slow),
        1 => Just(Event::Finish),
        1 => any::<bool>().prop_map(Event::StoreDown),
        1 => Just(Event::ServersLost),
        3 => Just(Event::Pass),
        2 => (1_i64..7200).prop_map(|seconds| Event::Wait(seconds * SECOND)),
    ]
}

fn happen(world: &mut World, event: &Event) {
    let since_us = world.now_us;
    match event {
        Event::Edit(edit) => world.apply(&view(*edit)),
        Event::Fails(true) => {
            world
                .failing
                .insert("milk".to_owned(), ("Unreachable", "no answer", true));
        }
        Event::Fails(false) => world.failing.clear(),
        Event::Slow(true) => {
            world.slow.insert("milk".to_owned());
        }
        Event::Slow(false) => world.slow.clear(),
        Event::Finish => finish(world),
        Event::StoreDown(down) => {
            let message = "no answer".to_owned();
            let reach = if *down {
                Reach::Down { message, since_us }
            } else {
                Reach::Up
            };
            world.snapshot.stores.get_mut("barn").unwrap().reach = reach;
        }
        Event::ServersLost => world.snapshot.services.get_mut("yield").unwrap().server = None,
        Event::Pass => check(world),
        Event::Wait(us) => {
            world.advance(*us);
        }
    }
}

fn finish(world: &mut World) {
    for (view, generation) in world.tickets.keys().cloned().collect::<Vec<_>>() {
        world.finish_run(&view, generation);
    }
}

/// One pass, and what has to hold after every pass.
fn check(world: &mut World) {
    let before = world.snapshot.clone();
    let Plan { actions, .. } = world.pass();
    for action in &actions {
        match action {
            Action::StartRun(start) => {
                let work = before.views[&start.view].runs.get(&start.generation);
                assert!(work.is_none_or(|work| !work.running), "a run beside a run");
            }
            Action::Serve(table) => {
                for served in &table.routes[0].model.views {
                    let runs = &world.snapshot.views[&served.view.name].runs;
                    assert!(
                        runs[&served.view.generation].done.is_some(),
                        "a generation without a report is served"
                    );
                }
            }
            Action::DropGeneration { view, .. } => {
                let mut tables = before.services.values().filter_map(|service| service.table.as_ref());
                assert!(
                    !tables.any(|t| table::reads(t, &view.name, view.generation)),
                    "a reader loses its rows"
                );
            }
            Action::StartTrainingSet(_) | Action::StartModelCheck(_) => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_any_disturbance_all_is_ready_again(
        settled in any::<bool>(),
        events in prop::collection::vec(event(), 0..40),
        last in 0_usize..3,
    ) {
        let mut world = World::new("farm");
        for yaml in [STORE, VIEW, SET, MODEL, SERVICE] {
            world.apply(yaml);
        }
        if settled {
            world.settle();
        }
        for event in &events {
            happen(&mut world, event);
        }
        for event in [Event::Edit(last), Event::Fails(false), Event::Slow(false), Event::StoreDown(false)] {
            happen(&mut world, &event);
        }
        finish(&mut world);
        world.advance(HOUR);
        let end = world.settle();
        let record = &world.snapshot.views["milk"].record;
        prop_assert_eq!((record.ready, record.generations.len()), (record.target, 1));
        let numbers = record.ready.map(|ready| ready <= record.last);
        prop_assert_eq!(numbers, Some(true));
        let ready = |conditions| said(conditions)[0] == "Ready=True/Available";
        prop_assert!(ready(&end.views["milk"].conditions) && ready(&end.training_sets["yields"].conditions));
        prop_assert!(ready(&end.models["yield-v1"].conditions) && ready(&end.services["yield"].conditions));
        let table = world.snapshot.services["yield"].table.as_ref().unwrap();
        prop_assert!(record.ready.is_some_and(|ready| table::reads(table, "milk", ready)));
        let served = world.snapshot.services["yield"].server.as_ref().map(|server| server.generation);
        prop_assert_eq!(served, Some(table.generation));
    }
}

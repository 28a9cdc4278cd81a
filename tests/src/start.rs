//! Where the tests of runs begin, and what a run leaves behind.

use std::collections::BTreeMap;
use std::path::PathBuf;

use triplane_contract::run::RunSpec;
use triplane_contract::store::OnlineAccess;

use crate::delta::Table;
use crate::fixture::activity::{self, EPOCH_US, Event, HOUR_US};
use crate::kill::Killer;
use crate::online::without_tokens;
use crate::process::Program;
use crate::redis::{Entry, Redis};
use crate::run::Run;
use crate::world::World;

const EVENTS_PER_FILE: usize = 300;
/// Last-Modified of the first files, seconds.
const UPLOADED_S: u64 = (EPOCH_US / 1_000_000) as u64 + 3 * 86_400;
const NOW_US: i64 = EPOCH_US + 4 * 24 * HOUR_US;

/// Everything a run leaves behind.
#[derive(Debug, PartialEq)]
pub struct Left {
    /// The table's facts.
    pub table: Table,
    /// What was put aside, by file.
    pub rejected: BTreeMap<PathBuf, String>,
    /// The online store, without what is drawn at random.
    pub online: BTreeMap<Vec<u8>, Entry>,
}

/// Where a test begins: objects that have arrived, and an online store kept beside itself.
pub struct Start {
    /// The online store.
    pub redis: Redis,
    /// Who counts the calls of runs, and kills them.
    pub killer: Box<dyn Killer>,
    world: World,
    program: Program,
    spec: RunSpec,
}

impl Start {
    /// Two files have arrived in a world of `make`, and nothing has run. Runs are by `program` (`materializer-killable`).
    pub fn fresh(
        program: Program,
        mut redis: Redis,
        make: impl FnOnce(OnlineAccess) -> World,
        killer: Box<dyn Killer>,
    ) -> Self {
        let world = make(redis.access());
        let spec = activity::run_spec(world.access());
        put(&world, "1", &file(1), 0);
        put(&world, "2", &file(2), 0);
        redis.keep();
        Self {
            redis,
            killer,
            world,
            program,
            spec,
        }
    }

    /// Then run 1 has gone through, and a corrected file, a late one and rows that have to be rejected have arrived.
    pub fn corrected(mut self) -> Self {
        self.run(&self.world).to(None).report();
        put(&self.world, "2", &corrected(), 3_600);
        put(&self.world, "3-late", &late(), 3_600);
        self.redis.keep();
        self
    }

    /// Runs in `world`, counted by the killer.
    pub fn run(&self, world: &World) -> Run {
        let spec = RunSpec {
            store: self.killer.access(world.access()),
            ..self.spec.clone()
        };
        Run::new(&self.program, world.scratch(), &spec, NOW_US)
    }

    /// A bucket like the one at the start, and the online store as it was.
    pub fn again(&self) -> World {
        self.redis.bring_back();
        self.world.fork()
    }

    /// What is left in `world` and online.
    pub fn left(&self, world: &World) -> Left {
        Left {
            table: world.table(&self.spec.view).expect("a table"),
            rejected: world.rejected(&self.spec.view),
            online: without_tokens(self.redis.dump()),
        }
    }

    /// What a run leaves that nothing happens to.
    pub fn undisturbed(&self) -> Left {
        let world = self.again();
        self.run(&world).to(None).report();
        self.left(&world)
    }
}

fn put(world: &World, name: &str, events: &[Event], later_s: u64) {
    world.put(
        &format!("{}{name}.parquet", activity::FOLDER),
        &activity::parquet(events),
        UPLOADED_S + later_s,
    );
}

fn file(number: u64) -> Vec<Event> {
    let from = EPOCH_US + (number as i64 - 1) * 12 * HOUR_US;
    activity::events(from, EVENTS_PER_FILE, 7, number)
}

/// File 2 as its writer should have sent it: amounts changed, rows gone, and two that have to be rejected.
fn corrected() -> Vec<Event> {
    let mut events = file(2);
    events.retain(|event| event.at_us.is_none_or(|at| at / 1_000_000 % 5 != 0));
    for event in events.iter_mut().step_by(3) {
        event.amount = event.amount.map(|amount| amount + 1);
    }
    events[10].account = None;
    events[20].at_us = Some(NOW_US + 24 * HOUR_US);
    events
}

/// Events of the first day that arrive after everything else.
fn late() -> Vec<Event> {
    activity::events(EPOCH_US + 2 * HOUR_US, 80, 9, 3)
}

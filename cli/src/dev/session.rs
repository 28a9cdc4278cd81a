//! One session: read, observe, plan, act, report; again at each event, twice a second, and when the plan asks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;
use triplane_feature_store::Clock;
use triplane_inference_server::Handle;
use triplane_plan::inference_service::observed::ServerState;
use triplane_plan::work::{Ticket, Work};
use triplane_plan::{Action, plan};

use super::console::Console;
use super::desired::{self, Desired, Print};
use super::folders::Folders;
use super::jobs::{Event, Fault, Jobs, Outcome};
use super::place::Place;
use super::saved::{self, SavedError};
use super::served::{self, Seen};
use super::stale::Stale;
use super::stores::Stores;
use super::table::tables;
use super::unused::fields;
use super::world::World;
use crate::lint::Checks;

/// How often the folder is looked at.
const TICK: Duration = Duration::from_millis(400);
/// When the online rows of a generation are removed once more.
const DROP_AGAIN: Duration = Duration::from_secs(30);

/// What a session is made of.
pub struct Session {
    pub folders: Folders,
    pub place: Place,
    pub clock: Arc<dyn Clock>,
    pub stores: Stores,
    /// Online rows of earlier sessions; nothing starts before they are gone.
    pub stale: Stale,
    pub jobs: Jobs,
    pub server: Handle,
    pub events: UnboundedReceiver<Event>,
    pub console: Console,
    pub world: World,
    pub once: bool,
    pub checks: Checks,
    pub desired: Desired,
    pub print: Option<Print>,
    /// Services that have an object.
    pub served: BTreeSet<String>,
    /// Fields that were said to be unused.
    pub unused: BTreeSet<String>,
    /// View ids whose online rows are being removed, and since when: removing is tried again after a while.
    pub dropping: BTreeMap<String, Instant>,
    pub all_ready: bool,
    pub started: Instant,
}

impl Session {
    /// Works until `interrupted`, or with `once` until the first answered prediction. Returns whether every object is Ready.
    pub async fn run(mut self, interrupted: impl Future<Output = ()>) -> Result<bool, SavedError> {
        let mut interrupted = std::pin::pin!(interrupted);
        let mut dirty = true;
        loop {
            dirty |= self.read();
            self.observe().await;
            dirty |= self.decide().await;
            if dirty {
                self.report()?;
                dirty = false;
            }
            if self.once && self.server.answered() > 0 {
                return Ok(self.all_ready);
            }
            tokio::select! {
                Some(event) = self.events.recv() => {
                    dirty |= self.learn(event);
                    while let Ok(event) = self.events.try_recv() {
                        dirty |= self.learn(event);
                    }
                }
                () = tokio::time::sleep(TICK) => {}
                () = &mut interrupted => return Ok(self.all_ready),
            }
        }
    }

    fn read(&mut self) -> bool {
        let print = desired::print(&self.folders.manifests);
        if self.print.as_ref() == Some(&print) {
            return false;
        }
        self.print = Some(print);
        let known = self
            .world
            .objects()
            .into_iter()
            .map(|object| (desired::identity(&object), object))
            .collect();
        self.desired = desired::read(&self.folders.manifests, &self.checks, &known);
        if !self.world.take(&self.desired, &self.place, self.clock.now_us()) {
            self.print = None;
        }
        let serving = self
            .world
            .namespaces
            .values()
            .flat_map(|snapshot| snapshot.services.keys().cloned())
            .collect();
        self.served
            .difference(&serving)
            .for_each(|service| self.server.remove(service));
        self.served = serving;
        true
    }

    async fn observe(&mut self) {
        let reach = self.stores.look().await;
        self.drop_stale().await;
        let now_us = self.clock.now_us();
        for snapshot in self.world.namespaces.values_mut() {
            snapshot
                .stores
                .values_mut()
                .for_each(|store| store.reach = reach.clone());
            for (name, service) in &mut snapshot.services {
                let Some(generation) = self.server.generation(name) else {
                    continue;
                };
                let seen = Seen {
                    generation,
                    ready: self.server.is_ready(),
                    breaker_open: self.server.breaker_open(name),
                };
                if let Some(state) = served::state(service, seen, now_us) {
                    service.server = Some(state);
                }
            }
        }
    }

    async fn drop_stale(&mut self) {
        let Some(environment) = self.stores.environment().filter(|_| !self.stale.is_empty()) else {
            return;
        };
        match self.stale.drop_from(&environment.online).await {
            Ok(0) => {}
            Ok(rows) => self.console.say(&format!(
                "{rows} online rows of earlier sessions are dropped: with --as-of every row is published anew"
            )),
            Err(error) => tracing::warn!(%error, "online rows of earlier sessions were not dropped; tried again"),
        }
    }

    async fn decide(&mut self) -> bool {
        let now_us = self.clock.now_us();
        let mut changed = false;
        let namespaces: Vec<String> = self.world.namespaces.keys().cloned().collect();
        for namespace in namespaces {
            let Some(snapshot) = self.world.namespaces.get(&namespace) else {
                continue;
            };
            let plan = plan(snapshot, now_us);
            changed |= self.world.follow(&namespace, &plan);
            for action in plan.actions {
                changed |= self.act(&namespace, action, now_us).await;
            }
        }
        changed
    }

    async fn act(&mut self, namespace: &str, action: Action, now_us: i64) -> bool {
        let environment = self.stores.environment().filter(|_| self.stale.is_empty());
        let Some(environment) = environment.cloned() else {
            return false;
        };
        let Some(snapshot) = self.world.namespaces.get_mut(namespace) else {
            return false;
        };
        match action {
            Action::StartRun(start) => {
                let Some(view) = snapshot.views.get_mut(&start.view) else {
                    return false;
                };
                view.runs.entry(start.generation).or_default().start(now_us);
                self.jobs.run(namespace, *start, environment);
            }
            Action::StartTrainingSet(start) => {
                let Some(set) = snapshot.training_sets.get_mut(&start.name) else {
                    return false;
                };
                set.join.start(now_us);
                self.jobs.training_set(namespace, *start, environment);
            }
            Action::StartModelCheck(start) => {
                let Some(model) = snapshot.models.get_mut(&start.name) else {
                    return false;
                };
                model.check.start(now_us);
                self.jobs.model_check(namespace, *start, environment);
            }
            Action::DropGeneration { view, store: _ } => {
                let tried = self.dropping.get(&view.id);
                if tried.is_some_and(|tried| tried.elapsed() < DROP_AGAIN) {
                    return false;
                }
                self.dropping.insert(view.id.clone(), Instant::now());
                self.jobs.drop_generation(namespace, *view, environment);
            }
            Action::Serve(table) => {
                let Some(service) = snapshot.services.get_mut(&table.service) else {
                    return false;
                };
                if let Err(error) = self.server.serve(&table).await {
                    let generation = self.server.generation(&table.service).unwrap_or(0);
                    let (ready, message) = (false, error.to_string());
                    let state = ServerState {
                        generation,
                        ready,
                        message,
                        since_us: now_us,
                        breaker_open: false,
                    };
                    service.server = Some(state);
                }
                service.table = Some(*table);
            }
        }
        true
    }

    /// Takes what became of work.
    fn learn(&mut self, (namespace, outcome): Event) -> bool {
        let now_us = self.clock.now_us();
        let Some(snapshot) = self.world.namespaces.get_mut(&namespace) else {
            return false;
        };
        match outcome {
            Outcome::Run {
                view,
                generation,
                ticket,
                result,
            } => {
                let Some(view) = snapshot.views.get_mut(&view) else {
                    return false;
                };
                settle(view.runs.entry(generation).or_default(), ticket, result, now_us);
            }
            Outcome::TrainingSet { name, ticket, result } => {
                let Some(set) = snapshot.training_sets.get_mut(&name) else {
                    return false;
                };
                let report = result.map(|(report, pinned)| {
                    set.pinned.insert(report.set_version.clone(), pinned);
                    report
                });
                settle(&mut set.join, ticket, report, now_us);
            }
            Outcome::ModelCheck { name, ticket, result } => {
                let Some(model) = snapshot.models.get_mut(&name) else {
                    return false;
                };
                settle(&mut model.check, ticket, result.map(|report| *report), now_us);
            }
            Outcome::Dropped { view, result } => {
                if let Err(message) = result {
                    let (name, generation) = (&view.name, view.generation);
                    tracing::warn!(name, generation, message, "online rows were not removed; tried again");
                    return false;
                }
                let Some(known) = snapshot.views.get_mut(&view.name) else {
                    return false;
                };
                known.record.forget(view.generation);
            }
            Outcome::Step { view, step } => {
                self.console.step("FeatureView", &view, &step);
                return false;
            }
        }
        true
    }

    fn report(&mut self) -> Result<(), SavedError> {
        let objects = self.world.objects();
        let unused = fields(&objects);
        if !unused.is_subset(&self.unused) {
            let names: Vec<&str> = unused.difference(&self.unused).map(String::as_str).collect();
            self.console
                .say(&format!("not used on one machine: {}", names.join(", ")));
            self.unused.extend(unused);
        }
        self.console.show_problems(&self.desired.problems);
        self.console.show(&objects);
        saved::write(&self.folders.state, &self.world, &self.place)?;
        let path = self.folders.state.join("objects.json");
        let list = serde_json::json!({ "items": objects }).to_string();
        saved::replace(&path, list.as_bytes())?;
        let all_ready = !objects.is_empty() && self.desired.problems.is_empty() && objects.iter().all(is_ready);
        if all_ready && !self.all_ready {
            let now_us = self.clock.now_us();
            self.console
                .say(&format!("\n{}", tables(&triplane_crds::all(), &objects, now_us)));
            self.console.say(&format!(
                "All Ready after {:.1} s.",
                self.started.elapsed().as_secs_f64()
            ));
        }
        self.all_ready = all_ready;
        Ok(())
    }
}

/// Notes how work ended.
fn settle<R>(work: &mut Work<R>, ticket: Ticket, result: Result<R, Fault>, now_us: i64) {
    match result {
        Ok(report) => work.succeed(ticket, report, now_us),
        Err(fault) => work.fail(ticket, &fault.code, &fault.message, fault.retryable, now_us),
    }
}

fn is_ready(object: &serde_json::Value) -> bool {
    let path = r#".status.conditions[?(@.type=="Ready")].status"#;
    triplane_crds::columns::value(object, path).and_then(serde_json::Value::as_str) == Some("True")
}

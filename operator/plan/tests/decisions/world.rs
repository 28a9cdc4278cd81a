//! A namespace in memory: applies manifests, plans, and does the actions at once, as a caller would.

use std::collections::{BTreeMap, BTreeSet};

use triplane_contract::model::{ModelCheckReport, ModelFault};
use triplane_contract::run::RunReport;
use triplane_contract::store::{OfflineAccess, OnlineAccess, StoreAccess};
use triplane_contract::training::{PinnedView, TrainingSetReport};
use triplane_crds::condition::Condition;
use triplane_crds::v1alpha1::{FeatureStore, FeatureView, InferenceService, Model, TrainingSet};
use triplane_plan::feature_store::observed::{Reach, StoreObserved};
use triplane_plan::feature_view::decide::StartRun;
use triplane_plan::feature_view::observed::ViewObserved;
use triplane_plan::feature_view::record::ViewRecord;
use triplane_plan::inference_service::observed::{ServerState, ServiceObserved};
use triplane_plan::model::observed::ModelObserved;
use triplane_plan::training_set::decide::StartTrainingSet;
use triplane_plan::training_set::observed::TrainingSetObserved;
use triplane_plan::work::{Ticket, Work};
use triplane_plan::{Action, Plan, Snapshot, plan};

/// 2026-03-01T00:00:00Z
pub(crate) const START_US: i64 = 1_772_323_200_000_000;
pub(crate) const SECOND: i64 = 1_000_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;

pub(crate) struct World {
    pub snapshot: Snapshot,
    pub now_us: i64,
    /// Work of these objects fails: (code, message, retryable).
    pub failing: BTreeMap<String, (&'static str, &'static str, bool)>,
    /// Verifications of these models report a fault.
    pub faults: BTreeMap<String, ModelFault>,
    /// Work of these objects stays under way.
    pub slow: BTreeSet<String>,
    /// Age of the newest event a run reports.
    pub newest_age_us: i64,
    /// Tickets of runs under way.
    pub tickets: BTreeMap<(String, u32), Ticket>,
    /// Names of the actions done, in order.
    pub done: Vec<String>,
}

impl World {
    pub(crate) fn new(namespace: &str) -> Self {
        Self {
            snapshot: Snapshot {
                namespace: namespace.to_owned(),
                ..Snapshot::default()
            },
            now_us: START_US,
            failing: BTreeMap::new(),
            faults: BTreeMap::new(),
            slow: BTreeSet::new(),
            newest_age_us: MINUTE,
            tickets: BTreeMap::new(),
            done: Vec::new(),
        }
    }

    /// Applies every document; an object that exists gets the new spec and keeps what is known about it.
    pub(crate) fn apply(&mut self, yaml: &str) {
        for document in documents(yaml) {
            self.apply_one(&document);
        }
    }

    pub(crate) fn apply_one(&mut self, document: &serde_json::Value) {
        let name = document["metadata"]["name"].as_str().unwrap().to_owned();
        macro_rules! put {
            ($map:ident: $kind:ident, $new:expr) => {{
                let mut object: $kind = from_json(document);
                match self.snapshot.$map.get_mut(&name) {
                    Some(observed) => {
                        observed.object.spec = object.spec;
                        let generation = observed.object.metadata.generation.unwrap_or(0);
                        observed.object.metadata.generation = Some(generation + 1);
                    }
                    None => {
                        object.metadata.generation = Some(1);
                        let new: fn($kind, &str, &str) -> _ = $new;
                        let observed = new(object, &self.snapshot.namespace, &name);
                        self.snapshot.$map.insert(name.clone(), observed);
                    }
                }
            }};
        }
        match document["kind"].as_str().unwrap() {
            "FeatureStore" => put!(stores: FeatureStore, |object, namespace, name| StoreObserved {
                object,
                access: access(namespace, name),
                reach: Reach::Up,
                shards: None,
                memory: None,
            }),
            "FeatureView" => put!(views: FeatureView, |object, _, _| ViewObserved {
                object,
                record: ViewRecord::default(),
                runs: BTreeMap::new(),
            }),
            "TrainingSet" => put!(training_sets: TrainingSet, |object, _, _| TrainingSetObserved {
                object,
                join: Work::default(),
                pinned: BTreeMap::new(),
            }),
            "Model" => put!(models: Model, |object, _, _| ModelObserved { object, check: Work::default() }),
            "InferenceService" => put!(services: InferenceService, |object, _, _| ServiceObserved {
                object,
                table: None,
                server: None,
                url: None,
            }),
            other => panic!("no kind {other}"),
        }
    }

    /// One pass: plan, keep records and statuses, do the actions.
    pub(crate) fn pass(&mut self) -> Plan {
        let plan = plan(&self.snapshot, self.now_us);
        self.keep(&plan);
        for action in &plan.actions {
            self.act(action);
        }
        plan
    }

    /// Passes until nothing is left to do at this moment; the last plan has no action and changes no status.
    pub(crate) fn settle(&mut self) -> Plan {
        for _ in 0..50 {
            let before = self.snapshot.clone();
            let plan = self.pass();
            if plan.actions.is_empty() && self.snapshot == before {
                return plan;
            }
        }
        panic!("the plan does not come to rest: {:?}", self.done);
    }

    pub(crate) fn advance(&mut self, us: i64) -> &mut Self {
        self.now_us += us;
        self
    }

    /// A run under way reports.
    pub(crate) fn finish_run(&mut self, view: &str, generation: u32) {
        let ticket = self.tickets.remove(&(view.to_owned(), generation)).unwrap();
        let work = self
            .snapshot
            .views
            .get_mut(view)
            .unwrap()
            .runs
            .get_mut(&generation)
            .unwrap();
        work.succeed(ticket, run_report(1, self.now_us - self.newest_age_us), self.now_us);
    }

    fn keep(&mut self, plan: &Plan) {
        let snapshot = &mut self.snapshot;
        plan.records
            .iter()
            .for_each(|(name, r)| snapshot.views.get_mut(name).unwrap().record = r.clone());
        macro_rules! keep {
            ($map:ident) => {
                for (name, status) in &plan.$map {
                    snapshot.$map.get_mut(name).unwrap().object.status = Some(status.clone());
                }
            };
        }
        keep!(stores);
        keep!(views);
        keep!(training_sets);
        keep!(models);
        keep!(services);
    }

    fn act(&mut self, action: &Action) {
        let now = self.now_us;
        match action {
            Action::Serve(table) => {
                self.done.push(format!("serve {} {}", table.service, table.generation));
                let service = self.snapshot.services.get_mut(&table.service).unwrap();
                service.table = Some((**table).clone());
                if !self.slow.contains(&table.service) {
                    service.server = Some(ServerState {
                        generation: table.generation,
                        ready: true,
                        message: String::new(),
                        since_us: now,
                        breaker_open: false,
                    });
                }
            }
            Action::StartRun(start) => self.run(start),
            Action::StartTrainingSet(start) => self.join(start),
            Action::StartModelCheck(start) => {
                self.done.push(format!("check {} {:?}", start.name, start.cause));
                let model = self.snapshot.models.get_mut(&start.name).unwrap();
                model.check.start(now);
                let fault = self.faults.get(&start.name).copied();
                model
                    .check
                    .succeed(start.ticket.clone(), check_report(&start.spec.model.sha256, fault), now);
            }
            Action::DropGeneration { view, .. } => {
                self.done.push(format!("drop {} g{}", view.name, view.generation));
                let observed = self.snapshot.views.get_mut(&view.name).unwrap();
                observed.record.forget(view.generation);
                observed.runs.remove(&view.generation);
            }
        }
    }

    fn run(&mut self, start: &StartRun) {
        let now = self.now_us;
        self.done
            .push(format!("run {} g{} {:?}", start.view, start.generation, start.cause));
        let newest = now - self.newest_age_us;
        let view = self.snapshot.views.get_mut(&start.view).unwrap();
        let work = view.runs.entry(start.generation).or_default();
        work.start(now);
        if let Some((code, message, retryable)) = self.failing.get(&start.view) {
            work.fail(start.ticket.clone(), code, message, *retryable, now);
        } else if self.slow.contains(&start.view) {
            self.tickets
                .insert((start.view.clone(), start.generation), start.ticket.clone());
        } else {
            let run = work.done.as_ref().map_or(1, |done| done.report.run + 1);
            work.succeed(start.ticket.clone(), run_report(run, newest), now);
        }
    }

    fn join(&mut self, start: &StartTrainingSet) {
        let now = self.now_us;
        self.done.push(format!("join {} {:?}", start.name, start.cause));
        let set = self.snapshot.training_sets.get_mut(&start.name).unwrap();
        set.join.start(now);
        if let Some((code, message, retryable)) = self.failing.get(&start.name) {
            set.join.fail(start.ticket.clone(), code, message, *retryable, now);
            return;
        }
        let version = format!("{:016x}", now / SECOND);
        let pinned = start.spec.views.iter().map(|joined| PinnedView {
            alias: joined.alias.clone(),
            view: joined.view.name.clone(),
            generation: joined.view.generation,
            table_version: 1,
        });
        set.pinned.insert(version.clone(), pinned.collect());
        set.join.succeed(start.ticket.clone(), set_report(&version), now);
    }
}

pub(crate) fn documents(yaml: &str) -> Vec<serde_json::Value> {
    serde_saphyr::from_multiple(yaml).unwrap()
}

pub(crate) fn from_json<T: serde::de::DeserializeOwned>(document: &serde_json::Value) -> T {
    serde_json::from_value(document.clone()).unwrap()
}

pub(crate) fn access(namespace: &str, store: &str) -> StoreAccess {
    StoreAccess {
        online: OnlineAccess::Memory,
        offline: OfflineAccess::Directory {
            path: "/bucket".to_owned(),
        },
        root: triplane_contract::layout::store_root("t", namespace, store),
        owner: format!("{namespace}/{store}"),
    }
}

pub(crate) fn run_report(run: u64, newest_event_us: i64) -> RunReport {
    RunReport {
        version: 1,
        run,
        table_version: run as i64,
        rows: 10 * run,
        rows_appended: 10,
        bytes: 1000,
        newest_event_us: Some(newest_event_us),
        rows_published: 10,
        rejected: Vec::new(),
        peak_memory_bytes: 0,
        elapsed_us: 1,
    }
}

fn set_report(version: &str) -> TrainingSetReport {
    TrainingSetReport {
        version: 1,
        set_version: version.to_owned(),
        path: format!("sets/{version}"),
        rows: 7,
        found: BTreeMap::new(),
        peak_memory_bytes: 0,
        elapsed_us: 1,
    }
}

fn check_report(sha256: &str, fault: Option<ModelFault>) -> ModelCheckReport {
    let message = fault.map_or("2 golden rows reproduced".to_owned(), |fault| {
        format!("found {fault:?}")
    });
    ModelCheckReport {
        version: 1,
        sha256: sha256.to_owned(),
        fault,
        message,
        golden_rows: 2,
        golden_max_difference: 0.0,
    }
}

/// `Type=Status/Reason` of every condition.
pub(crate) fn said(conditions: &[Condition]) -> Vec<String> {
    conditions
        .iter()
        .map(|c| format!("{}={}/{}", c.type_, c.status.name(), c.reason))
        .collect()
}

/// The message of one condition.
pub(crate) fn message<'a>(conditions: &'a [Condition], type_: &str) -> &'a str {
    conditions.iter().find(|c| c.type_ == type_).map_or("", |c| &c.message)
}

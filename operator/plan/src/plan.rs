//! Observed state in; statuses, records and next steps out.

use std::collections::BTreeMap;

use triplane_contract::View;
use triplane_contract::route::RouteTable;
use triplane_contract::store::StoreAccess;
use triplane_crds::v1alpha1::{
    FeatureStoreStatus, FeatureViewStatus, InferenceServiceStatus, ModelStatus, TrainingSetStatus,
};

use crate::feature_view::decide::StartRun;
use crate::feature_view::record::ViewRecord;
use crate::model::decide::StartModelCheck;
use crate::snapshot::{Kind, Snapshot};
use crate::training_set::decide::StartTrainingSet;
use crate::{feature_store, feature_view, inference_service, model, training_set};

/// One thing to do now. Doing it twice is harmless; what is under way has to show in the next snapshot.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Give this route table to the servers of a service, and start them where there are none.
    Serve(Box<RouteTable>),
    /// Bring a view generation up to date.
    StartRun(Box<StartRun>),
    /// Join a training set.
    StartTrainingSet(Box<StartTrainingSet>),
    /// Verify a model.
    StartModelCheck(Box<StartModelCheck>),
    /// Remove the online rows of a generation that nobody reads, then [`ViewRecord::forget`] it. Its offline table stays:
    /// training sets name its versions.
    DropGeneration {
        /// The generation.
        view: Box<View>,
        /// Its store.
        store: Box<StoreAccess>,
    },
}

/// What a pass decided. Nothing has to be written where it equals what was observed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Status of each FeatureStore.
    pub stores: BTreeMap<String, FeatureStoreStatus>,
    /// Status of each FeatureView.
    pub views: BTreeMap<String, FeatureViewStatus>,
    /// Record of each FeatureView: kept before the actions are done.
    pub records: BTreeMap<String, ViewRecord>,
    /// Status of each TrainingSet.
    pub training_sets: BTreeMap<String, TrainingSetStatus>,
    /// Status of each Model.
    pub models: BTreeMap<String, ModelStatus>,
    /// Status of each InferenceService.
    pub services: BTreeMap<String, InferenceServiceStatus>,
    /// What to do now: tables before runs, so that servers know a schema before its first row; drops last.
    pub actions: Vec<Action>,
    /// When an object has to be looked at again without any event, microseconds.
    pub due: BTreeMap<(Kind, String), i64>,
}

impl Plan {
    /// When the caller has to look again, if nothing happens before.
    pub fn next_us(&self) -> Option<i64> {
        self.due.values().copied().min()
    }

    /// Notes that an object changes by itself at a moment.
    pub(crate) fn look_again(&mut self, kind: Kind, name: &str, at_us: Option<i64>) {
        if let Some(at) = at_us {
            let due = self.due.entry((kind, name.to_owned())).or_insert(at);
            *due = at.min(*due);
        }
    }
}

/// Decides on everything in a namespace. Pure: the same snapshot at the same moment gives the same plan, and where all is
/// done the plan has no action and the statuses it was given.
pub fn plan(snapshot: &Snapshot, now_us: i64) -> Plan {
    let mut plan = Plan::default();
    let runs = feature_view::pass::run(snapshot, now_us, &mut plan);
    let records = plan.records.clone();
    let views = feature_view::pass::known(snapshot, &records);
    feature_store::pass::run(snapshot, now_us, &mut plan);
    let joins = training_set::pass::run(snapshot, &views, now_us, &mut plan);
    let cases = model::pass::cases(snapshot, &views);
    let services = inference_service::pass::run(snapshot, &cases, now_us, &mut plan);
    let checks = model::pass::run(snapshot, &cases, &services, now_us, &mut plan);
    let drops = feature_view::pass::drops(snapshot, &records, &services);
    plan.actions.extend(services.actions);
    plan.actions
        .extend(runs.into_iter().map(|run| Action::StartRun(Box::new(run))));
    plan.actions
        .extend(joins.into_iter().map(|join| Action::StartTrainingSet(Box::new(join))));
    plan.actions
        .extend(checks.into_iter().map(|check| Action::StartModelCheck(Box::new(check))));
    plan.actions.extend(drops);
    plan
}

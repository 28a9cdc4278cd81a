//! The world of one namespace as it was observed: plain data, gathered by the caller.

use std::collections::BTreeMap;
use std::fmt;

use triplane_contract::store::StoreAccess;

use crate::feature_store::observed::{Reach, StoreObserved};
use crate::feature_view::observed::ViewObserved;
use crate::inference_service::observed::ServiceObserved;
use crate::model::observed::ModelObserved;
use crate::training_set::observed::TrainingSetObserved;

/// A kind of `triplane.dev/v1alpha1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// FeatureStore
    FeatureStore,
    /// FeatureView
    FeatureView,
    /// TrainingSet
    TrainingSet,
    /// Model
    Model,
    /// InferenceService
    InferenceService,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// All objects of one namespace by name, with what is known about their work. Each object carries its last status.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The namespace.
    pub namespace: String,
    /// Each FeatureStore.
    pub stores: BTreeMap<String, StoreObserved>,
    /// Each FeatureView.
    pub views: BTreeMap<String, ViewObserved>,
    /// Each TrainingSet.
    pub training_sets: BTreeMap<String, TrainingSetObserved>,
    /// Each Model.
    pub models: BTreeMap<String, ModelObserved>,
    /// Each InferenceService.
    pub services: BTreeMap<String, ServiceObserved>,
}

impl Snapshot {
    /// How to reach a store that work can use now; else what is waited for.
    pub(crate) fn usable(&self, store: &str) -> Result<&StoreAccess, String> {
        let observed = self.stores.get(store).ok_or_else(|| {
            format!("FeatureStore {store} does not exist yet: apply it, or correct spec.storeRef.name")
        })?;
        match &observed.reach {
            Reach::Up => Ok(&observed.access),
            Reach::Unknown => Err(format!("FeatureStore {store} has not answered yet: wait")),
            Reach::Down { message, .. } | Reach::Foreign { message } => {
                Err(format!("FeatureStore {store} cannot be used: {message}"))
            }
        }
    }
}

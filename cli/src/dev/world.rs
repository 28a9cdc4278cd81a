//! What is known: a snapshot per namespace, changed by what is read, planned and done.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Resource;
use serde::Serialize;
use triplane_contract::layout;
use triplane_contract::store::StoreAccess;
use triplane_plan::feature_store::observed::{Reach, StoreObserved};
use triplane_plan::feature_view::observed::ViewObserved;
use triplane_plan::feature_view::record::ViewRecord;
use triplane_plan::inference_service::observed::ServiceObserved;
use triplane_plan::model::observed::ModelObserved;
use triplane_plan::training_set::observed::TrainingSetObserved;
use triplane_plan::work::Work;
use triplane_plan::{Kind, Plan, Snapshot};

use super::desired::{Desired, Objects};
use super::place::Place;

/// Everything known, by namespace.
#[derive(Debug, Default)]
pub struct World {
    /// Snapshots by namespace.
    pub namespaces: BTreeMap<String, Snapshot>,
}

/// An object with `metadata.generation` and age kept as an API server does.
fn carry<K>(mut new: K, old: Option<&K>, same_spec: impl Fn(&K, &K) -> bool, now_us: i64) -> K
where
    K: Resource,
{
    let before = old.map(|old| {
        (
            old.meta().generation.unwrap_or(1),
            old.meta().creation_timestamp.clone(),
        )
    });
    let changed = old.is_some_and(|old| !same_spec(old, &new));
    let meta = new.meta_mut();
    let (generation, created) = before.unwrap_or((1, None));
    meta.generation = Some(generation + i64::from(changed));
    meta.creation_timestamp = created.or_else(|| jiff::Timestamp::from_microsecond(now_us).ok().map(Time));
    new
}

/// Replaces a map of observed objects by what is desired, keeping what is known of those that stay.
fn merge<K: Clone, O: Clone>(
    known: &mut BTreeMap<String, O>,
    desired: &BTreeMap<String, K>,
    keeps: impl Fn(&str) -> bool,
    observe: impl Fn(K, Option<O>) -> O,
) {
    known.retain(|name, _| desired.contains_key(name) || keeps(name));
    for (name, object) in desired {
        let before = known.remove(name);
        known.insert(name.clone(), observe(object.clone(), before));
    }
}

macro_rules! carried {
    ($object:expr, $before:expr, $now_us:expr) => {{
        let old = $before.as_ref().map(|before| &before.object);
        let mut object = carry($object, old, |old, new| old.spec == new.spec, $now_us);
        object.status = old.and_then(|old| old.status.clone());
        object
    }};
}

impl World {
    /// Takes what the folder asks for. Objects whose manifest is not valid at present stay as they were. `false`: some views
    /// could not be taken yet, because the bucket does not answer; take them again.
    pub fn take(&mut self, desired: &Desired, place: &Place, now_us: i64) -> bool {
        let mut whole = true;
        let nothing = Objects::default();
        for namespace in desired.namespaces.keys() {
            let snapshot = self.namespaces.entry(namespace.clone()).or_default();
            snapshot.namespace.clone_from(namespace);
        }
        for (namespace, snapshot) in &mut self.namespaces {
            let objects = desired.namespaces.get(namespace).unwrap_or(&nothing);
            let keeps = |kind: Kind| move |name: &str| desired.keeps(kind, namespace, name);
            take_stores(snapshot, objects, keeps(Kind::FeatureStore), place, now_us);
            whole &= take_views(snapshot, objects, keeps(Kind::FeatureView), place, now_us);
            merge(
                &mut snapshot.training_sets,
                &objects.training_sets,
                keeps(Kind::TrainingSet),
                |object, before| {
                    let object = carried!(object, before, now_us);
                    let (join, pinned) = before.map_or_else(Default::default, |before| (before.join, before.pinned));
                    TrainingSetObserved { object, join, pinned }
                },
            );
            merge(
                &mut snapshot.models,
                &objects.models,
                keeps(Kind::Model),
                |object, before| {
                    let object = carried!(object, before, now_us);
                    let check = before.map_or_else(Work::default, |before| before.check);
                    ModelObserved { object, check }
                },
            );
            take_services(snapshot, objects, keeps(Kind::InferenceService), place, now_us);
        }
        self.namespaces.retain(|_, snapshot| {
            let Snapshot {
                namespace: _,
                stores,
                views,
                training_sets,
                models,
                services,
            } = &*snapshot;
            !(stores.is_empty()
                && views.is_empty()
                && training_sets.is_empty()
                && models.is_empty()
                && services.is_empty())
        });
        whole
    }

    /// Takes statuses and records of a plan; returns whether anything differs from what was known.
    pub fn follow(&mut self, namespace: &str, plan: &Plan) -> bool {
        let Some(snapshot) = self.namespaces.get_mut(namespace) else {
            return false;
        };
        let mut changed = false;
        for (name, view) in &mut snapshot.views {
            if let Some(record) = plan.records.get(name)
                && view.record != *record
            {
                view.record.clone_from(record);
                changed = true;
            }
        }
        let mut set = |changed_here: bool| changed |= changed_here;
        snapshot
            .stores
            .iter_mut()
            .for_each(|(n, o)| set(replace(&mut o.object.status, plan.stores.get(n))));
        snapshot
            .views
            .iter_mut()
            .for_each(|(n, o)| set(replace(&mut o.object.status, plan.views.get(n))));
        snapshot
            .training_sets
            .iter_mut()
            .for_each(|(n, o)| set(replace(&mut o.object.status, plan.training_sets.get(n))));
        snapshot
            .models
            .iter_mut()
            .for_each(|(n, o)| set(replace(&mut o.object.status, plan.models.get(n))));
        snapshot
            .services
            .iter_mut()
            .for_each(|(n, o)| set(replace(&mut o.object.status, plan.services.get(n))));
        changed
    }

    /// Every object as JSON, for tables and scripts: by kind in the order of a pipeline, then namespace and name.
    pub fn objects(&self) -> Vec<serde_json::Value> {
        let mut objects = Vec::new();
        let all = || self.namespaces.values();
        objects.extend(all().flat_map(|s| s.stores.values()).filter_map(|o| json(&o.object)));
        objects.extend(all().flat_map(|s| s.views.values()).filter_map(|o| json(&o.object)));
        objects.extend(
            all()
                .flat_map(|s| s.training_sets.values())
                .filter_map(|o| json(&o.object)),
        );
        objects.extend(all().flat_map(|s| s.models.values()).filter_map(|o| json(&o.object)));
        objects.extend(all().flat_map(|s| s.services.values()).filter_map(|o| json(&o.object)));
        objects
    }
}

fn json(object: &impl Serialize) -> Option<serde_json::Value> {
    serde_json::to_value(object).ok()
}

fn replace<S: Clone + PartialEq>(status: &mut Option<S>, planned: Option<&S>) -> bool {
    let differs = planned.is_some() && status.as_ref() != planned;
    if differs {
        *status = planned.cloned();
    }
    differs
}

fn take_stores(snapshot: &mut Snapshot, objects: &Objects, keeps: impl Fn(&str) -> bool, place: &Place, now_us: i64) {
    let namespace = snapshot.namespace.clone();
    merge(&mut snapshot.stores, &objects.stores, keeps, |object, before| {
        let object = carried!(object, before, now_us);
        let access = access(&namespace, &object, place);
        let reach = before.map_or(Reach::Unknown, |before| before.reach);
        StoreObserved {
            object,
            access,
            reach,
            shards: None,
            memory: None,
        }
    });
}

fn take_views(
    snapshot: &mut Snapshot,
    objects: &Objects,
    keeps: impl Fn(&str) -> bool,
    place: &Place,
    now_us: i64,
) -> bool {
    let mut views = objects.views.clone();
    let (mut last, mut whole) = (BTreeMap::new(), true);
    let unknown: Vec<String> = views
        .keys()
        .filter(|name| !snapshot.views.contains_key(*name))
        .cloned()
        .collect();
    for name in unknown {
        let store = views
            .get(&name)
            .and_then(|view| snapshot.stores.get(&view.spec.store_ref.name));
        let generation = match store {
            None => Ok(0),
            // One view has shown that the bucket does not answer.
            Some(_) if !whole => Err("as others do".to_owned()),
            Some(store) => place.last_generation(&store.access.root, &name),
        };
        match generation {
            Ok(generation) => {
                last.insert(name, generation);
            }
            // Its numbers are in the bucket: it is taken when the bucket answers.
            Err(message) => {
                tracing::warn!(view = name, "waits for the bucket: {message}");
                views.remove(&name);
                whole = false;
            }
        }
    }
    merge(&mut snapshot.views, &views, keeps, |object, before| {
        let object = carried!(object, before, now_us);
        let known = before.map(|before| (before.record, before.runs));
        let first = || ViewRecord {
            last: last
                .get(object.metadata.name.as_deref().unwrap_or_default())
                .copied()
                .unwrap_or(0),
            ..ViewRecord::default()
        };
        let (record, runs) = known.unwrap_or_else(|| (first(), BTreeMap::new()));
        ViewObserved { object, record, runs }
    });
    whole
}

fn take_services(snapshot: &mut Snapshot, objects: &Objects, keeps: impl Fn(&str) -> bool, place: &Place, now_us: i64) {
    merge(&mut snapshot.services, &objects.services, keeps, |object, before| {
        let object = carried!(object, before, now_us);
        let url = object
            .metadata
            .name
            .as_ref()
            .map(|name| format!("{}/v1/models/{name}", place.url));
        let (table, server) = before.map_or((None, None), |before| (before.table, before.server));
        ServiceObserved {
            object,
            table,
            server,
            url,
        }
    });
}

/// How a store of the manifests is reached on this machine.
pub fn access(namespace: &str, store: &triplane_crds::v1alpha1::FeatureStore, place: &Place) -> StoreAccess {
    let name = store.metadata.name.clone().unwrap_or_default();
    let prefix = store.spec.offline.s3.prefix.clone().unwrap_or_default();
    StoreAccess {
        online: place.online.clone(),
        offline: place.bucket.clone(),
        root: layout::store_root(&prefix, namespace, &name),
        owner: format!("triplane-dev/{namespace}/{name}"),
    }
}

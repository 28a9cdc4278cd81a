//! What is kept over restarts: statuses, records of generations, finished work, route tables.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use snafu::{ResultExt, Snafu};
use triplane_contract::View;
use triplane_contract::model::ModelCheckReport;
use triplane_contract::route::RouteTable;
use triplane_contract::run::RunReport;
use triplane_contract::store::OnlineAccess;
use triplane_contract::training::{PinnedView, TrainingSetReport};
use triplane_crds::v1alpha1::{FeatureStore, FeatureView, InferenceService, Model, TrainingSet};
use triplane_plan::Snapshot;
use triplane_plan::feature_store::observed::{Reach, StoreObserved};
use triplane_plan::feature_view::observed::ViewObserved;
use triplane_plan::feature_view::record::ViewRecord;
use triplane_plan::inference_service::observed::ServiceObserved;
use triplane_plan::model::observed::ModelObserved;
use triplane_plan::training_set::observed::TrainingSetObserved;
use triplane_plan::work::Work;

use super::place::Place;
use super::world::{World, access};

/// Name of the file in the state folder.
pub const FILE: &str = "state.json";

/// Why the state cannot be read or written.
#[derive(Debug, Snafu)]
pub enum SavedError {
    /// The file cannot be read or written.
    #[snafu(display("failed to {verb} {path}: {source}"))]
    File {
        /// read or write
        verb: &'static str,
        /// The file.
        path: String,
        /// Cause.
        source: std::io::Error,
    },
    /// The file does not parse.
    #[snafu(display(
        "{path} is not state of this version ({source}): move it away; everything is built again from the bucket"
    ))]
    Parse {
        /// The file.
        path: String,
        /// Cause.
        source: serde_json::Error,
    },
}

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Saved {
    online: Option<OnlineAccess>,
    #[serde(default)]
    url: String,
    as_of_us: Option<i64>,
    namespaces: BTreeMap<String, Namespace>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Namespace {
    stores: BTreeMap<String, FeatureStore>,
    views: BTreeMap<String, SavedView>,
    training_sets: BTreeMap<String, SavedSet>,
    models: BTreeMap<String, SavedModel>,
    services: BTreeMap<String, SavedService>,
}

#[derive(Serialize, Deserialize)]
struct SavedView {
    object: FeatureView,
    record: ViewRecord,
    runs: BTreeMap<u32, Work<RunReport>>,
}

#[derive(Serialize, Deserialize)]
struct SavedSet {
    object: TrainingSet,
    join: Work<TrainingSetReport>,
    pinned: BTreeMap<String, Vec<PinnedView>>,
}

#[derive(Serialize, Deserialize)]
struct SavedModel {
    object: Model,
    check: Work<ModelCheckReport>,
}

#[derive(Serialize, Deserialize)]
struct SavedService {
    object: InferenceService,
    table: Option<RouteTable>,
}

/// What a session tells other commands.
#[derive(Debug)]
pub struct Known {
    /// Where its online rows are.
    pub online: OnlineAccess,
    /// Where it answers while it runs.
    pub url: String,
    /// Where its clock stands, microseconds; `None` where it goes.
    pub as_of_us: Option<i64>,
    /// Its views.
    pub views: Vec<KnownView>,
}

/// A view of a session.
#[derive(Debug)]
pub struct KnownView {
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// The generation that servers read; `None` before the first run.
    pub ready: Option<View>,
}

/// Writes the state; a reader sees the old file or the new one.
pub fn write(folder: &Path, world: &World, place: &Place) -> Result<(), SavedError> {
    let namespaces = world
        .namespaces
        .iter()
        .map(|(name, snapshot)| (name.clone(), namespace(snapshot)))
        .collect();
    let saved = Saved {
        online: Some(place.online.clone()),
        url: place.url.clone(),
        as_of_us: place.as_of_us,
        namespaces,
    };
    let path = folder.join(FILE);
    let json = serde_json::to_vec_pretty(&saved).context(ParseSnafu {
        path: path.display().to_string(),
    })?;
    replace(&path, &json)
}

/// Writes a file whole: a reader sees the old one or the new one.
pub fn replace(path: &Path, content: &[u8]) -> Result<(), SavedError> {
    let partial = path.with_extension("partial");
    std::fs::write(&partial, content)
        .and_then(|()| std::fs::rename(&partial, path))
        .context(FileSnafu {
            verb: "write",
            path: path.display().to_string(),
        })
}

/// Reads the state. Work that was under way has ended with the process. Rows kept in memory, or in another online store
/// than before, are gone, and so are (`Stale`) those of a clock that did not stand where it is fixed now: every view is
/// published again before it counts as ready.
pub fn read(folder: &Path, place: &Place) -> Result<World, SavedError> {
    let Some(saved) = load(folder)? else {
        return Ok(World::default());
    };
    let same_store = place.online != OnlineAccess::Memory && saved.online.as_ref() == Some(&place.online);
    let rows_kept = same_store && place.as_of_us.is_none();
    let restore = |(name, saved): (String, Namespace)| (name.clone(), snapshot(name, saved, place, rows_kept));
    Ok(World {
        namespaces: saved.namespaces.into_iter().map(restore).collect(),
    })
}

/// What the last session in `folder` tells; `None` where there was none.
pub fn known(folder: &Path) -> Result<Option<Known>, SavedError> {
    let Some(saved) = load(folder)? else { return Ok(None) };
    let views = saved.namespaces.into_iter().flat_map(|(namespace, saved)| {
        saved.views.into_iter().map(move |(name, view)| KnownView {
            namespace: namespace.clone(),
            name,
            ready: view.record.ready().map(|generation| generation.view.clone()),
        })
    });
    Ok(Some(Known {
        views: views.collect(),
        online: saved.online.unwrap_or(OnlineAccess::Memory),
        url: saved.url,
        as_of_us: saved.as_of_us,
    }))
}

fn load(folder: &Path) -> Result<Option<Saved>, SavedError> {
    let path = folder.join(FILE);
    let json = match std::fs::read(&path) {
        Ok(json) => json,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(SavedError::File {
                verb: "read",
                path: path.display().to_string(),
                source,
            });
        }
    };
    let saved = serde_json::from_slice(&json).context(ParseSnafu {
        path: path.display().to_string(),
    })?;
    Ok(Some(saved))
}

fn namespace(snapshot: &Snapshot) -> Namespace {
    let Snapshot {
        namespace: _,
        stores,
        views,
        training_sets,
        models,
        services,
    } = snapshot;
    let service = |o: &ServiceObserved| SavedService {
        object: o.object.clone(),
        table: o.table.clone(),
    };
    let set = |o: &TrainingSetObserved| SavedSet {
        object: o.object.clone(),
        join: o.join.clone(),
        pinned: o.pinned.clone(),
    };
    let view = |o: &ViewObserved| SavedView {
        object: o.object.clone(),
        record: o.record.clone(),
        runs: o.runs.clone(),
    };
    Namespace {
        stores: stores
            .iter()
            .map(|(name, o)| (name.clone(), o.object.clone()))
            .collect(),
        views: views.iter().map(|(name, o)| (name.clone(), view(o))).collect(),
        training_sets: training_sets.iter().map(|(name, o)| (name.clone(), set(o))).collect(),
        models: models
            .iter()
            .map(|(name, o)| {
                (
                    name.clone(),
                    SavedModel {
                        object: o.object.clone(),
                        check: o.check.clone(),
                    },
                )
            })
            .collect(),
        services: services.iter().map(|(name, o)| (name.clone(), service(o))).collect(),
    }
}

fn ended<R>(mut work: Work<R>) -> Work<R> {
    work.running = false;
    work
}

fn restored<A, B>(saved: BTreeMap<String, A>, restore: impl Fn(A) -> B) -> BTreeMap<String, B> {
    saved.into_iter().map(|(name, saved)| (name, restore(saved))).collect()
}

fn restored_view(saved: SavedView, rows_kept: bool) -> ViewObserved {
    let (object, mut record, mut runs) = (saved.object, saved.record, saved.runs);
    if !rows_kept {
        record.ready = None;
        runs.clear();
    }
    let runs = runs.into_iter().map(|(generation, work)| (generation, ended(work)));
    let runs = runs.collect();
    ViewObserved { object, record, runs }
}

fn snapshot(namespace: String, saved: Namespace, place: &Place, rows_kept: bool) -> Snapshot {
    let store = |object: FeatureStore| StoreObserved {
        access: access(&namespace, &object, place),
        object,
        reach: Reach::Unknown,
        shards: None,
        memory: None,
    };
    let set = |s: SavedSet| TrainingSetObserved {
        object: s.object,
        join: ended(s.join),
        pinned: s.pinned,
    };
    let model = |s: SavedModel| ModelObserved {
        object: s.object,
        check: ended(s.check),
    };
    // Without rows a service waits for its views like a new one: an empty store would answer with defaults.
    let service = |s: SavedService| ServiceObserved {
        object: s.object,
        table: s.table.filter(|_| rows_kept),
        server: None,
        url: None,
    };
    Snapshot {
        stores: restored(saved.stores, store),
        views: restored(saved.views, |view| restored_view(view, rows_kept)),
        training_sets: restored(saved.training_sets, set),
        models: restored(saved.models, model),
        services: restored(saved.services, service),
        namespace,
    }
}

//! Every object that plans up to a run have named. A snapshot every 32 runs keeps the cost of planning flat.

use std::collections::BTreeMap;
use std::sync::Arc;

use object_store::ObjectStore;
use serde::{Deserialize, Serialize};
use triplane_contract::run::{PlannedObject, RunPlan};
use triplane_contract::{layout, version};

use super::{ChangedObject, PlanError};
use crate::objects::{get_json, put_json};

/// Runs between two snapshots.
const EVERY: u64 = 32;

/// The objects as the plans of runs 1 to `run` leave them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    objects: BTreeMap<(String, String), PlannedObject>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Snapshot {
    version: u32,
    run: u64,
    objects: Vec<PlannedObject>,
}

impl Inventory {
    /// The object at `path` of `source`.
    pub fn get(&self, source: &str, path: &str) -> Option<&PlannedObject> {
        self.objects.get(&(source.to_owned(), path.to_owned()))
    }

    /// Whether no content of an object is known: `forget_content`.
    pub(super) fn is_forgotten(object: &PlannedObject) -> bool {
        object.etag.is_empty()
    }

    /// Objects by (source, path).
    pub fn objects(&self) -> impl Iterator<Item = &PlannedObject> {
        self.objects.values()
    }

    /// What was read of an object is not what was planned: it is known by no `ETag` any more, and by the times of all that was
    /// planned or read.
    pub(super) fn forget_content(&mut self, changed: &ChangedObject) {
        let key = (changed.source.clone(), changed.path.clone());
        let Some(object) = self.objects.get_mut(&key) else {
            return;
        };
        object.etag.clear();
        if let Some((min, max)) = changed.min_us.zip(changed.max_us) {
            object.min_us = Some(object.min_us.map_or(min, |known| known.min(min)));
            object.max_us = Some(object.max_us.map_or(max, |known| known.max(max)));
        }
    }

    /// The inventory after `plan`.
    pub fn apply(&mut self, plan: &RunPlan) {
        for object in &plan.arrived {
            let key = (object.source.clone(), object.path.clone());
            if object.removed {
                self.objects.remove(&key);
            } else {
                self.objects.insert(key, object.clone());
            }
        }
    }
}

/// Loads the inventory after `run`: the newest snapshot at or before it, and the plans since.
pub(super) async fn load(bucket: &Arc<dyn ObjectStore>, root: &str, run: u64) -> Result<Inventory, PlanError> {
    let (mut at, mut inventory) = newest_snapshot(bucket, root, run).await?;
    while at < run {
        at += 1;
        let path = layout::run_plan(root, at);
        let plan: RunPlan = get_json(bucket, &path).await?.ok_or(PlanError::PlanMissing { path })?;
        inventory.apply(&plan);
        if at.is_multiple_of(EVERY) {
            let objects = inventory.objects.values().cloned().collect();
            put_json(
                bucket,
                &snapshot_path(root, at),
                &Snapshot {
                    version: version::CURRENT,
                    run: at,
                    objects,
                },
            )
            .await?;
        }
    }
    Ok(inventory)
}

async fn newest_snapshot(bucket: &Arc<dyn ObjectStore>, root: &str, run: u64) -> Result<(u64, Inventory), PlanError> {
    let mut at = run - run % EVERY;
    while at > 0 {
        if let Some(found) = get_json::<Snapshot>(bucket, &snapshot_path(root, at)).await? {
            let objects = found
                .objects
                .into_iter()
                .map(|o| ((o.source.clone(), o.path.clone()), o))
                .collect();
            return Ok((at, Inventory { objects }));
        }
        at -= EVERY;
    }
    Ok((0, Inventory::default()))
}

fn snapshot_path(root: &str, run: u64) -> String {
    format!("{root}/_triplane/inventory/{run}.json")
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;
    use object_store::path::Path;
    use object_store::{ObjectStoreExt, PutPayload};

    use super::*;

    fn object(path: &str, etag: &str, removed: bool) -> PlannedObject {
        PlannedObject {
            source: "s".to_owned(),
            path: path.to_owned(),
            etag: etag.to_owned(),
            size: 1,
            last_modified_us: 0,
            min_us: Some(0),
            max_us: Some(1),
            removed,
            unreadable: None,
        }
    }

    fn plan(run: u64) -> RunPlan {
        let arrived = vec![
            object("a", &run.to_string(), false),
            object(&format!("b{run}"), "x", run.is_multiple_of(2)),
        ];
        RunPlan {
            version: version::CURRENT,
            run,
            planned_at_us: 0,
            arrived,
        }
    }

    #[tokio::test]
    async fn a_snapshot_replaces_the_plans_before_it() {
        let bucket: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        for run in 1..=40 {
            put_json(&bucket, &layout::run_plan("v", run), &plan(run))
                .await
                .unwrap();
        }
        let whole = load(&bucket, "v", 40).await.unwrap();
        for run in 1..=32 {
            bucket.delete(&Path::from(layout::run_plan("v", run))).await.unwrap();
        }
        assert_eq!(load(&bucket, "v", 40).await.unwrap(), whole);
        assert_eq!(whole.get("s", "a").map(|o| o.etag.as_str()), Some("40"));
        assert!(whole.get("s", "b39").is_some() && whole.get("s", "b40").is_none());
    }

    #[test]
    fn an_object_that_was_found_changed_is_known_by_no_content_and_by_all_that_was_read() {
        let mut inventory = Inventory::default();
        inventory.apply(&plan(1));
        let changed = |min_us, max_us| ChangedObject {
            source: "s".to_owned(),
            path: "a".to_owned(),
            min_us,
            max_us,
        };
        inventory.forget_content(&changed(Some(-5), Some(0)));
        inventory.forget_content(&changed(None, None));
        let object = inventory.get("s", "a").unwrap();
        assert_eq!(
            (object.etag.as_str(), object.min_us, object.max_us),
            ("", Some(-5), Some(1))
        );
        assert_eq!(inventory.get("s", "b1").unwrap().etag, "x");
    }

    #[tokio::test]
    async fn a_missing_plan_is_an_error_that_names_it() {
        let bucket: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        bucket
            .put(&Path::from("v/_triplane/runs/2.json"), PutPayload::from_static(b"{}"))
            .await
            .unwrap();
        let message = load(&bucket, "v", 2).await.unwrap_err().to_string();
        assert!(message.contains("v/_triplane/runs/1.json is missing"), "{message}");
    }
}

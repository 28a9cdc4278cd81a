//! Every FeatureStore of a namespace.

use super::status;
use crate::plan::Plan;
use crate::snapshot::{Kind, Snapshot};

/// Puts the status of every store into the plan.
pub(crate) fn run(snapshot: &Snapshot, now_us: i64, plan: &mut Plan) {
    for (name, store) in &snapshot.stores {
        let views = snapshot
            .views
            .values()
            .filter(|view| view.object.spec.store_ref.name == *name)
            .count();
        let (status, again) = status::status(store, views, now_us);
        plan.look_again(Kind::FeatureStore, name, again);
        plan.stores.insert(name.clone(), status);
    }
}

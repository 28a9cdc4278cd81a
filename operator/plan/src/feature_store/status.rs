//! The status of a FeatureStore.

use triplane_crds::condition::{ConditionType, is_true};
use triplane_crds::reason::Reason;
use triplane_crds::v1alpha1::FeatureStoreStatus;

use super::observed::{Reach, StoreObserved};
use crate::judgement::{self, Judgement};

/// How long a promise may be broken before Ready says so, microseconds.
pub const BROKEN_AFTER_US: i64 = 30_000_000;

/// The status, and when it changes without any event.
pub fn status(store: &StoreObserved, views: usize, now_us: i64) -> (FeatureStoreStatus, Option<i64>) {
    let before = store.object.status.clone().unwrap_or_default();
    let generation = store.object.metadata.generation.unwrap_or(0);
    let was_ready = is_true(&before.conditions, ConditionType::Ready);
    let (judgement, broken_at) = judge(store, was_ready, now_us);
    let (conditions, recheck) = judgement::conditions(&before.conditions, judgement, generation, now_us);
    let status = FeatureStoreStatus {
        observed_generation: Some(generation),
        conditions,
        shards: store.shards.clone(),
        memory: store.memory.clone(),
        views: i32::try_from(views).ok(),
    };
    (status, crate::time::earlier(recheck, broken_at))
}

fn judge(store: &StoreObserved, was_ready: bool, now_us: i64) -> (Judgement, Option<i64>) {
    let judgement = match &store.reach {
        Reach::Up => Judgement::kept("online store and bucket answer"),
        Reach::Unknown => Judgement::coming(Reason::Starting, "online store and bucket have not been asked yet"),
        Reach::Foreign { message } => Judgement::stalled(Reason::ForeignOwner, message),
        Reach::Down { message, since_us } => {
            let broken_at = since_us.saturating_add(BROKEN_AFTER_US);
            if was_ready && now_us < broken_at {
                let kept = Judgement::kept("online store and bucket answered until a moment ago");
                return (kept.degraded(Reason::StoreUnavailable, message), Some(broken_at));
            }
            Judgement::coming(Reason::StoreUnavailable, message).working(Reason::Starting, message)
        }
    };
    (judgement, None)
}

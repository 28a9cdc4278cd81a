//! The status of an InferenceService.

use triplane_contract::route::RouteTable;
use triplane_crds::condition::{ConditionType, is_true};
use triplane_crds::reason::Reason;
use triplane_crds::v1alpha1::InferenceServiceStatus;

use super::observed::{ServerState, ServiceObserved};
use super::table;
use crate::feature_store::status::BROKEN_AFTER_US;
use crate::judgement::{self, Judgement, Verdict};
use crate::work::digest;

/// Why the spec's own model does not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// Whether only the user can remove it.
    pub stalled: bool,
    /// Why.
    pub reason: Reason,
    /// What to do.
    pub message: String,
}

/// What a status is made from.
pub struct Facts<'a> {
    /// The object and its servers.
    pub observed: &'a ServiceObserved,
    /// Name of the model that shall serve.
    pub model: &'a str,
    /// What keeps it from serving.
    pub obstacle: Option<Obstacle>,
    /// The table that is or shall be served.
    pub table: Option<&'a RouteTable>,
}

/// The status, and when it changes without any event.
pub fn status(facts: &Facts<'_>, now_us: i64) -> (InferenceServiceStatus, Option<i64>) {
    let object = &facts.observed.object;
    let before = object.status.clone().unwrap_or_default();
    let generation = object.metadata.generation.unwrap_or(0);
    let was_ready = is_true(&before.conditions, ConditionType::Ready);
    let (judgement, broken_at) = judge(facts, was_ready, now_us);
    let (conditions, recheck) = judgement::conditions(&before.conditions, judgement, generation, now_us);
    let server = facts.observed.server.as_ref();
    let status = InferenceServiceStatus {
        observed_generation: Some(generation),
        conditions,
        stable: facts.table.and_then(table::stable).map(|model| model.name.clone()),
        url: facts.observed.url.clone(),
        route_generation: server.and_then(|server| i64::try_from(server.generation).ok()),
        route_digest: facts.table.map(digest),
        ..Default::default()
    };
    (status, crate::time::earlier(recheck, broken_at))
}

fn judge(facts: &Facts<'_>, was_ready: bool, now_us: i64) -> (Judgement, Option<i64>) {
    let (served, broken_at) = served(facts, was_ready, now_us);
    let Some(obstacle) = &facts.obstacle else {
        return (served, broken_at);
    };
    if obstacle.stalled {
        return (Judgement::stalled(obstacle.reason, &obstacle.message), None);
    }
    let Some(stable) = facts.table.and_then(table::stable) else {
        return (Judgement::coming(obstacle.reason, &obstacle.message), None);
    };
    if served.verdict != Verdict::Kept {
        return (served, broken_at);
    }
    if stable.name == facts.model {
        return (served.degraded(Reason::ModelNotReady, &obstacle.message), broken_at);
    }
    let message = format!("{}; {} answers meanwhile", obstacle.message, stable.name);
    (served.working(obstacle.reason, message), broken_at)
}

/// How the servers stand to the table.
fn served(facts: &Facts<'_>, was_ready: bool, now_us: i64) -> (Judgement, Option<i64>) {
    let Some(table) = facts.table else {
        return (
            Judgement::coming(Reason::Routing, "there is no route table yet: wait"),
            None,
        );
    };
    let Some(server) = &facts.observed.server else {
        return (
            Judgement::coming(Reason::Routing, "the first server starts: wait"),
            None,
        );
    };
    let name = table::stable(table).map_or("", |model| model.name.as_str());
    let kept = breaker(Judgement::kept(format!("{name} answers")), server);
    let routing = format!(
        "route table {} is being distributed: servers have {}",
        table.generation, server.generation
    );
    if !server.ready {
        let broken_at = server.since_us.saturating_add(BROKEN_AFTER_US);
        if was_ready && now_us < broken_at {
            return (kept.working(Reason::Routing, &server.message), Some(broken_at));
        }
        return (Judgement::coming(Reason::Routing, &server.message), None);
    }
    if server.generation == table.generation {
        return (kept, None);
    }
    if was_ready {
        (kept.working(Reason::Routing, routing), None)
    } else {
        (Judgement::coming(Reason::Routing, routing), None)
    }
}

fn breaker(judgement: Judgement, server: &ServerState) -> Judgement {
    if !server.breaker_open {
        return judgement;
    }
    let message = "the online store fails: answers are cached, imputed or the default; look at the FeatureStore";
    judgement.degraded(Reason::BreakerOpen, message)
}

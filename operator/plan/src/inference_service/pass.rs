//! Every InferenceService of a namespace.

use std::collections::BTreeMap;

use triplane_contract::route::RouteTable;
use triplane_crds::reason::Reason;
use triplane_crds::v1alpha1::model::ModelUse;

use super::observed::ServiceObserved;
use super::status::{self, Facts, Obstacle};
use super::table;
use super::validate::{self, ValidatedService};
use crate::model::pass::Cases;
use crate::plan::{Action, Plan};
use crate::snapshot::{Kind, Snapshot};

/// Pause before a table is given again to servers that did not take it, microseconds.
const REFUSED_US: i64 = 5_000_000;

/// What the services came to.
#[derive(Default)]
pub(crate) struct Services {
    /// The table of each service that has one.
    pub(crate) tables: BTreeMap<String, RouteTable>,
    /// Tables to give to servers.
    pub(crate) actions: Vec<Action>,
}

impl Services {
    /// The services that serve a model, with its role.
    pub(crate) fn uses_of(&self, model: &str) -> Vec<ModelUse> {
        let routes = self
            .tables
            .iter()
            .flat_map(|(service, table)| table.routes.iter().map(move |r| (service, r)));
        routes
            .filter(|(_, route)| route.model.name == model)
            .map(|(service, route)| ModelUse {
                service: service.clone(),
                role: route.role.name().to_owned(),
            })
            .collect()
    }
}

/// Puts the status of every service into the plan.
pub(crate) fn run(snapshot: &Snapshot, cases: &Cases<'_>, now_us: i64, plan: &mut Plan) -> Services {
    let mut services = Services::default();
    for (name, observed) in &snapshot.services {
        let decided = decide(snapshot, cases, name, observed);
        let (table, obstacle) = match decided {
            Ok(table) => (Some(table), None),
            Err(obstacle) => (observed.table.clone(), Some(obstacle)),
        };
        let model = &observed.object.spec.model.name;
        let facts = Facts {
            observed,
            model,
            obstacle,
            table: table.as_ref(),
        };
        let (status, again) = status::status(&facts, now_us);
        plan.look_again(Kind::InferenceService, name, again);
        plan.services.insert(name.clone(), status);
        if let Some(table) = table {
            match serve_at(observed, &table) {
                Some(at) if at > now_us => plan.look_again(Kind::InferenceService, name, Some(at)),
                Some(_) => services.actions.push(Action::Serve(Box::new(table.clone()))),
                None => {}
            }
            services.tables.insert(name.clone(), table);
        }
    }
    services
}

/// The table the spec asks for, or what keeps it from being served.
fn decide(
    snapshot: &Snapshot,
    cases: &Cases<'_>,
    name: &str,
    observed: &ServiceObserved,
) -> Result<RouteTable, Obstacle> {
    let service = validate::validate(&snapshot.namespace, name, &observed.object.spec)
        .map_err(|error| stalled(Reason::InvalidSpec, error.to_string()))?;
    if service.suspend {
        return observed.table.clone().ok_or_else(|| {
            waiting(
                Reason::Suspended,
                "nothing is served while spec.suspend is true: set it to false".to_owned(),
            )
        });
    }
    next_table(snapshot, cases, &service, observed)
}

fn next_table(
    snapshot: &Snapshot,
    cases: &Cases<'_>,
    service: &ValidatedService,
    observed: &ServiceObserved,
) -> Result<RouteTable, Obstacle> {
    let model = &service.model;
    let missing = || format!("Model {model} does not exist yet: apply it, or correct spec.model.name");
    let case = cases
        .get(model)
        .ok_or_else(|| waiting(Reason::WaitingForModel, missing()))?;
    let (true, Ok(spec), Some(Ok(served))) = (case.is_ready(), &case.spec, &case.served) else {
        let message = format!("Model {model} is not Ready: its own status says what it waits for");
        return Err(waiting(Reason::WaitingForModel, message));
    };
    let fallback = service.fallback.or(spec.baseline).ok_or_else(|| {
        let message =
            format!("neither spec.fallback nor Model {model} gives a default prediction: set spec.fallback.prediction");
        stalled(Reason::FallbackRequired, message)
    })?;
    // A store that does not answer is no obstacle: servers answer with the fallback.
    let store = snapshot.stores.get(&spec.store).ok_or_else(|| {
        let message = format!("FeatureStore {} of Model {model} does not exist: apply it", spec.store);
        waiting(Reason::WaitingForStore, message)
    })?;
    Ok(table::next(
        service,
        served.clone(),
        fallback,
        &store.access,
        observed.table.as_ref(),
    ))
}

/// When servers have to be given the table; `None` where they have it. One that refused it is not asked at once again.
fn serve_at(observed: &ServiceObserved, table: &RouteTable) -> Option<i64> {
    match &observed.server {
        Some(server) if observed.table.as_ref() == Some(table) => {
            let refused = if server.ready {
                i64::MIN
            } else {
                server.since_us.saturating_add(REFUSED_US)
            };
            (server.generation < table.generation).then_some(refused)
        }
        _ => Some(i64::MIN),
    }
}

fn stalled(reason: Reason, message: String) -> Obstacle {
    Obstacle {
        stalled: true,
        reason,
        message,
    }
}

fn waiting(reason: Reason, message: String) -> Obstacle {
    Obstacle {
        stalled: false,
        reason,
        message,
    }
}

//! The route table of a service, and when its generation rises.

use triplane_contract::model::ServedModel;
use triplane_contract::route::{Role, Route, RouteTable};
use triplane_contract::store::StoreAccess;
use triplane_contract::version;

use super::validate::ValidatedService;

/// The table that serves `model`: `last` itself where nothing changed, else the next generation. `fallback` is the service's
/// own, else the model's baseline.
pub fn next(
    service: &ValidatedService,
    model: ServedModel,
    fallback: f64,
    store: &StoreAccess,
    last: Option<&RouteTable>,
) -> RouteTable {
    let mut table = RouteTable {
        version: version::CURRENT,
        namespace: service.namespace.clone(),
        service: service.name.clone(),
        generation: last.map_or(1, |last| last.generation),
        routes: vec![Route {
            role: Role::Stable,
            model,
        }],
        features: service.features,
        deadline_us: service.deadline_us,
        fallback,
        store: store.clone(),
    };
    if let Some(last) = last
        && *last != table
    {
        table.generation += 1;
    }
    table
}

/// The stable model of a table.
pub fn stable(table: &RouteTable) -> Option<&ServedModel> {
    table
        .routes
        .iter()
        .find(|route| route.role == Role::Stable)
        .map(|route| &route.model)
}

/// Whether a table reads a generation of a view.
pub fn reads(table: &RouteTable, view: &str, generation: u32) -> bool {
    let mut views = table.routes.iter().flat_map(|route| &route.model.views);
    views.any(|served| served.view.name == view && served.view.generation == generation)
}

//! What is observed about an InferenceService.

use triplane_contract::route::RouteTable;
use triplane_crds::v1alpha1::InferenceService;

/// What the servers of a service say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerState {
    /// Generation of the route table that all of them serve.
    pub generation: u64,
    /// Whether requests are answered.
    pub ready: bool,
    /// What is missing while they are not.
    pub message: String,
    /// When `ready` last changed, microseconds.
    pub since_us: i64,
    /// A circuit breaker over the online store is open.
    pub breaker_open: bool,
}

/// An InferenceService with what is known about it.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceObserved {
    /// The object with its last status.
    pub object: InferenceService,
    /// The route table of the last `Serve` action; kept by the caller over restarts.
    pub table: Option<RouteTable>,
    /// `None` while no server of it runs.
    pub server: Option<ServerState>,
    /// Where to ask.
    pub url: Option<String>,
}

//! What a server is started with.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use triplane_contract::model::MAX_ARTIFACT_BYTES;
use triplane_feature_store::online::OnlineStore;
use triplane_feature_store::{Clock, SystemClock};

/// What a server accepts from its callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Rows of a request.
    pub rows: usize,
    /// Requests answered at once; more are refused with 429.
    pub concurrency: usize,
    /// Connections open at once; more wait to be accepted.
    pub connections: usize,
    /// How long the head of a connection's first request may take to arrive.
    pub header_timeout: Duration,
    /// How long the head of a later request may take to arrive, counted from the answer before it: how long an idle
    /// connection is kept. Longer than load balancers keep theirs, so that they close first.
    pub idle_timeout: Duration,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// Bytes of bodies held at once, whole or under way; more are refused with 429.
    pub upload_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            rows: 1_000,
            concurrency: 512,
            connections: 4_096,
            header_timeout: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(10),
            upload_bytes: 256 << 20,
        }
    }
}

/// What a server is started with.
#[derive(Clone)]
pub struct Settings {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What it accepts.
    pub limits: Limits,
    /// How long it goes on accepting connections after it has said that it is not ready.
    pub drain_grace: Duration,
    /// How long it keeps connections without a request under way once nothing new is accepted, for what is on its way.
    pub drain_patience: Duration,
    /// How long requests under way may take at most once nothing new is accepted.
    pub drain_limit: Duration,
    /// Largest model file.
    pub max_artifact_bytes: u64,
    /// Bytes of last known rows kept for each service.
    pub known_bytes: u64,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// The online store of tables that say `memory`: it lives in the process that serves.
    pub memory: Option<Arc<dyn OnlineStore>>,
}

impl Settings {
    /// The defaults, listening at `listen`.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            limits: Limits::default(),
            drain_grace: Duration::from_secs(5),
            drain_patience: Duration::from_millis(500),
            drain_limit: Duration::from_secs(20),
            max_artifact_bytes: MAX_ARTIFACT_BYTES,
            known_bytes: 32 << 20,
            clock: Arc::new(SystemClock),
            memory: None,
        }
    }
}

//! What all connections of a server share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use hyper::HeaderMap;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{Semaphore, SemaphorePermit};
use triplane_feature_store::online::OnlineStore;

use crate::metrics::Metrics;
use crate::problem::{Code, Problem};
use crate::service::Service;
use crate::settings::Limits;

/// Services by their name on the wire.
pub(crate) type Services = BTreeMap<String, Arc<Service>>;

/// Longest request id taken from a caller.
const LONGEST_REQUEST_ID: usize = 128;

/// What all connections of a server share.
pub(crate) struct App {
    pub limits: Limits,
    pub metrics: Metrics,
    /// Names this start of the process.
    pub boot_id: String,
    /// The online store in this process, where there is one (`triplane dev`).
    pub memory: Option<Arc<dyn OnlineStore>>,
    services: ArcSwap<Services>,
    draining: AtomicBool,
    permits: Semaphore,
    uploads: Semaphore,
    requests: AtomicU64,
}

/// A request from its head to its answer, counted while it is held.
pub(crate) struct UnderWay<'a> {
    in_flight: &'a Gauge,
}

impl App {
    pub(crate) fn new(limits: Limits, memory: Option<Arc<dyn OnlineStore>>) -> Self {
        Self {
            limits,
            memory,
            metrics: Metrics::default(),
            boot_id: uuid::Uuid::new_v4().to_string(),
            services: ArcSwap::default(),
            draining: AtomicBool::new(false),
            permits: Semaphore::new(limits.concurrency.min(Semaphore::MAX_PERMITS)),
            uploads: Semaphore::new(limits.upload_bytes.min(Semaphore::MAX_PERMITS)),
            requests: AtomicU64::new(0),
        }
    }

    /// Every service.
    pub(crate) fn services(&self) -> Arc<Services> {
        self.services.load_full()
    }

    /// The service of that name.
    pub(crate) fn service(&self, name: &str) -> Result<Arc<Service>, Problem> {
        let services = self.services.load();
        if let Some(service) = services.get(name) {
            return Ok(Arc::clone(service));
        }
        if services.is_empty() {
            return Err(Problem::new(Code::NotReady, "no model is served yet: try again"));
        }
        let names: Vec<&str> = services.keys().map(String::as_str).collect();
        let message = format!("there is no model \"{name}\" here: there is {}", names.join(", "));
        Err(Problem::new(Code::UnknownModel, message))
    }

    /// Puts a service in place of the one of its name.
    pub(crate) fn put(&self, service: &Arc<Service>) {
        self.services.rcu(|services| {
            let mut services = Services::clone(services);
            services.insert(service.name.clone(), Arc::clone(service));
            services
        });
    }

    /// Takes a service away; requests that have it are still answered.
    pub(crate) fn remove(&self, name: &str) {
        self.services.rcu(|services| {
            let mut services = Services::clone(services);
            services.remove(name);
            services
        });
    }

    /// Counts a request.
    pub(crate) fn begin(&self) -> UnderWay<'_> {
        self.metrics.in_flight.inc();
        UnderWay {
            in_flight: &self.metrics.in_flight,
        }
    }

    /// Asks for leave to answer a request whose body is whole.
    pub(crate) fn admit(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.permits.try_acquire().map_err(|_| {
            let message = format!(
                "{} requests are being answered already: try again",
                self.limits.concurrency
            );
            Problem::new(Code::Overloaded, message)
        })
    }

    /// Asks for leave to hold `bytes` more of a body.
    pub(crate) fn room_for(&self, bytes: usize) -> Result<SemaphorePermit<'_>, Problem> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.uploads.try_acquire_many(bytes).map_err(|_| {
            let message = format!("bodies take {} bytes already: try again", self.limits.upload_bytes);
            Problem::new(Code::Overloaded, message)
        })
    }

    /// Whether callers should come.
    pub(crate) fn is_ready(&self) -> bool {
        !self.is_draining() && !self.services.load().is_empty()
    }

    /// Whether the server is going down.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Says that the server is going down.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// The caller's request id where it is short, printable text; else a new one.
    pub(crate) fn request_id(&self, headers: &HeaderMap) -> String {
        let given = headers.get(crate::http::REQUEST_ID).and_then(|id| id.to_str().ok());
        match given.filter(|id| !id.is_empty() && id.len() <= LONGEST_REQUEST_ID) {
            Some(id) => id.to_owned(),
            None => format!(
                "{}-{:x}",
                self.boot_id.get(..8).unwrap_or_default(),
                self.requests.fetch_add(1, Ordering::Relaxed)
            ),
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.in_flight.dec();
    }
}

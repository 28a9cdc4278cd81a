//! A server: bound, then run until it is told to stop; its services change while it runs.

use std::net::SocketAddr;
use std::sync::Arc;

use snafu::{OptionExt, ResultExt, Snafu};
use tokio::net::TcpListener;
use triplane_contract::route::RouteTable;
use triplane_contract::store::OnlineAccess;
use triplane_feature_store::online::{self, OnlineStore};

use crate::app::App;
use crate::features::Reader;
use crate::features::breaker::State as BreakerState;
use crate::http::{Drain, serve_connections};
use crate::predict::Outcome;
use crate::service::{BucketSnafu, Parts, ServeError, Service, StoreSnafu, stable};
use crate::settings::Settings;

/// Why a server does not start.
#[derive(Debug, Snafu)]
pub enum BindError {
    /// The address cannot be listened at.
    #[snafu(display("cannot listen at {address}: {source}; choose another address with --listen"))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Cause.
        source: std::io::Error,
    },
}

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    handle: Handle,
}

/// Changes what a server serves; cheap to clone.
#[derive(Clone)]
pub struct Handle {
    app: Arc<App>,
    settings: Arc<Settings>,
}

impl Server {
    /// Listens. Callers are answered once `run` is called, and predictions once a table is served.
    pub async fn bind(settings: Settings) -> Result<Self, BindError> {
        let address = settings.listen;
        let listener = TcpListener::bind(address).await.context(ListenSnafu { address })?;
        let address = listener.local_addr().context(ListenSnafu { address })?;
        let app = Arc::new(App::new(settings.limits, settings.memory.clone()));
        Ok(Self {
            listener,
            address,
            handle: Handle {
                app,
                settings: Arc::new(settings),
            },
        })
    }

    /// Where it listens: the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What changes its services.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Answers until `shutdown` and every request accepted before has its answer: it says that it is not ready, goes on for
    /// `drain_grace`, takes the connections that wait, gives all of them `drain_patience` to begin a request, and ends after
    /// the last answer.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let settings = &self.handle.settings;
        let drain = Drain {
            grace: settings.drain_grace,
            patience: settings.drain_patience,
            limit: settings.drain_limit,
        };
        tracing::info!(address = %self.address, boot_id = self.handle.app.boot_id, "listening");
        serve_connections(self.listener, self.handle.app, shutdown, drain).await;
        tracing::info!("every request was answered; stopped");
    }
}

impl Handle {
    /// Serves a table: fetches and checks the model, compiles and warms it, then puts it in place of the table of that
    /// service. On an error the table that is served stays.
    pub async fn serve(&self, table: &RouteTable) -> Result<(), ServeError> {
        let served = self.load(table).await;
        match &served {
            Ok(service) => {
                let (generation, model) = (service.generation, service.stable.name.as_str());
                tracing::info!(service = service.name, generation, model, "serving");
                self.app.put(service);
            }
            Err(_) => self.app.metrics.route_error(),
        }
        served.map(drop)
    }

    /// Stops serving a service; requests that have begun are answered.
    pub fn remove(&self, service: &str) {
        self.app.remove(service);
    }

    /// The generation served for a service; `None` where it is not served.
    pub fn generation(&self, service: &str) -> Option<u64> {
        self.app.services().get(service).map(|service| service.generation)
    }

    /// Whether a breaker over the online store of a service is not closed.
    pub fn breaker_open(&self, service: &str) -> bool {
        let services = self.app.services();
        let is_open = |state: BreakerState| state != BreakerState::Closed;
        services
            .get(service)
            .is_some_and(|service| service.reader.breaker_states().into_iter().any(is_open))
    }

    /// Predictions answered since the start, fallbacks included.
    pub fn answered(&self) -> u64 {
        let refused = [Outcome::Invalid, Outcome::Rejected];
        let answered = |service: &Service| -> u64 {
            let counts = Outcome::ALL.iter().zip(service.stable.metrics.outcomes());
            counts
                .filter(|(outcome, _)| !refused.contains(outcome))
                .map(|(_, count)| count)
                .sum()
        };
        self.app.services().values().map(|service| answered(service)).sum()
    }

    /// Whether callers should come: a table is served and the server is not going down.
    pub fn is_ready(&self) -> bool {
        self.app.is_ready()
    }

    async fn load(&self, table: &RouteTable) -> Result<Arc<Service>, ServeError> {
        // Looked at first: nothing is fetched for a table that cannot be served.
        stable(table)?;
        let bucket = triplane_bucket::open(&table.store.offline).context(BucketSnafu {
            service: &table.service,
        })?;
        let reader = self.reader(table).await?;
        let parts = Parts {
            reader: Arc::clone(&reader),
            bucket: bucket.as_ref(),
            clock: Arc::clone(&self.settings.clock),
            metrics: &self.app.metrics,
            max_artifact_bytes: self.settings.max_artifact_bytes,
        };
        let service = Service::load(table, parts).await?;
        reader.configure(table.features.breaker);
        Ok(Arc::new(service))
    }

    /// The reader of the service so far where the store is the same, so that breaker and last known rows are kept.
    async fn reader(&self, table: &RouteTable) -> Result<Arc<Reader>, ServeError> {
        if let Some(service) = self.app.services().get(&table.service)
            && service.access == table.store.online
        {
            return Ok(Arc::clone(&service.reader));
        }
        let store = self.store(table).await?;
        Ok(Arc::new(Reader::new(
            store,
            table.features.breaker,
            self.settings.known_bytes,
        )))
    }

    async fn store(&self, table: &RouteTable) -> Result<Arc<dyn OnlineStore>, ServeError> {
        let service = &table.service;
        if table.store.online == OnlineAccess::Memory {
            let message = "its online store is in memory, which only `triplane dev` has: use a redis store";
            return self.settings.memory.clone().context(StoreSnafu { service, message });
        }
        let store = online::connect(&table.store.online, Arc::clone(&self.settings.clock)).await;
        store.map_err(|error| ServeError::Store {
            service: service.clone(),
            message: error.to_string(),
        })
    }
}

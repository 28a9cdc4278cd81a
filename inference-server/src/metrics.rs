//! Metrics of the server. Names are the contract of `docs/reference/metrics.md`.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use triplane_contract::route::Role;
use triplane_feature_store::semantics::Status;

use crate::features::Failure;
use crate::gather::{GatherPlan, Gathered, Origin};
use crate::predict::{Outcome, Prediction};

/// Upper bounds of the duration buckets, seconds: from 50 us.
const BUCKETS: [f64; 15] = [
    50e-6, 100e-6, 200e-6, 400e-6, 800e-6, 1.6e-3, 3.2e-3, 6.4e-3, 12.8e-3, 25e-3, 50e-3, 100e-3, 200e-3, 500e-3, 2.0,
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    service: String,
    model: String,
    role: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabels {
    phase: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FeatureLabels {
    view: String,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReadLabels {
    service: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShardLabels {
    service: String,
    shard: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServiceLabels {
    service: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabels {
    code: &'static str,
}

/// Every metric of the process.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    features: Family<FeatureLabels, Counter>,
    reads: Family<ReadLabels, Counter>,
    refused: Family<CodeLabels, Counter>,
    breaker: Family<ShardLabels, Gauge>,
    known_bytes: Family<ServiceLabels, Gauge>,
    generation: Family<ServiceLabels, Gauge>,
    route_errors: Counter,
    /// Requests under way, from head to answer.
    pub in_flight: Gauge,
    features_took: Histogram,
    model_took: Histogram,
    total_took: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let phases = Family::<PhaseLabels, Histogram>::new_with_constructor(|| Histogram::new(BUCKETS));
        let phase = |phase| phases.get_or_create_owned(&PhaseLabels { phase });
        let mut metrics = Self {
            features_took: phase("features"),
            model_took: phase("model"),
            total_took: phase("total"),
            registry: Registry::default(),
            requests: Family::default(),
            features: Family::default(),
            reads: Family::default(),
            refused: Family::default(),
            breaker: Family::default(),
            known_bytes: Family::default(),
            generation: Family::default(),
            route_errors: Counter::default(),
            in_flight: Gauge::default(),
        };
        metrics.register(phases);
        metrics
    }
}

impl Metrics {
    fn register(&mut self, phases: Family<PhaseLabels, Histogram>) {
        let r = &mut self.registry;
        r.register(
            "triplane_inference_requests",
            "Requests by model and outcome",
            self.requests.clone(),
        );
        r.register_with_unit("triplane_inference_duration", "Time by phase", Unit::Seconds, phases);
        r.register(
            "triplane_inference_in_flight",
            "Predictions under way, from head to answer",
            self.in_flight.clone(),
        );
        r.register(
            "triplane_http_refused",
            "Requests refused by code",
            self.refused.clone(),
        );
        r.register(
            "triplane_features",
            "Feature values by what was found",
            self.features.clone(),
        );
        r.register(
            "triplane_feature_reads",
            "Reads of the online store by result",
            self.reads.clone(),
        );
        r.register(
            "triplane_breaker_state",
            "0 closed, 1 half-open, 2 open",
            self.breaker.clone(),
        );
        r.register(
            "triplane_last_known_bytes",
            "Bytes of last known rows",
            self.known_bytes.clone(),
        );
        r.register(
            "triplane_route_generation",
            "Generation of the route table served",
            self.generation.clone(),
        );
        r.register(
            "triplane_route_errors",
            "Route tables that could not be served",
            self.route_errors.clone(),
        );
    }

    /// The text of `/metrics`.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(8 * 1024);
        // Writing to a String cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }

    /// Counts a refusal.
    pub fn refused(&self, code: &'static str) {
        self.refused.get_or_create(&CodeLabels { code }).inc();
    }

    /// Counts a route table that could not be served.
    pub fn route_error(&self) {
        self.route_errors.inc();
    }

    /// Notes the times of an answered request.
    pub fn answered(&self, prediction: &Prediction, total: std::time::Duration) {
        self.features_took.observe(prediction.features_took.as_secs_f64());
        self.model_took.observe(prediction.model_took.as_secs_f64());
        self.total_took.observe(total.as_secs_f64());
    }

    /// The metrics of one service.
    pub fn service(&self, service: &str) -> ServiceMetrics {
        let read = |result| {
            self.reads.get_or_create_owned(&ReadLabels {
                service: service.to_owned(),
                result,
            })
        };
        let labels = ServiceLabels {
            service: service.to_owned(),
        };
        ServiceMetrics {
            reads: [read("ok"), read("slow"), read("error"), read("breaker_open")],
            known_bytes: self.known_bytes.get_or_create_owned(&labels),
            generation: self.generation.get_or_create_owned(&labels),
        }
    }

    /// State of the breaker over a shard of a service's store, set when metrics are read.
    pub fn breaker(&self, service: &str, shard: usize) -> Gauge {
        self.breaker.get_or_create_owned(&ShardLabels {
            service: service.to_owned(),
            shard: shard as u64,
        })
    }

    /// The metrics of one model in a service.
    pub fn variant(&self, service: &str, model: &str, role: Role, plan: &GatherPlan) -> VariantMetrics {
        let outcomes = Outcome::ALL.map(|outcome| {
            self.requests.get_or_create_owned(&RequestLabels {
                service: service.to_owned(),
                model: model.to_owned(),
                role: role.name(),
                outcome: outcome.name(),
            })
        });
        let count = |view: &str, status| {
            self.features.get_or_create_owned(&FeatureLabels {
                view: view.to_owned(),
                status,
            })
        };
        let features = plan
            .views()
            .map(|view| FEATURE_ORIGINS.map(|origin| count(view, origin.name())))
            .collect();
        VariantMetrics { outcomes, features }
    }
}

/// Origins that are counted per view.
const FEATURE_ORIGINS: [Origin; 6] = [
    Origin::Feature(Status::Present),
    Origin::Feature(Status::NullValue),
    Origin::Feature(Status::NotFound),
    Origin::Feature(Status::OutsideMaxAge),
    Origin::Unavailable,
    Origin::Undecodable,
];

/// Metrics of one service.
pub struct ServiceMetrics {
    reads: [Counter; 4],
    /// Bytes of last known rows, set when metrics are read.
    pub known_bytes: Gauge,
    /// Generation served.
    pub generation: Gauge,
}

impl ServiceMetrics {
    /// Counts a read of the store.
    pub fn read(&self, failure: Option<&Failure>) {
        let index = match failure {
            None => 0,
            Some(Failure::Slow) => 1,
            Some(Failure::Error(_)) => 2,
            Some(Failure::BreakerOpen) => 3,
        };
        self.reads[index].inc();
    }
}

/// Metrics of one model in a service.
pub struct VariantMetrics {
    outcomes: [Counter; Outcome::ALL.len()],
    /// Per read, in the order of `FEATURE_ORIGINS`.
    features: Vec<[Counter; FEATURE_ORIGINS.len()]>,
}

impl VariantMetrics {
    /// Counts a request.
    pub fn outcome(&self, outcome: Outcome) {
        self.outcomes[outcome as usize].inc();
    }

    /// Requests so far by outcome, in the order of `Outcome::ALL`.
    pub fn outcomes(&self) -> [u64; Outcome::ALL.len()] {
        std::array::from_fn(|index| self.outcomes[index].get())
    }

    /// Counts what was found for each feature of a request.
    pub fn features(&self, plan: &GatherPlan, gathered: &Gathered) {
        let mut counts = vec![[0_u64; FEATURE_ORIGINS.len()]; self.features.len()];
        plan.tally(gathered, |read, origin| {
            if let Some(index) = FEATURE_ORIGINS.iter().position(|counted| *counted == origin) {
                counts[read][index] += 1;
            }
        });
        for (counters, counts) in self.features.iter().zip(counts) {
            for (counter, count) in counters.iter().zip(counts).filter(|(_, count)| *count > 0) {
                counter.inc_by(count);
            }
        }
    }
}

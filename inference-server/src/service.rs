//! A service as it is served: its models compiled and warm, its store at hand.

use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use snafu::{ResultExt, Snafu, ensure};
use triplane_contract::model::ServedModel;
use triplane_contract::route::{OnUnavailable, Role, Route, RouteTable};
use triplane_contract::store::OnlineAccess;
use triplane_contract::version;
use triplane_feature_store::{Clock, Value};

use crate::artifact::{ArtifactError, check_digest, fetch};
use crate::features::Reader;
use crate::gather::{GatherPlan, PlanError, Rows};
use crate::metrics::{Metrics, ServiceMetrics, VariantMetrics};
use crate::runtime::{self, Runtime, RuntimeError};

/// Digits of a digest shown as a model's version.
pub const VERSION_DIGITS: usize = 12;

/// Rounds of warm-up scoring before a model is served.
const WARM_UP_ROUNDS: usize = 3;

/// Why a route table is not served. What is served stays.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
pub enum ServeError {
    /// A contract version that this build does not read.
    #[snafu(display("{message}"))]
    Version {
        /// What to do.
        message: String,
    },
    /// Not exactly one stable model.
    #[snafu(display("service {service}: the route table has {found} stable models, not 1"))]
    Stable {
        /// The service.
        service: String,
        /// Stable models found.
        found: usize,
    },
    /// The online store cannot be set up.
    #[snafu(display("service {service}: {message}"))]
    Store {
        /// The service.
        service: String,
        /// What to do.
        message: String,
    },
    /// The bucket cannot be opened.
    #[snafu(display("service {service}: cannot open the bucket: {source}"))]
    Bucket {
        /// The service.
        service: String,
        /// Cause.
        source: triplane_bucket::BucketError,
    },
    /// A model file is not the one that was registered.
    #[snafu(display("model {model}: {source}"))]
    Artifact {
        /// The model.
        model: String,
        /// Cause.
        #[snafu(source(from(ArtifactError, Box::new)))]
        source: Box<ArtifactError>,
    },
    /// A model file does not load.
    #[snafu(display("model {model}: {source}"))]
    Load {
        /// The model.
        model: String,
        /// Cause.
        #[snafu(source(from(RuntimeError, Box::new)))]
        source: Box<RuntimeError>,
    },
    /// Loading ended without a result.
    #[snafu(display("model {model}: loading was given up: {message}"))]
    Loader {
        /// The model.
        model: String,
        /// Cause.
        message: String,
    },
    /// The inputs do not fit the file.
    #[snafu(display(
        "model {model} lists {listed} inputs, its file takes {taken}: list them all, in the order it was trained with"
    ))]
    InputCount {
        /// The model.
        model: String,
        /// Inputs of the Model object.
        listed: usize,
        /// Inputs of the file.
        taken: usize,
    },
    /// The inputs do not fit the views.
    #[snafu(display("model {model}: {source}"))]
    Plan {
        /// The model.
        model: String,
        /// Cause.
        #[snafu(source(from(PlanError, Box::new)))]
        source: Box<PlanError>,
    },
}

/// A model of a service.
pub struct Variant {
    /// Name of the Model object.
    pub name: String,
    /// First 12 digits of its digest.
    pub version: String,
    /// Its role.
    pub role: Role,
    /// Name of its output.
    pub output_name: String,
    /// How its vector is filled.
    pub plan: GatherPlan,
    /// What scores it.
    pub model: Arc<dyn Runtime>,
    /// Its counters.
    pub metrics: VariantMetrics,
}

/// One InferenceService, ready to answer.
pub struct Service {
    /// Namespace of the InferenceService.
    pub namespace: String,
    /// Its name: the model name on the wire.
    pub name: String,
    /// Generation of its route table.
    pub generation: u64,
    /// Its one stable model.
    pub stable: Variant,
    /// How its online store is reached.
    pub access: OnlineAccess,
    /// Reads of its online store.
    pub reader: Arc<Reader>,
    /// Its counters.
    pub metrics: ServiceMetrics,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) deadline: Duration,
    /// At most three quarters of the deadline: the rest is for the model and the answer.
    pub(crate) features_timeout: Duration,
    pub(crate) on_unavailable: OnUnavailable,
    pub(crate) max_imputed: f64,
    pub(crate) fallback: f64,
}

/// What a service is made with.
pub(crate) struct Parts<'a> {
    pub reader: Arc<Reader>,
    pub bucket: &'a dyn ObjectStore,
    pub clock: Arc<dyn Clock>,
    pub metrics: &'a Metrics,
    pub max_artifact_bytes: u64,
}

impl Service {
    /// Loads and warms every model of a table.
    pub(crate) async fn load(table: &RouteTable, parts: Parts<'_>) -> Result<Self, ServeError> {
        let stable = stable(table)?;
        let stable = load_variant(&table.service, stable, &parts).await?;
        let deadline = micros(table.deadline_us);
        Ok(Self {
            namespace: table.namespace.clone(),
            name: table.service.clone(),
            generation: table.generation,
            stable,
            access: table.store.online.clone(),
            metrics: parts.metrics.service(&table.service),
            reader: parts.reader,
            clock: parts.clock,
            deadline,
            features_timeout: micros(table.features.timeout_us).min(deadline * 3 / 4),
            on_unavailable: table.features.on_unavailable,
            max_imputed: table.features.max_imputed,
            fallback: table.fallback,
        })
    }
}

/// Checks a table's version and finds its stable model.
pub(crate) fn stable(table: &RouteTable) -> Result<&Route, ServeError> {
    version::check("the route table", table.version).map_err(|message| ServeError::Version { message })?;
    let mut stable = table.routes.iter().filter(|route| route.role == Role::Stable);
    match (stable.next(), stable.count()) {
        (Some(route), 0) => Ok(route),
        (first, more) => StableSnafu {
            service: &table.service,
            found: more + usize::from(first.is_some()),
        }
        .fail(),
    }
}

async fn load_variant(service: &str, route: &Route, parts: &Parts<'_>) -> Result<Variant, ServeError> {
    let model = &route.model;
    let (runtime, plan) = load_model(model, parts.bucket, parts.reader.prefix(), parts.max_artifact_bytes).await?;
    let variant = Variant {
        name: model.name.clone(),
        version: model.sha256.chars().take(VERSION_DIGITS).collect(),
        role: route.role,
        output_name: model.output_name.clone(),
        metrics: parts.metrics.variant(service, &model.name, route.role, &plan),
        plan,
        model: runtime,
    };
    variant.warm_up(parts.clock.now_us());
    Ok(variant)
}

/// What is made of a model: its file, loaded, and its compiled plan.
pub(crate) type Loaded = (Arc<dyn Runtime>, GatherPlan);

/// Fetches, checks and loads a model for an online store with key prefix `prefix`.
pub(crate) async fn load_model(
    model: &ServedModel,
    bucket: &dyn ObjectStore,
    prefix: &str,
    max_bytes: u64,
) -> Result<Loaded, ServeError> {
    let file = fetch(bucket, &model.artifact_path, max_bytes)
        .await
        .context(ArtifactSnafu { model: &model.name })?;
    let (owned, prefix) = (model.clone(), prefix.to_owned());
    // Digest and parsing of a large file take a while: answers go on meanwhile.
    let compiled = tokio::task::spawn_blocking(move || compile(&owned, &file, &prefix)).await;
    compiled.unwrap_or_else(|error| {
        LoaderSnafu {
            model: &model.name,
            message: error.to_string(),
        }
        .fail()
    })
}

/// Checks a file, loads it and compiles the plan; the two have to agree on the inputs.
fn compile(model: &ServedModel, file: &[u8], prefix: &str) -> Result<Loaded, ServeError> {
    check_digest(file, &model.artifact_path, &model.sha256).context(ArtifactSnafu { model: &model.name })?;
    let runtime = runtime::load(model.format, file).context(LoadSnafu { model: &model.name })?;
    let (listed, taken) = (model.inputs.len(), runtime.inputs());
    ensure!(
        listed == taken,
        InputCountSnafu {
            model: &model.name,
            listed,
            taken
        }
    );
    let plan = GatherPlan::compile(model, prefix).context(PlanSnafu { model: &model.name })?;
    Ok((runtime, plan))
}

impl Variant {
    /// Takes the path of a request with nothing known, so that the first caller does not pay for cold memory.
    fn warm_up(&self, now_us: i64) {
        let mut rows = Rows::new(self.plan.columns().len());
        rows.push().fill(Value::Null);
        let keys = self.plan.keys(&rows);
        let gathered = self.plan.fill(&rows, &keys, &[], now_us).unwrap_or_default();
        let mut vectors = gathered.vectors;
        // Without a vector, a required feature is missing: NaN everywhere walks the same trees.
        vectors.resize(self.model.inputs(), f64::NAN);
        for _ in 0..WARM_UP_ROUNDS {
            self.model.predict(&vectors, &mut [0.0]);
        }
    }
}

fn micros(us: i64) -> Duration {
    Duration::from_micros(u64::try_from(us).unwrap_or(0))
}

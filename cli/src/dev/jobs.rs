//! Work that the plan starts: done in this process, on threads of its own so that predictions are answered meanwhile.

use std::sync::Arc;

use object_store::{ObjectStoreExt, path::Path};
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;
use triplane_contract::View;
use triplane_contract::model::ModelCheckReport;
use triplane_contract::run::RunReport;
use triplane_contract::training::{PinnedView, TrainingSetManifest, TrainingSetReport};
use triplane_inference_server::verify;
use triplane_materializer::progress::{Progress, Step};
use triplane_materializer::{Environment, training_set};
use triplane_plan::feature_view::decide::StartRun;
use triplane_plan::model::decide::StartModelCheck;
use triplane_plan::training_set::decide::StartTrainingSet;
use triplane_plan::work::Ticket;

/// Jobs at once: one per core of a small machine.
const AT_ONCE: usize = 2;

/// Why work failed.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Name of the error.
    pub code: String,
    /// What failed and what to do.
    pub message: String,
    /// Whether the same attempt may succeed later.
    pub retryable: bool,
}

/// What became of work.
#[derive(Debug)]
pub enum Outcome {
    /// A run of a view generation.
    Run { view: String, generation: u32, ticket: Ticket, result: Result<RunReport, Fault> },
    /// A join, with the views it pinned.
    TrainingSet { name: String, ticket: Ticket, result: Result<(TrainingSetReport, Vec<PinnedView>), Fault> },
    /// A verification.
    ModelCheck { name: String, ticket: Ticket, report: Box<ModelCheckReport> },
    /// Online rows of a generation were removed.
    Dropped { view: Box<View>, result: Result<u64, String> },
    /// Work on a view reached a step.
    Step { view: String, step: Step },
}

/// An outcome with its namespace.
pub type Event = (String, Outcome);

/// Starts work and reports it as events.
#[derive(Clone)]
pub struct Jobs {
    threads: Handle,
    room: Arc<tokio::sync::Semaphore>,
    events: UnboundedSender<Event>,
}

/// Sends steps as events.
struct Steps {
    namespace: String,
    events: UnboundedSender<Event>,
}

impl Progress for Steps {
    fn report(&self, view: &str, step: &Step) {
        let view = view.rsplit('/').next().unwrap_or(view).to_owned();
        // The session has ended when nobody listens; the work ends with the process.
        let _ = self.events.send((self.namespace.clone(), Outcome::Step { view, step: step.clone() }));
    }
}

impl Jobs {
    /// Jobs on `threads`, reported to `events`.
    pub fn new(threads: Handle, events: UnboundedSender<Event>) -> Self {
        Self { threads, room: Arc::new(tokio::sync::Semaphore::new(AT_ONCE)), events }
    }

    /// Starts a run.
    pub fn run(&self, namespace: &str, start: StartRun, environment: Environment) {
        let steps = self.steps(namespace);
        self.spawn(namespace, async move {
            let result = triplane_materializer::run(&start.spec, &environment, &steps).await;
            let fault = |error: triplane_materializer::RunError| fault(error.code(), error.is_retryable(), &error);
            let result = result.map_err(fault);
            Outcome::Run { view: start.view, generation: start.generation, ticket: start.ticket, result }
        });
    }

    /// Starts a join.
    pub fn training_set(&self, namespace: &str, start: StartTrainingSet, environment: Environment) {
        let steps = self.steps(namespace);
        self.spawn(namespace, async move {
            let built = training_set::build(&start.spec, &environment, &steps).await;
            let result = match built {
                Ok(report) => pinned(&environment, &report).await.map(|pinned| (report, pinned)),
                Err(error) => Err(fault(error.code(), error.is_retryable(), &error)),
            };
            Outcome::TrainingSet { name: start.name, ticket: start.ticket, result }
        });
    }

    /// Starts a verification.
    pub fn model_check(&self, namespace: &str, start: StartModelCheck, environment: Environment) {
        self.spawn(namespace, async move {
            let report = verify(&start.spec, environment.bucket.as_ref()).await;
            Outcome::ModelCheck { name: start.name, ticket: start.ticket, report: Box::new(report) }
        });
    }

    /// Removes the online rows of a generation.
    pub fn drop_generation(&self, namespace: &str, view: View, environment: Environment) {
        self.spawn(namespace, async move {
            let result = environment.online.drop_view(&view.id).await.map_err(|error| error.to_string());
            Outcome::Dropped { view: Box::new(view), result }
        });
    }

    fn steps(&self, namespace: &str) -> Steps {
        Steps { namespace: namespace.to_owned(), events: self.events.clone() }
    }

    fn spawn(&self, namespace: &str, work: impl Future<Output = Outcome> + Send + 'static) {
        let (namespace, room, events) = (namespace.to_owned(), Arc::clone(&self.room), self.events.clone());
        self.threads.spawn(async move {
            let _permit = room.acquire_owned().await;
            let _ = events.send((namespace, work.await));
        });
    }
}

fn fault(code: &str, retryable: bool, error: &(dyn std::error::Error + 'static)) -> Fault {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        cause = error.source();
    }
    Fault { code: code.to_owned(), message, retryable }
}

/// The views a set was made from, as its manifest says.
async fn pinned(environment: &Environment, report: &TrainingSetReport) -> Result<Vec<PinnedView>, Fault> {
    let path = Path::from(format!("{}/manifest.json", report.path));
    let unreadable = |message: String| Fault {
        code: "ManifestUnreadable".to_owned(),
        message: format!("failed to read {path}: {message}"),
        retryable: true,
    };
    let object = environment.bucket.get(&path).await.map_err(|error| unreadable(error.to_string()))?;
    let json = object.bytes().await.map_err(|error| unreadable(error.to_string()))?;
    let manifest: TrainingSetManifest = serde_json::from_slice(&json).map_err(|error| unreadable(error.to_string()))?;
    Ok(manifest.views)
}

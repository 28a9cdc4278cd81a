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
    Run {
        view: String,
        generation: u32,
        ticket: Ticket,
        result: Result<RunReport, Fault>,
    },
    /// A join, with the views it pinned.
    TrainingSet {
        name: String,
        ticket: Ticket,
        result: Result<(TrainingSetReport, Vec<PinnedView>), Fault>,
    },
    /// A verification.
    ModelCheck {
        name: String,
        ticket: Ticket,
        result: Result<Box<ModelCheckReport>, Fault>,
    },
    /// Online rows of a generation were removed.
    Dropped {
        view: Box<View>,
        result: Result<u64, String>,
    },
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
        let _ = self.events.send((
            self.namespace.clone(),
            Outcome::Step {
                view,
                step: step.clone(),
            },
        ));
    }
}

impl Jobs {
    /// Jobs on `threads`, reported to `events`.
    pub fn new(threads: Handle, events: UnboundedSender<Event>) -> Self {
        Self {
            threads,
            room: Arc::new(tokio::sync::Semaphore::new(AT_ONCE)),
            events,
        }
    }

    /// Starts a run.
    pub fn run(&self, namespace: &str, start: StartRun, environment: Environment) {
        let StartRun {
            view,
            generation,
            spec,
            ticket,
            cause: _,
        } = start;
        let steps = self.steps(namespace);
        let work = async move {
            let checked = triplane_bucket::preflight(&spec.store.offline, &spec.store.root).await;
            checked.map_err(|error| fault(error.code(), true, &error))?;
            let result = triplane_materializer::run(&spec, &environment, &steps).await;
            result.map_err(|error| fault(error.code(), error.is_retryable(), &error))
        };
        self.spawn(namespace, work, move |result| {
            let result = result.unwrap_or_else(Err);
            Outcome::Run {
                view,
                generation,
                ticket,
                result,
            }
        });
    }

    /// Starts a join.
    pub fn training_set(&self, namespace: &str, start: StartTrainingSet, environment: Environment) {
        let StartTrainingSet {
            name,
            spec,
            ticket,
            cause: _,
        } = start;
        let steps = self.steps(namespace);
        let work = async move {
            let built = training_set::build(&spec, &environment, &steps).await;
            let report = built.map_err(|error| fault(error.code(), error.is_retryable(), &error))?;
            pinned(&environment, &report).await.map(|pinned| (report, pinned))
        };
        self.spawn(namespace, work, move |result| {
            let result = result.unwrap_or_else(Err);
            Outcome::TrainingSet { name, ticket, result }
        });
    }

    /// Starts a verification.
    pub fn model_check(&self, namespace: &str, start: StartModelCheck, environment: Environment) {
        let StartModelCheck {
            name,
            spec,
            ticket,
            cause: _,
        } = start;
        let work = async move { verify(&spec, environment.bucket.as_ref()).await };
        self.spawn(namespace, work, move |report| Outcome::ModelCheck {
            name,
            ticket,
            result: report.map(Box::new),
        });
    }

    /// Removes the online rows of a generation.
    pub fn drop_generation(&self, namespace: &str, view: View, environment: Environment) {
        let id = view.id.clone();
        let work = async move { environment.online.drop_view(&id).await };
        self.spawn(namespace, work, move |dropped| {
            let result = match dropped {
                Ok(result) => result.map_err(|error| error.to_string()),
                Err(fault) => Err(fault.message),
            };
            Outcome::Dropped {
                view: Box::new(view),
                result,
            }
        });
    }

    fn steps(&self, namespace: &str) -> Steps {
        Steps {
            namespace: namespace.to_owned(),
            events: self.events.clone(),
        }
    }

    /// Does work when there is room; work that panics has failed like any other.
    fn spawn<T: Send + 'static>(
        &self,
        namespace: &str,
        work: impl Future<Output = T> + Send + 'static,
        outcome: impl FnOnce(Result<T, Fault>) -> Outcome + Send + 'static,
    ) {
        let (namespace, room, events) = (namespace.to_owned(), Arc::clone(&self.room), self.events.clone());
        let threads = self.threads.clone();
        self.threads.spawn(async move {
            let _permit = room.acquire_owned().await;
            let result = threads.spawn(work).await.map_err(|error| Fault {
                code: "Panicked".to_owned(),
                message: format!("the work broke off ({error}): this is a defect of Triplane, please report it"),
                retryable: true,
            });
            let _ = events.send((namespace, outcome(result)));
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
    Fault {
        code: code.to_owned(),
        message,
        retryable,
    }
}

/// The views a set was made from, as its manifest says.
async fn pinned(environment: &Environment, report: &TrainingSetReport) -> Result<Vec<PinnedView>, Fault> {
    let path = Path::from(format!("{}/manifest.json", report.path));
    let unreadable = |message: String| Fault {
        code: "ManifestUnreadable".to_owned(),
        message: format!("failed to read {path}: {message}"),
        retryable: true,
    };
    let object = environment
        .bucket
        .get(&path)
        .await
        .map_err(|error| unreadable(error.to_string()))?;
    let json = object.bytes().await.map_err(|error| unreadable(error.to_string()))?;
    let manifest: TrainingSetManifest = serde_json::from_slice(&json).map_err(|error| unreadable(error.to_string()))?;
    Ok(manifest.views)
}

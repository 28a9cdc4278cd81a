//! `triplane predict`: one request to a service, typed by what the service says it takes.

mod request;
mod show;

use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;

use serde::Deserialize;
use serde_json::Value as Json;
use snafu::{ResultExt, Snafu};
use triplane_crds::validate::closest;

use crate::args::{Output, PredictSettings};
use crate::ask::{Ask, AskError};
use request::{Metadata, RequestError};

/// Why there is no prediction.
#[derive(Debug, Snafu)]
enum PredictError {
    #[snafu(transparent)]
    Ask { source: AskError },
    #[snafu(display("there is no service {service}{hint}: there is {known}"))]
    UnknownService {
        service: String,
        hint: String,
        known: String,
    },
    #[snafu(transparent)]
    Request { source: RequestError },
    #[snafu(display("failed to read the request {path}: {source}"))]
    File { path: String, source: std::io::Error },
    #[snafu(display(
        "the answer is not one of `POST /v1/models/NAME:predict` ({source}): is the service of this version?"
    ))]
    Answer { source: serde_json::Error },
    #[snafu(display("failed to start threads: {source}"))]
    Threads { source: std::io::Error },
}

/// Answer of `GET /v1/models`.
#[derive(Deserialize)]
struct Models {
    models: Vec<String>,
}

/// Asks and prints. Exit code 1: there is no prediction.
pub fn run(settings: &PredictSettings) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let text = runtime
        .context(ThreadsSnafu)
        .and_then(|runtime| runtime.block_on(predict(settings)));
    match text {
        Ok(text) => {
            // A reader that has gone needs no text.
            let _ = write!(std::io::stdout(), "{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn predict(settings: &PredictSettings) -> Result<String, PredictError> {
    let (ask, service) = (Ask::new(&settings.url)?, settings.service.as_str());
    let body = if let Some(file) = &settings.file {
        request::whole(&read(file)?, settings.explain)?
    } else {
        let metadata: Metadata = match ask.get(&format!("/v2/models/{service}")).await {
            Err(error) => return Err(unknown(&ask, service, error).await),
            Ok(metadata) => metadata,
        };
        request::of_row(&metadata, settings)?
    };
    let answer = ask
        .post(&format!("/v1/models/{service}:predict"), body.to_string())
        .await;
    let answer: Json = match answer {
        Err(error) => return Err(unknown(&ask, service, error).await),
        Ok(answer) => answer,
    };
    match settings.output {
        Output::Json => Ok(format!("{answer:#}\n")),
        Output::Table => show::table(answer).context(AnswerSnafu),
    }
}

/// The error of a service that is not there names those that are.
async fn unknown(ask: &Ask, service: &str, error: AskError) -> PredictError {
    let is_unknown = matches!(&error, AskError::Refused { code, .. } if code == "UnknownModel");
    match ask.get::<Models>("/v1/models").await {
        Ok(Models { models }) if is_unknown => PredictError::UnknownService {
            service: service.to_owned(),
            hint: closest(service, models.iter().map(String::as_str)),
            known: models.join(", "),
        },
        _ => error.into(),
    }
}

/// A file, or standard input for `-`.
fn read(file: &Path) -> Result<String, PredictError> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.context(FileSnafu {
        path: file.display().to_string(),
    })?;
    Ok(text)
}

//! Questions to a server, and what its refusals say.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use snafu::{ResultExt, Snafu};

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, Snafu)]
pub enum AskError {
    /// The client cannot be made.
    #[snafu(display("failed to prepare HTTP: {source}"))]
    Client {
        /// Why.
        source: reqwest::Error,
    },
    /// Nobody answers, or not to the end.
    #[snafu(display(
        "no answer from {url} ({}): is `triplane dev` or the service up, and is --url right?",
        innermost(source)
    ))]
    NoAnswer {
        /// What was asked.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The server refused.
    #[snafu(display("{}{message} ({code})", field.as_ref().map(|field| format!("{field}: ")).unwrap_or_default()))]
    Refused {
        /// The server's name of the refusal.
        code: String,
        /// What is wrong and what to do.
        message: String,
        /// The field at fault.
        field: Option<String>,
    },
    /// Another server, or something in between.
    #[snafu(display("{url} answered {status} without a reason: is that a service of Triplane?"))]
    Strange {
        /// What was asked.
        url: String,
        /// HTTP status.
        status: u16,
    },
}

/// A refusal as servers write it.
#[derive(Deserialize)]
struct Refusal {
    error: String,
    code: String,
    field: Option<String>,
}

/// Asks one server.
pub struct Ask {
    client: reqwest::Client,
    base: String,
}

impl Ask {
    /// Asks the server at `base`, such as `http://127.0.0.1:8080`.
    pub fn new(base: &str) -> Result<Self, AskError> {
        let client = reqwest::Client::builder().timeout(LIMIT).build().context(ClientSnafu)?;
        let base = base.trim_end_matches('/').to_owned();
        Ok(Self { client, base })
    }

    /// The whole URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The answer to a GET.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, AskError> {
        self.answer(self.client.get(self.url(path)), path).await
    }

    /// The answer to a POST of JSON.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: String) -> Result<T, AskError> {
        let request = self
            .client
            .post(self.url(path))
            .header("content-type", "application/json");
        self.answer(request.body(body), path).await
    }

    async fn answer<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder, path: &str) -> Result<T, AskError> {
        let url = self.url(path);
        let answer = request.send().await.context(NoAnswerSnafu { url: &url })?;
        let status = answer.status();
        let body = answer.bytes().await.context(NoAnswerSnafu { url: &url })?;
        if status.is_success() {
            let status = status.as_u16();
            return serde_json::from_slice(&body).map_err(|_| AskError::Strange { url, status });
        }
        Err(match serde_json::from_slice::<Refusal>(&body) {
            Ok(Refusal { error, code, field }) => AskError::Refused {
                code,
                message: error,
                field,
            },
            Err(_) => AskError::Strange {
                url,
                status: status.as_u16(),
            },
        })
    }
}

/// What went wrong below the layers of a client.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string()
}

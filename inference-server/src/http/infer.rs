//! A prediction from request to response, the same for both protocols.

use std::time::Instant;

use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use tokio::sync::SemaphorePermit;

use super::answer::json;
use super::{Answer, body, v1, v2};
use crate::app::App;
use crate::gather::{FeatureRefused, Rows};
use crate::predict::{Outcome, Prediction};
use crate::problem::{Code, Problem};
use crate::service::{Service, Variant};

/// Announces a body of binary tensors.
const BINARY_HEADER: &str = "inference-header-content-length";

pub(super) async fn v1(
    app: &App,
    model: &str,
    request: Request<Incoming>,
    request_id: &str,
) -> Result<Answer, Problem> {
    let service = app.service(model)?;
    let variant = &service.stable;
    counted(app, variant, async {
        let received = receive(app, request).await?;
        let decoded = v1::decode(&received.body.bytes, &variant.plan, app.limits.rows)?;
        let prediction = predict(app, &service, variant, &decoded.rows, received.at, "instances").await?;
        Ok((
            v1::encode(variant, &prediction, request_id, decoded.explain),
            prediction,
        ))
    })
    .await
}

pub(super) async fn v2(
    app: &App,
    model: &str,
    version: Option<&str>,
    request: Request<Incoming>,
    request_id: &str,
) -> Result<Answer, Problem> {
    let service = app.service(model)?;
    let variant = v2::variant(&service, version)?;
    if request.headers().contains_key(BINARY_HEADER) {
        let message = "binary tensors are not supported: send JSON tensors (binary_data=False in the client)";
        return Err(Problem::new(Code::Unsupported, message));
    }
    counted(app, variant, async {
        let received = receive(app, request).await?;
        let decoded = v2::decode(&received.body.bytes, variant, app.limits.rows)?;
        let prediction = predict(app, &service, variant, &decoded.rows, received.at, "inputs").await?;
        Ok((
            v2::encode(&service, variant, &prediction, &decoded, request_id),
            prediction,
        ))
    })
    .await
}

/// Counts a request and how it ended, and makes the response.
async fn counted(
    app: &App,
    variant: &Variant,
    work: impl Future<Output = Result<(Vec<u8>, Prediction), Problem>>,
) -> Result<Answer, Problem> {
    let under_way = app.begin();
    let ended = work.await;
    drop(under_way);
    variant.metrics.outcome(match &ended {
        Ok((_, prediction)) => prediction.outcome(),
        Err(problem) if problem.code == Code::Overloaded => Outcome::Rejected,
        Err(_) => Outcome::Invalid,
    });
    ended.map(|(body, _)| json(StatusCode::OK, body))
}

/// A request that is about to be answered.
struct Received<'a> {
    body: body::Whole<'a>,
    /// When its body was whole: its deadline counts from there, the time before is the caller's.
    at: Instant,
    _permit: SemaphorePermit<'a>,
}

/// Reads the body, then asks for leave to answer: a slow upload takes no place from requests that are here.
async fn receive(app: &App, request: Request<Incoming>) -> Result<Received<'_>, Problem> {
    let body = body::read(app, request.into_body()).await?;
    Ok(Received {
        body,
        at: Instant::now(),
        _permit: app.admit()?,
    })
}

async fn predict(
    app: &App,
    service: &Service,
    variant: &Variant,
    rows: &Rows,
    received: Instant,
    list: &str,
) -> Result<Prediction, Problem> {
    let prediction = service
        .predict(variant, rows, received)
        .await
        .map_err(|refused| missing(&refused, list))?;
    app.metrics.answered(&prediction, received.elapsed());
    Ok(prediction)
}

fn missing(refused: &FeatureRefused, list: &str) -> Problem {
    let FeatureRefused { row, input, status } = refused;
    let message = format!(
        "row {row}: the feature {input} has no value ({}) and its onMissing is Fail",
        status.name()
    );
    Problem::at(Code::FeatureMissing, format!("{list}[{row}].{input}"), message)
}

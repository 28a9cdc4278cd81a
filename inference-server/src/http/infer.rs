//! A prediction from request to response, the same for both protocols.

use std::time::Instant;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Request, StatusCode};

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
    counted(variant, async {
        let _permit = app.admit()?;
        let (body, received) = receive(app, request).await?;
        let decoded = v1::decode(&body, &variant.plan, app.limits.rows)?;
        let prediction = predict(app, &service, variant, &decoded.rows, received, "instances").await?;
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
    counted(variant, async {
        let _permit = app.admit()?;
        let (body, received) = receive(app, request).await?;
        let decoded = v2::decode(&body, variant, app.limits.rows)?;
        let prediction = predict(app, &service, variant, &decoded.rows, received, "inputs").await?;
        Ok((
            v2::encode(&service, variant, &prediction, &decoded, request_id),
            prediction,
        ))
    })
    .await
}

/// Counts how a request ended and makes the response.
async fn counted(
    variant: &Variant,
    work: impl Future<Output = Result<(Vec<u8>, Prediction), Problem>>,
) -> Result<Answer, Problem> {
    let ended = work.await;
    variant.metrics.outcome(match &ended {
        Ok((_, prediction)) => prediction.outcome(),
        Err(problem) if problem.code == Code::Overloaded => Outcome::Rejected,
        Err(_) => Outcome::Invalid,
    });
    ended.map(|(body, _)| json(StatusCode::OK, body))
}

/// The body, and when it was whole: a request's deadline counts from there, the time before is the caller's.
async fn receive(app: &App, request: Request<Incoming>) -> Result<(Bytes, Instant), Problem> {
    let body = body::read(request.into_body(), app.limits.body_bytes, app.limits.body_timeout).await?;
    Ok((body, Instant::now()))
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

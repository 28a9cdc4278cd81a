//! HTTP: paths to calls, bodies to requests, answers and refusals to responses.

mod admin;
mod answer;
mod body;
mod connection;
mod endpoint;
mod infer;
mod lifetime;
mod v1;
mod v2;

pub(crate) use connection::{Drain, serve_connections};

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode, Version};

use crate::app::App;
pub(crate) use answer::REQUEST_ID;
use answer::{json, refusal};
use endpoint::Endpoint;

/// Body of every answer.
pub(crate) type Answer = Response<Full<Bytes>>;

/// Answers one request.
pub(crate) async fn handle(app: Arc<App>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let request_id = app.request_id(request.headers());
    let version = request.version();
    let mut answer = match Endpoint::parse(request.method(), request.uri().path()) {
        Ok(endpoint) => dispatch(&app, endpoint, request, &request_id).await,
        Err(problem) => Err(problem),
    }
    .unwrap_or_else(|problem| {
        app.metrics.refused(problem.code.name());
        refusal(&problem, &request_id)
    });
    answer::label(&mut answer, &request_id);
    if app.is_draining() && version <= Version::HTTP_11 {
        answer::close(&mut answer);
    }
    Ok(answer)
}

async fn dispatch(
    app: &App,
    endpoint: Endpoint,
    request: Request<Incoming>,
    request_id: &str,
) -> Result<Answer, crate::problem::Problem> {
    match endpoint {
        Endpoint::Live => Ok(admin::health(StatusCode::OK)),
        Endpoint::Ready => Ok(admin::ready(app)),
        Endpoint::Metrics => Ok(admin::metrics(app)),
        Endpoint::State => Ok(admin::state(app)),
        Endpoint::Row { view_id, entity } => admin::row(app, &view_id, &entity).await,
        Endpoint::ServerMetadata => Ok(json(StatusCode::OK, v2::server_metadata())),
        Endpoint::V1Models => Ok(json(StatusCode::OK, v1::models(app))),
        Endpoint::V1Model { model } => Ok(json(StatusCode::OK, v1::model(app.service(&model)?.as_ref()))),
        Endpoint::V2Model { model, version } => {
            let service = app.service(&model)?;
            Ok(json(
                StatusCode::OK,
                v2::model_metadata(&service, v2::variant(&service, version.as_deref())?),
            ))
        }
        Endpoint::V2ModelReady { model, version } => {
            let service = app.service(&model)?;
            let variant = v2::variant(&service, version.as_deref())?;
            Ok(json(StatusCode::OK, v2::model_ready(&service, variant)))
        }
        Endpoint::V1Predict { model } => infer::v1(app, &model, request, request_id).await,
        Endpoint::V2Infer { model, version } => infer::v2(app, &model, version.as_deref(), request, request_id).await,
    }
}

//! Health, metrics and the state that the operator reads.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hyper::StatusCode;
use triplane_feature_store::key::RowKey;

use super::Answer;
use super::answer::{json, with_type};
use crate::app::App;
use crate::json::Writer;
use crate::predict::Outcome;
use crate::problem::{Code, Problem};
use crate::service::{Service, Variant};

/// How long the online store may take for a row that a tool asks for.
const ROW_LIMIT: Duration = Duration::from_secs(2);

/// Clients of the protocol disagree on which key says ready, so both do.
pub(super) fn health(status: StatusCode) -> Answer {
    let ok = status == StatusCode::OK;
    let mut body = Writer::default();
    body.open(b'{').key("live").bool(ok).key("ready").bool(ok).close(b'}');
    json(status, body.finish())
}

/// Ready: a table is served and the server is not going down. It does not depend on the online store, without which
/// answers are still given.
pub(super) fn ready(app: &App) -> Answer {
    health(if app.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    })
}

pub(super) fn metrics(app: &App) -> Answer {
    for service in app.services().values() {
        for (shard, state) in service.reader.breaker_states().into_iter().enumerate() {
            app.metrics.breaker(&service.name, shard).set(state.gauge());
        }
        service.metrics.known_bytes.set(service.reader.known_bytes() as i64);
        service.metrics.generation.set(service.generation as i64);
    }
    with_type(
        StatusCode::OK,
        app.metrics.text(),
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    )
}

pub(super) fn state(app: &App) -> Answer {
    let mut body = Writer::with_capacity(1024);
    body.open(b'{')
        .key("boot_id")
        .string(&app.boot_id)
        .key("ready")
        .bool(app.is_ready());
    body.key("draining").bool(app.is_draining()).key("services").open(b'[');
    for service in app.services().values() {
        write_service(&mut body, service);
    }
    body.close(b']').close(b'}');
    json(StatusCode::OK, body.finish())
}

/// `GET /admin/rows/VIEW_ID/ENTITY`: a row as it lies in the online store of this process, for tools on this machine. A store
/// of its own is read there.
pub(super) async fn row(app: &App, view_id: &str, entity: &str) -> Result<Answer, Problem> {
    let store = app.memory.as_ref().ok_or_else(|| {
        let message = "the online store is not in this process: read it where it is";
        Problem::new(Code::NotFound, message)
    })?;
    let entity = URL_SAFE_NO_PAD.decode(entity).map_err(|_| {
        let message = "an entity is base64url without padding, as in its key";
        Problem::at(Code::WrongType, "entity", message)
    })?;
    let key = RowKey::new(store.prefix(), &entity, view_id);
    let unavailable = |message: String| Problem::new(Code::StoreUnavailable, message);
    let rows = tokio::time::timeout(ROW_LIMIT, store.read(std::slice::from_ref(&key))).await;
    let rows = rows
        .map_err(|_| {
            unavailable(format!(
                "the online store did not answer within {} s",
                ROW_LIMIT.as_secs()
            ))
        })?
        .map_err(|error| unavailable(error.to_string()))?;
    let row = rows.into_iter().flatten().next().map(|row| STANDARD.encode(row));
    let body = serde_json::json!({ "row": row }).to_string();
    Ok(json(StatusCode::OK, body.into_bytes()))
}

fn write_service(body: &mut Writer, service: &Service) {
    body.open(b'{')
        .key("namespace")
        .string(&service.namespace)
        .key("service")
        .string(&service.name);
    body.key("route_generation").integer(service.generation as i64);
    body.key("breaker").open(b'{');
    for (shard, state) in service.reader.breaker_states().into_iter().enumerate() {
        body.key(&shard.to_string()).string(state.name());
    }
    body.close(b'}');
    body.key("models").open(b'[');
    write_variant(body, &service.stable);
    body.close(b']').close(b'}');
}

fn write_variant(body: &mut Writer, variant: &Variant) {
    body.open(b'{')
        .key("model")
        .string(&variant.name)
        .key("version")
        .string(&variant.version);
    body.key("role").string(variant.role.name()).key("requests").open(b'{');
    for (outcome, count) in Outcome::ALL.iter().zip(variant.metrics.outcomes()) {
        body.key(outcome.name()).integer(count as i64);
    }
    body.close(b'}').close(b'}');
}

//! KServe v1: rows as JSON objects.

mod decode;
mod encode;

pub(super) use decode::decode;
pub(super) use encode::encode;

use crate::app::App;
use crate::json::Writer;
use crate::service::Service;

/// `GET /v1/models`: every model by name.
pub(super) fn models(app: &App) -> Vec<u8> {
    let mut body = Writer::default();
    body.open(b'{').key("models").open(b'[');
    for name in app.services().keys() {
        body.string(name);
    }
    body.close(b']').close(b'}');
    body.finish()
}

/// `GET /v1/models/NAME`: a model that is listed is ready.
pub(super) fn model(service: &Service) -> Vec<u8> {
    let mut body = Writer::default();
    body.open(b'{')
        .key("name")
        .string(&service.name)
        .key("ready")
        .bool(true)
        .close(b'}');
    body.finish()
}

#[cfg(test)]
mod tests;

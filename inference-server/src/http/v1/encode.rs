//! Predictions with their flags to JSON.

use crate::json::Writer;
use crate::predict::Prediction;
use crate::service::Variant;

/// Writes the answer to a v1 request.
pub(crate) fn encode(variant: &Variant, prediction: &Prediction, request_id: &str, explain: bool) -> Vec<u8> {
    let rows = prediction.scores.len();
    let mut json = Writer::with_capacity(256 + rows * 96);
    json.open(b'{').key("predictions").open(b'[');
    for score in &prediction.scores {
        json.double(*score);
    }
    json.close(b']').key("triplane").open(b'{');
    json.key("model")
        .string(&variant.name)
        .key("version")
        .string(&variant.version);
    json.key("role")
        .string(variant.role.name())
        .key("request_id")
        .string(request_id);
    json.key("as_of").integer(prediction.as_of_us);
    if explain {
        json.key("inputs").open(b'[');
        for name in variant.plan.names() {
            json.string(name);
        }
        json.close(b']');
    }
    json.key("rows").open(b'[');
    for row in 0..rows {
        write_row(&mut json, variant, prediction, row, explain);
    }
    json.close(b']').close(b'}').close(b'}');
    json.finish()
}

fn write_row(json: &mut Writer, variant: &Variant, prediction: &Prediction, row: usize, explain: bool) {
    let names = variant.plan.names();
    let cells = row * names.len()..(row + 1) * names.len();
    let origins = &prediction.gathered.origins[cells.clone()];
    let stale = &prediction.gathered.stale[cells.clone()];
    json.open(b'{').key("imputed").open(b'[');
    for (name, _) in names.iter().zip(origins).filter(|(_, origin)| origin.is_imputed()) {
        json.string(name);
    }
    json.close(b']').key("stale").open(b'[');
    for (name, _) in names.iter().zip(stale).filter(|(_, stale)| **stale) {
        json.string(name);
    }
    json.close(b']').key("default").bool(prediction.defaults[row]);
    if explain {
        json.key("inputs").open(b'[');
        for value in &prediction.gathered.vectors[cells] {
            json.double(*value);
        }
        json.close(b']').key("status").open(b'[');
        for origin in origins {
            json.string(origin.name());
        }
        json.close(b']');
    }
    json.close(b'}');
}

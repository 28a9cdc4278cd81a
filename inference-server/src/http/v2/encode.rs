//! Predictions as tensors, flags as parameters and outputs.

use super::decode::{InferRequest, Output};
use crate::gather::Origin;
use crate::json::Writer;
use crate::predict::Prediction;
use crate::service::{Service, Variant};

/// Writes the answer to an infer request.
pub(crate) fn encode(
    service: &Service,
    variant: &Variant,
    answer: &Prediction,
    request: &InferRequest,
    request_id: &str,
) -> Vec<u8> {
    let mut json = Writer::with_capacity(384 + answer.scores.len() * 24);
    json.open(b'{')
        .key("model_name")
        .string(&service.name)
        .key("model_version")
        .string(&variant.version);
    if let Some(id) = &request.id {
        json.key("id").string(id);
    }
    json.key("parameters")
        .open(b'{')
        .key("model")
        .string(&variant.name)
        .key("role")
        .string(variant.role.name());
    json.key("as_of")
        .integer(answer.as_of_us)
        .key("request_id")
        .string(request_id);
    json.key("degraded")
        .bool(answer.outcome() != crate::predict::Outcome::Ok)
        .close(b'}');
    json.key("outputs").open(b'[');
    for output in &request.outputs {
        write_output(&mut json, variant, answer, *output);
    }
    json.close(b']').close(b'}');
    json.finish()
}

fn write_output(json: &mut Writer, variant: &Variant, answer: &Prediction, output: Output) {
    let gathered = &answer.gathered;
    match output {
        Output::Prediction => {
            head(json, &variant.output_name, "FP64", &[answer.scores.len()]);
            answer.scores.iter().for_each(|score| {
                json.double(*score);
            });
        }
        Output::Default => {
            head(json, "triplane_default", "BOOL", &[answer.scores.len()]);
            answer.defaults.iter().for_each(|default| {
                json.bool(*default);
            });
        }
        Output::Imputed => {
            head(json, "triplane_imputed", "BYTES", &[answer.scores.len()]);
            let imputed: Vec<bool> = gathered
                .origins
                .iter()
                .map(|origin: &Origin| origin.is_imputed())
                .collect();
            write_lists(json, variant, &imputed, answer.scores.len());
        }
        Output::Stale => {
            head(json, "triplane_stale", "BYTES", &[answer.scores.len()]);
            write_lists(json, variant, &gathered.stale, answer.scores.len());
        }
        Output::Inputs => {
            head(
                json,
                "triplane_inputs",
                "FP64",
                &[answer.scores.len(), variant.plan.names().len()],
            );
            gathered.vectors.iter().for_each(|value| {
                json.double(*value);
            });
        }
    }
    json.close(b']').close(b'}');
}

/// One element a row: a JSON list of the inputs that are flagged.
fn write_lists(json: &mut Writer, variant: &Variant, flags: &[bool], rows: usize) {
    let names = variant.plan.names();
    for row in 0..rows {
        let mut list = Writer::default();
        list.open(b'[');
        for (name, _) in names.iter().zip(&flags[row * names.len()..]).filter(|(_, flag)| **flag) {
            list.string(name);
        }
        list.close(b']');
        json.string(&String::from_utf8_lossy(&list.finish()));
    }
}

fn head(json: &mut Writer, name: &str, datatype: &str, shape: &[usize]) {
    json.open(b'{')
        .key("name")
        .string(name)
        .key("datatype")
        .string(datatype)
        .key("shape")
        .open(b'[');
    for extent in shape {
        json.integer(*extent as i64);
    }
    json.close(b']').key("data").open(b'[');
}

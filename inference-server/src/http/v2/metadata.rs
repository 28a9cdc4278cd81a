//! What the protocol tells about server and models.

use triplane_contract::ValueType;

use crate::json::Writer;
use crate::service::{Service, Variant};

/// `GET /v2`
pub(crate) fn server_metadata() -> Vec<u8> {
    let mut body = Writer::default();
    body.open(b'{')
        .key("name")
        .string("triplane")
        .key("version")
        .string(env!("CARGO_PKG_VERSION"));
    body.key("extensions").open(b'[').close(b']').close(b'}');
    body.finish()
}

/// `GET /v2/models/NAME`: entity keys and request inputs as inputs, one row an element.
pub(crate) fn model_metadata(service: &Service, variant: &Variant) -> Vec<u8> {
    let mut body = Writer::with_capacity(512);
    body.open(b'{').key("name").string(&service.name);
    body.key("versions").open(b'[').string(&variant.version).close(b']');
    body.key("platform")
        .string("triplane_lightgbm")
        .key("inputs")
        .open(b'[');
    for column in variant.plan.columns().iter().filter(|column| column.required) {
        tensor(&mut body, &column.name, datatype(column.value_type));
    }
    body.close(b']').key("outputs").open(b'[');
    tensor(&mut body, &variant.output_name, "FP64");
    body.close(b']').close(b'}');
    body.finish()
}

/// `GET /v2/models/NAME/ready`: a model that is listed is ready.
pub(crate) fn model_ready(service: &Service, variant: &Variant) -> Vec<u8> {
    let mut body = Writer::default();
    body.open(b'{')
        .key("name")
        .string(&service.name)
        .key("version")
        .string(&variant.version);
    body.key("ready").bool(true).close(b'}');
    body.finish()
}

fn tensor(body: &mut Writer, name: &str, datatype: &str) {
    body.open(b'{')
        .key("name")
        .string(name)
        .key("datatype")
        .string(datatype);
    body.key("shape").open(b'[').integer(-1).close(b']').close(b'}');
}

/// The protocol's name of a type. A Timestamp is microseconds since 1970, Bytes are base64.
fn datatype(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::Bool => "BOOL",
        ValueType::Int32 => "INT32",
        ValueType::Int64 | ValueType::Timestamp => "INT64",
        ValueType::Float32 => "FP32",
        ValueType::Float64 => "FP64",
        ValueType::String | ValueType::Bytes => "BYTES",
    }
}

/// Whether a tensor of this datatype may be sent for a column. Each value is then read by the column's own type, so that
/// nothing is rounded on the way.
pub(super) fn accepts(value_type: ValueType, datatype: &str) -> bool {
    let whole = matches!(
        datatype,
        "INT8" | "INT16" | "INT32" | "INT64" | "UINT8" | "UINT16" | "UINT32" | "UINT64"
    );
    match value_type {
        ValueType::Bool => datatype == "BOOL",
        ValueType::Int32 | ValueType::Int64 => whole,
        ValueType::Float32 | ValueType::Float64 => whole || matches!(datatype, "FP32" | "FP64"),
        ValueType::String | ValueType::Bytes => datatype == "BYTES",
        ValueType::Timestamp => matches!(datatype, "INT64" | "BYTES"),
    }
}

/// What to send for a column, for messages.
pub(super) fn expected(value_type: ValueType) -> &'static str {
    datatype(value_type)
}

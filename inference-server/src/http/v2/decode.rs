//! Named tensors to rows.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::metadata::{accepts, expected};
use crate::gather::{RequestColumn, Rows};
use crate::json;
use crate::problem::{Code, Problem};
use crate::service::Variant;

/// An output that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// The predictions.
    Prediction,
    /// JSON lists of imputed inputs, one a row.
    Imputed,
    /// JSON lists of stale inputs, one a row.
    Stale,
    /// Whether each row got the default prediction.
    Default,
    /// The input vectors.
    Inputs,
}

impl Output {
    /// Names of the outputs beside the prediction.
    pub(crate) const FLAGS: [(&'static str, Self); 4] = [
        ("triplane_imputed", Self::Imputed),
        ("triplane_stale", Self::Stale),
        ("triplane_default", Self::Default),
        ("triplane_inputs", Self::Inputs),
    ];
}

/// A decoded request.
#[derive(Debug)]
pub(crate) struct InferRequest {
    /// Its rows.
    pub rows: Rows,
    /// The caller's id, echoed.
    pub id: Option<String>,
    /// Outputs in the order asked for.
    pub outputs: Vec<Output>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    id: Option<String>,
    #[serde(default)]
    parameters: BTreeMap<String, Scalar>,
    #[serde(borrow)]
    inputs: Option<Vec<Tensor<'a>>>,
    #[serde(default)]
    outputs: Vec<Requested>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tensor<'a> {
    name: String,
    shape: Vec<u64>,
    datatype: String,
    #[serde(default)]
    #[expect(dead_code, reason = "part of the protocol; none has a meaning here")]
    parameters: BTreeMap<String, Scalar>,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Requested {
    name: String,
    #[serde(default)]
    #[expect(dead_code, reason = "part of the protocol; none has a meaning here")]
    parameters: BTreeMap<String, Scalar>,
}

/// Parameters are text, numbers or booleans.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Bool(bool),
    #[expect(dead_code, reason = "any number or text is allowed, none has a meaning here")]
    Number(f64),
    #[expect(dead_code, reason = "any number or text is allowed, none has a meaning here")]
    Text(String),
}

/// Decodes a body against what the model takes; at most `max_rows` rows.
pub(crate) fn decode(body: &[u8], variant: &Variant, max_rows: usize) -> Result<InferRequest, Problem> {
    let invalid = |error: serde_json::Error| {
        Problem::new(
            Code::InvalidJson,
            format!("the body is not the JSON this call takes: {error}"),
        )
    };
    let text = std::str::from_utf8(body).map_err(|_| Problem::new(Code::InvalidJson, "the body is not UTF-8"))?;
    let body: Body<'_> = serde_json::from_str(text).map_err(invalid)?;
    let explain = matches!(body.parameters.get("explain"), Some(Scalar::Bool(true)));
    let inputs = body.inputs.ok_or_else(|| {
        let message =
            "inputs is missing: send {\"inputs\": [{\"name\": ..., \"shape\": ..., \"datatype\": ..., \"data\": ...}]}";
        Problem::at(Code::MissingField, "inputs", message)
    })?;
    Ok(InferRequest {
        rows: rows(&inputs, variant, max_rows)?,
        id: body.id,
        outputs: outputs(&body.outputs, variant, explain)?,
    })
}

fn outputs(requested: &[Requested], variant: &Variant, explain: bool) -> Result<Vec<Output>, Problem> {
    let mut outputs = Vec::with_capacity(requested.len() + 1);
    for Requested { name, .. } in requested {
        if *name == variant.output_name {
            outputs.push(Output::Prediction);
            continue;
        }
        let Some((_, flag)) = Output::FLAGS.iter().find(|(flag, _)| flag == name) else {
            let known = Output::FLAGS.map(|(flag, _)| flag).join(", ");
            let message = format!(
                "there is no output \"{name}\": there is {}, {known}",
                variant.output_name
            );
            return Err(Problem::at(Code::UnknownField, format!("outputs.{name}"), message));
        };
        outputs.push(*flag);
    }
    if outputs.is_empty() {
        outputs.push(Output::Prediction);
    }
    if explain && !outputs.contains(&Output::Inputs) {
        outputs.push(Output::Inputs);
    }
    Ok(outputs)
}

fn rows(tensors: &[Tensor<'_>], variant: &Variant, max_rows: usize) -> Result<Rows, Problem> {
    let columns = variant.plan.columns();
    let len = tensors.first().map_or(Ok(0), Tensor::rows)?;
    if len > max_rows {
        let message = format!("a request has at most {max_rows} rows: split it");
        return Err(Problem::at(Code::TooManyRows, "inputs", message));
    }
    let mut rows = Rows::nulls(columns.len(), len);
    let mut seen = vec![false; columns.len()];
    for tensor in tensors {
        let index = tensor.column(columns)?;
        let (field, value_type) = (tensor.field(), columns[index].value_type);
        if std::mem::replace(&mut seen[index], true) {
            return Err(Problem::at(
                Code::DuplicateField,
                field,
                format!("input \"{}\" is there twice", tensor.name),
            ));
        }
        if tensor.rows()? != len {
            return Err(tensor.wrong_shape(&format!("has another number of rows than \"{}\"", tensors[0].name)));
        }
        for (row, value) in tensor.values()?.into_iter().enumerate() {
            let value = json::cell(value_type, value.get());
            let value = value.map_err(|message| Problem::at(Code::WrongType, format!("{field}[{row}]"), message))?;
            rows.set(row, index, value);
        }
    }
    if let Some((column, _)) = columns
        .iter()
        .zip(&seen)
        .find(|(column, seen)| column.required && !**seen)
    {
        let message = format!(
            "input \"{}\" is missing: send {}",
            column.name,
            expected(column.value_type)
        );
        return Err(Problem::at(
            Code::MissingField,
            format!("inputs.{}", column.name),
            message,
        ));
    }
    Ok(rows)
}

impl<'a> Tensor<'a> {
    fn field(&self) -> String {
        format!("inputs.{}", self.name)
    }

    /// The column that the tensor is for, of a datatype that it takes.
    fn column(&self, columns: &[RequestColumn]) -> Result<usize, Problem> {
        let Some(index) = columns.iter().position(|column| *column.name == *self.name) else {
            let message = format!("\"{}\" is no input of this model: see GET /v2/models/NAME", self.name);
            return Err(Problem::at(Code::UnknownField, self.field(), message));
        };
        let value_type = columns[index].value_type;
        if !accepts(value_type, &self.datatype) {
            let message = format!(
                "input \"{}\" is {}: send {}",
                self.name,
                self.datatype,
                expected(value_type)
            );
            return Err(Problem::at(Code::WrongType, self.field(), message));
        }
        Ok(index)
    }

    /// Rows of a shape `[n]` or `[n, 1]`.
    fn rows(&self) -> Result<usize, Problem> {
        match self.shape.as_slice() {
            [rows] | [rows, 1] => Ok(usize::try_from(*rows).unwrap_or(usize::MAX)),
            shape => Err(self.wrong_shape(&format!("has shape {shape:?}: send [rows]"))),
        }
    }

    /// The elements, whether flat or nested.
    fn values(&self) -> Result<Vec<&'a RawValue>, Problem> {
        let list = |raw: &'a RawValue| serde_json::from_str::<Vec<&'a RawValue>>(raw.get()).ok();
        let mut values = list(self.data).ok_or_else(|| self.wrong_shape("has data that is no list"))?;
        for value in &mut values {
            if value.get().starts_with('[') {
                match list(value).as_deref() {
                    Some([inner]) => *value = inner,
                    _ => return Err(self.wrong_shape("has nested data that is not one value a row")),
                }
            }
        }
        let rows = self.rows()?;
        if values.len() != rows {
            return Err(self.wrong_shape(&format!("has {} values for {rows} rows", values.len())));
        }
        Ok(values)
    }

    fn wrong_shape(&self, what: &str) -> Problem {
        Problem::at(
            Code::WrongShape,
            format!("inputs.{}", self.name),
            format!("input \"{}\" {what}", self.name),
        )
    }
}

//! Types and bounds of single values.

use serde_json::{Number, Value};

use super::structure::{Report, Structure};
use super::{suggestion, words};

/// Says how the type of `value` differs from what the schema asks for.
pub(super) fn type_error(schema: &Value, value: &Value) -> Option<String> {
    let int_or_string = schema.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true));
    let expected = if int_or_string {
        "int-or-string"
    } else {
        schema.get("type").and_then(Value::as_str)?
    };
    let fits = match expected {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "int-or-string" => value.is_string() || value.is_i64() || value.is_u64(),
        _ => true,
    };
    (!fits).then(|| {
        let quote = if expected == "string" && (value.is_number() || value.is_boolean()) {
            ": put it in quotes"
        } else {
            ""
        };
        format!("expected {}, found {}{quote}", type_words(expected), value_words(value))
    })
}

fn type_words(expected: &str) -> &str {
    match expected {
        "object" => "a map",
        "array" => "a list",
        "string" => "text",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "int-or-string" => "a quantity",
        other => other,
    }
}

fn value_words(value: &Value) -> String {
    match value {
        Value::Null => "null (leave the field out instead)".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text {}", words::quoted(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a map".to_owned(),
    }
}

/// Checks length, pattern and the words of an enum.
pub(super) fn check_text(structure: &Structure, schema: &Value, text: &str, path: &str, report: &mut Report) {
    check_size(
        schema,
        ("minLength", "maxLength"),
        text.chars().count(),
        "characters",
        path,
        report,
    );
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
        // The server enforces patterns it can compile; so do we.
        if structure.pattern(pattern).is_some_and(|regex| !regex.is_match(text)) {
            report.invalid(
                path,
                format!("{} is not {}", words::quoted(text), words::pattern(pattern)),
            );
        }
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array) {
        let allowed: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
        if !allowed.contains(&text) {
            let hint = suggestion::closest(text, allowed.iter().copied());
            report.invalid(
                path,
                format!("{} is not one of {}{hint}", words::quoted(text), allowed.join(", ")),
            );
        }
    }
}

/// Checks the bounds of a number, and that an `int32` fits.
pub(super) fn check_number(schema: &Value, number: &Number, path: &str, report: &mut Report) {
    let Some(value) = number.as_f64() else { return };
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    if let Some(minimum) = bound("minimum").filter(|minimum| value < *minimum) {
        report.invalid(path, format!("{number} is less than {minimum}"));
    }
    if let Some(maximum) = bound("maximum").filter(|maximum| value > *maximum) {
        report.invalid(path, format!("{number} is more than {maximum}"));
    }
    let is_int32 = schema.get("format").and_then(Value::as_str) == Some("int32");
    if is_int32 && number.as_i64().is_none_or(|value| i32::try_from(value).is_err()) {
        report.invalid(path, format!("{number} does not fit a 32-bit integer"));
    }
}

/// Checks a length against the two keywords of its kind.
pub(super) fn check_size(
    schema: &Value,
    (minimum, maximum): (&str, &str),
    size: usize,
    unit: &str,
    path: &str,
    report: &mut Report,
) {
    let bound = |name: &str| {
        schema
            .get(name)
            .and_then(Value::as_u64)
            .and_then(|bound| usize::try_from(bound).ok())
    };
    if let Some(minimum) = bound(minimum).filter(|minimum| size < *minimum) {
        report.invalid(path, format!("has {size} {unit}, needs at least {minimum}"));
    }
    if let Some(maximum) = bound(maximum).filter(|maximum| size > *maximum) {
        report.invalid(path, format!("has {size} {unit}, at most {maximum} are allowed"));
    }
}

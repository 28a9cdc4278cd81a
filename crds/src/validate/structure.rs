//! Walks a manifest along its schema: unknown fields, required fields, types, sizes, uniqueness.

use std::collections::HashMap;

use regex::Regex;
use serde_json::{Map, Value};

use super::{Finding, metadata, scalar, suggestion};

/// The structural part of one kind's schema.
pub(super) struct Structure {
    schema: Value,
    patterns: HashMap<String, Regex>,
}

/// What a walk found.
#[derive(Default)]
pub(super) struct Report {
    /// Fields the schema does not have.
    pub(super) unknown: Vec<Finding>,
    /// Everything else.
    pub(super) invalid: Vec<Finding>,
}

impl Report {
    fn unknown(&mut self, field: String, message: String) {
        self.unknown.push(Finding { field, message });
    }

    pub(super) fn invalid(&mut self, field: &str, message: impl Into<String>) {
        self.invalid.push(Finding {
            field: field.to_owned(),
            message: message.into(),
        });
    }
}

impl Structure {
    /// Prepares the schema of a whole object.
    pub(super) fn new(schema: &Value) -> Self {
        let mut schema = schema.clone();
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            properties.insert("apiVersion".to_owned(), serde_json::json!({ "type": "string" }));
            properties.insert("kind".to_owned(), serde_json::json!({ "type": "string" }));
            properties.insert("metadata".to_owned(), metadata::schema());
        }
        if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
            required.push("metadata".into());
        }
        let mut patterns = HashMap::new();
        collect_patterns(&schema, &mut patterns);
        Self { schema, patterns }
    }

    /// Checks a whole object.
    pub(super) fn check(&self, manifest: &Value) -> Report {
        let mut report = Report::default();
        self.walk(&self.schema, manifest, "", &mut report);
        report
    }

    /// The compiled form of a pattern of the schema.
    pub(super) fn pattern(&self, pattern: &str) -> Option<&Regex> {
        self.patterns.get(pattern)
    }

    fn walk(&self, schema: &Value, value: &Value, path: &str, report: &mut Report) {
        if let Some(message) = scalar::type_error(schema, value) {
            report.invalid(path, message);
            return;
        }
        match value {
            Value::Object(object) => self.walk_object(schema, object, path, report),
            Value::Array(items) => self.walk_array(schema, items, path, report),
            Value::String(text) => scalar::check_text(self, schema, text, path, report),
            Value::Number(number) => scalar::check_number(schema, number, path, report),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn walk_object(&self, schema: &Value, object: &Map<String, Value>, path: &str, report: &mut Report) {
        let properties = schema.get("properties").and_then(Value::as_object);
        let values = schema.get("additionalProperties").filter(|values| values.is_object());
        for (name, value) in object {
            let child = join(path, name);
            if let Some(known) = properties.and_then(|properties| properties.get(name)).or(values) {
                self.walk(known, value, &child, report);
            } else {
                let hint = suggestion::closest(name, properties.into_iter().flat_map(Map::keys).map(String::as_str));
                report.unknown(child, format!("unknown field{hint}"));
            }
        }
        for required in schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if !object.contains_key(required) {
                report.invalid(&join(path, required), "is required");
            }
        }
        scalar::check_size(
            schema,
            ("minProperties", "maxProperties"),
            object.len(),
            "entries",
            path,
            report,
        );
    }

    fn walk_array(&self, schema: &Value, items: &[Value], path: &str, report: &mut Report) {
        scalar::check_size(schema, ("minItems", "maxItems"), items.len(), "items", path, report);
        if let Some(item_schema) = schema.get("items") {
            for (index, item) in items.iter().enumerate() {
                self.walk(item_schema, item, &format!("{path}[{index}]"), report);
            }
        }
        check_unique(schema, items, path, report);
    }
}

/// `listType: map` and `set`: each key, each value once.
fn check_unique(schema: &Value, items: &[Value], path: &str, report: &mut Report) {
    let list_type = schema.get("x-kubernetes-list-type").and_then(Value::as_str);
    if !matches!(list_type, Some("map" | "set")) {
        return;
    }
    let keys = schema
        .get("x-kubernetes-list-map-keys")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let keys: Vec<&str> = keys.filter_map(Value::as_str).collect();
    let mut first_seen: HashMap<String, usize> = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        let identity = if keys.is_empty() {
            Some(item.to_string())
        } else {
            keys.iter()
                .map(|key| item.get(key).map(Value::to_string))
                .collect::<Option<Vec<_>>>()
                .map(|k| k.join(", "))
        };
        let Some(identity) = identity else { continue };
        if let Some(first) = first_seen.get(&identity) {
            let what = if keys.is_empty() {
                "value".to_owned()
            } else {
                keys.join(", ")
            };
            report.invalid(
                &format!("{path}[{index}]"),
                format!("duplicate {what} {identity}, first at {path}[{first}]"),
            );
        } else {
            first_seen.insert(identity, index);
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn collect_patterns(schema: &Value, patterns: &mut HashMap<String, Regex>) {
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
        && let Ok(regex) = Regex::new(pattern)
    {
        patterns.insert(pattern.to_owned(), regex);
    }
    let children = |name: &str| schema.get(name).and_then(Value::as_object);
    for child in children("properties").into_iter().flat_map(Map::values) {
        collect_patterns(child, patterns);
    }
    for name in ["items", "additionalProperties"] {
        if let Some(child) = schema.get(name) {
            collect_patterns(child, patterns);
        }
    }
}

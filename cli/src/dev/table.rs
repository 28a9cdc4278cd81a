//! Objects as `kubectl get` prints them, from the CRDs' own columns.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition,
};
use serde_json::Value;
use triplane_crds::columns;

use crate::text;

/// A table per kind that has objects, in the order of `objects`. Ages count to `now_us`.
pub fn tables(definitions: &[CustomResourceDefinition], objects: &[Value], now_us: i64) -> String {
    let mut out = String::new();
    let mut kinds: Vec<&str> = objects
        .iter()
        .filter_map(|object| object.get("kind")?.as_str())
        .collect();
    kinds.dedup();
    for kind in kinds {
        let Some(definition) = definitions.iter().find(|definition| definition.spec.names.kind == kind) else {
            continue;
        };
        let of_kind = objects
            .iter()
            .filter(|object| object.get("kind").and_then(Value::as_str) == Some(kind));
        let singular = kind.to_lowercase();
        let columns = columns_of(definition);
        let header = std::iter::once("NAME".to_owned()).chain(columns.iter().map(|column| column.name.clone()));
        let mut rows: Vec<Vec<String>> = vec![header.collect()];
        rows.extend(of_kind.map(|object| row(&singular, &columns, object, now_us)));
        out.push_str(&text::aligned(&rows));
        out.push('\n');
    }
    out
}

fn columns_of(definition: &CustomResourceDefinition) -> Vec<CustomResourceColumnDefinition> {
    let version = definition.spec.versions.first();
    let columns = version
        .and_then(|version| version.additional_printer_columns.clone())
        .unwrap_or_default();
    columns
        .into_iter()
        .filter(|column| column.priority.unwrap_or(0) == 0)
        .collect()
}

fn row(singular: &str, columns: &[CustomResourceColumnDefinition], object: &Value, now_us: i64) -> Vec<String> {
    let name = object
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let cell = |column: &CustomResourceColumnDefinition| match columns::value(object, &column.json_path) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) if column.type_ == "date" => age(text, now_us),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    std::iter::once(format!("{singular}/{name}"))
        .chain(columns.iter().map(cell))
        .collect()
}

fn age(text: &str, now_us: i64) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(then) => text::age(now_us, then.as_microsecond()),
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_kind_has_a_table_with_its_own_columns_and_ages() {
        let view = json!({
            "kind": "FeatureView",
            "metadata": {"name": "weather", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "status": {
                "rows": 12, "newestEventTime": "2026-01-01T00:58:00Z",
                "conditions": [{"type": "Ready", "status": "True", "reason": "Available"}],
            },
        });
        let model = json!({"kind": "Model", "metadata": {"name": "m"}});
        let now = "2026-01-01T01:00:00Z"
            .parse::<jiff::Timestamp>()
            .unwrap()
            .as_microsecond();
        let text = tables(&triplane_crds::all(), &[view, model], now);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["NAME", "READY", "REASON", "FRESHNESS", "ROWS", "AGE"]);
        assert_eq!(
            lines[1],
            ["featureview/weather", "True", "Available", "2m", "12", "60m"]
        );
        assert_eq!(lines[3][..3], ["NAME", "READY", "REASON"]);
        assert_eq!(lines[4], ["model/m"]);
    }
}

//! Rows for people and for programs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};
use triplane_feature_store::Value;
use triplane_feature_store::semantics::Pick;

use super::{ShownFeature, ShownView};
use crate::text;

/// A line for each feature.
pub fn table(views: &[ShownView]) -> String {
    let header = ["VIEW", "FEATURE", "VALUE", "STATUS", "FROM", "EVENT TIME", "AGE"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for view in views {
        rows.extend(view.features.iter().map(|feature| line(view, feature)));
    }
    text::aligned(&rows)
}

fn line(view: &ShownView, feature: &ShownFeature) -> Vec<String> {
    let time = view.event_time_us;
    vec![
        view.view.clone(),
        feature.name.clone(),
        if feature.value.is_null() {
            "NULL".to_owned()
        } else {
            feature.value.to_string()
        },
        feature.status.name().to_owned(),
        from(feature.pick).to_owned(),
        time.map_or_else(|| "-".to_owned(), text::moment),
        time.map_or_else(|| "-".to_owned(), |then| text::age(view.as_of_us, then)),
    ]
}

/// Where a value comes from.
fn from(pick: Pick) -> &'static str {
    match pick {
        Pick::Row => "row",
        Pick::StaleRow => "row past its ttl",
        Pick::Null => "-",
        Pick::Default => "default",
        Pick::Fail => "request refused",
    }
}

/// One object, pretty.
pub fn json(views: &[ShownView]) -> String {
    let view = |view: &ShownView| {
        let feature = |feature: &ShownFeature| {
            json!({
                "name": feature.name, "value": value(&feature.value), "status": feature.status.name(),
                "from": from(feature.pick),
            })
        };
        json!({
            "namespace": view.namespace, "view": view.view, "generation": view.generation, "as_of": view.as_of_us,
            "event_time": view.event_time_us,
            "age_seconds": view.event_time_us.map(|then| (view.as_of_us - then) as f64 / 1e6),
            "features": view.features.iter().map(feature).collect::<Vec<_>>(),
        })
    };
    let list = json!({ "views": views.iter().map(view).collect::<Vec<_>>() });
    format!("{list:#}\n")
}

/// As in requests: bytes in base64, times in microseconds since 1970; a number that JSON does not have is text.
fn value(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(v) => json!(v),
        Value::Int32(v) => json!(v),
        Value::Int64(v) | Value::Timestamp(v) => json!(v),
        Value::Float32(v) if v.is_finite() => json!(v),
        Value::Float64(v) if v.is_finite() => json!(v),
        Value::Float32(v) => json!(v.to_string()),
        Value::Float64(v) => json!(v.to_string()),
        Value::String(v) => json!(v),
        Value::Bytes(v) => json!(STANDARD.encode(v)),
    }
}

#[cfg(test)]
mod tests {
    use triplane_feature_store::semantics::Status;

    use super::*;

    fn shown() -> ShownView {
        let feature = |name: &str, value, status, pick| ShownFeature {
            name: name.to_owned(),
            value,
            status,
            pick,
        };
        ShownView {
            namespace: "flights".to_owned(),
            view: "weather".to_owned(),
            generation: 2,
            as_of_us: 7_200_000_000,
            event_time_us: Some(0),
            features: vec![
                feature("temp", Value::Float64(41.5), Status::Present, Pick::Row),
                feature("sky", Value::Null, Status::NullValue, Pick::Null),
                feature("big", Value::Int64(i64::MAX), Status::Present, Pick::Row),
                feature("odd", Value::Float64(f64::NAN), Status::Present, Pick::Row),
            ],
        }
    }

    #[test]
    fn a_table_has_a_line_a_feature() {
        let lines = [
            "VIEW      FEATURE   VALUE                 STATUS       FROM   EVENT TIME             AGE",
            "weather   temp      41.5                  PRESENT      row    1970-01-01T00:00:00Z   2h",
            "weather   sky       NULL                  NULL_VALUE   -      1970-01-01T00:00:00Z   2h",
            "weather   big       9223372036854775807   PRESENT      row    1970-01-01T00:00:00Z   2h",
            "weather   odd       NaN                   PRESENT      row    1970-01-01T00:00:00Z   2h",
        ];
        assert_eq!(table(&[shown()]).lines().collect::<Vec<_>>(), lines);
        let none = ShownView {
            event_time_us: None,
            ..shown()
        };
        assert!(
            table(&[none])
                .lines()
                .all(|line| line.ends_with('-') || line.ends_with("AGE"))
        );
    }

    #[test]
    fn json_is_exact() {
        let json: Json = serde_json::from_str(&json(&[shown()])).unwrap();
        let view = &json["views"][0];
        assert_eq!((&view["age_seconds"], &view["generation"]), (&json!(7200.0), &json!(2)));
        let values: Vec<&Json> = view["features"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| &f["value"])
            .collect();
        assert_eq!(values, [&json!(41.5), &Json::Null, &json!(i64::MAX), &json!("NaN")]);
    }
}

//! The columns of `kubectl get`, evaluated as an API server does.

use serde_json::Value;

/// The value at a column's JSONPath: names, and a filter on one field of a list's items (`[?(@.type=="Ready")]`), which is
/// the part of JSONPath that the columns of this crate use. `None` where the object has no such value.
pub fn value<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    let mut value = object;
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(filter) = rest.strip_prefix("[?(@.") {
            let (condition, tail) = filter.split_once(")]")?;
            let (field, wanted) = condition.split_once("==")?;
            let wanted = wanted.trim_matches('"');
            value = value
                .as_array()?
                .iter()
                .find(|item| item.get(field).and_then(Value::as_str) == Some(wanted))?;
            rest = tail;
        } else {
            let name = rest.strip_prefix('.')?;
            let end = name.find(['.', '[']).unwrap_or(name.len());
            value = value.get(&name[..end])?;
            rest = &name[end..];
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_filter_takes_the_item_whose_field_has_the_value() {
        let object = json!({"status": {"conditions": [
            {"type": "Degraded", "status": "False"},
            {"type": "Ready", "status": "True"},
        ]}});
        let path = r#".status.conditions[?(@.type=="Ready")].status"#;
        assert_eq!(value(&object, path), Some(&json!("True")));
        assert_eq!(value(&object, r#".status.conditions[?(@.type=="Fresh")].status"#), None);
        assert_eq!(value(&object, ".status.rows"), None);
    }
}

//! An answer for people.

use serde::Deserialize;
use serde_json::Value as Json;

use crate::text;

/// Answer of `POST /v1/models/NAME:predict`.
#[derive(Deserialize)]
struct Answer {
    predictions: Vec<Json>,
    triplane: About,
}

#[derive(Deserialize)]
struct About {
    model: String,
    version: String,
    role: String,
    as_of: i64,
    #[serde(default)]
    inputs: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    imputed: Vec<String>,
    stale: Vec<String>,
    default: bool,
    #[serde(default)]
    inputs: Vec<Json>,
    #[serde(default)]
    status: Vec<String>,
}

/// A line for each row, and the inputs of each where they were asked for.
pub fn table(answer: Json) -> Result<String, serde_json::Error> {
    let Answer { predictions, triplane } = serde_json::from_value(answer)?;
    let header = [
        "PREDICTION",
        "MODEL",
        "VERSION",
        "ROLE",
        "AS OF",
        "IMPUTED",
        "STALE",
        "DEFAULT",
    ];
    let mut lines = vec![header.map(str::to_owned).to_vec()];
    for (prediction, row) in predictions.iter().zip(&triplane.rows) {
        lines.push(vec![
            prediction.to_string(),
            triplane.model.clone(),
            triplane.version.clone(),
            triplane.role.clone(),
            text::moment(triplane.as_of),
            names(&row.imputed),
            names(&row.stale),
            row.default.to_string(),
        ]);
    }
    let mut out = text::aligned(&lines);
    if !triplane.inputs.is_empty() {
        for row in &triplane.rows {
            out.push('\n');
            out.push_str(&inputs(&triplane.inputs, row));
        }
    }
    Ok(out)
}

fn inputs(names: &[String], row: &Row) -> String {
    let mut lines = vec![["INPUT", "VALUE", "STATUS"].map(str::to_owned).to_vec()];
    for ((name, value), status) in names.iter().zip(&row.inputs).zip(&row.status) {
        let value = match value {
            Json::Null => "NaN".to_owned(),
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        lines.push(vec![name.clone(), value, status.clone()]);
    }
    text::aligned(&lines)
}

fn names(names: &[String]) -> String {
    if names.is_empty() {
        "-".to_owned()
    } else {
        names.join(",")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(explain: bool) -> Json {
        let mut row = json!({"imputed": ["leg/delay"], "stale": [], "default": false});
        let mut about = json!({
            "model": "delay-v1", "version": "0123456789ab", "role": "stable", "request_id": "1", "as_of": 0,
        });
        if explain {
            about["inputs"] = json!(["leg/delay", "hour"]);
            row["inputs"] = json!([null, 18.0]);
            row["status"] = json!(["NOT_FOUND", "REQUEST"]);
        }
        about["rows"] = json!([row]);
        json!({"predictions": [0.31], "triplane": about})
    }

    #[test]
    fn a_table_has_a_line_a_row() {
        let lines = [
            "PREDICTION   MODEL      VERSION        ROLE     AS OF                  IMPUTED     STALE   DEFAULT",
            "0.31         delay-v1   0123456789ab   stable   1970-01-01T00:00:00Z   leg/delay   -       false",
        ];
        let text = table(answer(false)).unwrap();
        assert_eq!(text.lines().collect::<Vec<_>>(), lines);
    }

    #[test]
    fn an_explained_answer_has_its_inputs_below() {
        let text = table(answer(true)).unwrap();
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "",
                "INPUT       VALUE   STATUS",
                "leg/delay   NaN     NOT_FOUND",
                "hour        18.0    REQUEST"
            ]
        );
    }

    #[test]
    fn an_answer_of_something_else_is_refused() {
        assert!(table(json!({"predictions": [1.0]})).is_err());
    }
}

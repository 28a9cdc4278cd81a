//! `{"instances": [{"origin": "JFK", ...}, ...], "explain": false}` to rows.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::gather::{GatherPlan, RequestColumn, Rows};
use crate::json;
use crate::problem::{Code, Problem};

/// A decoded request.
#[derive(Debug)]
pub(crate) struct PredictRequest {
    /// Its rows.
    pub rows: Rows,
    /// Whether the answer shows the input vector.
    pub explain: bool,
}

/// Decodes a body against what the plan takes; at most `max_rows` rows.
pub(crate) fn decode(body: &[u8], plan: &GatherPlan, max_rows: usize) -> Result<PredictRequest, Problem> {
    let text = std::str::from_utf8(body).map_err(|_| Problem::new(Code::InvalidJson, "the body is not UTF-8"))?;
    let columns = plan.columns();
    let rows = Rows::new(columns.len());
    let mut state = State {
        columns,
        max_rows,
        rows,
        explain: false,
        seen: vec![false; columns.len()],
        problem: None,
    };
    let mut json = serde_json::Deserializer::from_str(text);
    let parsed = json.deserialize_map(Body(&mut state)).and_then(|()| json.end());
    match (parsed, state.problem) {
        (_, Some(problem)) => Err(problem),
        (Err(error), None) => Err(Problem::new(
            Code::InvalidJson,
            format!("the body is not the JSON this call takes: {error}"),
        )),
        (Ok(()), None) => Ok(PredictRequest {
            rows: state.rows,
            explain: state.explain,
        }),
    }
}

struct State<'p> {
    columns: &'p [RequestColumn],
    max_rows: usize,
    rows: Rows,
    explain: bool,
    /// Columns of the current row.
    seen: Vec<bool>,
    /// The typed refusal behind serde's error, which is only text.
    problem: Option<Problem>,
}

impl State<'_> {
    fn stop<E: serde::de::Error>(&mut self, problem: Problem) -> E {
        self.problem = Some(problem);
        E::custom("refused")
    }

    fn field(&self, name: &str) -> String {
        format!("instances[{}].{name}", self.rows.len().saturating_sub(1))
    }
}

/// The whole body.
struct Body<'a, 'p>(&'a mut State<'p>);

impl<'de> Visitor<'de> for Body<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with \"instances\"")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut instances = false;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "instances" if instances => {
                    return Err(self.0.stop(Problem::at(
                        Code::DuplicateField,
                        "instances",
                        "instances is there twice",
                    )));
                }
                "instances" => {
                    instances = true;
                    map.next_value_seed(Instances(self.0))?;
                }
                "explain" => self.0.explain = map.next_value()?,
                other => {
                    let message = format!("a request has instances and explain, not \"{other}\"");
                    return Err(self.0.stop(Problem::at(Code::UnknownField, other, message)));
                }
            }
        }
        if !instances {
            let message = "instances is missing: send {\"instances\": [{...}]}";
            return Err(self.0.stop(Problem::at(Code::MissingField, "instances", message)));
        }
        Ok(())
    }
}

/// The list of rows.
struct Instances<'a, 'p>(&'a mut State<'p>);

impl<'de> DeserializeSeed<'de> for Instances<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Instances<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while self.0.rows.len() < self.0.max_rows {
            if seq.next_element_seed(Row(self.0))?.is_none() {
                return Ok(());
            }
        }
        if seq.next_element::<IgnoredAny>()?.is_some() {
            let message = format!("a request has at most {} rows: split it", self.0.max_rows);
            return Err(self.0.stop(Problem::at(Code::TooManyRows, "instances", message)));
        }
        Ok(())
    }
}

/// One row.
struct Row<'a, 'p>(&'a mut State<'p>);

impl<'de> DeserializeSeed<'de> for Row<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Row<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row: an object of names and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let state = self.0;
        state.rows.push();
        state.seen.fill(false);
        let row = state.rows.len() - 1;
        let mut expected = 0;
        while let Some(name) = map.next_key_seed(Name {
            columns: state.columns,
            expected,
        })? {
            let column = match name {
                Ok(column) => column,
                Err(name) => {
                    let message = format!(
                        "\"{name}\" is no input of this model: it takes {}",
                        listed(state.columns)
                    );
                    return Err(state.stop(Problem::at(Code::UnknownField, state.field(&name), message)));
                }
            };
            let name = &state.columns[column].name;
            if std::mem::replace(&mut state.seen[column], true) {
                let message = format!("\"{name}\" is there twice");
                return Err(state.stop(Problem::at(Code::DuplicateField, state.field(name), message)));
            }
            let raw: &RawValue = map.next_value()?;
            match json::cell(state.columns[column].value_type, raw.get()) {
                Ok(value) => state.rows.set(row, column, value),
                Err(message) => return Err(state.stop(Problem::at(Code::WrongType, state.field(name), message))),
            }
            expected = column + 1;
        }
        let missing = state
            .columns
            .iter()
            .zip(&state.seen)
            .find(|(column, seen)| column.required && !**seen);
        if let Some((column, _)) = missing {
            let message = format!("\"{}\" is missing: send a {} or null", column.name, column.value_type);
            return Err(state.stop(Problem::at(Code::MissingField, state.field(&column.name), message)));
        }
        Ok(())
    }
}

/// A name of a row: the index of its column, or the name where there is none.
struct Name<'p> {
    columns: &'p [RequestColumn],
    /// Callers tend to send columns in the same order: this one is tried first.
    expected: usize,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Result<usize, String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Result<usize, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Self::Value, E> {
        let is_it = |column: &RequestColumn| *column.name == *name;
        if self.columns.get(self.expected).is_some_and(is_it) {
            return Ok(Ok(self.expected));
        }
        Ok(self.columns.iter().position(is_it).ok_or_else(|| name.to_owned()))
    }
}

/// Names of columns, for messages.
fn listed(columns: &[RequestColumn]) -> String {
    const SHOWN: usize = 20;
    let mut names: Vec<&str> = columns.iter().take(SHOWN).map(|column| &*column.name).collect();
    if columns.len() > SHOWN {
        names.push("...");
    }
    names.join(", ")
}

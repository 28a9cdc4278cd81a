//! From words of the command line to a request.

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use snafu::{OptionExt, ResultExt, Snafu, ensure};
use triplane_crds::validate::closest;

use crate::args::PredictSettings;

/// What a service says it takes (`GET /v2/models/NAME`).
#[derive(Debug, Deserialize)]
pub struct Metadata {
    name: String,
    inputs: Vec<Input>,
}

#[derive(Debug, Deserialize)]
struct Input {
    name: String,
    datatype: String,
}

/// Why a request cannot be made.
#[derive(Debug, Snafu)]
pub enum RequestError {
    /// The service does not take that.
    #[snafu(display("{flag}: {service} takes no {name}{hint}: it takes {known}"))]
    Unknown {
        /// As given.
        flag: String,
        /// Name of the input.
        name: String,
        /// Name of the service.
        service: String,
        /// A close name.
        hint: String,
        /// Every input.
        known: String,
    },
    /// The service needs more.
    #[snafu(display("{service} needs {name} ({datatype}): say --input {name}=VALUE, or --null {name}"))]
    Missing {
        /// Name of the service.
        service: String,
        /// Name of the input.
        name: String,
        /// Its type.
        datatype: String,
    },
    /// An input is given twice.
    #[snafu(display("{name} is there twice: a request from the command line has one row, -f sends several"))]
    Twice {
        /// Name of the input.
        name: String,
    },
    /// A value does not fit.
    #[snafu(display("{name}={value}: {name} is {datatype}: write {expected}"))]
    Wrong {
        /// Name of the input.
        name: String,
        /// As given.
        value: String,
        /// Its type.
        datatype: String,
        /// What fits.
        expected: &'static str,
    },
    /// The file is no JSON.
    #[snafu(display("the request is not JSON: {source}"))]
    Json {
        /// Where and why.
        source: serde_json::Error,
    },
    /// The file is JSON, but no request.
    #[snafu(display("the request has no \"instances\": write {{\"instances\": [{{...}}]}}"))]
    NoInstances,
}

/// A request that somebody wrote, with `explain` where that is asked for.
pub fn whole(text: &str, explain: bool) -> Result<Json, RequestError> {
    let mut body: Json = serde_json::from_str(text).context(JsonSnafu)?;
    let object = body.as_object_mut().filter(|object| object.contains_key("instances"));
    let object = object.context(NoInstancesSnafu)?;
    if explain {
        object.insert("explain".to_owned(), Json::Bool(true));
    }
    Ok(body)
}

/// A request of one row.
pub fn of_row(metadata: &Metadata, settings: &PredictSettings) -> Result<Json, RequestError> {
    let mut row = Map::new();
    let values = settings.keys.iter().map(|pair| ("--key", pair));
    let values = values.chain(settings.inputs.iter().map(|pair| ("--input", pair)));
    for (flag, (name, text)) in values {
        let value = metadata.value(flag, name, text)?;
        ensure!(row.insert(name.clone(), value).is_none(), TwiceSnafu { name });
    }
    for name in &settings.nulls {
        metadata.known("--null", name)?;
        ensure!(row.insert(name.clone(), Json::Null).is_none(), TwiceSnafu { name });
    }
    if let Some(missing) = metadata.inputs.iter().find(|input| !row.contains_key(&input.name)) {
        let (name, datatype) = (&missing.name, &missing.datatype);
        let service = &metadata.name;
        return MissingSnafu {
            service,
            name,
            datatype,
        }
        .fail();
    }
    Ok(json!({ "instances": [row], "explain": settings.explain }))
}

impl Metadata {
    /// The input of a name; `None` for a feature (`view/name`), which the service may let a caller override.
    fn known(&self, flag: &str, name: &str) -> Result<Option<&Input>, RequestError> {
        let found = self.inputs.iter().find(|input| input.name == name);
        let names = || self.inputs.iter().map(|input| input.name.as_str());
        ensure!(
            found.is_some() || name.contains('/'),
            UnknownSnafu {
                flag,
                name,
                service: &self.name,
                hint: closest(name, names()),
                known: names().collect::<Vec<_>>().join(", "),
            }
        );
        Ok(found)
    }

    fn value(&self, flag: &str, name: &str, text: &str) -> Result<Json, RequestError> {
        let Some(Input { datatype, .. }) = self.known(flag, name)? else {
            return Ok(guessed(text));
        };
        let wrong = |expected| WrongSnafu {
            name,
            value: text,
            datatype,
            expected,
        };
        match datatype.as_str() {
            "BOOL" => text
                .parse::<bool>()
                .ok()
                .map(Json::from)
                .context(wrong("true or false")),
            "BYTES" => Ok(Json::from(text)),
            kind if kind.starts_with("FP") => {
                let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
                number.map(Json::from).context(wrong("a finite number"))
            }
            _ => whole_number(text).context(wrong("a whole number, or a time such as 2026-01-31T00:00:00Z")),
        }
    }
}

/// A whole number, or a time, which is one on the wire.
fn whole_number(text: &str) -> Option<Json> {
    let time = || text.parse::<jiff::Timestamp>().is_ok().then(|| Json::from(text));
    text.parse::<i64>().ok().map(Json::from).or_else(time)
}

/// A feature's type is not told; the service says so where this is another one.
fn guessed(text: &str) -> Json {
    let number = || {
        text.parse::<f64>()
            .ok()
            .filter(|number| number.is_finite())
            .map(Json::from)
    };
    let whole = text.parse::<i64>().ok().map(Json::from);
    let found = whole.or_else(number);
    found
        .or_else(|| text.parse::<bool>().ok().map(Json::from))
        .unwrap_or_else(|| Json::from(text))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Arguments, Command};

    fn body(arguments: &[&str]) -> Result<Json, String> {
        let words = ["triplane", "predict", "delay"]
            .into_iter()
            .chain(arguments.iter().copied());
        let settings = match Arguments::parse_from(words).command {
            Command::Predict(settings) => settings,
            other => panic!("{other:?}"),
        };
        let input = |(name, datatype): (&str, &str)| Input {
            name: name.to_owned(),
            datatype: datatype.to_owned(),
        };
        let inputs = [
            ("origin", "BYTES"),
            ("distance", "FP64"),
            ("hour", "INT64"),
            ("late", "BOOL"),
        ];
        let metadata = Metadata {
            name: "delay".to_owned(),
            inputs: inputs.map(input).into(),
        };
        of_row(&metadata, &settings).map_err(|error| error.to_string())
    }

    #[test]
    fn words_become_what_the_service_takes() {
        let words = [
            "--key",
            "origin=17",
            "--input",
            "distance=2475",
            "--input",
            "hour=9007199254740993",
        ];
        let more = [
            "--null",
            "late",
            "--input",
            "weather/temp=41.5",
            "--input",
            "weather/sky=a=b",
            "--explain",
        ];
        let row = json!({
            "origin": "17", "distance": 2475.0, "hour": 9_007_199_254_740_993_i64, "late": null,
            "weather/temp": 41.5, "weather/sky": "a=b",
        });
        assert_eq!(
            body(&[&words[..], &more].concat()),
            Ok(json!({"instances": [row], "explain": true}))
        );
        let time = [
            "--key",
            "origin=",
            "--input",
            "distance=-1e3",
            "--input",
            "hour=2026-01-31T00:00:00Z",
        ];
        let found = body(&[&time[..], &["--input", "late=false"]].concat()).unwrap();
        assert_eq!(found["instances"][0]["hour"], "2026-01-31T00:00:00Z");
        assert_eq!(
            (&found["instances"][0]["origin"], &found["explain"]),
            (&json!(""), &json!(false))
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_the_next_step() {
        let all = ["--key", "origin=JFK", "--input", "distance=1", "--input", "hour=1"];
        for (arguments, part) in [
            (&["--input", "late=true"][..], ""),
            (&[], "delay needs late (BOOL): say --input late=VALUE, or --null late"),
            (
                &["--input", "lat=true"],
                "--input: delay takes no lat (did you mean \"late\"?): it takes origin, ",
            ),
            (&["--input", "late=yes"], "late=yes: late is BOOL: write true or false"),
            (&["--null", "late", "--input", "hour=2"], "hour is there twice"),
        ] {
            let found = body(&[&all[..], arguments].concat());
            match part {
                "" => assert!(found.is_ok(), "{found:?}"),
                _ => assert!(
                    found.clone().is_err_and(|message| message.contains(part)),
                    "{arguments:?}: {found:?}"
                ),
            }
        }
        let wrong = body(&["--input", "distance=NaN"]).unwrap_err();
        assert!(wrong.contains("write a finite number"), "{wrong}");
        let wrong = body(&["--input", "hour=1.5"]).unwrap_err();
        assert!(wrong.contains("write a whole number"), "{wrong}");
    }

    #[test]
    fn a_written_request_is_sent_as_it_is() {
        let text = r#"{"instances": [{"a": 1}]}"#;
        assert_eq!(whole(text, false).unwrap(), json!({"instances": [{"a": 1}]}));
        assert_eq!(whole(text, true).unwrap()["explain"], true);
        assert!(whole("[]", false).unwrap_err().to_string().contains("\"instances\""));
        assert!(whole("{", false).unwrap_err().to_string().contains("line 1"));
    }
}

//! Paths and methods to calls.

use hyper::Method;

use crate::problem::{Code, Problem};

/// A call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Live,
    Ready,
    Metrics,
    State,
    /// A stored row: view id, and the entity as in its key.
    Row {
        view_id: String,
        entity: String,
    },
    ServerMetadata,
    V1Models,
    V1Model {
        model: String,
    },
    V1Predict {
        model: String,
    },
    V2Model {
        model: String,
        version: Option<String>,
    },
    V2ModelReady {
        model: String,
        version: Option<String>,
    },
    V2Infer {
        model: String,
        version: Option<String>,
    },
}

impl Endpoint {
    /// Finds the call; a known path with another method is refused as such.
    pub(crate) fn parse(method: &Method, path: &str) -> Result<Self, Problem> {
        let endpoint = Self::of_path(path).ok_or_else(|| {
            let message =
                format!("there is no path {path}: predict with POST /v1/models/NAME:predict or /v2/models/NAME/infer");
            Problem::new(Code::NotFound, message)
        })?;
        let expected = endpoint.method();
        // HEAD is answered as GET; the body is left out by the connection.
        if *method == expected || (*method == Method::HEAD && expected == Method::GET) {
            return Ok(endpoint);
        }
        Err(Problem::new(
            Code::MethodNotAllowed,
            format!("{path} takes {expected}, not {method}"),
        ))
    }

    fn of_path(path: &str) -> Option<Self> {
        let path = path.strip_prefix('/')?;
        let parts: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
        let own = |text: &str| text.to_owned();
        let endpoint = match parts.as_slice() {
            ["v2"] => Self::ServerMetadata,
            ["v2", "health", "live"] | ["livez"] => Self::Live,
            ["v2", "health", "ready"] | ["readyz"] => Self::Ready,
            ["metrics"] => Self::Metrics,
            ["admin", "state"] => Self::State,
            ["admin", "rows", view_id, rest @ ..] if rest.len() <= 1 => Self::Row {
                view_id: own(view_id),
                // A view without keys has an entity without bytes.
                entity: rest.first().map(|entity| own(entity)).unwrap_or_default(),
            },
            ["v1", "models"] => Self::V1Models,
            ["v1", "models", model] => match model.split_once(':') {
                None => Self::V1Model { model: own(model) },
                Some((model, "predict")) => Self::V1Predict { model: own(model) },
                Some(_) => return None,
            },
            ["v2", "models", model, rest @ ..] => {
                let (version, rest) = match rest {
                    ["versions", version, rest @ ..] => (Some(own(version)), rest),
                    rest => (None, rest),
                };
                let model = own(model);
                match rest {
                    [] => Self::V2Model { model, version },
                    ["ready"] => Self::V2ModelReady { model, version },
                    ["infer"] => Self::V2Infer { model, version },
                    _ => return None,
                }
            }
            _ => return None,
        };
        Some(endpoint)
    }

    fn method(&self) -> Method {
        match self {
            Self::V1Predict { .. } | Self::V2Infer { .. } => Method::POST,
            _ => Method::GET,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> Result<Endpoint, Code> {
        Endpoint::parse(&Method::GET, path).map_err(|problem| problem.code)
    }

    fn post(path: &str) -> Result<Endpoint, Code> {
        Endpoint::parse(&Method::POST, path).map_err(|problem| problem.code)
    }

    #[test]
    fn every_documented_path_is_found() {
        let (model, version) = ("delay".to_owned(), Some("0123456789ab".to_owned()));
        assert_eq!(
            post("/v1/models/delay:predict"),
            Ok(Endpoint::V1Predict { model: model.clone() })
        );
        assert_eq!(get("/v1/models/delay"), Ok(Endpoint::V1Model { model: model.clone() }));
        let row = |entity: &str| Endpoint::Row {
            view_id: "AbC-_123".to_owned(),
            entity: entity.to_owned(),
        };
        assert_eq!(get("/admin/rows/AbC-_123/AWE"), Ok(row("AWE")));
        assert_eq!(get("/admin/rows/AbC-_123/"), Ok(row("")));
        assert_eq!(get("/v2"), Ok(Endpoint::ServerMetadata));
        assert_eq!(get("/v2/"), Ok(Endpoint::ServerMetadata));
        assert_eq!(get("/v2/health/live"), Ok(Endpoint::Live));
        assert_eq!(get("/v2/health/ready"), Ok(Endpoint::Ready));
        assert_eq!(
            get("/v2/models/delay"),
            Ok(Endpoint::V2Model {
                model: model.clone(),
                version: None
            })
        );
        let versioned = "/v2/models/delay/versions/0123456789ab";
        assert_eq!(
            get(versioned),
            Ok(Endpoint::V2Model {
                model: model.clone(),
                version: version.clone()
            })
        );
        let ready = Endpoint::V2ModelReady {
            model: model.clone(),
            version: version.clone(),
        };
        assert_eq!(get(&format!("{versioned}/ready")), Ok(ready));
        assert_eq!(
            post(&format!("{versioned}/infer")),
            Ok(Endpoint::V2Infer {
                model: model.clone(),
                version
            })
        );
        assert_eq!(
            post("/v2/models/delay/infer"),
            Ok(Endpoint::V2Infer { model, version: None })
        );
    }

    #[test]
    fn another_method_or_path_is_refused_as_what_it_is() {
        assert_eq!(get("/v1/models/delay:predict"), Err(Code::MethodNotAllowed));
        assert_eq!(post("/v2/health/ready"), Err(Code::MethodNotAllowed));
        for path in [
            "/",
            "/v1/models/delay:explain",
            "/v2/models",
            "/v2/models/delay/versions",
            "/v3",
            "//v2",
            "/v2/models/a/b/c",
            "/admin/rows",
            "/admin/rows/a/b/c",
        ] {
            assert_eq!(get(path), Err(Code::NotFound), "{path}");
        }
    }
}

//! Checks manifests as an API server with these definitions would, without one: unknown fields, types, bounds, CEL rules.
//!
//! Findings name the field by its path, such as `spec.features[2].default`.

mod metadata;
mod scalar;
mod structure;
mod suggestion;
mod words;

use std::collections::BTreeMap;
use std::fmt;

use kube::core::cel::{self, CompiledSchema, ErrorKind, compile_schema};
use serde_json::Value;

use crate::{GROUP, VERSION, all};
use structure::Structure;
pub use suggestion::closest;

/// Something that is wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Path of the field, such as `spec.features[2].default`; empty for the manifest as a whole.
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => f.write_str(&self.message),
            field => write!(f, "{field}: {}", self.message),
        }
    }
}

/// The rules of one kind.
struct Rules {
    structure: Structure,
    cel: CompiledSchema,
}

/// The definitions of all kinds, compiled once.
pub struct Validator {
    kinds: BTreeMap<String, Rules>,
    evaluator: cel::Validator,
}

impl Default for Validator {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Validator")
            .field("kinds", &self.kinds.keys())
            .finish_non_exhaustive()
    }
}

impl Validator {
    /// Compiles the definitions of this crate.
    pub fn new() -> Self {
        let kinds = all().into_iter().filter_map(|crd| {
            let schema = crd
                .spec
                .versions
                .first()?
                .schema
                .as_ref()?
                .open_api_v3_schema
                .as_ref()?;
            let schema = serde_json::to_value(schema).ok()?;
            let rules = Rules {
                structure: Structure::new(&schema),
                cel: compile_schema(&schema),
            };
            Some((crd.spec.names.kind, rules))
        });
        Self {
            kinds: kinds.collect(),
            evaluator: cel::Validator::new(),
        }
    }

    /// Whether a manifest claims to be of this API group; others are not for this validator.
    pub fn is_ours(manifest: &Value) -> bool {
        let group = manifest
            .get("apiVersion")
            .and_then(Value::as_str)
            .and_then(|version| version.split('/').next());
        group == Some(GROUP)
    }

    /// Checks a manifest that is new. Empty: an API server would accept it as it is.
    pub fn check(&self, manifest: &Value) -> Vec<Finding> {
        self.check_against(manifest, None)
    }

    /// Checks a manifest that replaces `old`, which was accepted before: immutability counts too.
    pub fn check_update(&self, manifest: &Value, old: &Value) -> Vec<Finding> {
        self.check_against(manifest, Some(old))
    }

    fn check_against(&self, manifest: &Value, old: Option<&Value>) -> Vec<Finding> {
        let rules = match self.rules_of(manifest) {
            Ok(rules) => rules,
            Err(finding) => return vec![finding],
        };
        let report = rules.structure.check(manifest);
        let mut findings = report.unknown;
        if report.invalid.is_empty() {
            findings.extend(self.evaluate(&rules.cel, manifest, old));
        } else {
            // Rules are written for values of the right type: like the server, ask them only then.
            findings.extend(report.invalid);
        }
        findings.sort();
        findings.dedup();
        findings
    }

    fn rules_of(&self, manifest: &Value) -> Result<&Rules, Finding> {
        let text = |field: &str| manifest.get(field).and_then(Value::as_str);
        let finding = |field: &str, message: String| Finding {
            field: field.to_owned(),
            message,
        };
        let Some(api_version) = text("apiVersion") else {
            return Err(finding("apiVersion", format!("is required: {GROUP}/{VERSION}")));
        };
        if api_version != format!("{GROUP}/{VERSION}") {
            return Err(finding(
                "apiVersion",
                format!("{api_version:?} is not known here; use {GROUP}/{VERSION}"),
            ));
        }
        let known = || self.kinds.keys().map(String::as_str).collect::<Vec<_>>();
        let Some(kind) = text("kind") else {
            return Err(finding("kind", format!("is required: one of {}", known().join(", "))));
        };
        self.kinds.get(kind).ok_or_else(|| {
            let hint = suggestion::closest(kind, known().into_iter());
            finding("kind", format!("{kind:?} is not a kind of {api_version}{hint}"))
        })
    }

    fn evaluate(&self, schema: &CompiledSchema, manifest: &Value, old: Option<&Value>) -> Vec<Finding> {
        let Err(errors) = self.evaluator.validate_compiled(schema, manifest, old) else {
            return Vec::new();
        };
        errors
            .into_iter()
            .map(|error| {
                let message = match error.kind {
                    ErrorKind::ValidationFailure => error.message,
                    _ => format!("cannot be judged by {}: {}", error.rule, error.message),
                };
                Finding {
                    field: error.field_path,
                    message,
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;

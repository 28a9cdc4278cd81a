//! `triplane lint`: manifests against the CRDs' own rules, offline.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

use serde_json::Value;
use triplane_crds::validate::{Finding, Validator};

use crate::args::LintSettings;
use crate::dev::desired::identity;
use crate::manifest::{self, Manifest, Problem};

/// The compiled rules of all kinds.
#[derive(Debug, Default)]
pub struct Checks(Validator);

impl Checks {
    /// What is wrong with one manifest of ours, as a change of `known` where it exists; empty where an API server would take it.
    pub fn problems(&self, manifest: &Manifest, known: Option<&Value>) -> Vec<Problem> {
        let problem = |finding: Finding| Problem {
            file: manifest.file.clone(),
            object: Some(manifest.object()),
            field: Some(finding.field),
            message: finding.message,
        };
        let findings = match known {
            Some(known) => self.0.check_update(&manifest.json, known),
            None => self.0.check(&manifest.json),
        };
        findings.into_iter().map(problem).collect()
    }
}

/// Whether a manifest is of the group `triplane.dev`; a document without any `apiVersion` is taken for a broken one of ours.
pub fn is_ours(manifest: &Manifest) -> bool {
    Validator::is_ours(&manifest.json) || manifest.json.get("apiVersion").is_none()
}

/// Objects that are written down more than once: a problem for each place, by index.
pub fn duplicates(manifests: &[Manifest]) -> BTreeMap<usize, Problem> {
    let mut places: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (index, manifest) in manifests.iter().enumerate() {
        places.entry(identity(&manifest.json)).or_default().push(index);
    }
    let mut problems = BTreeMap::new();
    for places in places.values().filter(|places| places.len() > 1) {
        for (at, index) in places.iter().enumerate() {
            let other = &manifests[places[usize::from(at == 0)]];
            let message = format!("is also written down in {}: keep one", other.file.display());
            let here = &manifests[*index];
            problems.insert(
                *index,
                Problem {
                    file: here.file.clone(),
                    object: Some(here.object()),
                    field: None,
                    message,
                },
            );
        }
    }
    problems
}

/// Checks files and folders; prints one line a problem and a summary.
pub fn run(settings: &LintSettings) -> ExitCode {
    let reading = manifest::read(&settings.paths);
    let (ours, others): (Vec<_>, Vec<_>) = reading.manifests.into_iter().partition(is_ours);
    let checks = Checks::default();
    let mut problems = reading.problems;
    problems.extend(ours.iter().flat_map(|manifest| checks.problems(manifest, None)));
    problems.extend(duplicates(&ours).into_values());
    let mut out = std::io::stdout().lock();
    let lines = reading.unreadable.iter().chain(&problems);
    let printed = lines
        .map(|problem| writeln!(out, "{problem}"))
        .collect::<std::io::Result<Vec<()>>>();
    let summary = format!(
        "{} checked, {} wrong, {} of other groups not checked",
        ours.len(),
        problems.len(),
        others.len()
    );
    if printed.and_then(|_| writeln!(out, "{summary}")).is_err() || !reading.unreadable.is_empty() {
        return ExitCode::from(2);
    }
    ExitCode::from(u8::from(!problems.is_empty()))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::json;

    use super::*;

    fn manifest(file: &str, name: &str) -> Manifest {
        let json = json!({"apiVersion": "triplane.dev/v1alpha1", "kind": "Model", "metadata": {"name": name}});
        Manifest {
            file: PathBuf::from(file),
            json,
        }
    }

    #[test]
    fn an_object_written_twice_is_a_problem_in_both_places() {
        let manifests = [
            manifest("a.yaml", "m"),
            manifest("b.yaml", "other"),
            manifest("c.yaml", "m"),
        ];
        let problems = duplicates(&manifests);
        let lines: Vec<_> = problems.values().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "a.yaml: Model m: is also written down in c.yaml: keep one",
                "c.yaml: Model m: is also written down in a.yaml: keep one"
            ]
        );
    }

    #[test]
    fn the_namespace_default_is_the_same_written_or_not() {
        let mut written = manifest("a.yaml", "m");
        written.json["metadata"]["namespace"] = json!("default");
        assert_eq!(duplicates(&[written, manifest("b.yaml", "m")]).len(), 2);
    }

    #[test]
    fn a_field_that_does_not_exist_is_named_with_file_and_object() {
        let mut wrong = manifest("views.yaml", "m");
        wrong.json["spec"] = json!({"ttll": "3h"});
        let lines: Vec<_> = Checks::default()
            .problems(&wrong, None)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(
            lines
                .iter()
                .any(|line| line.starts_with("views.yaml: Model m: spec.ttll: ")),
            "{lines:#?}"
        );
    }
}

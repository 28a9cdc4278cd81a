//! Manifests that are wrong: `triplane lint` names file, object and field of every fault at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite")]

use std::path::Path;

use triplane_tests::flights::example;
use triplane_tests::process::Program;

/// Exit code and everything said about the manifests of a folder.
fn lint(folder: &Path) -> (Option<i32>, String) {
    let output = Program::triplane().command().arg("lint").arg(folder).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

/// The example's manifests with `from` replaced by `to` in `file`, for each of the changes.
fn example_with(changes: &[(&str, &str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in ["store.yaml", "views.yaml", "trainingset.yaml", "service.yaml"] {
        let mut text = std::fs::read_to_string(example().join(file)).unwrap();
        for (_, from, to) in changes.iter().filter(|(changed, ..)| *changed == file) {
            assert!(text.contains(from), "{file} does not say {from}");
            text = text.replacen(from, to, 1);
        }
        std::fs::write(folder.path().join(file), text).unwrap();
    }
    folder
}

/// Some line of `said` has all of `words`.
fn line_with(said: &str, words: &[&str]) -> bool {
    said.lines().any(|line| words.iter().all(|word| line.contains(word)))
}

#[test]
fn the_example_is_valid() {
    let (code, said) = lint(example_with(&[]).path());
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn unknown_fields_are_named_with_file_and_object_in_every_file() {
    let folder = example_with(&[
        ("views.yaml", "  ttl: 3h", "  tttl: 3h"),
        ("service.yaml", "    maxImputed: 0.5", "    maxImputted: 0.5"),
    ]);
    let (code, said) = lint(folder.path());
    assert_eq!(code, Some(1), "{said}");
    assert!(
        line_with(&said, &["views.yaml", "FeatureView flights/airport-weather", "tttl"]),
        "{said}"
    );
    assert!(
        line_with(
            &said,
            &["service.yaml", "InferenceService flights/delay", "maxImputted"]
        ),
        "{said}"
    );
}

#[test]
fn values_that_cannot_be_meant_are_named_with_their_field() {
    let folder = example_with(&[
        (
            "views.yaml",
            "type: Float64, onMissing: LastKnown",
            "type: Flaot64, onMissing: LastKnown",
        ),
        ("views.yaml", "  ttl: 24h", "  ttl: -24h"),
        ("trainingset.yaml", "    timestampColumn: scheduled_at\n", ""),
    ]);
    let (code, said) = lint(folder.path());
    assert_eq!(code, Some(1), "{said}");
    assert!(
        line_with(&said, &["views.yaml", "airport-weather", "Flaot64"]),
        "{said}"
    );
    assert!(line_with(&said, &["views.yaml", "plane-previous-leg", "ttl"]), "{said}");
    assert!(
        line_with(&said, &["trainingset.yaml", "flight-delays", "timestampColumn"]),
        "{said}"
    );
}

#[test]
fn a_file_that_is_no_yaml_is_named_and_the_others_are_still_checked() {
    let folder = example_with(&[("views.yaml", "  ttl: 3h", "  tttl: 3h")]);
    std::fs::write(folder.path().join("broken.yaml"), "kind: [\n").unwrap();
    let (code, said) = lint(folder.path());
    assert_eq!(code, Some(1), "{said}");
    assert!(line_with(&said, &["broken.yaml"]), "{said}");
    assert!(line_with(&said, &["views.yaml", "tttl"]), "{said}");
}

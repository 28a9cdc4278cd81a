//! The definitions as they are installed: equal to the generated files, small, bounded, structural.

// Helpers of tests fail their test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;

use kube::core::cel::compile_schema;
use serde_json::Value;

fn definitions() -> Vec<(String, Value)> {
    let definitions = triplane_crds::all().into_iter();
    definitions
        .map(|crd| (crd.metadata.name.clone().unwrap(), serde_json::to_value(crd).unwrap()))
        .collect()
}

fn schema(definition: &Value) -> &Value {
    &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

/// Calls `visit` with every node of a schema and its path.
fn walk(node: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, node);
    for (name, child) in node["properties"].as_object().into_iter().flatten() {
        walk(child, &format!("{path}.{name}"), visit);
    }
    for (keyword, suffix) in [("items", "[]"), ("additionalProperties", "{}")] {
        if node[keyword].is_object() {
            walk(&node[keyword], &format!("{path}{suffix}"), visit);
        }
    }
}

#[test]
fn generated_files_are_up_to_date() {
    for (name, definition) in definitions() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("generated/{name}.yaml"));
        let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let generated: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(generated, definition, "{name}: run `cargo xtask generate`");
    }
}

#[test]
fn each_definition_is_smaller_than_60_kb() {
    for (name, definition) in definitions() {
        let bytes = definition.to_string().len();
        assert!(bytes < 60_000, "{name} has {bytes} bytes");
    }
}

#[test]
fn names_and_categories_are_those_of_the_design() {
    let names: Vec<_> = triplane_crds::all()
        .into_iter()
        .map(|crd| {
            let names = crd.spec.names;
            assert_eq!(names.categories, Some(vec!["triplane".to_owned()]));
            assert_eq!(
                (crd.spec.group.as_str(), crd.spec.scope.as_str()),
                ("triplane.dev", "Namespaced")
            );
            format!(
                "{} {} {}",
                names.kind,
                names.plural,
                names.short_names.unwrap().join(",")
            )
        })
        .collect();
    assert_eq!(
        names,
        [
            "FeatureStore featurestores tpfs",
            "FeatureView featureviews tpfv",
            "TrainingSet trainingsets tpts",
            "Model models tpm",
            "InferenceService inferenceservices tpisvc",
        ]
    );
}

#[test]
fn every_text_list_and_map_is_bounded() {
    for (name, definition) in definitions() {
        walk(schema(&definition), "", &mut |path, node| {
            let bounded = |keyword: &str| assert!(node[keyword].is_u64(), "{name}: {path} has no {keyword}");
            let worded = node["enum"].is_array() || node["format"] == "date-time" || path.matches('.').count() < 2;
            match node["type"].as_str() {
                Some("string") if !worded => bounded("maxLength"),
                Some("array") => bounded("maxItems"),
                Some("object") if node["additionalProperties"].is_object() => bounded("maxProperties"),
                _ => {}
            }
        });
    }
}

#[test]
fn every_field_is_described() {
    for (name, definition) in definitions() {
        walk(schema(&definition), "", &mut |path, node| {
            let is_field = path.contains('.') && !path.ends_with("[]") && !path.ends_with("{}");
            let given = [".apiVersion", ".kind", ".metadata"].contains(&path);
            assert!(
                !is_field || given || node["description"].is_string(),
                "{name}: {path} has no description"
            );
        });
    }
}

#[test]
fn nothing_is_defaulted_nullable_unsigned_or_open() {
    for (name, definition) in definitions() {
        walk(schema(&definition), "", &mut |path, node| {
            for keyword in [
                "default",
                "nullable",
                "x-kubernetes-preserve-unknown-fields",
                "anyOf",
                "oneOf",
                "allOf",
            ] {
                assert!(node.get(keyword).is_none(), "{name}: {path} has {keyword}");
            }
            let format = node["format"].as_str().unwrap_or_default();
            assert!(!format.starts_with("uint"), "{name}: {path} is {format}");
        });
    }
}

#[test]
fn every_rule_compiles() {
    for (name, definition) in definitions() {
        let compiled = compile_schema(schema(&definition));
        assert!(!compiled.has_errors(), "{name}: {:?}", compiled.compilation_errors());
    }
}

/// Largest number of items below a path such as `features`, seen from `node`.
fn items(node: &Value, path: &str) -> u64 {
    let field = path
        .split('.')
        .filter(|part| !part.is_empty())
        .fold(node, |node, part| &node["properties"][part]);
    field["maxItems"]
        .as_u64()
        .unwrap_or_else(|| panic!("{path:?} is no bounded list"))
}

/// How often a rule on `node` walks over list items: the product of the lists it names.
fn walks(rule: &str, node: &Value) -> u64 {
    let mut product = 1;
    for call in [".all(", ".exists(", ".filter("] {
        for (at, _) in rule.match_indices(call) {
            let before = &rule[..at];
            // A list that is written out in the rule has no path, and as many items as are written.
            if !before.ends_with(']') {
                product *= items(node, &before[before.rfind("self").unwrap() + "self".len()..]);
            }
        }
    }
    product
}

/// Longest text that a rule on `node` may match; a server takes names without a bound for as long as a request.
fn longest_text(node: &Value) -> u64 {
    let own = node["maxLength"].as_u64();
    let fields = node["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, field)| field["maxLength"].as_u64());
    own.into_iter().chain(fields).max().unwrap_or(3 * 1024 * 1024)
}

/// A server refuses a definition when one rule may cost more than 10 million units: a step is about one unit, a match
/// a tenth of the text's length times a quarter of the pattern's.
#[test]
fn every_rule_is_affordable_at_the_largest_size() {
    for (name, definition) in definitions() {
        let mut multiples = vec![(String::new(), 1_u64)];
        walk(schema(&definition), "", &mut |path, node| {
            let size = node["maxItems"]
                .as_u64()
                .or(node["maxProperties"].as_u64())
                .unwrap_or(1);
            multiples.push((path.to_owned(), size));
            let is_above =
                |list: &str| path.starts_with(&format!("{list}[]")) || path.starts_with(&format!("{list}{{}}"));
            let evaluations: u64 = multiples
                .iter()
                .filter(|(list, _)| is_above(list))
                .map(|(_, size)| size)
                .product();
            for rule in node["x-kubernetes-validations"].as_array().into_iter().flatten() {
                let text = rule["rule"].as_str().unwrap();
                let matches =
                    text.matches("matches(").count() as u64 * longest_text(node) / 10 * (text.len() as u64 / 4);
                let cost = evaluations * walks(text, node) * (text.len() as u64 + matches);
                assert!(cost < 10_000_000, "{name}: {path}: {text} may cost {cost}");
            }
        });
    }
}

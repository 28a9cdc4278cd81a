//! Every CEL rule accepts what it should and refuses what it should, in words that name a field.

// Helpers of tests fail their test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod feature_store;
mod feature_view;
mod inference_service;
mod model;
mod training_set;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use triplane_crds::validate::Validator;

/// A rule of one kind, by its message, with a change of the base manifest that it accepts and one that it refuses.
struct Case {
    /// The rule's message.
    message: &'static str,
    /// Changes that are accepted.
    accept: Vec<Change>,
    /// Changes that are refused.
    reject: Vec<Change>,
}

/// A JSON pointer and its new value; `null` removes the field.
type Change = (&'static str, Value);

fn case<const A: usize, const R: usize>(message: &'static str, accept: [Change; A], reject: [Change; R]) -> Case {
    Case {
        message,
        accept: accept.into(),
        reject: reject.into(),
    }
}

/// What every kind shares.
fn name_case() -> Case {
    case(
        "metadata.name must have at most 40 characters, start with a letter and contain only a-z, 0-9 and -",
        [("/metadata/name", json!("a".repeat(40)))],
        [("/metadata/name", json!("a".repeat(41)))],
    )
}

fn store_ref_case() -> Case {
    case(
        "storeRef.namespace is not supported yet: a store is used from its own namespace",
        [("/spec/storeRef/name", json!("other"))],
        [("/spec/storeRef/namespace", json!("other"))],
    )
}

/// The rules of `resources`, which lie at another place in each kind.
fn resources_cases(requests: &'static str, limits: &'static str) -> [Case; 2] {
    [
        case(
            "resources.requests.cpu must not exceed resources.limits.cpu",
            [(requests, json!({ "cpu": "500m" })), (limits, json!({ "cpu": 1 }))],
            [(requests, json!({ "cpu": "1500m" })), (limits, json!({ "cpu": 1 }))],
        ),
        case(
            "resources.requests.memory must not exceed resources.limits.memory",
            [
                (requests, json!({ "memory": "512Mi" })),
                (limits, json!({ "memory": "0.5Gi" })),
            ],
            [
                (requests, json!({ "memory": "513Mi" })),
                (limits, json!({ "memory": "0.5Gi" })),
            ],
        ),
    ]
}

fn suites() -> Vec<(Value, Vec<Case>)> {
    vec![
        (feature_store::base(), feature_store::cases()),
        (feature_view::base(), feature_view::cases()),
        (training_set::base(), training_set::cases()),
        (model::base(), model::cases()),
        (inference_service::base(), inference_service::cases()),
    ]
}

/// The manifest with the changes made; parents that are missing are added.
fn changed(base: &Value, changes: &[Change]) -> Value {
    let mut manifest = base.clone();
    for (pointer, value) in changes {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let mut target = &mut manifest;
        for step in parent.split('/').skip(1) {
            target = match step.parse::<usize>() {
                Ok(index) => target.get_mut(index).unwrap(),
                Err(_) => target.as_object_mut().unwrap().entry(step).or_insert_with(|| json!({})),
            };
        }
        match target {
            Value::Array(items) => items[name.parse::<usize>().unwrap()] = value.clone(),
            Value::Object(fields) if value.is_null() => drop(fields.remove(name)),
            Value::Object(fields) => drop(fields.insert(name.to_owned(), value.clone())),
            other => panic!("{pointer}: {other} has no fields"),
        }
    }
    manifest
}

/// The rules' messages of one kind's schema.
fn messages(schema: &Value, found: &mut BTreeSet<String>) {
    let rules = schema
        .get("x-kubernetes-validations")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    found.extend(rules.map(|rule| rule["message"].as_str().expect("every rule has a message").to_owned()));
    for child in schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|fields| fields.values())
    {
        messages(child, found);
    }
    for name in ["items", "additionalProperties"] {
        if let Some(child) = schema.get(name) {
            messages(child, found);
        }
    }
}

fn field_names(schema: &Value, found: &mut BTreeSet<String>) {
    for (name, child) in schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        found.insert(name.clone());
        field_names(child, found);
    }
    if let Some(items) = schema.get("items") {
        field_names(items, found);
    }
}

fn schema_of(kind: &str) -> Value {
    let crd = triplane_crds::all()
        .into_iter()
        .find(|crd| crd.spec.names.kind == kind)
        .unwrap();
    serde_json::to_value(&crd.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema).unwrap()
}

#[test]
fn base_manifests_are_accepted() {
    for (base, _) in suites() {
        assert_eq!(Validator::new().check(&base), [], "{}", base["kind"]);
    }
}

#[test]
fn each_rule_accepts_and_refuses() {
    let validator = Validator::new();
    for (base, cases) in suites() {
        for case in cases {
            let accepted = validator.check(&changed(&base, &case.accept));
            assert_eq!(accepted, [], "{}: {}", base["kind"], case.message);
            let refused = validator.check(&changed(&base, &case.reject));
            assert!(
                refused.iter().any(|finding| finding.message == case.message),
                "{}: {} is not among {refused:?}",
                base["kind"],
                case.message
            );
        }
    }
}

#[test]
fn no_rule_is_without_a_case_and_no_case_without_a_rule() {
    for (base, cases) in suites() {
        let kind = base["kind"].as_str().unwrap();
        let mut rules = BTreeSet::new();
        messages(&schema_of(kind), &mut rules);
        let mut tested: BTreeSet<String> = cases.iter().map(|case| case.message.to_owned()).collect();
        if kind == "Model" {
            tested.insert(model::IMMUTABLE.to_owned());
        }
        assert_eq!(rules, tested, "{kind}");
    }
}

#[test]
fn each_message_names_a_field() {
    for (base, _) in suites() {
        let schema = schema_of(base["kind"].as_str().unwrap());
        let (mut fields, mut rules) = (BTreeSet::from(["name".to_owned()]), BTreeSet::new());
        field_names(&schema, &mut fields);
        messages(&schema, &mut rules);
        for message in rules {
            let first = message.split([' ', ':']).next().unwrap();
            let named = first.split(['.', '[', ']']).rfind(|part| !part.is_empty()).unwrap();
            assert!(fields.contains(named), "{message:?} does not start with a field");
        }
    }
}

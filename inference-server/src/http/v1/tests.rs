use proptest::prelude::*;
use triplane_contract::ValueType;
use triplane_contract::model::{Input, ModelFormat, ServedModel};

use super::decode;
use crate::gather::GatherPlan;

const BODY: &str =
    r#"{"instances":[{"a":1.5,"b":true,"c":-3},{"c":9007199254740993,"a":null,"b":null}],"explain":true}"#;

fn plan() -> GatherPlan {
    let input = |name: &str, value_type| Input::Request {
        name: name.to_owned(),
        value_type,
    };
    let model = ServedModel {
        name: "m".to_owned(),
        sha256: String::new(),
        artifact_path: String::new(),
        format: ModelFormat::LightGBM,
        inputs: vec![
            input("a", ValueType::Float64),
            input("b", ValueType::Bool),
            input("c", ValueType::Int64),
        ],
        views: Vec::new(),
        output_name: "p".to_owned(),
        baseline: None,
    };
    GatherPlan::compile(&model, "").unwrap()
}

#[test]
fn columns_may_come_in_any_order() {
    let decoded = decode(BODY.as_bytes(), &plan(), 10).unwrap();
    assert!(decoded.explain);
    assert_eq!(
        format!("{:?}", decoded.rows.row(0)),
        "[Float64(1.5), Bool(true), Int64(-3)]"
    );
    assert_eq!(
        format!("{:?}", decoded.rows.row(1)),
        "[Null, Null, Int64(9007199254740993)]"
    );
}

#[test]
fn a_body_cut_anywhere_is_refused() {
    for cut in 0..BODY.len() {
        assert!(decode(&BODY.as_bytes()[..cut], &plan(), 10).is_err(), "cut at {cut}");
    }
}

proptest! {
    #[test]
    fn no_mutated_body_makes_it_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..5),
    ) {
        let mut body = BODY.as_bytes().to_vec();
        for (at, byte, replace) in edits {
            let at = at.index(body.len());
            if replace { body[at] = byte } else { body.insert(at, b"{}[]\",:0en\\"[byte as usize % 11]) }
        }
        if let Err(problem) = decode(&body, &plan(), 10) {
            prop_assert_eq!(problem.code.status(), 400);
        }
    }
}

//! The core of the Open Inference Protocol v2.

use hyper::Method;
use serde_json::json;
use triplane_feature_store::Value;

use crate::client::{call, get, post, predict};
use crate::world::{NOW_US, World, put, text, weather};

const INFER: &str = "/v2/models/delay/infer";

fn tensors(origin: &str) -> String {
    format!(
        r#"{{"name":"origin","shape":[2],"datatype":"BYTES","data":["{origin}","JFK"]}},
           {{"name":"dest","shape":[2,1],"datatype":"BYTES","data":[["LAX"],["LAX"]]}},
           {{"name":"distance","shape":[2],"datatype":"FP64","data":[2475,null]}},
           {{"name":"hour","shape":[2],"datatype":"INT64","data":[18,18]}}"#
    )
}

#[tokio::test]
async fn server_and_model_say_what_they_are() {
    let world = World::start().await;
    for path in ["/v2", "/v2/"] {
        let server = get(world.address, path).await.json();
        assert_eq!(
            (&server["name"], &server["extensions"]),
            (&json!("triplane"), &json!([]))
        );
    }
    let model = get(world.address, "/v2/models/delay").await.json();
    let version = model["versions"][0].as_str().unwrap().to_owned();
    assert_eq!(model["name"], "delay");
    let inputs = json!([
        {"name": "origin", "datatype": "BYTES", "shape": [-1]},
        {"name": "dest", "datatype": "BYTES", "shape": [-1]},
        {"name": "distance", "datatype": "FP64", "shape": [-1]},
        {"name": "hour", "datatype": "INT64", "shape": [-1]},
    ]);
    assert_eq!(model["inputs"], inputs);
    assert_eq!(
        model["outputs"],
        json!([{"name": "late_probability", "datatype": "FP64", "shape": [-1]}])
    );
    assert_eq!(
        get(world.address, &format!("/v2/models/delay/versions/{version}"))
            .await
            .json(),
        model
    );
    assert_eq!(
        get(world.address, &format!("/v2/models/delay/versions/{version}/ready"))
            .await
            .status,
        200
    );
    assert_eq!(get(world.address, "/v2/models/delay/ready").await.status, 200);
    assert_eq!(
        get(world.address, "/v2/models/delay/versions/2/ready")
            .await
            .refusal()
            .0,
        404
    );
    assert_eq!(get(world.address, "/v2/models/none/ready").await.refusal().0, 404);
}

#[tokio::test]
async fn infer_answers_as_v1_does() {
    let world = World::start().await;
    let body = format!(
        r#"{{"id":"a","inputs":[{}],"outputs":[{{"name":"late_probability"}}]}}"#,
        tensors("JFK")
    );
    let answer = call(world.address, Method::POST, INFER, &[("x-request-id", "r")], &body)
        .await
        .json();
    assert_eq!((&answer["model_name"], &answer["id"]), (&json!("delay"), &json!("a")));
    assert_eq!(answer["model_version"].as_str().unwrap().len(), 12);
    let parameters =
        json!({"model": "delay-v1", "role": "stable", "as_of": NOW_US, "request_id": "r", "degraded": false});
    assert_eq!(answer["parameters"], parameters);
    let output = &answer["outputs"][0];
    assert_eq!(
        (&output["name"], &output["datatype"], &output["shape"]),
        (&json!("late_probability"), &json!("FP64"), &json!([2]))
    );
    assert_eq!(output["data"][0], predict(world.address).await.json()["predictions"][0]);
    assert_eq!(answer["outputs"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn flags_come_as_outputs_where_they_are_asked_for() {
    let world = World::start().await;
    put(
        world.store.as_ref(),
        &weather(),
        &[text("SFO")],
        &[Value::Null, Value::Float32(1.0)],
        NOW_US,
    )
    .await;
    let outputs = r#"{"name":"triplane_default"},{"name":"triplane_imputed"},{"name":"triplane_stale"}"#;
    let body = format!(
        r#"{{"parameters":{{"explain":true}},"inputs":[{}],"outputs":[{outputs}]}}"#,
        tensors("SFO")
    );
    let answer = post(world.address, INFER, &body).await.json();
    assert_eq!(answer["parameters"]["degraded"], true);
    assert_eq!(answer["outputs"][0]["data"], json!([true, false]));
    let imputed = json!([r#"["weather/temp","routes/flights","routes/delay"]"#, "[]"]);
    assert_eq!(answer["outputs"][1]["data"], imputed);
    assert_eq!(answer["outputs"][2]["data"], json!(["[]", "[]"]));
    assert_eq!(answer["outputs"][3]["name"], "triplane_inputs");
    assert_eq!(answer["outputs"][3]["shape"], json!([2, 6]));
    let vectors = json!([null, 1.0, null, null, 2475.0, 18.0, 71.5, 8.25, 42.0, -3.5, null, 18.0]);
    assert_eq!(answer["outputs"][3]["data"], vectors);
}

/// A tensor beside `origin`, and the refusal it gets.
const MALFORMED: &[(&str, &str, &str)] = &[
    (
        r#"{"name":"distance","shape":[1],"datatype":"BYTES","data":["x"]}"#,
        "WrongType",
        "inputs.distance",
    ),
    (
        r#"{"name":"distance","shape":[1],"datatype":"FP64","data":["x"]}"#,
        "WrongType",
        "inputs.distance[0]",
    ),
    (
        r#"{"name":"hour","shape":[1],"datatype":"FP64","data":[1]}"#,
        "WrongType",
        "inputs.hour",
    ),
    (
        r#"{"name":"hour","shape":[2],"datatype":"INT64","data":[1,2]}"#,
        "WrongShape",
        "inputs.hour",
    ),
    (
        r#"{"name":"hour","shape":[1],"datatype":"INT64","data":[1,2]}"#,
        "WrongShape",
        "inputs.hour",
    ),
    (
        r#"{"name":"hour","shape":[1,2],"datatype":"INT64","data":[1,2]}"#,
        "WrongShape",
        "inputs.hour",
    ),
    (
        r#"{"name":"hour","shape":[1],"datatype":"INT64","data":[[1,2]]}"#,
        "WrongShape",
        "inputs.hour",
    ),
    (
        r#"{"name":"x","shape":[1],"datatype":"FP64","data":[1]}"#,
        "UnknownField",
        "inputs.x",
    ),
    (
        r#"{"name":"origin","shape":[1],"datatype":"BYTES","data":["JFK"]}"#,
        "DuplicateField",
        "inputs.origin",
    ),
    (
        r#"{"name":"hour","shape":[1],"datatype":"INT64","data":[1]}"#,
        "MissingField",
        "inputs.dest",
    ),
    (
        r#"{"name":"distance","shape":[1],"datatype":"FP64","data":[NaN]}"#,
        "InvalidJson",
        "",
    ),
    (
        r#"{"name":"distance","shape":[1],"datatype":"FP64"}"#,
        "InvalidJson",
        "",
    ),
];

#[tokio::test]
async fn a_malformed_infer_request_is_refused_with_its_input() {
    let world = World::start().await;
    let origin = r#"{"name":"origin","shape":[1],"datatype":"BYTES","data":["JFK"]}"#;
    for (tensor, code, field) in MALFORMED {
        let answer = post(world.address, INFER, &format!(r#"{{"inputs":[{origin},{tensor}]}}"#)).await;
        assert_eq!(
            answer.refusal(),
            (400, (*code).to_owned(), (*field).to_owned()),
            "{tensor}: {}",
            answer.text
        );
    }
    for body in ["{}", r#"{"inputs":null}"#] {
        let refused = (400, "MissingField".to_owned(), "inputs".to_owned());
        assert_eq!(post(world.address, INFER, body).await.refusal(), refused, "{body}");
    }
    let binary = call(
        world.address,
        Method::POST,
        INFER,
        &[("inference-header-content-length", "10")],
        "{}",
    )
    .await;
    assert_eq!(binary.refusal(), (501, "Unsupported".to_owned(), String::new()));
    let body = format!(r#"{{"inputs":[{}],"outputs":[{{"name":"x"}}]}}"#, tensors("JFK"));
    assert_eq!(
        post(world.address, INFER, &body).await.refusal(),
        (400, "UnknownField".to_owned(), "outputs.x".to_owned())
    );
}

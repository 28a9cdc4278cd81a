//! The gather plan: rows and request values to vectors.

use bytes::Bytes;
use triplane_contract::{Column, OnMissing, Schema, ValueType};
use triplane_feature_store::Value;
use triplane_inference_server::features::Found;
use triplane_inference_server::gather::{GatherPlan, Gathered, Origin, Rows};

use crate::world::{NOW_US, Plan, feature, input, model, put, request, served, text, view, weather};

async fn fill(plan: &GatherPlan, rows: &Rows, store: &dyn triplane_feature_store::online::OnlineStore) -> Gathered {
    let keys = plan.keys(rows);
    let answers = store.read(&keys.keys).await.unwrap();
    let found: Vec<Found> = answers.into_iter().map(Found::Live).collect();
    plan.fill(rows, &keys, &found, NOW_US).unwrap()
}

fn rows(plan: &GatherPlan, values: &[(&str, Value)]) -> Rows {
    let mut rows = Rows::nulls(plan.columns().len(), 1);
    for (name, value) in values {
        let column = plan.columns().iter().position(|column| *column.name == **name).unwrap();
        rows.set(0, column, value.clone());
    }
    rows
}

#[tokio::test]
async fn every_numeric_type_becomes_its_number() {
    let numeric: Vec<ValueType> = ValueType::ALL.into_iter().filter(|t| t.is_numeric()).collect();
    let features = numeric
        .iter()
        .map(|t| feature(t.name(), *t, OnMissing::LeaveNull))
        .collect();
    let all = view("all", &["id"], features);
    let mut model = model();
    model.views = vec![served("all", all.clone(), &[("id", "id")])];
    model.inputs = numeric
        .iter()
        .map(|t| input("all", t.name()))
        .chain(numeric.iter().map(|t| request(t.name(), *t)))
        .collect();
    let values = [
        Value::Bool(true),
        Value::Int32(i32::MIN),
        Value::Int64(1 << 53),
        Value::Float32(0.1),
        Value::Float64(f64::NEG_INFINITY),
        Value::Timestamp(-1),
    ];
    let world = Plan::new().await;
    put(world.store.as_ref(), &all, &[text("x")], &values, NOW_US).await;
    let plan = GatherPlan::compile(&model, "").unwrap();
    let mut sent: Vec<(&str, Value)> = numeric.iter().map(|t| t.name()).zip(values.iter().cloned()).collect();
    sent.push(("id", text("x")));
    let gathered = fill(&plan, &rows(&plan, &sent), world.store.as_ref()).await;
    let expected = [
        1.0,
        -2147483648.0,
        9007199254740992.0,
        f64::from(0.1_f32),
        f64::NEG_INFINITY,
        -1.0,
    ];
    assert_eq!(gathered.vectors, [expected, expected].concat());
    assert_eq!(gathered.verdicts[0].imputed, 0);
}

#[tokio::test]
async fn one_view_under_two_aliases_is_read_by_each_key_and_under_one_key_once() {
    let mut model = model();
    model.views = vec![
        served("from", weather(), &[("origin", "origin")]),
        served("to", weather(), &[("origin", "dest")]),
        served("again", weather(), &[("origin", "origin")]),
    ];
    model.inputs = vec![
        input("from", "temp"),
        input("to", "temp"),
        input("again", "temp"),
        input("again", "wind"),
    ];
    let world = Plan::new().await;
    put(
        world.store.as_ref(),
        &weather(),
        &[text("LAX")],
        &[Value::Float64(80.0), Value::Float32(1.0)],
        NOW_US,
    )
    .await;
    let plan = GatherPlan::compile(&model, "").unwrap();
    let rows = rows(&plan, &[("origin", text("JFK")), ("dest", text("LAX"))]);
    assert_eq!(plan.keys(&rows).keys.len(), 2);
    assert_eq!(
        fill(&plan, &rows, world.store.as_ref()).await.vectors,
        [71.5, 80.0, 71.5, 8.25]
    );
}

#[tokio::test]
async fn a_view_without_keys_is_one_row_for_all() {
    let global = view(
        "global",
        &[],
        vec![feature("rate", ValueType::Float64, OnMissing::LeaveNull)],
    );
    let mut model = model();
    model.views = vec![served("global", global.clone(), &[])];
    model.inputs = vec![input("global", "rate")];
    let world = Plan::new().await;
    put(world.store.as_ref(), &global, &[], &[Value::Float64(1.25)], NOW_US).await;
    let plan = GatherPlan::compile(&model, "").unwrap();
    assert_eq!(
        fill(&plan, &Rows::nulls(0, 2), world.store.as_ref()).await.vectors,
        [1.25, 1.25]
    );
}

#[tokio::test]
async fn rows_of_an_older_schema_are_read_and_of_an_unknown_one_are_missing() {
    let old = weather();
    let mut new = weather();
    let added = feature("humid", ValueType::Float64, OnMissing::LeaveNull);
    new.features.insert(0, added);
    let columns = new
        .features
        .iter()
        .map(|f| Column {
            name: f.name.clone(),
            value_type: f.value_type,
        })
        .collect();
    new.schemas.push(Schema { id: 2, columns });
    let mut model = model();
    model.views = vec![served("weather", new.clone(), &[("origin", "origin")])];
    model.inputs = vec![input("weather", "humid"), input("weather", "temp")];
    let world = Plan::new().await;
    let plan = GatherPlan::compile(&model, "").unwrap();
    let request = rows(&plan, &[("origin", text("JFK"))]);
    let gathered = fill(&plan, &request, world.store.as_ref()).await;
    assert!(gathered.vectors[0].is_nan());
    assert_eq!(gathered.vectors[1], 71.5);

    // A reader that knows only the old schema never reads the new one's bytes.
    put(
        world.store.as_ref(),
        &new,
        &[text("JFK")],
        &[Value::Float64(1.0), Value::Float64(2.0), Value::Float32(3.0)],
        NOW_US,
    )
    .await;
    model.views = vec![served("weather", old, &[("origin", "origin")])];
    model.inputs = vec![input("weather", "temp"), input("weather", "wind")];
    let plan = GatherPlan::compile(&model, "").unwrap();
    let gathered = fill(&plan, &request, world.store.as_ref()).await;
    assert!(gathered.vectors[0].is_nan());
    assert_eq!((gathered.vectors[1], gathered.origins[1]), (10.5, Origin::Undecodable));
    let mut counted = Vec::new();
    plan.tally(&gathered, |read, origin| counted.push((read, origin)));
    assert_eq!(counted, [(0, Origin::Undecodable), (0, Origin::Undecodable)]);
}

#[test]
fn garbage_in_the_store_is_missing() {
    let plan = GatherPlan::compile(&model(), "").unwrap();
    let rows = rows(&plan, &[("origin", text("JFK")), ("dest", text("LAX"))]);
    let keys = plan.keys(&rows);
    for bytes in [&b""[..], b"\x01", &[0; 300], &[255; 30]] {
        let found = vec![Found::Live(Some(Bytes::copy_from_slice(bytes))); 2];
        let gathered = plan.fill(&rows, &keys, &found, NOW_US).unwrap();
        assert!(
            gathered.origins[..4]
                .iter()
                .all(|origin| *origin == Origin::Undecodable),
            "{bytes:?}"
        );
    }
}

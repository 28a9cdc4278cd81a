//! Route tables: what is served, what is refused, and what goes on meanwhile.

use serde_json::json;
use sha2::{Digest, Sha256};
use triplane_contract::ValueType;
use triplane_contract::model::MAX_ARTIFACT_BYTES;
use triplane_contract::store::OnlineAccess;
use triplane_inference_server::{Server, watch};

use crate::client::{get, predict};
use crate::world::{Plan, World, fixture, input, request, table};

#[tokio::test]
async fn a_new_table_takes_over_and_a_bad_one_changes_nothing() {
    let world = World::start().await;
    let mut next = table(world.bucket.path());
    next.generation = 2;
    next.routes[0].model.name = "delay-v2".to_owned();
    world.handle.serve(&next).await.unwrap();
    assert_eq!(predict(world.address).await.json()["triplane"]["model"], "delay-v2");
    assert_eq!(world.handle.generation("delay"), Some(2));

    let mut bad = next.clone();
    bad.generation = 3;
    bad.routes[0].model.sha256 = "0".repeat(64);
    let error = world.handle.serve(&bad).await.unwrap_err().to_string();
    assert!(
        error.contains("delay-v2") && error.contains("models/delay.txt has sha256"),
        "{error}"
    );
    assert_eq!(world.handle.generation("delay"), Some(2));
    assert_eq!(predict(world.address).await.status, 200);
    assert!(
        get(world.address, "/metrics")
            .await
            .text
            .contains("triplane_route_errors_total 1")
    );

    world.handle.remove("delay");
    assert_eq!(predict(world.address).await.json()["code"], "NotReady");
    assert!(!world.handle.is_ready());
}

#[tokio::test]
async fn every_contradiction_of_a_table_is_named() {
    let world = World::start().await;
    let good = table(world.bucket.path());
    let refused = async |change: &dyn Fn(&mut triplane_contract::route::RouteTable)| {
        let mut bad = good.clone();
        change(&mut bad);
        world.handle.serve(&bad).await.unwrap_err().to_string()
    };
    let contains = |error: String, parts: &[&str]| assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    contains(refused(&|t| t.version = 9).await, &["route table", "version 9"]);
    contains(
        refused(&|t| t.routes.clear()).await,
        &["service delay", "0 stable models"],
    );
    contains(
        refused(&|t| t.routes[0].model.artifact_path = "models/none.txt".to_owned()).await,
        &["delay-v1", "no object models/none.txt"],
    );
    contains(
        refused(&|t| drop(t.routes[0].model.inputs.pop())).await,
        &["lists 5 inputs, its file takes 6"],
    );
    contains(
        refused(&|t| t.routes[0].model.inputs[0] = input("none", "temp")).await,
        &["none/temp", "no view \"none\""],
    );
    contains(
        refused(&|t| t.routes[0].model.inputs[0] = input("weather", "x")).await,
        &["weather/x", "flights/weather"],
    );
    contains(
        refused(&|t| t.routes[0].model.inputs[4] = request("distance", ValueType::String)).await,
        &["distance is String"],
    );
    contains(
        refused(&|t| t.routes[0].model.inputs[4] = request("origin", ValueType::Int64)).await,
        &["\"origin\" is String", "Int64"],
    );
    contains(
        refused(&|t| t.routes[0].model.views[1].keys.clear()).await,
        &["routes", "key \"dest\" has no request column"],
    );
    contains(
        refused(&|t| t.routes[0].model.views[0].view.features[1].default = None).await,
        &["weather", "\"wind\"", "set default"],
    );
    assert_eq!(predict(world.address).await.status, 200);
}

#[tokio::test]
async fn a_file_of_the_wrong_size_or_cut_off_is_not_served() {
    let mut plan = Plan::new().await;
    assert_eq!(
        plan.settings.max_artifact_bytes, MAX_ARTIFACT_BYTES,
        "what is verified is served"
    );
    plan.settings.max_artifact_bytes = 10_000;
    let world = plan.start().await;
    let whole = fixture("binary.txt");
    let mut next = table(world.bucket.path());
    let cut = &whole[..whole.len() - 200];
    std::fs::write(world.bucket.path().join("models/cut.txt"), cut).unwrap();
    next.routes[0].model.artifact_path = "models/cut.txt".to_owned();
    next.routes[0].model.sha256 = hex::encode(Sha256::digest(cut));
    let error = world.handle.serve(&next).await.unwrap_err().to_string();
    assert!(error.contains("delay-v1") && error.contains("cut off"), "{error}");
    std::fs::write(world.bucket.path().join("models/cut.txt"), vec![b' '; 10_001]).unwrap();
    let error = world.handle.serve(&next).await.unwrap_err().to_string();
    assert!(error.contains("10001 bytes, at most 10000"), "{error}");
}

#[tokio::test]
async fn a_server_without_a_table_is_not_ready_and_a_store_in_memory_needs_one() {
    let plan = Plan::new().await;
    let server = Server::bind(plan.settings.clone()).await.unwrap();
    let (address, handle) = (server.address(), server.handle());
    tokio::spawn(server.run(std::future::pending()));
    assert_eq!(get(address, "/v2/health/ready").await.status, 503);
    assert_eq!(get(address, "/v2/health/live").await.status, 200);
    assert_eq!(predict(address).await.refusal().1, "NotReady");
    assert!(matches!(plan.table.store.online, OnlineAccess::Memory));
    let error = handle.serve(&plan.table).await.unwrap_err().to_string();
    assert!(error.contains("triplane dev"), "{error}");
}

#[tokio::test]
async fn the_file_of_a_table_is_followed() {
    let world = World::start().await;
    let mut next = table(world.bucket.path());
    let path = world.bucket.path().join("routes.json");
    let write = |table: &triplane_contract::route::RouteTable| {
        let temporary = world.bucket.path().join("routes.tmp");
        std::fs::write(&temporary, serde_json::to_vec(table).unwrap()).unwrap();
        std::fs::rename(&temporary, &path).unwrap();
    };
    std::fs::write(&path, "{").unwrap();
    let watching = tokio::spawn(watch::watch(world.handle.clone(), path.clone()));
    for generation in [7, 8] {
        next.generation = generation;
        write(&next);
        while world.handle.generation("delay") != Some(generation) {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(
        get(world.address, "/admin/state").await.json()["services"][0]["route_generation"],
        json!(8)
    );
    watching.abort();
}

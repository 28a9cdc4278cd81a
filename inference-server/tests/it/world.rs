//! A small world: two views of flights, a store, a bucket with a model, a server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use triplane_contract::model::{Input, ModelFormat, ServedModel, ServedView};
use triplane_contract::route::{Breaker, FeaturePolicy, OnUnavailable, Role, Route, RouteTable};
use triplane_contract::store::{OfflineAccess, OnlineAccess, StoreAccess};
use triplane_contract::{Column, FeatureColumn, OnMissing, Schema, ValueType, View, layout};
use triplane_feature_store::key::KeyEncoder;
use triplane_feature_store::online::OnlineStore;
use triplane_feature_store::online::memory::MemoryStore;
use triplane_feature_store::order::{Order, Rank};
use triplane_feature_store::row::{OnlineRow, RowEncoder};
use triplane_feature_store::{FixedClock, Value};
use triplane_inference_server::{Handle, Server, Settings};

pub(crate) const HOUR_US: i64 = 3_600_000_000;
pub(crate) const NOW_US: i64 = 1_380_000_000_000_000;

pub(crate) fn text(value: &str) -> Value {
    Value::String(value.to_owned())
}

pub(crate) fn feature(name: &str, value_type: ValueType, on_missing: OnMissing) -> FeatureColumn {
    FeatureColumn {
        name: name.to_owned(),
        value_type,
        on_missing,
        default: None,
        last_known_for_us: None,
    }
}

pub(crate) fn view(name: &str, keys: &[&str], features: Vec<FeatureColumn>) -> View {
    let columns = features
        .iter()
        .map(|f| Column {
            name: f.name.clone(),
            value_type: f.value_type,
        })
        .collect();
    View {
        namespace: "flights".to_owned(),
        store: "flights".to_owned(),
        name: name.to_owned(),
        generation: 1,
        id: layout::view_id("flights", "flights", name, 1),
        keys: keys
            .iter()
            .map(|key| Column {
                name: (*key).to_owned(),
                value_type: ValueType::String,
            })
            .collect(),
        features,
        schemas: vec![Schema { id: 1, columns }],
        ttl_us: Some(3 * HOUR_US),
        availability_delay_us: 0,
    }
}

/// Weather of an airport: a value that may be stale, and one with a default.
pub(crate) fn weather() -> View {
    let mut temp = feature("temp", ValueType::Float64, OnMissing::LastKnown);
    temp.last_known_for_us = Some(12 * HOUR_US);
    let mut wind = feature("wind", ValueType::Float32, OnMissing::Default);
    wind.default = Some("10.5".to_owned());
    view("weather", &["origin"], vec![temp, wind])
}

/// History of a route: a count and a mean.
pub(crate) fn routes() -> View {
    let count = feature("flights", ValueType::Int64, OnMissing::LeaveNull);
    view(
        "routes",
        &["origin", "dest"],
        vec![count, feature("delay", ValueType::Float64, OnMissing::LeaveNull)],
    )
}

pub(crate) fn served(alias: &str, view: View, keys: &[(&str, &str)]) -> ServedView {
    let keys: BTreeMap<String, String> = keys
        .iter()
        .map(|(key, column)| ((*key).to_owned(), (*column).to_owned()))
        .collect();
    ServedView {
        alias: alias.to_owned(),
        view,
        keys,
    }
}

pub(crate) fn input(view: &str, feature: &str) -> Input {
    Input::Feature {
        view: view.to_owned(),
        feature: feature.to_owned(),
        allow_override: false,
    }
}

pub(crate) fn request(name: &str, value_type: ValueType) -> Input {
    Input::Request {
        name: name.to_owned(),
        value_type,
    }
}

pub(crate) fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/lightgbm")
            .join(name),
    )
    .unwrap()
}

/// A model of six inputs over both views.
pub(crate) fn model() -> ServedModel {
    ServedModel {
        name: "delay-v1".to_owned(),
        sha256: hex::encode(Sha256::digest(fixture("binary.txt"))),
        artifact_path: "models/delay.txt".to_owned(),
        format: ModelFormat::LightGBM,
        inputs: vec![
            input("weather", "temp"),
            input("weather", "wind"),
            input("routes", "flights"),
            input("routes", "delay"),
            request("distance", ValueType::Float64),
            request("hour", ValueType::Int64),
        ],
        views: vec![
            served("weather", weather(), &[("origin", "origin")]),
            served("routes", routes(), &[("origin", "origin"), ("dest", "dest")]),
        ],
        output_name: "late_probability".to_owned(),
        baseline: Some(0.2),
    }
}

pub(crate) fn table(bucket: &Path) -> RouteTable {
    RouteTable {
        version: 1,
        namespace: "flights".to_owned(),
        service: "delay".to_owned(),
        generation: 1,
        routes: vec![Route {
            role: Role::Stable,
            model: model(),
        }],
        features: FeaturePolicy {
            timeout_us: 50_000,
            breaker: Breaker::default(),
            on_unavailable: OnUnavailable::DefaultPrediction,
            max_imputed: 0.5,
        },
        deadline_us: 10_000_000,
        fallback: 0.23,
        store: store_access(bucket),
    }
}

pub(crate) fn store_access(bucket: &Path) -> StoreAccess {
    StoreAccess {
        online: OnlineAccess::Memory,
        offline: OfflineAccess::Directory {
            path: bucket.to_str().unwrap().to_owned(),
        },
        root: "flights/flights".to_owned(),
        owner: "test".to_owned(),
    }
}

/// A bucket with the model.
pub(crate) fn bucket() -> TempDir {
    let bucket = tempfile::tempdir().unwrap();
    std::fs::create_dir(bucket.path().join("models")).unwrap();
    std::fs::write(bucket.path().join("models/delay.txt"), fixture("binary.txt")).unwrap();
    bucket
}

/// Writes a row the way the materializer does.
pub(crate) async fn put(store: &dyn OnlineStore, view: &View, keys: &[Value], values: &[Value], event_time_us: i64) {
    let order = Order {
        event_time_us,
        created_time_us: event_time_us,
        sequence: Order::sequence(1, 0),
    };
    let mut bytes = BytesMut::new();
    let encoder = RowEncoder::new(view).unwrap();
    encoder
        .encode(Rank::live(order), order, values.iter().map(Value::borrowed), &mut bytes)
        .unwrap();
    let key = KeyEncoder::new(store.prefix(), view).unwrap().key(keys).unwrap();
    let row = OnlineRow {
        key,
        rank: Rank::live(order),
        bytes: bytes.freeze(),
        expires_at_us: None,
    };
    store.write(&[row]).await.unwrap();
}

/// Weather of JFK one hour old, history of JFK to LAX two hours old.
pub(crate) async fn put_flights(store: &dyn OnlineStore) {
    put(
        store,
        &weather(),
        &[text("JFK")],
        &[Value::Float64(71.5), Value::Float32(8.25)],
        NOW_US - HOUR_US,
    )
    .await;
    put(
        store,
        &routes(),
        &[text("JFK"), text("LAX")],
        &[Value::Int64(42), Value::Float64(-3.5)],
        NOW_US - 2 * HOUR_US,
    )
    .await;
}

/// A server that runs until it is dropped.
pub(crate) struct World {
    pub(crate) bucket: TempDir,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) store: Arc<dyn OnlineStore>,
    pub(crate) handle: Handle,
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

/// What a world is made with.
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    pub(crate) table: RouteTable,
    pub(crate) bucket: TempDir,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) store: Arc<dyn OnlineStore>,
}

impl Plan {
    pub(crate) async fn new() -> Self {
        let clock = Arc::new(FixedClock::new(NOW_US));
        let store: Arc<dyn OnlineStore> = Arc::new(MemoryStore::new(Arc::clone(&clock) as Arc<_>));
        put_flights(store.as_ref()).await;
        let bucket = bucket();
        let mut settings = Settings::new("127.0.0.1:0".parse().unwrap());
        settings.drain_grace = Duration::ZERO;
        Self {
            settings,
            table: table(bucket.path()),
            bucket,
            clock,
            store,
        }
    }

    pub(crate) async fn start(mut self) -> World {
        self.settings.clock = Arc::clone(&self.clock) as Arc<_>;
        self.settings.memory = Some(Arc::clone(&self.store));
        let server = Server::bind(self.settings).await.unwrap();
        let (address, handle) = (server.address(), server.handle());
        handle.serve(&self.table).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(server.run(async move {
            let _ = stopped.await;
        }));
        World {
            bucket: self.bucket,
            clock: self.clock,
            store: self.store,
            handle,
            address,
            stop: Some(stop),
            running,
        }
    }
}

impl World {
    pub(crate) async fn start() -> Self {
        Plan::new().await.start().await
    }

    /// Tells the server to stop, as SIGTERM does.
    pub(crate) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until the server has ended.
    pub(crate) async fn ended(self) {
        self.running.await.unwrap();
    }
}

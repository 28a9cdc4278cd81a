//! Stores under test, and rows to put into them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use bytes::{Bytes, BytesMut};
use triplane_contract::store::OnlineAccess;
use triplane_contract::{Column, FeatureColumn, OnMissing, Schema, ValueType, View};
use triplane_feature_store::key::{KeyEncoder, RowKey};
use triplane_feature_store::online::{self, Mark, OnlineStore, TableId, Written};
use triplane_feature_store::order::{Order, Rank};
use triplane_feature_store::row::{OnlineRow, RowDecoder, RowEncoder};
use triplane_feature_store::{Clock, FixedClock, Value};
use triplane_test_servers::{Redis, RedisCluster};

/// What the clock of every store says at first.
pub(crate) const NOW_US: i64 = 1_380_000_000_000_000;
/// The table that rows come from.
pub(crate) const TABLE: TableId = TableId(7);
/// Features of a row; all hold the same number, so that a mix of two rows shows.
const WIDTH: usize = 8;

/// What keeps the rows of a store.
pub(crate) enum Servers {
    None,
    One(Redis),
    Cluster { _kept: Arc<RedisCluster> },
}

/// A store with its clock and, for Redis, its servers.
pub(crate) struct Fixture {
    pub(crate) store: Arc<dyn OnlineStore>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) servers: Servers,
    pub(crate) view: View,
}

impl Fixture {
    pub(crate) fn memory() -> Self {
        let clock = Arc::new(FixedClock::new(NOW_US));
        let store: Arc<dyn OnlineStore> = Arc::new(online::memory::MemoryStore::new(Arc::<FixedClock>::clone(&clock)));
        Self {
            store,
            clock,
            servers: Servers::None,
            view: view("AAAAAAAA"),
        }
    }

    pub(crate) async fn redis() -> Self {
        Self::on(Redis::start(), "flights:", None).await
    }

    /// A store on `server` with the default user.
    pub(crate) async fn on(server: Redis, prefix: &str, password_file: Option<String>) -> Self {
        let clock = Arc::new(FixedClock::new(NOW_US));
        let store = connect(
            &server.address(),
            prefix,
            password_file,
            Arc::<FixedClock>::clone(&clock),
        )
        .await;
        Self {
            store,
            clock,
            servers: Servers::One(server),
            view: view("AAAAAAAA"),
        }
    }

    /// A store on a cluster that the tests running now share, with a prefix of its own.
    pub(crate) async fn cluster() -> Self {
        static STORES: AtomicUsize = AtomicUsize::new(0);
        let prefix = format!("store-{}:", STORES.fetch_add(1, Ordering::SeqCst));
        let cluster = shared_cluster();
        let clock = Arc::new(FixedClock::new(NOW_US));
        let store = connect(&cluster.address(), &prefix, None, Arc::<FixedClock>::clone(&clock)).await;
        Self {
            store,
            clock,
            servers: Servers::Cluster { _kept: cluster },
            view: view("AAAAAAAA"),
        }
    }

    pub(crate) fn server(&self) -> &Redis {
        match &self.servers {
            Servers::One(server) => server,
            Servers::None | Servers::Cluster { .. } => panic!("this fixture has no single server"),
        }
    }

    pub(crate) fn server_mut(&mut self) -> &mut Redis {
        match &mut self.servers {
            Servers::One(server) => server,
            Servers::None | Servers::Cluster { .. } => panic!("this fixture has no single server"),
        }
    }

    pub(crate) fn key(&self, id: i64) -> RowKey {
        key(self.store.prefix(), &self.view, id)
    }

    pub(crate) fn key_in(&self, view_id: &str, id: i64) -> RowKey {
        key(self.store.prefix(), &view(view_id), id)
    }

    /// A live row of entity `id` whose features are all `number`.
    pub(crate) fn row(&self, id: i64, order: Order, number: i64) -> OnlineRow {
        self.stand_in(id, Rank::live(order), order, number)
    }

    /// A row that stands in for a retracted one.
    pub(crate) fn stand_in(&self, id: i64, rank: Rank, content: Order, number: i64) -> OnlineRow {
        let encoder = RowEncoder::new(&self.view).unwrap();
        let values = vec![Value::Int64(number); WIDTH];
        let mut out = BytesMut::new();
        encoder
            .encode(rank, content, values.iter().map(Value::borrowed), &mut out)
            .unwrap();
        OnlineRow {
            key: self.key(id),
            rank,
            bytes: out.freeze(),
            expires_at_us: None,
        }
    }

    pub(crate) fn tombstone(&self, id: i64, rank: Rank) -> OnlineRow {
        let mut out = BytesMut::new();
        RowEncoder::new(&self.view).unwrap().tombstone(rank, &mut out);
        OnlineRow {
            key: self.key(id),
            rank,
            bytes: out.freeze(),
            expires_at_us: None,
        }
    }

    pub(crate) async fn write(&self, row: OnlineRow) -> Written {
        self.store.write(&[row]).await.unwrap()[0]
    }

    pub(crate) async fn read(&self, id: i64) -> Option<Bytes> {
        self.store.read(&[self.key(id)]).await.unwrap().remove(0)
    }

    /// The mark of the piece at `place`.
    pub(crate) async fn mark(&self, view_id: &str, place: usize) -> Mark {
        self.store.marks(view_id, TABLE).await.unwrap().swap_remove(place)
    }

    /// Publishes nothing, as version `version`.
    pub(crate) async fn advance(&self, view_id: &str, place: usize, version: i64) {
        let mark = self.mark(view_id, place).await;
        assert!(
            self.advances(view_id, &mark, version).await,
            "nothing has touched the mark"
        );
    }

    /// Whether `mark` still is the one of its piece.
    pub(crate) async fn advances(&self, view_id: &str, mark: &Mark, version: i64) -> bool {
        let marks = std::slice::from_ref(mark);
        self.store.advance_marks(view_id, marks, version).await.unwrap()
    }

    /// The number that all features of the stored row hold; fails where they differ, `None` without a live row.
    pub(crate) async fn number(&self, id: i64) -> Option<i64> {
        let bytes = self.read(id).await?;
        let names: Vec<&str> = self.view.features.iter().map(|f| f.name.as_str()).collect();
        let decoder = RowDecoder::new(&self.view, &names).unwrap();
        let row = decoder.open(&bytes).unwrap();
        row.event_time_us()?;
        let numbers: Vec<Value> = (0..WIDTH).map(|i| row.value(i).unwrap()).collect();
        assert!(numbers.iter().all(|n| *n == numbers[0]), "a mix of rows: {numbers:?}");
        match &numbers[0] {
            Value::Int64(number) => Some(*number),
            other => panic!("not a number: {other}"),
        }
    }
}

/// The cluster of the tests that run at this moment; it ends with the last of them.
fn shared_cluster() -> Arc<RedisCluster> {
    static SHARED: Mutex<Weak<RedisCluster>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap();
    shared.upgrade().unwrap_or_else(|| {
        let cluster = Arc::new(RedisCluster::start());
        *shared = Arc::downgrade(&cluster);
        cluster
    })
}

pub(crate) async fn connect(
    address: &str,
    prefix: &str,
    password_file: Option<String>,
    clock: Arc<dyn Clock>,
) -> Arc<dyn OnlineStore> {
    let (address, prefix) = (address.to_owned(), prefix.to_owned());
    let access = OnlineAccess::Redis {
        address,
        prefix,
        username: None,
        password_file,
    };
    online::connect(&access, clock).await.unwrap()
}

pub(crate) fn order(event_time_us: i64, created_time_us: i64, run: u64) -> Order {
    Order {
        event_time_us,
        created_time_us,
        sequence: Order::sequence(run, 0),
    }
}

fn key(prefix: &str, view: &View, id: i64) -> RowKey {
    KeyEncoder::new(prefix, view).unwrap().key(&[Value::Int64(id)]).unwrap()
}

fn view(id: &str) -> View {
    let names: Vec<String> = (0..WIDTH).map(|i| format!("f{i}")).collect();
    let value_type = ValueType::Int64;
    let feature = |name: &String| FeatureColumn {
        name: name.clone(),
        value_type,
        on_missing: OnMissing::LeaveNull,
        default: None,
        last_known_for_us: None,
    };
    let columns = names
        .iter()
        .map(|name| Column {
            name: name.clone(),
            value_type,
        })
        .collect();
    View {
        namespace: "flights".into(),
        store: "flights".into(),
        name: "numbers".into(),
        generation: 1,
        id: id.into(),
        keys: vec![Column {
            name: "id".into(),
            value_type,
        }],
        features: names.iter().map(feature).collect(),
        schemas: vec![Schema { id: 1, columns }],
        ttl_us: None,
        availability_delay_us: 0,
    }
}

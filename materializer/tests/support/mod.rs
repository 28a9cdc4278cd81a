//! A bucket in a temporary folder, a memory store, and the same question asked of table, store and a build from scratch.

pub mod wiped;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use parquet::arrow::ArrowWriter;
use tempfile::TempDir;
use triplane_contract::run::{RunReport, RunSpec, Source, Transform};
use triplane_contract::store::{OfflineAccess, OnlineAccess, StoreAccess};
use triplane_contract::{Column, FeatureColumn, OnMissing, Schema, ValueType, View, layout};
use triplane_feature_store::key::KeyEncoder;
use triplane_feature_store::online::memory::MemoryStore;
use triplane_feature_store::order::{Content, Fact, Order, key_state};
use triplane_feature_store::row::RowEncoder;
use triplane_feature_store::{FixedClock, Value};
use triplane_materializer::offline::{ReadOptions, Table, read_file, row_schema};
use triplane_materializer::progress::Silent;
use triplane_materializer::{Environment, RunError, run};

pub const SECOND: i64 = 1_000_000;
pub const HOUR: i64 = 3_600 * SECOND;
/// 2024-01-01T00:00:00Z.
pub const START: i64 = 1_704_067_200 * SECOND;

/// A source row: key, time, n, x.
pub type SourceRow = (Option<&'static str>, Option<i64>, Option<i64>, Option<f64>);

/// A row with every value.
pub fn row(key: &'static str, at: i64, n: i64) -> SourceRow {
    (Some(key), Some(at), Some(n), Some(n as f64 / 2.0))
}

pub struct Lab {
    pub folder: TempDir,
    pub spec: RunSpec,
    pub clock: Arc<FixedClock>,
    pub environment: Environment,
}

/// The view of plain columns: key `k`, features `n` and `x`.
pub fn view() -> View {
    let feature = |name: &str, value_type| FeatureColumn {
        name: name.into(),
        value_type,
        on_missing: OnMissing::LeaveNull,
        default: None,
        last_known_for_us: None,
    };
    let features = vec![feature("n", ValueType::Int64), feature("x", ValueType::Float64)];
    let columns = features
        .iter()
        .map(|f| Column {
            name: f.name.clone(),
            value_type: f.value_type,
        })
        .collect();
    View {
        namespace: "tests".into(),
        store: "store".into(),
        name: "view".into(),
        generation: 1,
        id: layout::view_id("tests", "store", "view", 1),
        keys: vec![Column {
            name: "k".into(),
            value_type: ValueType::String,
        }],
        features,
        schemas: vec![Schema { id: 1, columns }],
        ttl_us: None,
        availability_delay_us: 0,
    }
}

/// Counts and sums the last hour of each key.
pub const WINDOW: &str = "SELECT k, at, count(*) OVER w AS n, sum(x) OVER w AS x FROM raw \
    WINDOW w AS (PARTITION BY k ORDER BY at RANGE BETWEEN INTERVAL '1 hour' PRECEDING AND CURRENT ROW)";

impl Lab {
    pub fn plain() -> Self {
        Self::new(None, 0)
    }

    pub fn query(sql: &str, lookback_us: i64) -> Self {
        Self::new(Some(sql), lookback_us)
    }

    fn new(query: Option<&str>, lookback_us: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bucket");
        std::fs::create_dir_all(&path).unwrap();
        std::fs::create_dir_all(folder.path().join("scratch")).unwrap();
        let offline = OfflineAccess::Directory {
            path: path.display().to_string(),
        };
        let clock = Arc::new(FixedClock::new(START + 1000 * HOUR));
        let environment = Environment {
            bucket: triplane_bucket::open(&offline).unwrap(),
            online: Arc::new(MemoryStore::new(clock.clone())),
            clock: clock.clone(),
            scratch: folder.path().join("scratch"),
        };
        let transform = Transform {
            sources: vec![Source {
                name: "raw".into(),
                path: "raw".into(),
                timestamp_column: "at".into(),
            }],
            query: query.map(Into::into),
            timestamp_column: "at".into(),
            created_column: None,
            lookback_us,
        };
        let store = StoreAccess {
            online: OnlineAccess::Memory,
            offline,
            root: layout::store_root("features", "tests", "store"),
            owner: "tests".into(),
        };
        let memory_limit_bytes = 256 << 20;
        let spec = RunSpec {
            version: 1,
            view: view(),
            transform,
            store,
            memory_limit_bytes,
        };
        Self {
            folder,
            spec,
            clock,
            environment,
        }
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("bucket").join(name)
    }

    pub fn put(&self, name: &str, rows: &[SourceRow]) {
        write_parquet(&self.path(name), &batch(rows));
    }

    pub async fn try_run(&self) -> Result<RunReport, RunError> {
        run(&self.spec, &self.environment, &Silent).await
    }

    pub async fn run(&self) -> RunReport {
        self.try_run().await.unwrap()
    }

    pub fn wipe_online(&mut self) {
        self.environment.online = Arc::new(MemoryStore::new(self.clock.clone()));
    }

    /// Takes the table away, with all that lies beside it.
    pub fn remove_table(&self) {
        let root = layout::view_root(&self.spec.store.root, &self.spec.view);
        std::fs::remove_dir_all(self.path(&root)).unwrap();
    }

    /// What the store holds for `key`.
    pub async fn stored(&self, key: &str) -> Option<Bytes> {
        let online = &self.environment.online;
        let keys = KeyEncoder::new(online.prefix(), &self.spec.view).unwrap();
        let key = keys.key(&[Value::String(key.to_owned())]).unwrap();
        online.read(&[key]).await.unwrap().remove(0)
    }

    pub async fn table(&self) -> Table {
        let root = layout::view_root(&self.spec.store.root, &self.spec.view);
        Table::open(&self.environment.bucket, &root, None)
            .await
            .unwrap()
            .unwrap()
    }

    /// Every row of the table.
    pub async fn facts(&self) -> Vec<TableRow> {
        let table = self.table().await;
        let schema = row_schema(&self.spec.view);
        let options = ReadOptions {
            schema,
            event_times: (i64::MIN, i64::MAX),
            batch_rows: 1000,
        };
        let mut rows = Vec::new();
        for file in table.files().unwrap() {
            let batches = read_file(table.bucket(), &file, &options).await.unwrap();
            for batch in batches.try_collect::<Vec<_>>().await.unwrap() {
                rows.extend(table_rows(&batch));
            }
        }
        rows
    }

    /// The newest row of each (key, event time) that is not retracted.
    pub async fn current(&self) -> BTreeMap<(String, i64), (Option<i64>, Option<u64>)> {
        let mut newest: BTreeMap<(String, i64), TableRow> = BTreeMap::new();
        for row in self.facts().await {
            let identity = (row.key.clone(), row.order.event_time_us);
            if newest.get(&identity).is_none_or(|known| known.order < row.order) {
                newest.insert(identity, row);
            }
        }
        newest
            .into_iter()
            .filter(|(_, r)| !r.deleted)
            .map(|(id, r)| (id, (r.n, r.x.map(f64::to_bits))))
            .collect()
    }

    /// What the store has to hold, by the shared rule over all facts of the table; compared with what it holds.
    pub async fn assert_online_is_the_table(&self) -> usize {
        let mut facts: BTreeMap<String, Vec<Fact<usize>>> = BTreeMap::new();
        let rows = self.facts().await;
        for (index, row) in rows.iter().enumerate() {
            facts.entry(row.key.clone()).or_default().push(Fact {
                order: row.order,
                deleted: row.deleted,
                row: index,
            });
        }
        let encoder = RowEncoder::new(&self.spec.view).unwrap();
        for (key, facts) in &mut facts {
            let (rank, content) = key_state(facts).unwrap();
            let mut expected = BytesMut::new();
            match content {
                Content::Live(order, index) => {
                    let n = rows[index].n.map_or(Value::Null, Value::Int64);
                    let x = rows[index].x.map_or(Value::Null, Value::Float64);
                    encoder
                        .encode(rank, order, [n.borrowed(), x.borrowed()], &mut expected)
                        .unwrap();
                }
                Content::Tombstone => encoder.tombstone(rank, &mut expected),
            }
            assert_eq!(self.stored(key).await.as_deref(), Some(&expected[..]), "key {key}");
        }
        facts.len()
    }

    /// Every object in the bucket with its time of change.
    pub fn listing(&self) -> BTreeMap<std::path::PathBuf, std::time::SystemTime> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.path("")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else {
                    found.insert(entry.path(), entry.metadata().unwrap().modified().unwrap());
                }
            }
        }
        found
    }
}

/// A row of the offline table.
#[derive(Clone, Debug, PartialEq)]
pub struct TableRow {
    pub key: String,
    pub n: Option<i64>,
    pub x: Option<f64>,
    pub order: Order,
    pub deleted: bool,
}

fn table_rows(batch: &RecordBatch) -> Vec<TableRow> {
    let column = |name: &str| batch.column_by_name(name).unwrap();
    let (key, n, x) = (
        column("k").as_string::<i32>(),
        column("n").as_primitive::<Int64Type>(),
        column("x"),
    );
    let x = x.as_primitive::<Float64Type>();
    let time = |name: &str, row| column(name).as_primitive::<TimestampMicrosecondType>().value(row);
    (0..batch.num_rows())
        .map(|row| TableRow {
            key: key.value(row).to_owned(),
            n: n.is_valid(row).then(|| n.value(row)),
            x: x.is_valid(row).then(|| x.value(row)),
            order: Order {
                event_time_us: time("event_time", row),
                created_time_us: time("created_time", row),
                sequence: column("sequence").as_primitive::<Int64Type>().value(row),
            },
            deleted: column("is_deleted").as_boolean().value(row),
        })
        .collect()
}

pub fn batch(rows: &[SourceRow]) -> RecordBatch {
    let times: TimestampMicrosecondArray = rows.iter().map(|r| r.1).collect();
    RecordBatch::try_from_iter_with_nullable([
        (
            "k",
            Arc::new(rows.iter().map(|r| r.0).collect::<StringArray>()) as ArrayRef,
            true,
        ),
        ("at", Arc::new(times.with_timezone("UTC")) as ArrayRef, true),
        (
            "n",
            Arc::new(rows.iter().map(|r| r.2).collect::<Int64Array>()) as ArrayRef,
            true,
        ),
        (
            "x",
            Arc::new(rows.iter().map(|r| r.3).collect::<Float64Array>()) as ArrayRef,
            true,
        ),
    ])
    .unwrap()
}

/// Writes to a new file and renames it, as uploads do.
pub fn write_parquet(path: &Path, batch: &RecordBatch) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let staged = path.with_extension("staged");
    let mut writer = ArrowWriter::try_new(std::fs::File::create(&staged).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    std::fs::rename(staged, path).unwrap();
}

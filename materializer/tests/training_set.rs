//! Training sets built from an offline table, on a directory as bucket.

// Helpers outside `#[test]` functions are test code too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// Two tables of rows are longer than a function should be; splitting them would hide what is in them.
#![allow(clippy::too_many_lines)]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, TimestampNanosecondArray,
};
use arrow::compute::{cast, concat_batches, sort_to_indices, take_record_batch};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::TempDir;
use triplane_contract::store::{OfflineAccess, OnlineAccess, StoreAccess};
use triplane_contract::training::{JoinedView, TrainingSetManifest, TrainingSetReport, TrainingSetSpec};
use triplane_contract::{Column, FeatureColumn, OnMissing, Schema, ValueType, View, layout, version};
use triplane_feature_store::FixedClock;
use triplane_feature_store::online::memory::MemoryStore;
use triplane_feature_store::order::Order;
use triplane_materializer::Environment;
use triplane_materializer::offline::{CommitOutcome, RunCommit, TableWriter, commit_run, create_if_absent, row_schema};
use triplane_materializer::progress::Silent;
use triplane_materializer::training_set::{TrainingSetError, build};

const HOUR: i64 = 3_600_000_000;
const NOON: i64 = 1_700_000_000_000_000;
const LIMIT: u64 = 256 << 20;

/// A bucket with the view `weather` (key `origin`: `temp` LastKnown, `wind` Default) and what a job needs.
struct World {
    dir: TempDir,
    store: StoreAccess,
    env: Environment,
}

fn feature(name: &str, on_missing: OnMissing) -> FeatureColumn {
    FeatureColumn {
        name: name.into(),
        value_type: ValueType::Float64,
        on_missing,
        default: (on_missing == OnMissing::Default).then(|| "10.5".into()),
        last_known_for_us: (on_missing == OnMissing::LastKnown).then_some(12 * HOUR),
    }
}

fn weather() -> View {
    let features = vec![
        feature("temp", OnMissing::LastKnown),
        feature("wind", OnMissing::Default),
    ];
    let columns = features
        .iter()
        .map(|f| Column {
            name: f.name.clone(),
            value_type: f.value_type,
        })
        .collect();
    View {
        namespace: "flights".into(),
        store: "flights".into(),
        name: "weather".into(),
        generation: 1,
        id: layout::view_id("flights", "flights", "weather", 1),
        keys: vec![Column {
            name: "origin".into(),
            value_type: ValueType::String,
        }],
        features,
        schemas: vec![Schema { id: 1, columns }],
        ttl_us: Some(3 * HOUR),
        availability_delay_us: 0,
    }
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn hours(values: &[Option<i64>]) -> ArrayRef {
    let times = values.iter().map(|hours| hours.map(|hours| NOON + hours * HOUR));
    Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}

fn floats(values: &[Option<f64>]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

/// Two rows of JFK (temp 1.0 at 0 h, NULL temp and 2.0 wind at 4 h) and one of LGA (9.0 at 1 h).
fn weather_rows() -> RecordBatch {
    batch(vec![
        ("origin", texts(&[Some("JFK"), Some("JFK"), Some("LGA")])),
        ("at", hours(&[Some(0), Some(4), Some(1)])),
        ("temp", floats(&[Some(1.0), None, Some(9.0)])),
        ("wind", floats(&[Some(5.0), Some(2.0), None])),
    ])
}

/// Observations with an extra column of a type that features cannot have, equal rows, NULLs, and no order of time.
fn flights() -> RecordBatch {
    let nanos = [Some(2), Some(1), Some(1), Some(5), None, Some(9), Some(-1)]
        .map(|hours| hours.map(|hours: i64| (NOON + hours * HOUR) * 1_000));
    batch(vec![
        (
            "flight",
            Arc::new(Int64Array::from(vec![7, 1, 1, 3, 4, 5, 6])) as ArrayRef,
        ),
        (
            "day",
            Arc::new(Date32Array::from(vec![
                Some(1),
                None,
                None,
                Some(3),
                Some(4),
                Some(5),
                Some(6),
            ])),
        ),
        (
            "origin",
            texts(&[
                Some("JFK"),
                Some("LGA"),
                Some("LGA"),
                Some("JFK"),
                Some("JFK"),
                Some("JFK"),
                None,
            ]),
        ),
        (
            "dest",
            texts(&[
                Some("LGA"),
                Some("JFK"),
                Some("JFK"),
                Some("SFO"),
                Some("LGA"),
                Some("LGA"),
                Some("JFK"),
            ]),
        ),
        (
            "scheduled_at",
            Arc::new(nanos.iter().copied().collect::<TimestampNanosecondArray>()),
        ),
        ("late", Arc::new(Int32Array::from(vec![0, 1, 1, 0, 0, 0, 0]))),
        (
            "distance",
            floats(&[
                Some(1.0),
                Some(2.0),
                Some(2.0),
                None,
                Some(4.0),
                Some(f64::NAN),
                Some(6.0),
            ]),
        ),
    ])
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("bucket")).unwrap();
        let offline = OfflineAccess::Directory {
            path: dir.path().join("bucket").display().to_string(),
        };
        let clock = Arc::new(FixedClock::new(NOON + 100 * HOUR));
        let env = Environment {
            bucket: triplane_bucket::open(&offline).unwrap(),
            online: Arc::new(MemoryStore::new(clock.clone())),
            clock,
            scratch: dir.path().join("scratch"),
        };
        let root = layout::store_root("features", "flights", "flights");
        let store = StoreAccess {
            online: OnlineAccess::Memory,
            offline,
            root,
            owner: "test".into(),
        };
        Self { dir, store, env }
    }

    async fn with_weather() -> Self {
        let world = Self::new();
        world.commit(1, &weather_rows()).await;
        world.put("labels/b.parquet", &flights().slice(4, 3));
        world.put("labels/a.parquet", &flights().slice(0, 4));
        world.put("labels/_SUCCESS", &flights());
        world
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join("bucket").join(path)
    }

    fn put(&self, path: &str, rows: &RecordBatch) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), rows.schema(), None).unwrap();
        writer.write(rows).unwrap();
        writer.close().unwrap();
    }

    /// Commits run `run` to the table of `weather`: `rows` as live facts of 0 h, their times ascending by day.
    async fn commit(&self, run: u64, rows: &RecordBatch) {
        let view = weather();
        let root = layout::view_root(&self.store.root, &view);
        let table = create_if_absent(&self.env.bucket, &root, &view).await.unwrap();
        let count = rows.num_rows();
        let by_time = sort_to_indices(rows.column_by_name("at").unwrap(), None, None).unwrap();
        let rows = take_record_batch(rows, &by_time).unwrap();
        let column = |name: &str| Arc::clone(rows.column_by_name(name).unwrap());
        let columns = vec![
            column("origin"),
            column("temp"),
            column("wind"),
            column("at"),
            hours(&vec![Some(0); count]),
            Arc::new(Int64Array::from_iter_values(
                (0..count as u64).map(|row| Order::sequence(run, row)),
            )),
            Arc::new(BooleanArray::from(vec![false; count])),
        ];
        let schema = row_schema(&view);
        let mut writer = TableWriter::new(Arc::clone(&self.env.bucket), root, run.to_string(), Arc::clone(&schema));
        writer
            .write(&RecordBatch::try_new(schema, columns).unwrap())
            .await
            .unwrap();
        let files = writer.finish().await.unwrap();
        let commit = RunCommit {
            view: &view,
            run,
            planned_at_us: 0,
            files: &files,
        };
        assert_eq!(commit_run(&table, &commit).await.unwrap(), CommitOutcome::Committed);
    }

    /// `weather` at both ends of the flight.
    fn spec(&self) -> TrainingSetSpec {
        let joined = |alias: &str, column: &str| JoinedView {
            alias: alias.into(),
            view: weather(),
            keys: BTreeMap::from([("origin".into(), column.into())]),
            features: vec!["wind".into(), "temp".into()],
        };
        TrainingSetSpec {
            version: version::CURRENT,
            namespace: "flights".into(),
            name: "delays".into(),
            store: self.store.clone(),
            observations_path: "labels/".into(),
            timestamp_column: "scheduled_at".into(),
            label: Some("late".into()),
            request: vec!["distance".into()],
            views: vec![joined("weather", "origin"), joined("there", "dest")],
            memory_limit_bytes: LIMIT,
        }
    }

    async fn build(&self, spec: &TrainingSetSpec) -> Result<TrainingSetReport, TrainingSetError> {
        build(spec, &self.env, &Silent).await
    }

    fn manifest(&self, report: &TrainingSetReport) -> TrainingSetManifest {
        let text = std::fs::read(self.path(&report.path).join("manifest.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    fn rows(&self, report: &TrainingSetReport) -> RecordBatch {
        let files = self.manifest(report).files;
        let batches = files
            .iter()
            .flat_map(|file| read(&self.path(&report.path).join(file)))
            .collect::<Vec<_>>();
        concat_batches(&batches[0].schema(), &batches).unwrap()
    }
}

fn read(path: &Path) -> Vec<RecordBatch> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = builder.schema().clone();
    let mut batches: Vec<_> = builder.build().unwrap().map(Result::unwrap).collect();
    batches.push(RecordBatch::new_empty(schema));
    batches
}

fn floats_of(rows: &RecordBatch, column: &str) -> Vec<Option<f64>> {
    rows.column_by_name(column)
        .unwrap()
        .as_primitive::<Float64Type>()
        .iter()
        .collect()
}

fn texts_of(rows: &RecordBatch, column: &str) -> Vec<String> {
    let texts = cast(rows.column_by_name(column).unwrap(), &DataType::Utf8).unwrap();
    texts
        .as_string::<i32>()
        .iter()
        .map(|text| text.unwrap_or("NULL").to_owned())
        .collect()
}

#[tokio::test]
async fn every_observation_survives_in_order_with_the_features_of_its_own_time() {
    let world = World::with_weather().await;
    let report = world.build(&world.spec()).await.unwrap();
    let rows = world.rows(&report);
    assert_eq!(
        rows.slice(0, 7).columns()[..7],
        flights().columns()[..],
        "observations are untouched"
    );
    let names: Vec<_> = rows
        .schema()
        .fields()
        .iter()
        .skip(7)
        .map(|field| field.name().clone())
        .collect();
    let of = |alias: &str| ["wind", "wind.status", "temp", "temp.status"].map(|feature| format!("{alias}/{feature}"));
    assert_eq!(names, [of("weather"), of("there")].concat());
    // JFK 2 h; LGA 1 h, twice; JFK 5 h; no time; JFK 9 h; no origin.
    let (found, null, none, old) = ("PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE");
    assert_eq!(
        texts_of(&rows, "weather/temp.status"),
        [found, found, found, null, none, old, none]
    );
    let temps = [Some(1.0), Some(9.0), Some(9.0), None, None, None, None];
    assert_eq!(
        floats_of(&rows, "weather/temp"),
        temps,
        "the newest row's NULL stays, stale or not"
    );
    let winds = [
        Some(5.0),
        Some(10.5),
        Some(10.5),
        Some(2.0),
        Some(10.5),
        Some(10.5),
        Some(10.5),
    ];
    assert_eq!(floats_of(&rows, "weather/wind"), winds);
    assert_eq!(
        texts_of(&rows, "weather/wind.status")[1],
        null,
        "a default does not hide what was found"
    );
    // LGA 2 h; JFK 1 h, twice; SFO; no time; LGA 9 h, 8 hours old; JFK before its first row.
    assert_eq!(
        texts_of(&rows, "there/temp.status"),
        [found, found, found, none, none, old, none]
    );
    let temps = [Some(9.0), Some(1.0), Some(1.0), None, None, Some(9.0), None];
    assert_eq!(
        floats_of(&rows, "there/temp"),
        temps,
        "the last known value is served past ttl"
    );
    assert_eq!(report.rows, 7);
    assert_eq!(
        report.found,
        BTreeMap::from([("weather".into(), 4.0 / 7.0), ("there".into(), 3.0 / 7.0)])
    );
}

#[tokio::test]
async fn the_manifest_says_what_the_set_was_made_from_and_how_its_columns_are_distributed() {
    let world = World::with_weather().await;
    let report = world.build(&world.spec()).await.unwrap();
    let manifest = world.manifest(&report);
    assert_eq!(
        report.path,
        format!("features/flights/flights/training-sets/delays/{}", report.set_version)
    );
    assert_eq!(
        (manifest.set_version.len(), manifest.observation_digest.len()),
        (16, 64)
    );
    let views: Vec<_> = manifest
        .views
        .iter()
        .map(|v| (v.alias.as_str(), v.generation, v.table_version))
        .collect();
    assert_eq!(views, [("weather", 1, 1), ("there", 1, 1)]);
    let types: BTreeMap<_, _> = manifest
        .columns
        .iter()
        .map(|c| (c.name.as_str(), c.value_type))
        .collect();
    assert_eq!(types["scheduled_at"], ValueType::Timestamp);
    assert_eq!(types["there/temp.status"], ValueType::String);
    assert!(!types.contains_key("day"), "a date is in the files only");
    let measured: Vec<_> = manifest
        .statistics
        .iter()
        .map(|s| (s.name.as_str(), s.count, s.nulls))
        .collect();
    assert_eq!(
        measured,
        [
            ("late", 7, 0),
            ("distance", 7, 1),
            ("weather/wind", 7, 0),
            ("weather/temp", 7, 4),
            ("there/wind", 7, 0),
            ("there/temp", 7, 3),
        ]
    );
    let distance = &manifest.statistics[1];
    assert_eq!(
        (distance.mean, distance.histogram.iter().sum::<u64>()),
        (Some(3.0), 5),
        "NaN is left out"
    );
}

#[tokio::test]
async fn the_same_inputs_give_the_same_version_and_the_set_is_not_written_again() {
    let world = World::with_weather().await;
    let spec = world.spec();
    let first = world.build(&spec).await.unwrap();
    let part = world.path(&first.path).join("part-0000.parquet");
    std::fs::write(&part, "left alone").unwrap();
    let again = world
        .build(&TrainingSetSpec {
            memory_limit_bytes: 1 << 20,
            ..spec.clone()
        })
        .await
        .unwrap();
    assert_eq!(
        (&again.set_version, again.rows, &again.found),
        (&first.set_version, first.rows, &first.found)
    );
    assert_eq!(std::fs::read(&part).unwrap(), b"left alone");

    // The same rows in other files are the same observations.
    std::fs::remove_dir_all(world.path("labels")).unwrap();
    world.put("labels/only.parquet", &flights());
    assert_eq!(world.build(&spec).await.unwrap().set_version, first.set_version);

    // New facts, other features or other observations are not the same inputs.
    let mut fewer = spec.clone();
    fewer.views[0].features.pop();
    assert_ne!(world.build(&fewer).await.unwrap().set_version, first.set_version);
    world.commit(2, &weather_rows().slice(2, 1)).await;
    let same_facts = world.build(&spec).await.unwrap();
    assert_ne!(
        same_facts.set_version, first.set_version,
        "another version of the table"
    );
    world.put("labels/only.parquet", &flights().slice(0, 6));
    assert_ne!(world.build(&spec).await.unwrap().set_version, same_facts.set_version);
}

#[tokio::test]
async fn an_attempt_that_did_not_finish_is_finished_by_the_next() {
    let world = World::with_weather().await;
    let first = world.build(&world.spec()).await.unwrap();
    let expected = world.rows(&first);
    std::fs::remove_file(world.path(&first.path).join("manifest.json")).unwrap();
    std::fs::write(world.path(&first.path).join("part-0000.parquet"), "cut o").unwrap();
    let second = world.build(&world.spec()).await.unwrap();
    assert_eq!(second.set_version, first.set_version);
    assert_eq!(world.rows(&second), expected);
}

#[tokio::test]
async fn a_set_joined_through_files_equals_one_joined_in_memory() {
    let world = World::new();
    let keys: Vec<_> = (0..400).map(|i| format!("airport-{}", (i * 31) % 23)).collect();
    let key = |rows: usize| {
        texts(
            &(0..rows)
                .map(|i| Some(keys[(i * 7) % 400].as_str()))
                .collect::<Vec<_>>(),
        )
    };
    let facts = batch(vec![
        ("origin", key(20_000)),
        (
            "at",
            hours(&(0..20_000).map(|i| Some((i * 37) % 90)).collect::<Vec<_>>()),
        ),
        (
            "temp",
            floats(
                &(0..20_000)
                    .map(|i| (i % 5 > 0).then_some(f64::from(i)))
                    .collect::<Vec<_>>(),
            ),
        ),
        (
            "wind",
            floats(
                &(0..20_000)
                    .map(|i| (i % 7 > 0).then_some(f64::from(i)))
                    .collect::<Vec<_>>(),
            ),
        ),
    ]);
    let flights = batch(vec![
        ("origin", key(30_000)),
        ("dest", key(30_000)),
        (
            "scheduled_at",
            hours(&(0..30_000).map(|i| Some((i * 53) % 100)).collect::<Vec<_>>()),
        ),
        ("late", Arc::new(Int32Array::from_iter_values(0..30_000))),
        ("distance", floats(&vec![None; 30_000])),
    ]);
    world.commit(1, &facts).await;
    world.put("labels/a.parquet", &flights);
    let roomy = world.build(&world.spec()).await.unwrap();
    let expected = world.rows(&roomy);
    std::fs::remove_dir_all(world.path(&roomy.path)).unwrap();
    let tight = world
        .build(&TrainingSetSpec {
            memory_limit_bytes: 1 << 20,
            ..world.spec()
        })
        .await
        .unwrap();
    assert_eq!(tight.set_version, roomy.set_version);
    assert_eq!(world.rows(&tight), expected);
    assert_eq!(expected.num_rows(), 30_000);
    assert_eq!(
        std::fs::read_dir(world.dir.path().join("scratch")).unwrap().count(),
        0,
        "scratch is left clean"
    );
}

#[tokio::test]
async fn no_observations_give_an_empty_set_with_all_columns() {
    let world = World::with_weather().await;
    std::fs::remove_dir_all(world.path("labels")).unwrap();
    world.put("labels/none.parquet", &flights().slice(0, 0));
    let report = world.build(&world.spec()).await.unwrap();
    let rows = world.rows(&report);
    assert_eq!((report.rows, rows.num_rows(), rows.num_columns()), (0, 0, 15));
    assert_eq!(report.found["weather"], 0.0);
}

#[tokio::test]
async fn a_view_without_keys_answers_every_observation() {
    let world = World::with_weather().await;
    let mut spec = world.spec();
    spec.views.truncate(1);
    spec.views[0].view.keys.clear();
    spec.views[0].keys.clear();
    let rows = world.rows(&world.build(&spec).await.unwrap());
    let newest = [Some(9.0), Some(9.0), Some(9.0), None, None, None, None];
    assert_eq!(floats_of(&rows, "weather/temp"), newest);
    assert_eq!(rows.column(0).as_primitive::<Int64Type>().value(0), 7);
}

async fn refusal(world: &World, change: impl FnOnce(&mut TrainingSetSpec)) -> String {
    let mut spec = world.spec();
    change(&mut spec);
    world.build(&spec).await.unwrap_err().to_string()
}

#[tokio::test]
async fn refusals_name_the_set_the_view_and_the_column() {
    let world = World::with_weather().await;
    let key_type = refusal(&world, |spec| {
        spec.views[1].keys.insert("origin".into(), "flight".into());
    })
    .await;
    assert_eq!(
        key_type,
        "training set delays: key origin of view there: observation column flight is Int64, needed is String"
    );
    let absent = refusal(&world, |spec| spec.request.push("wheels".into())).await;
    assert!(
        absent.contains("delays: request: observation column wheels is absent"),
        "{absent}"
    );
    let label = refusal(&world, |spec| spec.label = Some("day".into())).await;
    assert!(label.contains("label: observation column day is Date32"), "{label}");
    let clock = refusal(&world, |spec| spec.timestamp_column = "flight".into()).await;
    assert!(
        clock.contains("timestampColumn: observation column flight is Int64, needed is Timestamp"),
        "{clock}"
    );
    let feature = refusal(&world, |spec| spec.views[0].features.push("fog".into())).await;
    assert_eq!(feature, "training set delays: view weather has no feature fog");
    let keys = refusal(&world, |spec| spec.views[0].keys.clear()).await;
    assert!(
        keys.contains("view weather: keys must name exactly origin, they name none"),
        "{keys}"
    );
    let twice = refusal(&world, |spec| spec.views[1].alias = "weather".into()).await;
    assert!(twice.contains("two columns weather/wind"), "{twice}");
    let table = refusal(&world, |spec| spec.views[0].view.generation = 2).await;
    assert!(
        table.contains("view weather has no offline table at generation 2"),
        "{table}"
    );
    let nothing = refusal(&world, |spec| spec.observations_path = "elsewhere/".into()).await;
    assert!(nothing.contains("there is no Parquet file at elsewhere/"), "{nothing}");
    let owner = refusal(&world, |spec| spec.store.owner = "somebody else".into()).await;
    assert!(owner.contains("belongs to test"), "{owner}");
}

#[tokio::test]
async fn an_observation_file_cut_in_half_or_with_other_columns_is_named() {
    let world = World::with_weather().await;
    let path = world.path("labels/a.parquet");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let cut = world.build(&world.spec()).await.unwrap_err().to_string();
    assert!(cut.contains("labels/a.parquet is not a readable Parquet file"), "{cut}");
    world.put("labels/a.parquet", &flights().project(&[0, 2, 3, 4, 5, 6]).unwrap());
    let other = world.build(&world.spec()).await.unwrap_err().to_string();
    assert!(
        other.contains("columns of labels/b.parquet") && other.contains("labels/a.parquet"),
        "{other}"
    );
    assert_eq!(
        std::fs::read_dir(world.path("features/flights/flights"))
            .unwrap()
            .count(),
        2,
        "no set was begun"
    );
}

#[tokio::test]
async fn an_observation_file_whose_row_group_does_not_fit_is_named_and_fits_with_more_memory() {
    let world = World::with_weather().await;
    let flights = flights();
    let notes: StringArray = (0..flights.num_rows())
        .map(|row| Some(format!("{row}{}", "x".repeat(1_300_000))))
        .collect();
    let mut columns: Vec<(String, ArrayRef, bool)> = flights
        .schema()
        .fields()
        .iter()
        .zip(flights.columns())
        .map(|(field, column)| (field.name().clone(), Arc::clone(column), true))
        .collect();
    columns.push(("note".into(), Arc::new(notes), true));
    world.put(
        "labels/b.parquet",
        &RecordBatch::try_from_iter_with_nullable(columns).unwrap(),
    );
    std::fs::remove_file(world.path("labels/a.parquet")).unwrap();
    let small = TrainingSetSpec {
        memory_limit_bytes: 1 << 20,
        ..world.spec()
    };
    let error = world.build(&small).await.unwrap_err();
    let message = error.to_string();
    assert!(message.contains("row group 0 of labels/b.parquet"), "{message}");
    assert_eq!((error.code(), error.is_retryable()), ("MemoryLimit", true));
    assert_eq!(world.build(&world.spec()).await.unwrap().rows, 7);
}

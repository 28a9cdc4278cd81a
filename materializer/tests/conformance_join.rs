//! The boundary cases of time semantics against training sets: facts as offline tables, questions as observations.

// Helpers outside `#[test]` functions are test code too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::compute::{cast, concat, concat_batches};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use triplane_contract::store::{OfflineAccess, OnlineAccess, StoreAccess};
use triplane_contract::training::{JoinedView, TrainingSetSpec};
use triplane_contract::{ValueType, layout, version};
use triplane_feature_store::conformance::{Case, CaseView, Question, Target, load};
use triplane_feature_store::online::memory::MemoryStore;
use triplane_feature_store::{FixedClock, Value};
use triplane_materializer::Environment;
use triplane_materializer::join::one_row;
use triplane_materializer::offline::{CommitOutcome, RunCommit, TableWriter, commit_run, create_if_absent, row_schema};
use triplane_materializer::progress::Silent;
use triplane_materializer::training_set::build;

/// Enough for everything in memory, and so little that every row goes through files.
const MEMORY_LIMITS: [u64; 2] = [64 << 20, 1];

fn column<'a>(values: impl IntoIterator<Item = &'a Value>, value_type: ValueType) -> ArrayRef {
    let rows: Vec<_> = values.into_iter().map(|value| one_row(value, value_type)).collect();
    let none = one_row(&Value::Null, value_type).slice(0, 0);
    let rows: Vec<&dyn Array> = rows.iter().map(AsRef::as_ref).chain([none.as_ref()]).collect();
    concat(&rows).unwrap()
}

fn batch(columns: Vec<(String, ArrayRef)>, rows: usize) -> RecordBatch {
    let fields: Vec<_> = columns
        .iter()
        .map(|(name, c)| Field::new(name, c.data_type().clone(), true))
        .collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options).unwrap()
}

async fn write_table(env: &Environment, store: &StoreAccess, case: &CaseView) {
    let view = &case.view;
    let root = layout::view_root(&store.root, view);
    let table = create_if_absent(&env.bucket, &root, view).await.unwrap();
    // Files are cut by day, so rows are written in order of time.
    let mut facts = case.facts.clone();
    facts.sort_by_key(|fact| fact.order.event_time_us);
    let time = |micros: i64| Value::Timestamp(micros);
    let mut columns = Vec::new();
    for (place, key) in view.keys.iter().enumerate() {
        columns.push(column(facts.iter().map(|fact| &fact.keys[place]), key.value_type));
    }
    for (place, feature) in view.features.iter().enumerate() {
        let values: Vec<_> = facts
            .iter()
            .map(|fact| fact.values.get(place).cloned().unwrap_or(Value::Null))
            .collect();
        columns.push(column(&values, feature.value_type));
    }
    let event: Vec<_> = facts.iter().map(|fact| time(fact.order.event_time_us)).collect();
    let created: Vec<_> = facts.iter().map(|fact| time(fact.order.created_time_us)).collect();
    columns.extend([
        column(&event, ValueType::Timestamp),
        column(&created, ValueType::Timestamp),
    ]);
    columns.push(Arc::new(Int64Array::from_iter_values(
        facts.iter().map(|fact| fact.order.sequence),
    )));
    columns.push(Arc::new(
        facts.iter().map(|fact| Some(fact.deleted)).collect::<BooleanArray>(),
    ));
    let schema = row_schema(view);
    let mut writer = TableWriter::new(Arc::clone(&env.bucket), root, "1".into(), Arc::clone(&schema));
    writer
        .write(&RecordBatch::try_new(schema, columns).unwrap())
        .await
        .unwrap();
    let files = writer.finish().await.unwrap();
    let commit = RunCommit {
        view,
        run: 1,
        planned_at_us: 0,
        files: &files,
    };
    assert_eq!(commit_run(&table, &commit).await.unwrap(), CommitOutcome::Committed);
}

fn observations(case: &Case, questions: &[&Question]) -> RecordBatch {
    let mut names: Vec<&String> = questions.iter().flat_map(|question| question.columns.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let mut columns = Vec::new();
    for name in names {
        let key_type = case.reads.iter().find_map(|read| {
            let key = read.keys.iter().find(|(_, column)| *column == name)?.0;
            let keys = &case.views[read.view].view.keys;
            keys.iter()
                .find(|column| column.name == *key)
                .map(|column| column.value_type)
        });
        let values: Vec<_> = questions
            .iter()
            .map(|q| q.columns.get(name).cloned().unwrap_or(Value::Null))
            .collect();
        columns.push((name.clone(), column(&values, key_type.unwrap_or(ValueType::String))));
    }
    let as_of: Vec<_> = questions
        .iter()
        .map(|question| Value::Timestamp(question.as_of_us))
        .collect();
    columns.push(("as_of".to_owned(), column(&as_of, ValueType::Timestamp)));
    batch(columns, questions.len())
}

fn spec(case: &Case, store: &StoreAccess, memory_limit_bytes: u64) -> TrainingSetSpec {
    let views = case.reads.iter().map(|read| {
        let view = case.views[read.view].view.clone();
        let features = view.features.iter().map(|feature| feature.name.clone()).collect();
        JoinedView {
            alias: read.alias.clone(),
            view,
            keys: read.keys.clone(),
            features,
        }
    });
    TrainingSetSpec {
        version: version::CURRENT,
        namespace: "conformance".into(),
        // Another limit is the same set: the name makes it be built again.
        name: format!("case-{memory_limit_bytes}"),
        store: store.clone(),
        observations_path: "asked.parquet".into(),
        timestamp_column: "as_of".into(),
        label: None,
        request: Vec::new(),
        views: views.collect(),
        memory_limit_bytes,
    }
}

fn read(folder: &Path) -> RecordBatch {
    let file = File::open(folder.join("part-0000.parquet")).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let schema = builder.schema().clone();
    concat_batches(
        &schema,
        &builder.build().unwrap().map(Result::unwrap).collect::<Vec<_>>(),
    )
    .unwrap()
}

fn check(case: &Case, questions: &[&Question], observed: &RecordBatch, rows: &RecordBatch) {
    assert_eq!(rows.num_rows(), questions.len(), "case {}", case.number);
    assert_eq!(
        &rows.columns()[..observed.num_columns()],
        observed.columns(),
        "case {}",
        case.number
    );
    for read in &case.reads {
        for feature in &case.views[read.view].view.features {
            let name = format!("{}/{}", read.alias, feature.name);
            let expected: Vec<_> = questions.iter().map(|question| &question.expect[&name]).collect();
            let statuses = cast(rows.column_by_name(&format!("{name}.status")).unwrap(), &DataType::Utf8).unwrap();
            let statuses: Vec<_> = statuses.as_string::<i32>().iter().flatten().collect();
            let wanted: Vec<_> = expected.iter().map(|answer| answer.status.name()).collect();
            assert_eq!(statuses, wanted, "case {}: {name}", case.number);
            let values = column(expected.iter().map(|answer| &answer.value), feature.value_type);
            assert_eq!(
                rows.column_by_name(&name).unwrap(),
                &values,
                "case {}: {name}",
                case.number
            );
        }
    }
}

async fn run_case(case: &Case) {
    let dir = tempfile::tempdir().unwrap();
    let offline = OfflineAccess::Directory {
        path: dir.path().display().to_string(),
    };
    let clock = Arc::new(FixedClock::new(0));
    let env = Environment {
        bucket: triplane_bucket::open(&offline).unwrap(),
        online: Arc::new(MemoryStore::new(clock.clone())),
        clock,
        scratch: dir.path().join("scratch"),
    };
    let root = layout::store_root("", "conformance", "store");
    let store = StoreAccess {
        online: OnlineAccess::Memory,
        offline,
        root,
        owner: "test".into(),
    };
    for view in &case.views {
        write_table(&env, &store, view).await;
    }
    let questions: Vec<_> = case
        .questions
        .iter()
        .filter(|q| q.targets.contains(&Target::Join))
        .collect();
    let observed = observations(case, &questions);
    let file = File::create(dir.path().join("asked.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, observed.schema(), None).unwrap();
    writer.write(&observed).unwrap();
    writer.close().unwrap();
    for limit in MEMORY_LIMITS {
        let report = build(&spec(case, &store, limit), &env, &Silent).await.unwrap();
        check(case, &questions, &observed, &read(&dir.path().join(&report.path)));
    }
}

#[tokio::test]
async fn every_case_that_names_the_join_holds_in_memory_and_through_files() {
    let cases: Vec<_> = load()
        .unwrap()
        .into_iter()
        .filter(|case| case.targets.contains(&Target::Join))
        .collect();
    assert!(cases.len() >= 15, "{} cases name the join", cases.len());
    for case in &cases {
        run_case(case).await;
    }
}

//! Verification: what is reported of a model before it is served.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use object_store::local::LocalFileSystem;
use parquet::arrow::ArrowWriter;
use tempfile::TempDir;
use triplane_contract::model::{Golden, ModelCheckReport, ModelCheckSpec, ModelFault};
use triplane_inference_server::runtime::Runtime as _;
use triplane_inference_server::runtime::lightgbm;
use triplane_inference_server::verify;

use crate::world::{bucket, fixture, model, store_access};

const ROWS: usize = 50;

fn spec(bucket: &TempDir) -> ModelCheckSpec {
    ModelCheckSpec {
        version: 1,
        namespace: "flights".to_owned(),
        model: model(),
        golden: Some(Golden {
            path: "models/golden.parquet".to_owned(),
            tolerance: 1e-9,
        }),
        store: store_access(bucket.path()),
        max_artifact_bytes: 1 << 20,
    }
}

/// Columns of inputs with holes, and the model's predictions moved by `error` in the last row.
fn golden(error: f64) -> Vec<(String, ArrayRef)> {
    let value =
        |row: usize, input: usize| (!(row + input).is_multiple_of(7)).then_some(row as f64 * 0.5 - input as f64);
    let model_file = lightgbm::Model::load(&fixture("binary.txt")).unwrap();
    let vectors: Vec<f64> = (0..ROWS)
        .flat_map(|row| (0..6).map(move |i| value(row, i).unwrap_or(f64::NAN)))
        .collect();
    let mut scores = vec![0.0; ROWS];
    model_file.predict(&vectors, &mut scores);
    scores[ROWS - 1] += error;
    let inputs = model().inputs.into_iter().enumerate().map(|(index, input)| {
        let column: Float64Array = (0..ROWS).map(|row| value(row, index)).collect();
        (input.name(), Arc::new(column) as ArrayRef)
    });
    inputs
        .chain([(
            "prediction".to_owned(),
            Arc::new(Float64Array::from(scores)) as ArrayRef,
        )])
        .collect()
}

fn write(bucket: &TempDir, columns: Vec<(String, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = std::fs::File::create(bucket.path().join("models/golden.parquet")).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

async fn check(bucket: &TempDir, change: impl FnOnce(&mut ModelCheckSpec)) -> ModelCheckReport {
    let mut spec = spec(bucket);
    change(&mut spec);
    verify(&spec, &LocalFileSystem::new_with_prefix(bucket.path()).unwrap()).await
}

#[tokio::test]
async fn a_model_that_reproduces_its_golden_predictions_is_verified() {
    let bucket = bucket();
    write(&bucket, golden(0.0));
    let report = check(&bucket, |_| {}).await;
    assert_eq!(
        (report.fault, report.golden_rows, report.golden_max_difference),
        (None, ROWS as u64, 0.0),
        "{}",
        report.message
    );
    assert_eq!(report.sha256, model().sha256);
    let report = check(&bucket, |spec| spec.golden = None).await;
    assert_eq!((report.fault, report.golden_rows), (None, 0));
}

#[tokio::test]
async fn a_prediction_off_by_more_than_the_tolerance_is_a_mismatch() {
    let bucket = bucket();
    write(&bucket, golden(1e-6));
    let report = check(&bucket, |_| {}).await;
    assert_eq!(report.fault, Some(ModelFault::GoldenMismatch));
    assert!(
        report.message.contains("golden file models/golden.parquet: row 49"),
        "{}",
        report.message
    );
    assert!((report.golden_max_difference - 1e-6).abs() < 1e-12);
    let report = check(&bucket, |spec| spec.golden.as_mut().unwrap().tolerance = 1e-5).await;
    assert_eq!(report.fault, None);
    write(&bucket, golden(f64::NAN));
    assert_eq!(check(&bucket, |_| {}).await.fault, Some(ModelFault::GoldenMismatch));
}

#[tokio::test]
async fn a_golden_file_of_another_form_is_named() {
    let bucket = bucket();
    let mut swapped = golden(0.0);
    swapped.swap(0, 1);
    write(&bucket, swapped);
    let report = check(&bucket, |_| {}).await;
    assert_eq!(report.fault, Some(ModelFault::GoldenMismatch));
    assert!(report.message.contains("the model's order"), "{}", report.message);
    let mut whole = golden(0.0);
    whole[5].1 = Arc::new(Int64Array::from(vec![1; ROWS]));
    write(&bucket, whole);
    assert!(
        check(&bucket, |_| {})
            .await
            .message
            .contains("\"hour\" is Int64, not Float64")
    );
    let none = golden(0.0).into_iter().map(|(name, column)| (name, column.slice(0, 0)));
    write(&bucket, none.collect());
    let report = check(&bucket, |_| {}).await;
    assert_eq!(report.fault, Some(ModelFault::GoldenMismatch));
    assert!(
        report.message.contains("models/golden.parquet: it has no rows"),
        "{}",
        report.message
    );
    std::fs::write(bucket.path().join("models/golden.parquet"), "PAR1").unwrap();
    assert!(check(&bucket, |_| {}).await.message.contains("not readable Parquet"));
    std::fs::remove_file(bucket.path().join("models/golden.parquet")).unwrap();
    let report = check(&bucket, |_| {}).await;
    assert_eq!(report.fault, Some(ModelFault::ArtifactMissing));
    assert!(report.message.contains("models/golden.parquet"), "{}", report.message);
}

#[tokio::test]
async fn every_fault_of_an_artifact_is_told_apart() {
    let bucket = bucket();
    write(&bucket, golden(0.0));
    let fault = async |change: &dyn Fn(&mut ModelCheckSpec)| check(&bucket, |spec| change(spec)).await.fault;
    assert_eq!(
        fault(&|s| s.model.artifact_path = "models/none.txt".to_owned()).await,
        Some(ModelFault::ArtifactMissing)
    );
    assert_eq!(
        fault(&|s| s.max_artifact_bytes = 100).await,
        Some(ModelFault::ArtifactTooLarge)
    );
    assert_eq!(
        fault(&|s| s.model.sha256 = "f".repeat(64)).await,
        Some(ModelFault::DigestMismatch)
    );
    assert_eq!(
        fault(&|s| drop(s.model.inputs.pop())).await,
        Some(ModelFault::InputMismatch)
    );
    let cut = &fixture("binary.txt")[..1_500];
    std::fs::write(bucket.path().join("models/cut.txt"), cut).unwrap();
    let cut_digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(cut));
    let report = check(&bucket, |spec| {
        spec.model.artifact_path = "models/cut.txt".to_owned();
        spec.model.sha256 = cut_digest;
    })
    .await;
    assert_eq!(report.fault, Some(ModelFault::LoadFailed));
    assert!(report.message.contains("cut off"), "{}", report.message);
}

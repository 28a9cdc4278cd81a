//! Verifying a model: the same code that serves it fetches, loads and scores it.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type};
use bytes::Bytes;
use object_store::ObjectStore;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use triplane_contract::model::{Golden, Input, ModelCheckReport, ModelCheckSpec, ModelFault, ServedModel};
use triplane_contract::version;

use crate::artifact::{ArtifactError, fetch};
use crate::runtime::Runtime;
use crate::service::{ServeError, load_model};

/// Golden rows at most.
const MAX_GOLDEN_ROWS: usize = 200;
/// Bytes of a golden file at most.
const MAX_GOLDEN_BYTES: u64 = 64 << 20;
/// Column of the trainer's predictions.
const PREDICTION: &str = "prediction";

/// What was compared.
#[derive(Clone, Copy, Debug, Default)]
struct Compared {
    rows: u64,
    max_difference: f64,
}

/// A refusal: what is wrong, and what the golden comparison had found by then.
struct Refused {
    fault: ModelFault,
    message: String,
    compared: Compared,
}

impl Refused {
    fn new(fault: ModelFault, message: impl Into<String>) -> Self {
        Self {
            fault,
            message: message.into(),
            compared: Compared::default(),
        }
    }
}

/// Checks a model against its artifact and golden predictions. Every failure is a report.
pub async fn verify(spec: &ModelCheckSpec, bucket: &dyn ObjectStore) -> ModelCheckReport {
    let outcome = check(spec, bucket).await;
    let (fault, message, compared) = match outcome {
        Ok(compared) => (None, verified(spec, compared), compared),
        Err(refused) => (Some(refused.fault), refused.message, refused.compared),
    };
    ModelCheckReport {
        version: version::CURRENT,
        sha256: spec.model.sha256.clone(),
        fault,
        message,
        golden_rows: compared.rows,
        golden_max_difference: compared.max_difference,
    }
}

fn verified(spec: &ModelCheckSpec, compared: Compared) -> String {
    let inputs = spec.model.inputs.len();
    match &spec.golden {
        None => format!("loaded, {inputs} inputs; no golden predictions are declared"),
        Some(_) => {
            format!(
                "{} golden predictions of {inputs} inputs reproduced, largest difference {:e}",
                compared.rows, compared.max_difference
            )
        }
    }
}

async fn check(spec: &ModelCheckSpec, bucket: &dyn ObjectStore) -> Result<Compared, Refused> {
    version::check("the model check", spec.version).map_err(|message| Refused::new(ModelFault::LoadFailed, message))?;
    let model = &spec.model;
    let (runtime, _) = load_model(model, bucket, "", spec.max_artifact_bytes)
        .await
        .map_err(|error| match error {
            ServeError::Artifact { source, .. } => unfetched(&source),
            ServeError::Load { .. } | ServeError::Loader { .. } => {
                Refused::new(ModelFault::LoadFailed, error.to_string())
            }
            _ => Refused::new(ModelFault::InputMismatch, error.to_string()),
        })?;
    let Some(golden) = &spec.golden else {
        return Ok(Compared::default());
    };
    let file = fetch(bucket, &golden.path, MAX_GOLDEN_BYTES)
        .await
        .map_err(|error| unfetched(&error))?;
    let rows = read_golden(file, model).map_err(|message| {
        Refused::new(
            ModelFault::GoldenMismatch,
            format!("golden file {}: {message}", golden.path),
        )
    })?;
    compare(runtime.as_ref(), &rows, golden)
}

fn unfetched(error: &ArtifactError) -> Refused {
    let fault = match error {
        ArtifactError::TooLarge { .. } => ModelFault::ArtifactTooLarge,
        ArtifactError::Digest { .. } => ModelFault::DigestMismatch,
        _ => ModelFault::ArtifactMissing,
    };
    Refused::new(fault, error.to_string())
}

/// Golden rows: vectors row-major, and the trainer's predictions.
#[derive(Debug, Default)]
struct GoldenRows {
    vectors: Vec<f64>,
    predictions: Vec<f64>,
}

fn read_golden(file: Bytes, model: &ServedModel) -> Result<GoldenRows, String> {
    let unreadable = |error: &dyn std::fmt::Display| format!("it is not readable Parquet: {error}");
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| unreadable(&error))?;
    let mut columns: Vec<String> = model.inputs.iter().map(Input::name).collect();
    columns.push(PREDICTION.to_owned());
    let found: Vec<&String> = builder.schema().fields().iter().map(|field| field.name()).collect();
    if found != columns.iter().collect::<Vec<_>>() {
        return Err(format!(
            "its columns are {found:?}, not {columns:?}: write the inputs in the model's order"
        ));
    }
    let wrong = builder
        .schema()
        .fields()
        .iter()
        .find(|field| *field.data_type() != DataType::Float64);
    if let Some(field) = wrong {
        return Err(format!(
            "column \"{}\" is {}, not Float64",
            field.name(),
            field.data_type()
        ));
    }
    let mut rows = GoldenRows::default();
    for batch in builder.build().map_err(|error| unreadable(&error))? {
        append(&batch.map_err(|error| unreadable(&error))?, &mut rows);
        if rows.predictions.len() > MAX_GOLDEN_ROWS {
            return Err(format!("it has more than {MAX_GOLDEN_ROWS} rows: keep a sample"));
        }
    }
    if rows.predictions.is_empty() {
        return Err(
            "it has no rows, which proves nothing: write predictions of the trainer, or declare none".to_owned(),
        );
    }
    Ok(rows)
}

fn append(batch: &RecordBatch, into: &mut GoldenRows) {
    let value = |column: usize, row: usize| {
        let column = batch.column(column).as_primitive::<Float64Type>();
        if column.is_null(row) {
            f64::NAN
        } else {
            column.value(row)
        }
    };
    let inputs = batch.num_columns() - 1;
    for row in 0..batch.num_rows() {
        into.vectors.extend((0..inputs).map(|column| value(column, row)));
        into.predictions.push(value(inputs, row));
    }
}

fn compare(model: &dyn Runtime, golden: &GoldenRows, declared: &Golden) -> Result<Compared, Refused> {
    let mut scores = vec![0.0; golden.predictions.len()];
    model.predict(&golden.vectors, &mut scores);
    let mut compared = Compared {
        rows: scores.len() as u64,
        max_difference: 0.0,
    };
    let mut worst = None;
    for (row, (score, expected)) in scores.iter().zip(&golden.predictions).enumerate() {
        let difference = (score - expected).abs();
        // A NaN on either side is never within the tolerance.
        if difference.is_nan() || difference > compared.max_difference {
            compared.max_difference = if difference.is_nan() { f64::INFINITY } else { difference };
            worst = Some((row, *score, *expected));
        }
    }
    match worst {
        Some((row, score, expected)) if compared.max_difference > declared.tolerance => {
            let message = format!(
                "golden file {}: row {row} gives {score}, the trainer had {expected}: the inputs are not in the order of training, or another model was uploaded (tolerance {:e})",
                declared.path, declared.tolerance
            );
            Err(Refused {
                fault: ModelFault::GoldenMismatch,
                message,
                compared,
            })
        }
        _ => Ok(compared),
    }
}

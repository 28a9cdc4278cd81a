//! Input vectors, comparable to the bit, wherever they come from.

use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

/// One input of a model: the bits of its number, NaN (of any payload) and NULL being "missing".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// NaN or NULL.
    Missing,
    /// Bits of a number.
    Bits(u64),
}

impl Cell {
    /// The cell of a number.
    pub fn of(number: f64) -> Self {
        if number.is_nan() {
            Self::Missing
        } else {
            Self::Bits(number.to_bits())
        }
    }

    /// The cell of a value on the wire: a number, null, or an infinity as text.
    pub fn of_json(value: &Value) -> Self {
        match value {
            Value::Null => Self::Missing,
            Value::String(text) => Self::of(text.parse().unwrap_or_else(|_| panic!("{text} is not a number"))),
            other => Self::of(other.as_f64().unwrap_or_else(|| panic!("{other} is not a number"))),
        }
    }

    /// The number; `None` where it is missing.
    pub fn number(self) -> Option<f64> {
        match self {
            Self::Missing => None,
            Self::Bits(bits) => Some(f64::from_bits(bits)),
        }
    }
}

/// Columns `names` of the training set at `root` as the model sees them, with the status of each that has one
/// (`REQUEST` for the others), row by row in order.
pub fn of_training_set(root: &Path, names: &[String]) -> Vec<(Vec<Cell>, Vec<String>)> {
    let manifest = std::fs::read(root.join("manifest.json")).expect("manifest.json");
    let manifest: Value = serde_json::from_slice(&manifest).expect("a manifest is JSON");
    let files = manifest["files"].as_array().expect("files");
    let batches = files
        .iter()
        .flat_map(|file| batches(&root.join(file.as_str().expect("a file name"))));
    batches.flat_map(|batch| rows(&batch, names)).collect()
}

fn batches(path: &Path) -> Vec<RecordBatch> {
    let file = std::fs::File::open(path).unwrap_or_else(|error| panic!("failed to open {}: {error}", path.display()));
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .expect("parquet");
    reader.collect::<Result<_, _>>().expect("batches")
}

fn rows(batch: &RecordBatch, names: &[String]) -> Vec<(Vec<Cell>, Vec<String>)> {
    let mut rows = vec![(Vec::new(), Vec::new()); batch.num_rows()];
    for name in names {
        let column = batch
            .column_by_name(name)
            .unwrap_or_else(|| panic!("the set has no column {name}"));
        // Arrow knows no cast from time to float; a time is its microseconds.
        let whole = match column.data_type() {
            DataType::Timestamp(..) => cast(column, &DataType::Int64).expect("a time as integer"),
            _ => column.clone(),
        };
        let numbers = cast(&whole, &DataType::Float64).expect("a numeric column");
        let statuses = batch.column_by_name(&format!("{name}.status"));
        let statuses = statuses.map(|statuses| cast(statuses, &DataType::Utf8).expect("a text column"));
        for (index, (cells, names)) in rows.iter_mut().enumerate() {
            let numbers = numbers.as_primitive::<Float64Type>();
            cells.push(if numbers.is_null(index) {
                Cell::Missing
            } else {
                Cell::of(numbers.value(index))
            });
            names.push(
                statuses
                    .as_ref()
                    .map_or("REQUEST", |all| all.as_string::<i32>().value(index))
                    .to_owned(),
            );
        }
    }
    rows
}

//! Statistics of one column in one pass: the baseline that drift is measured against.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMicrosecondType};
use arrow::error::ArrowError;
use triplane_contract::ValueType;
use triplane_contract::training::ColumnStatistics;

use super::layout::SetLayout;
use super::sketch::{Sketch, quantiles};
use crate::join::canonical;

/// Shares of the quantiles in the manifest.
const QUANTILES: [f64; 9] = [0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0];
/// Buckets of equal weight that a histogram starts from.
const BUCKETS: usize = 10;

/// The statistics of every column of a set that has them.
pub(super) struct Statistics(Vec<(usize, Collected)>);

impl Statistics {
    pub(super) fn new(layout: &SetLayout) -> Self {
        let columns = layout.measured.iter();
        let named = |index: usize| layout.schema.field(index).name();
        Self(
            columns
                .map(|(index, value_type)| (*index, Collected::new(named(*index), *value_type)))
                .collect(),
        )
    }

    pub(super) fn add(&mut self, rows: &RecordBatch) -> Result<(), ArrowError> {
        self.0
            .iter_mut()
            .try_for_each(|(index, collected)| collected.add(rows.column(*index)))
    }

    pub(super) fn finish(self) -> Vec<ColumnStatistics> {
        self.0.into_iter().map(|(_, collected)| collected.finish()).collect()
    }
}

/// Collects the statistics of a column.
struct Collected {
    name: String,
    value_type: ValueType,
    count: u64,
    nulls: u64,
    finite: u64,
    mean: f64,
    least: f64,
    greatest: f64,
    sketch: Sketch,
}

impl Collected {
    fn new(name: &str, value_type: ValueType) -> Self {
        Self {
            name: name.to_owned(),
            value_type,
            count: 0,
            nulls: 0,
            finite: 0,
            mean: 0.0,
            least: f64::INFINITY,
            greatest: f64::NEG_INFINITY,
            sketch: Sketch::default(),
        }
    }

    /// Takes the next rows of the column. Bools count as 0 and 1, times as microseconds.
    fn add(&mut self, column: &ArrayRef) -> Result<(), ArrowError> {
        self.count += column.len() as u64;
        self.nulls += column.logical_null_count() as u64;
        if !self.value_type.is_numeric() {
            return Ok(());
        }
        let numbers = match self.value_type {
            ValueType::Timestamp => {
                let micros = canonical(column, ValueType::Timestamp).ok_or_else(|| out_of_range(&self.name))?;
                let micros = micros
                    .as_primitive::<TimestampMicrosecondType>()
                    .reinterpret_cast::<Int64Type>();
                cast(&micros, &DataType::Float64)?
            }
            _ => cast(column, &DataType::Float64)?,
        };
        numbers
            .as_primitive::<Float64Type>()
            .iter()
            .flatten()
            .filter(|v| v.is_finite())
            .for_each(|v| self.insert(v));
        Ok(())
    }

    fn insert(&mut self, value: f64) {
        self.finite += 1;
        // Halves, because the difference of two finite numbers need not be finite.
        self.mean += 2.0 * ((value / 2.0 - self.mean / 2.0) / self.finite as f64);
        self.least = self.least.min(value);
        self.greatest = self.greatest.max(value);
        self.sketch.insert(value);
    }

    /// The statistics of all rows taken.
    fn finish(self) -> ColumnStatistics {
        let mut weighted = self.sketch.weighted();
        // Halving may lose the ends; they are known exactly.
        if let Some(first) = weighted.first_mut() {
            first.0 = self.least;
        }
        if let Some(last) = weighted.last_mut() {
            last.0 = self.greatest;
        }
        let edges = edges(&weighted);
        ColumnStatistics {
            name: self.name,
            value_type: self.value_type,
            count: self.count,
            nulls: self.nulls,
            mean: (self.finite > 0).then_some(self.mean),
            quantiles: quantiles(&weighted, &QUANTILES),
            histogram: histogram(&weighted, &edges),
            edges,
        }
    }
}

fn out_of_range(column: &str) -> ArrowError {
    ArrowError::CastError(format!("column {column} holds a time beyond the range of microseconds"))
}

/// Edges of at most 20 buckets: ten of equal weight; a value that fills more than one of them (0 or 1 of a label, a default)
/// gets a bucket of its own, from the value to the next number.
fn edges(weighted: &[(f64, u64)]) -> Vec<f64> {
    let shares: Vec<f64> = (0..=BUCKETS).map(|bucket| bucket as f64 / BUCKETS as f64).collect();
    let cuts = quantiles(weighted, &shares);
    let mut edges: Vec<f64> = Vec::new();
    for same in cuts.chunk_by(|a, b| a == b) {
        edges.push(same[0]);
        if same.len() > 1 {
            edges.push(same[0].next_up());
        }
    }
    edges.dedup();
    edges
}

/// Weight per bucket `[edge, next edge)`, the last one including its upper edge.
fn histogram(weighted: &[(f64, u64)], edges: &[f64]) -> Vec<u64> {
    let mut counts = vec![0; edges.len().saturating_sub(1)];
    if counts.is_empty() {
        return counts;
    }
    for (value, weight) in weighted {
        let bucket = edges.partition_point(|edge| edge <= value).clamp(1, counts.len()) - 1;
        counts[bucket] += weight;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{BooleanArray, Float64Array, Int64Array, StringArray};
    use std::sync::Arc;

    fn statistics(value_type: ValueType, batches: &[ArrayRef]) -> ColumnStatistics {
        let mut collected = Collected::new("c", value_type);
        for batch in batches {
            collected.add(batch).unwrap();
        }
        collected.finish()
    }

    #[test]
    fn numbers_have_mean_quantiles_and_buckets_of_equal_weight() {
        let found = statistics(ValueType::Int64, &[Arc::new(Int64Array::from_iter_values(0..101))]);
        assert_eq!((found.count, found.nulls, found.mean), (101, 0, Some(50.0)));
        assert_eq!(
            found.quantiles,
            vec![0.0, 1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0, 100.0]
        );
        assert_eq!(found.edges.len(), 11);
        assert_eq!(found.histogram, vec![10, 10, 10, 10, 10, 10, 10, 10, 10, 11]);
    }

    #[test]
    fn nulls_are_counted_and_what_is_not_finite_is_left_out() {
        let values = vec![
            None,
            Some(f64::NAN),
            Some(f64::INFINITY),
            Some(f64::MAX),
            Some(f64::MIN),
        ];
        let found = statistics(ValueType::Float64, &[Arc::new(Float64Array::from(values))]);
        assert_eq!((found.count, found.nulls, found.mean), (5, 1, Some(0.0)));
        assert_eq!((found.quantiles[0], found.quantiles[8]), (f64::MIN, f64::MAX));
    }

    #[test]
    fn a_rare_label_and_a_constant_have_buckets_of_their_own() {
        let mut labels = vec![false; 99];
        labels.push(true);
        let found = statistics(ValueType::Bool, &[Arc::new(BooleanArray::from(labels))]);
        assert_eq!(found.edges, vec![0.0, 0.0_f64.next_up(), 1.0]);
        assert_eq!(found.histogram, vec![99, 1]);
        let constant = statistics(ValueType::Float64, &[Arc::new(Float64Array::from(vec![7.0; 3]))]);
        assert_eq!(constant.edges, vec![7.0, 7.0_f64.next_up()]);
        assert_eq!(constant.histogram, vec![3]);
    }

    #[test]
    fn text_and_empty_columns_have_counts_only() {
        let text = statistics(ValueType::String, &[Arc::new(StringArray::from(vec![Some("a"), None]))]);
        assert_eq!(
            (
                text.count,
                text.nulls,
                text.mean,
                text.quantiles.len(),
                text.edges.len()
            ),
            (2, 1, None, 0, 0)
        );
        let none = statistics(ValueType::Float64, &[]);
        assert_eq!((none.count, none.mean, none.histogram.len()), (0, None, 0));
    }

    #[test]
    fn every_finite_value_is_in_some_bucket_after_halving() {
        let values = Float64Array::from_iter_values((0..50_000).map(|i| f64::from((i * 7_919) % 50_000)));
        let found = statistics(ValueType::Float64, &[Arc::new(values)]);
        let total: u64 = found.histogram.iter().sum();
        assert!(total.abs_diff(50_000) <= 50, "{total}");
        assert_eq!((found.quantiles[0], found.quantiles[8]), (0.0, 49_999.0));
    }
}

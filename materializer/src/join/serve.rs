//! From what was found to what is served: the rules of `triplane_feature_store::semantics`, applied to columns.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int8Array, RecordBatch, Scalar, new_null_array};
use arrow::compute::kernels::zip::zip;
use arrow::compute::{not, nullif};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use triplane_contract::{FeatureColumn, View};
use triplane_feature_store::order::{Order, Rank};
use triplane_feature_store::semantics::{FeatureRule, Pick, RowAge, ViewRule, expires_at_us};

use super::JoinError;
use super::block::batch_of;
use super::types::one_row;
use crate::offline::arrow_type;

/// Serves the features of one view.
pub(crate) struct Server {
    view: View,
    rule: ViewRule,
    features: Vec<Feature>,
    schema: SchemaRef,
    raw_schema: SchemaRef,
}

struct Feature {
    rule: FeatureRule,
    /// What is served where the row's value is not: one row, NULL unless `onMissing` is `Default`.
    otherwise: ArrayRef,
}

impl Server {
    /// Compiles the rules of `features`, columns of `view`, in output order.
    pub(crate) fn new(view: &View, features: &[FeatureColumn]) -> Result<Self, JoinError> {
        let compiled = features
            .iter()
            .map(|column| {
                let rule = FeatureRule::compile(column).map_err(|source| JoinError::Rule { source })?;
                let otherwise = one_row(rule.default_value(), column.value_type);
                Ok(Feature { rule, otherwise })
            })
            .collect::<Result<_, JoinError>>()?;
        let value = |column: &FeatureColumn| Field::new(&column.name, arrow_type(column.value_type), true);
        let status = |column: &FeatureColumn| Field::new(format!("{}.status", column.name), DataType::Int8, false);
        let answers: Vec<Field> = features
            .iter()
            .flat_map(|column| [value(column), status(column)])
            .collect();
        Ok(Self {
            view: view.clone(),
            rule: ViewRule::offline(view),
            features: compiled,
            schema: Arc::new(Schema::new(answers)),
            raw_schema: Arc::new(Schema::new(features.iter().map(value).collect::<Vec<_>>())),
        })
    }

    /// Columns of the answers: each feature, and beside it its status as a number.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Columns of the facts that answers are made from.
    pub(crate) fn raw_schema(&self) -> &SchemaRef {
        &self.raw_schema
    }

    /// Whether a fact can be known at `as_of_us`.
    pub(crate) fn is_known(&self, event_time_us: i64, as_of_us: i64) -> bool {
        self.rule.is_known(event_time_us, as_of_us)
    }

    /// Sees the newest fact from an observation. A row that the online store would have removed by then is absent, so that its
    /// status does not depend on how far back the other observations make the join read.
    pub(crate) fn age(&self, event_time_us: Option<i64>, as_of_us: i64) -> RowAge {
        let age = self.rule.age(event_time_us, as_of_us);
        let order = |event_time_us| Order {
            event_time_us,
            created_time_us: 0,
            sequence: 0,
        };
        let removed_us = event_time_us.and_then(|time| expires_at_us(&self.view, Rank::live(order(time))));
        match age {
            RowAge::Expired(_) if removed_us.is_some_and(|removed_us| removed_us <= as_of_us) => RowAge::Absent,
            age => age,
        }
    }

    /// One row of NULLs in place of a fact.
    pub(crate) fn no_fact(&self) -> Result<RecordBatch, JoinError> {
        let nulls = self
            .raw_schema
            .fields()
            .iter()
            .map(|field| new_null_array(field.data_type(), 1))
            .collect();
        batch_of(Arc::clone(&self.raw_schema), nulls, 1)
    }

    /// The answer to an observation that no fact can match.
    pub(crate) fn no_answer(&self) -> Result<RecordBatch, JoinError> {
        self.serve(&[RowAge::Absent], &self.no_fact()?)
    }

    /// Answers for rows whose facts are `raw` (NULL where there is none), seen at `ages`.
    pub(crate) fn serve(&self, ages: &[RowAge], raw: &RecordBatch) -> Result<RecordBatch, JoinError> {
        let mut columns = Vec::with_capacity(2 * self.features.len());
        for (feature, raw) in self.features.iter().zip(raw.columns()) {
            columns.extend(feature.serve(ages, raw)?);
        }
        batch_of(Arc::clone(&self.schema), columns, ages.len())
    }
}

impl Feature {
    fn serve(&self, ages: &[RowAge], raw: &ArrayRef) -> Result<[ArrayRef; 2], JoinError> {
        let mut statuses = Vec::with_capacity(ages.len());
        let mut from_row = Vec::with_capacity(ages.len());
        for (row, age) in ages.iter().enumerate() {
            let (status, pick) = self.rule.decide(*age, raw.is_null(row));
            statuses.push(status as i8);
            from_row.push(matches!(pick, Pick::Row | Pick::StaleRow));
        }
        let from_row = BooleanArray::from(from_row);
        let value = if from_row.true_count() == ages.len() {
            Arc::clone(raw)
        } else if self.otherwise.is_null(0) {
            not(&from_row)
                .and_then(|hide| nullif(raw, &hide))
                .map_err(JoinError::arrow("hide values"))?
        } else {
            zip(&from_row, raw, &Scalar::new(Arc::clone(&self.otherwise)))
                .map_err(JoinError::arrow("fill in defaults"))?
        };
        Ok([value, Arc::new(Int8Array::from(statuses))])
    }
}

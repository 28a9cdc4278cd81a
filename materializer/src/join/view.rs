//! The join of one view: sort, merge, serve, and back into observation order.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch};
use arrow::buffer::NullBuffer;
use arrow::compute::filter;
use arrow::datatypes::{Int64Type, Schema, SchemaRef, TimestampMicrosecondType};
use triplane_contract::{FeatureColumn, ValueType, View};
use triplane_feature_store::semantics::{EXPIRY_GRACE_US, ViewRule};

use super::JoinError;
use super::answers::ViewAnswers;
use super::block::{Block, batch_of};
use super::code::KeyCoder;
use super::collect::Collector;
use super::merge::merge;
use super::serve::Server;
use super::shares::Shares;
use super::sorter::Sorter;
use super::spill::Scratch;
use super::types::canonical;

/// One view to be joined.
#[derive(Clone, Copy, Debug)]
pub struct ViewJoin<'a> {
    /// The view generation.
    pub view: &'a View,
    /// Its features in output order.
    pub features: &'a [FeatureColumn],
    /// Number of observations.
    pub rows: u64,
    /// Memory.
    pub shares: Shares,
}

/// Event times that can matter to observations from the first to the last of these as-of times; `None`: none can.
pub fn event_times(view: &View, (first_us, last_us): (i64, i64)) -> Option<(i64, i64)> {
    let to = ViewRule::offline(view).newest_known_us(last_us)?;
    let reach = view.reach_us().map(|reach| reach.saturating_add(EXPIRY_GRACE_US));
    Some((reach.map_or(i64::MIN, |reach| first_us.saturating_sub(reach)), to))
}

/// Columns of facts beside keys and features.
const FACT_COLUMNS: usize = 4;

impl ViewJoin<'_> {
    /// Answers every observation, in order.
    ///
    /// `asks`: batches of the view's keys in declared order, then the as-of time, one row an observation, in order.
    /// `facts`: batches of the keys, `event_time`, `created_time`, `sequence`, `is_deleted`, then the features, in any
    /// order; rows with a NULL key or time match nothing.
    pub fn run(
        &self,
        asks: impl Iterator<Item = Result<RecordBatch, JoinError>>,
        facts: impl Iterator<Item = Result<RecordBatch, JoinError>>,
        scratch: &Arc<Scratch>,
    ) -> Result<ViewAnswers, JoinError> {
        let server = Server::new(self.view, self.features)?;
        let coder = KeyCoder::new(&self.view.keys.iter().map(|key| key.value_type).collect::<Vec<_>>())?;
        let empty = Arc::new(Schema::empty());
        let mut asked = Sorter::new(self.shares.asks, &empty, scratch);
        let mut first_row = 0;
        for batch in asks {
            let batch = batch?;
            asked.push(self.ask_block(&coder, &batch, first_row)?)?;
            first_row += batch.num_rows() as i64;
        }
        let mut known = Sorter::new(self.shares.facts, server.raw_schema(), scratch);
        for batch in facts {
            known.push(self.fact_block(&coder, server.raw_schema(), &batch?)?)?;
        }
        let (mut asked, mut known) = (asked.finish()?, known.finish()?);
        let mut collector = Collector::new(&server, self.rows as usize, known.in_memory(), self.shares, scratch)?;
        let is_known = |event_time_us, as_of_us| server.is_known(event_time_us, as_of_us);
        merge(&mut asked, &mut known, is_known, |found| collector.add(&found))?;
        drop((asked, known));
        collector.finish()
    }

    fn ask_block(&self, coder: &KeyCoder, batch: &RecordBatch, first_row: i64) -> Result<Block, JoinError> {
        let keys = self.view.keys.len();
        let mut columns = self.keys_of(batch)?;
        columns.push(micros_of(batch, keys)?);
        columns.push(Arc::new(Int64Array::from_iter_values(
            (first_row..).take(batch.num_rows()),
        )));
        let columns = without_nulls(columns, keys + 1)?;
        let code = coder.encode(&columns[..keys], columns[keys].len())?;
        Ok(Block::asks(code, int64(&columns[keys]), int64(&columns[keys + 1])))
    }

    fn fact_block(&self, coder: &KeyCoder, schema: &SchemaRef, batch: &RecordBatch) -> Result<Block, JoinError> {
        let keys = self.view.keys.len();
        let mut columns = self.keys_of(batch)?;
        columns.extend([micros_of(batch, keys)?, micros_of(batch, keys + 1)?]);
        columns.extend(batch.columns()[keys + 2..].iter().cloned());
        let mut columns = without_nulls(columns, keys + FACT_COLUMNS)?;
        let features = columns.split_off(keys + FACT_COLUMNS);
        let rows = columns[keys].len();
        let code = coder.encode(&columns[..keys], rows)?;
        let order = [keys, keys + 1, keys + 2].map(|column| int64(&columns[column]));
        let deleted = columns[keys + 3].as_boolean().clone();
        Ok(Block::facts(
            code,
            order,
            deleted,
            batch_of(Arc::clone(schema), features, rows)?,
        ))
    }

    fn keys_of(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>, JoinError> {
        let keys = self.view.keys.iter().zip(batch.columns());
        keys.map(|(key, column)| typed(column, &key.name, key.value_type))
            .collect()
    }
}

fn typed(column: &ArrayRef, name: &str, expected: ValueType) -> Result<ArrayRef, JoinError> {
    canonical(column, expected).ok_or_else(|| JoinError::Column {
        column: name.to_owned(),
        found: column.data_type().to_string(),
        expected,
    })
}

/// The times of a column as whole microseconds.
fn micros_of(batch: &RecordBatch, column: usize) -> Result<ArrayRef, JoinError> {
    let times = typed(
        batch.column(column),
        batch.schema_ref().field(column).name(),
        ValueType::Timestamp,
    )?;
    Ok(Arc::new(
        times
            .as_primitive::<TimestampMicrosecondType>()
            .reinterpret_cast::<Int64Type>(),
    ))
}

fn int64(column: &ArrayRef) -> Int64Array {
    column.as_primitive::<Int64Type>().clone()
}

/// The rows in which none of the first `required` columns is NULL.
fn without_nulls(columns: Vec<ArrayRef>, required: usize) -> Result<Vec<ArrayRef>, JoinError> {
    let nulls = columns[..required]
        .iter()
        .fold(None, |all, column| NullBuffer::union(all.as_ref(), column.nulls()));
    let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) else {
        return Ok(columns);
    };
    let keep = BooleanArray::new(nulls.into_inner(), None);
    columns
        .iter()
        .map(|column| filter(column, &keep).map_err(JoinError::arrow("leave out rows without a key")))
        .collect()
}

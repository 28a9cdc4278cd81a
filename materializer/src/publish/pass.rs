//! One pass over facts of the table, written online key by key.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::BytesMut;
use datafusion::arrow::array::{AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::error::{DataFusionError, Result as EngineResult};
use futures::TryStreamExt;
use snafu::ResultExt;
use triplane_contract::View;
use triplane_feature_store::Value;
use triplane_feature_store::key::KeyEncoder;
use triplane_feature_store::online::{Piece, Written};
use triplane_feature_store::order::Order;
use triplane_feature_store::row::{OnlineRow, RowEncoder};
use triplane_feature_store::semantics::{expires_at_us, kept_since_us};

use super::fold::{FactColumns, Fold, State};
use super::{KeySnafu, OnlineSnafu, PublishError, RowSnafu, Target};
use crate::engine::{Engine, input};
use crate::offline::{CREATED_TIME, EVENT_TIME, ReadOptions, SEQUENCE, Table, row_schema};
use crate::progress::Step;
use crate::rows::{Columns, Cursor, rows_of_files};

/// Rows of one write.
const WRITE_ROWS: usize = 2_000;
/// Bytes of one write.
const WRITE_BYTES: usize = 4 << 20;

/// Keys by their entity encoding; `None` once there are too many to hold: all keys.
#[derive(Debug)]
pub(super) struct Keys {
    entities: Option<HashSet<Vec<u8>>>,
    bytes: usize,
    limit: usize,
}

impl Keys {
    fn new(limit: usize) -> Self {
        Self {
            entities: Some(HashSet::new()),
            bytes: 0,
            limit,
        }
    }

    fn insert(&mut self, entity: Vec<u8>) {
        let Some(entities) = &mut self.entities else { return };
        let size = entity.len() + 64;
        if entities.insert(entity) {
            self.bytes += size;
        }
        if self.bytes > self.limit {
            self.entities = None;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entities.as_ref().is_some_and(HashSet::is_empty)
    }
}

/// Which facts a pass reads.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// Facts of this run and later ones; 0 is all.
    first_sequence: i64,
    /// Facts before are not written by anybody: they are past their physical expiry.
    from_us: i64,
    /// Only these keys; `None` is all.
    entities: Option<Arc<HashSet<Vec<u8>>>>,
    /// Whether the pass sees every fact of the keys it sees.
    complete: bool,
}

impl Facts {
    /// Facts of run `first` and later (0: all) that may still be served now.
    pub(super) fn since(first: u64, view: &View, now_us: i64) -> Self {
        let from_us = kept_since_us(view, now_us).unwrap_or(i64::MIN);
        let first_sequence = if first == 0 {
            i64::MIN
        } else {
            Order::sequence(first, 0)
        };
        let complete = first == 0 && from_us == i64::MIN;
        Self {
            first_sequence,
            from_us,
            entities: None,
            complete,
        }
    }

    /// Every fact of some keys.
    pub(super) fn of_keys(keys: Keys) -> Self {
        Self {
            first_sequence: i64::MIN,
            from_us: i64::MIN,
            entities: keys.entities.map(Arc::new),
            complete: true,
        }
    }
}

/// Writes the state of keys.
pub(super) struct Pass<'a> {
    target: &'a Target<'a>,
    table: &'a Table,
    engine: &'a Engine,
    /// Sorted.
    pieces: Vec<Piece>,
    keys: KeyEncoder,
    rows: RowEncoder,
    taken: u64,
}

struct Batch {
    rows: Vec<OnlineRow>,
    entities: Vec<Vec<u8>>,
    bytes: usize,
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        target: &'a Target<'a>,
        table: &'a Table,
        engine: &'a Engine,
        pieces: &[Piece],
    ) -> Result<Self, PublishError> {
        let view = &target.spec.view;
        let keys = KeyEncoder::new(target.online.prefix(), view).context(KeySnafu { view: view.full_name() })?;
        let rows = RowEncoder::new(view).context(RowSnafu { view: view.full_name() })?;
        Ok(Self {
            target,
            table,
            engine,
            pieces: pieces.to_vec(),
            keys,
            rows,
            taken: 0,
        })
    }

    /// Rows the store took.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Writes the newest of each key among `facts`; gives the keys of which all facts have to be seen.
    pub(super) async fn write(&mut self, facts: &Facts) -> Result<Keys, PublishError> {
        let spec = self.target.spec;
        let failed = |e| PublishError::engine(spec, e);
        let mut cursor = self.cursor(facts)?;
        let columns = self.fact_columns();
        let mut unsure = Keys::new((spec.memory_limit_bytes / 8) as usize);
        let mut batch = Batch {
            rows: Vec::new(),
            entities: Vec::new(),
            bytes: 0,
        };
        loop {
            let mut fold = Fold::default();
            let visit = |page: &Arc<crate::rows::Page>, row: usize| {
                fold.add(page, row, columns);
                Ok(())
            };
            let more = cursor.next_group(visit).await.map_err(failed)?;
            if let Some(state) = fold.state() {
                let entity = self.entity(&state)?;
                if state.retracted && !facts.complete {
                    unsure.insert(entity);
                } else {
                    self.add(&mut batch, &state, entity)?;
                }
            }
            if !more || batch.rows.len() >= WRITE_ROWS || batch.bytes >= WRITE_BYTES {
                self.send(&mut batch, facts.complete, &mut unsure).await?;
            }
            if !more {
                return Ok(unsure);
            }
        }
    }

    fn fact_columns(&self) -> FactColumns {
        let event = self.target.spec.view.keys.len() + self.target.spec.view.features.len();
        FactColumns {
            event,
            created: event + 1,
            sequence: event + 2,
            deleted: event + 3,
        }
    }

    fn cursor(&self, facts: &Facts) -> Result<Cursor, PublishError> {
        let view = &self.target.spec.view;
        let files = self.table.files()?;
        let wanted =
            |f: &crate::offline::DataFile| f.max_sequence >= facts.first_sequence && f.max_event_us >= facts.from_us;
        let files: Vec<_> = files.into_iter().filter(wanted).collect();
        let schema = row_schema(view);
        let filter = Filter {
            schema: Arc::clone(&schema),
            facts: facts.clone(),
            keys: self.keys.clone(),
        };
        let (bucket, batch_rows) = (Arc::clone(self.table.bucket()), self.engine.batch_rows());
        let facts_of = input(Arc::clone(&schema), move |_| {
            let event_times = (filter.facts.from_us, i64::MAX);
            let options = ReadOptions {
                schema: Arc::clone(&filter.schema),
                event_times,
                batch_rows,
            };
            let filter = filter.clone();
            let rows = rows_of_files(Arc::clone(&bucket), files.clone(), options);
            Box::pin(rows.and_then(move |batch| futures::future::ready(filter.apply(&batch))))
        });
        let keys = view.keys.iter().map(|key| key.name.as_str());
        let by: Vec<&str> = keys.chain([EVENT_TIME, CREATED_TIME, SEQUENCE]).collect();
        let sorted = self
            .engine
            .sorted(facts_of, &by)
            .and_then(|stream| Cursor::new(stream, (0..view.keys.len()).collect()));
        sorted.map_err(|e| PublishError::engine(self.target.spec, e))
    }

    fn entity(&self, state: &State) -> Result<Vec<u8>, PublishError> {
        let (page, row) = &state.key;
        let view = self.target.spec.view.full_name();
        entity(&self.keys, &page.columns, *row).context(KeySnafu { view })
    }

    fn add(&self, batch: &mut Batch, state: &State, entity: Vec<u8>) -> Result<(), PublishError> {
        let view = &self.target.spec.view;
        let key = self.keys.key_of_entity(&entity);
        if !Piece::any_has(&self.pieces, key.slot()) {
            return Ok(());
        }
        let mut bytes = BytesMut::new();
        match &state.content {
            Some((order, page, row)) => {
                let features = view.keys.len()..view.keys.len() + view.features.len();
                let values = features.map(|column| page.columns.get(column, *row));
                self.rows
                    .encode(state.rank, *order, values, &mut bytes)
                    .context(RowSnafu { view: view.full_name() })?;
            }
            None => self.rows.tombstone(state.rank, &mut bytes),
        }
        batch.bytes += bytes.len() + key.as_bytes().len();
        let expires_at_us = expires_at_us(view, state.rank);
        batch.rows.push(OnlineRow {
            key,
            rank: state.rank,
            bytes: bytes.freeze(),
            expires_at_us,
        });
        batch.entities.push(entity);
        Ok(())
    }

    async fn send(&mut self, batch: &mut Batch, complete: bool, unsure: &mut Keys) -> Result<(), PublishError> {
        if batch.rows.is_empty() {
            return Ok(());
        }
        let view = self.target.spec.view.full_name();
        let written = self.target.online.write(&batch.rows).await;
        let written = written.context(OnlineSnafu {
            action: "write rows",
            view: &view,
        })?;
        for (outcome, entity) in written.into_iter().zip(batch.entities.drain(..)) {
            match outcome {
                Written::Stored => self.taken += 1,
                Written::OlderThanRetraction if !complete => unsure.insert(entity),
                Written::Older | Written::OlderThanRetraction | Written::Expired => {}
            }
        }
        (batch.rows, batch.bytes) = (Vec::new(), 0);
        self.target
            .progress
            .report(&view, &Step::Published { rows: self.taken });
        Ok(())
    }
}

fn entity(keys: &KeyEncoder, columns: &Columns, row: usize) -> Result<Vec<u8>, triplane_feature_store::key::KeyError> {
    let values: Vec<Value> = (0..keys.keys().len())
        .map(|column| columns.owned(column, row))
        .collect();
    let mut entity = Vec::with_capacity(32);
    keys.encode_into(&values, &mut entity)?;
    Ok(entity)
}

#[derive(Clone)]
struct Filter {
    schema: SchemaRef,
    facts: Facts,
    keys: KeyEncoder,
}

impl Filter {
    /// Leaves the facts that are wanted.
    fn apply(&self, batch: &RecordBatch) -> EngineResult<RecordBatch> {
        if self.facts.first_sequence == i64::MIN && self.facts.entities.is_none() {
            return Ok(batch.clone());
        }
        let sequences = batch
            .column(self.schema.index_of(SEQUENCE)?)
            .as_primitive::<Int64Type>();
        let columns = Columns::new(&batch.columns()[..self.keys.keys().len()]);
        let mut keep = Vec::with_capacity(batch.num_rows());
        for (row, sequence) in sequences.values().iter().enumerate() {
            let mut wanted = *sequence >= self.facts.first_sequence;
            if let (true, Some(entities)) = (wanted, &self.facts.entities) {
                let entity = entity(&self.keys, &columns, row).map_err(|e| DataFusionError::External(Box::new(e)))?;
                wanted = entities.contains(&entity);
            }
            keep.push(wanted);
        }
        Ok(filter_record_batch(batch, &BooleanArray::from(keep))?)
    }
}

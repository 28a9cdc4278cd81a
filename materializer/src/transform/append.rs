//! Collecting the rows a run appends and writing them batch by batch.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, TimestampMicrosecondArray, new_null_array};
use arrow::compute::interleave;
use arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};
use triplane_feature_store::order::Order;

use super::merge::Place;
use crate::offline::TableWriter;
use crate::rows::Page;

/// Pages kept alive by rows that wait.
const PAGES: usize = 32;

struct Waiting {
    page: usize,
    row: usize,
    created_us: i64,
    deleted: bool,
}

/// Writes appended rows in order, numbering them.
pub(crate) struct Appender {
    writer: TableWriter,
    schema: SchemaRef,
    /// Number of key columns; features follow up to `event_time`.
    keys: usize,
    event_time: usize,
    run: u64,
    created_us: i64,
    appended: u64,
    batch_rows: usize,
    pages: Vec<Arc<Page>>,
    waiting: Vec<Waiting>,
}

impl Appender {
    /// `schema` is `row_schema`; `created_us` is when the newest of the plan was learned: the created time of retractions.
    pub(crate) fn new(
        writer: TableWriter,
        schema: SchemaRef,
        keys: usize,
        run: u64,
        created_us: i64,
        batch_rows: usize,
    ) -> Self {
        let event_time = schema.fields().len() - 4;
        Self {
            writer,
            schema,
            keys,
            event_time,
            run,
            created_us,
            appended: 0,
            batch_rows,
            pages: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// Appends a row of the result.
    pub(crate) async fn live(&mut self, place: Place, created_us: i64) -> Result<()> {
        self.add(place, created_us, false).await
    }

    /// Appends the retraction of a row of the table, not before that row.
    pub(crate) async fn retract(&mut self, place: Place, not_before_us: i64) -> Result<()> {
        self.add(place, self.created_us.max(not_before_us), true).await
    }

    async fn add(&mut self, place: Place, created_us: i64, deleted: bool) -> Result<()> {
        // Rows come in order, so a page that is known is one of the last.
        let known = self.pages.iter().rposition(|page| Arc::ptr_eq(page, &place.page));
        let page = known.unwrap_or_else(|| {
            self.pages.push(place.page);
            self.pages.len() - 1
        });
        self.waiting.push(Waiting {
            page,
            row: place.row,
            created_us,
            deleted,
        });
        if self.waiting.len() >= self.batch_rows || self.pages.len() >= PAGES {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let rows: Vec<(usize, usize)> = self.waiting.iter().map(|w| (w.page, w.row)).collect();
        // A retraction says which row is gone, not what was in it.
        let nothing = self.pages.len();
        let features: Vec<_> = self
            .waiting
            .iter()
            .map(|w| if w.deleted { (nothing, 0) } else { (w.page, w.row) })
            .collect();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for index in 0..=self.event_time {
            let is_feature = index >= self.keys && index < self.event_time;
            let null = new_null_array(self.schema.field(index).data_type(), 1);
            let mut arrays: Vec<&dyn Array> = self
                .pages
                .iter()
                .map(|page| page.batch.column(index).as_ref())
                .collect();
            arrays.push(null.as_ref());
            columns.push(interleave(&arrays, if is_feature { &features } else { &rows })?);
        }
        let created: TimestampMicrosecondArray = self.waiting.iter().map(|w| Some(w.created_us)).collect();
        columns.push(Arc::new(created.with_timezone("UTC")));
        let first = self.appended;
        let sequences = (0..self.waiting.len() as u64).map(|i| Order::sequence(self.run, first + i));
        columns.push(Arc::new(Int64Array::from_iter_values(sequences)));
        columns.push(Arc::new(
            self.waiting.iter().map(|w| Some(w.deleted)).collect::<BooleanArray>(),
        ));
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        self.appended += self.waiting.len() as u64;
        self.waiting.clear();
        self.pages.clear();
        self.writer
            .write(&batch)
            .await
            .map_err(|e| DataFusionError::External(Box::new(e)))
    }

    /// Writes what waits; gives the writer and the number of rows appended.
    pub(crate) async fn finish(mut self) -> Result<(TableWriter, u64)> {
        self.flush().await?;
        Ok((self.writer, self.appended))
    }
}

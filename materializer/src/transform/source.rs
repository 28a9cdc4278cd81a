//! A source as a table: the plan's objects, conformed, pruned to the input range, bad rows and files put aside.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::streaming::StreamingTableExec;
use object_store::ObjectStore;

use super::conform::Rule;
use super::judge::RowRules;
use super::ranges::Ranges;
use super::read::read_objects;
use super::reject::RejectScope;
use crate::engine;
use crate::objects::{ReadBudget, RowGroupTooLarge};
use crate::plan::ChangedObject;

/// Column that every row of a view without a query has: the place of its file among the source's by (Last-Modified, path).
/// No column of a view can be named so.
pub(crate) const FILE_RANK: &str = "#file";

/// What went wrong with an object while a query ran over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Its content breaks off: do it again without the object.
    Broken {
        /// Bucket-rooted path.
        path: String,
        /// What the reader says.
        message: String,
    },
    /// A row group of it is too large for the memory limit.
    TooLarge {
        /// Which, and what to do.
        source: RowGroupTooLarge,
    },
    /// It was replaced or removed while it was read: do it again.
    Changed {
        /// Bucket-rooted path.
        path: String,
    },
}

/// Where a query tells what it met: faults pass through operators as text, so they are kept here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings(Arc<Mutex<FindingsState>>);

#[derive(Debug, Default)]
struct FindingsState {
    fault: Option<Fault>,
    read: BTreeSet<String>,
    changed: BTreeSet<ChangedObject>,
}

impl Findings {
    pub(crate) fn set_fault(&self, fault: Fault) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fault = Some(fault);
    }

    pub(crate) fn take_fault(&self) -> Option<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fault.take()
    }

    /// Notes that this content was read.
    pub(crate) fn note(&self, path: &str, etag: Option<&str>) {
        let line = format!("{path} {}", etag.unwrap_or_default());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).read.insert(line);
    }

    /// Notes that an object was not what it was planned as.
    pub(crate) fn note_changed(&self, object: ChangedObject) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .changed
            .insert(object);
    }

    /// The objects that were not what they were planned as, with what was read of them.
    pub(crate) fn take_changed(&self) -> BTreeSet<ChangedObject> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).changed)
    }

    /// Every content that was read, sorted.
    pub(crate) fn contents(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .read
            .iter()
            .cloned()
            .collect()
    }
}

/// An object to read.
#[derive(Clone, Debug)]
pub(crate) struct InputObject {
    pub(crate) path: String,
    /// `ETag` of the planned content.
    pub(crate) etag: String,
    /// `FILE_RANK` of its rows.
    pub(crate) rank: i64,
    /// It arrived in this run: its rejects are reported, its rows without a time are read.
    pub(crate) arrived: bool,
    /// Why it cannot be read, where that is known.
    pub(crate) unreadable: Option<String>,
}

/// What a scan reads.
#[derive(Clone, Debug)]
pub(crate) struct SourceInput {
    pub(crate) bucket: Arc<dyn ObjectStore>,
    /// Its name.
    pub(crate) name: String,
    pub(crate) objects: Vec<InputObject>,
    /// Times to read.
    pub(crate) ranges: Ranges,
    /// Column that places a row in time.
    pub(crate) timestamp_column: String,
    /// Columns the whole query needs, in schema order; a file without one of them is rejected.
    pub(crate) needed: SchemaRef,
    pub(crate) rule: Rule,
    /// Rules for rows, where they are known here (plain columns).
    pub(crate) rows: Option<RowRules>,
    pub(crate) scope: RejectScope,
    pub(crate) findings: Findings,
    pub(crate) batch_rows: usize,
    pub(crate) budget: ReadBudget,
}

/// A source registered in a session. Planning comes first; `provide` says what to read once the columns are known.
#[derive(Debug)]
pub(crate) struct SourceTable {
    schema: SchemaRef,
    input: OnceLock<SourceInput>,
    scans: AtomicUsize,
}

impl SourceTable {
    pub(crate) fn new(schema: SchemaRef) -> Self {
        Self {
            schema,
            input: OnceLock::new(),
            scans: AtomicUsize::new(0),
        }
    }

    /// Says what to read; the first call counts.
    pub(crate) fn provide(&self, input: SourceInput) {
        let _ = self.input.set(input);
    }
}

#[async_trait]
impl TableProvider for SourceTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(input) = self.input.get().cloned() else {
            return Err(DataFusionError::Internal(
                "a source is scanned before its objects are known".to_owned(),
            ));
        };
        let wanted: SchemaRef = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => Arc::new(Schema::clone(&self.schema)),
        };
        // A query may name a source twice: one scan reports.
        let reports = self.scans.fetch_add(1, Ordering::AcqRel) == 0;
        let out = Arc::clone(&wanted);
        let stream = engine::input(Arc::clone(&wanted), move |_| {
            read_objects(input.clone(), Arc::clone(&out), reports)
        });
        Ok(Arc::new(StreamingTableExec::try_new(
            wanted,
            vec![stream],
            None,
            [],
            false,
            limit,
        )?))
    }
}

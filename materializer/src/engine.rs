//! DataFusion under a memory budget: one partition, so that every attempt sees rows in the same order.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::stream::BoxStream;

use crate::objects::ReadBudget;

/// Values a batch holds at most, so that wide views do not make large batches.
const BATCH_VALUES: usize = 1 << 18;

/// A session with its budget and scratch folder.
pub(crate) struct Engine {
    session: SessionContext,
    batch_rows: usize,
    reading: ReadBudget,
    folder: PathBuf,
}

impl Engine {
    /// `memory_limit_bytes` is for the whole process: half of it is for operators that can spill, the rest for decoding,
    /// encoding and what operators do not account for.
    pub(crate) fn new(memory_limit_bytes: u64, scratch: &Path, columns: usize) -> Result<Self> {
        let folder = scratch.join(format!("triplane-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder)?;
        let pool = (memory_limit_bytes / 2).max(1 << 20) as usize;
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(pool)))
            .with_disk_manager_builder(
                DiskManagerBuilder::default().with_mode(DiskManagerMode::Directories(vec![folder.clone()])),
            )
            .build_arc()?;
        let batch_rows = (BATCH_VALUES / columns.max(1)).clamp(64, 8192);
        let mut config = SessionConfig::new()
            .with_target_partitions(1)
            .with_batch_size(batch_rows);
        config.options_mut().execution.sort_spill_reservation_bytes = pool / 16;
        config.options_mut().execution.sort_in_place_threshold_bytes = pool / 16;
        Ok(Self {
            session: SessionContext::new_with_config_rt(config, runtime),
            batch_rows,
            reading: ReadBudget::new(memory_limit_bytes / 2),
            folder,
        })
    }

    pub(crate) fn session(&self) -> &SessionContext {
        &self.session
    }

    pub(crate) fn task(&self) -> Arc<TaskContext> {
        self.session.task_ctx()
    }

    /// Rows a batch has at most.
    pub(crate) fn batch_rows(&self) -> usize {
        self.batch_rows
    }

    /// What reading an object may hold: the half that is not the operators'.
    pub(crate) fn reading(&self) -> ReadBudget {
        self.reading
    }

    /// Folder for this engine's files; it goes with the engine.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The rows of `input` sorted ascending by `columns`, NULL first, spilling past the budget.
    pub(crate) fn sorted(
        &self,
        input: Arc<dyn PartitionStream>,
        columns: &[&str],
    ) -> Result<SendableRecordBatchStream> {
        let schema = Arc::clone(input.schema());
        let keys = columns
            .iter()
            .map(|name| Ok(PhysicalSortExpr::new(col(name, &schema)?, SortOptions::default())))
            .collect::<Result<Vec<_>>>()?;
        let scan = StreamingTableExec::try_new(schema, vec![input], None, [], false, None)?;
        let Some(ordering) = LexOrdering::new(keys) else {
            return scan.execute(0, self.task());
        };
        SortExec::new(ordering, Arc::new(scan)).execute(0, self.task())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // What is left of a killed process lies in a folder of its own; this one is best effort, too.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

struct Input<F> {
    schema: SchemaRef,
    make: F,
}

/// Batches from a function, as an operator's input.
pub(crate) fn input<F>(schema: SchemaRef, make: F) -> Arc<dyn PartitionStream>
where
    F: Fn(Arc<TaskContext>) -> BoxStream<'static, Result<RecordBatch>> + Send + Sync + 'static,
{
    Arc::new(Input { schema, make })
}

impl<F> std::fmt::Debug for Input<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Input")
    }
}

impl<F> PartitionStream for Input<F>
where
    F: Fn(Arc<TaskContext>) -> BoxStream<'static, Result<RecordBatch>> + Send + Sync + 'static,
{
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            (self.make)(context),
        ))
    }
}

/// The operator's message where memory ran out, else `None`.
pub(crate) fn exhausted(error: &DataFusionError) -> Option<String> {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(message) => Some(message.clone()),
        _ => None,
    }
}

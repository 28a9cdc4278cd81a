//! The answers of one view in observation order: in memory up to a share of it, the rest in one file.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;

use super::JoinError;
use super::spill::{Scratch, SpillReader, SpillWriter};

/// Takes batches of answers in observation order.
pub(crate) struct AnswerWriter {
    share: usize,
    held: usize,
    memory: VecDeque<RecordBatch>,
    file: Option<SpillWriter>,
    schema: SchemaRef,
    scratch: Arc<Scratch>,
}

impl AnswerWriter {
    pub(crate) fn new(share: usize, schema: &SchemaRef, scratch: &Arc<Scratch>) -> Self {
        Self {
            share,
            held: 0,
            memory: VecDeque::new(),
            file: None,
            schema: Arc::clone(schema),
            scratch: Arc::clone(scratch),
        }
    }

    pub(crate) fn push(&mut self, batch: RecordBatch) -> Result<(), JoinError> {
        let bytes = batch.get_array_memory_size();
        if self.file.is_none() && self.held + bytes <= self.share {
            self.held += bytes;
            self.memory.push_back(batch);
            return Ok(());
        }
        let mut file = match self.file.take() {
            Some(file) => file,
            None => SpillWriter::create(&self.scratch, &self.schema)?,
        };
        file.write(&batch)?;
        self.file = Some(file);
        Ok(())
    }

    pub(crate) fn finish(self, fresh: u64) -> Result<ViewAnswers, JoinError> {
        let file = self.file.map(|file| file.finish()?.open()).transpose()?;
        Ok(ViewAnswers {
            memory: self.memory,
            file,
            schema: self.schema,
            fresh,
        })
    }
}

/// What one view answers: for each observation, in order, each feature and its status (`Int8`, the numbers of
/// `triplane_feature_store::semantics::Status`).
pub struct ViewAnswers {
    memory: VecDeque<RecordBatch>,
    file: Option<SpillReader>,
    schema: SchemaRef,
    fresh: u64,
}

impl ViewAnswers {
    /// Columns of the answers: feature and status in turns, named as the feature.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Observations with a visible row no older than ttl.
    pub fn fresh(&self) -> u64 {
        self.fresh
    }

    /// The next `rows` answers, fewer only at the end.
    pub fn take(&mut self, rows: usize) -> Result<RecordBatch, JoinError> {
        let mut parts = Vec::new();
        let mut missing = rows;
        while missing > 0 {
            let Some(batch) = self.next()? else { break };
            if batch.num_rows() > missing {
                self.memory.push_front(batch.slice(missing, batch.num_rows() - missing));
            }
            let part = batch.slice(0, missing.min(batch.num_rows()));
            missing -= part.num_rows();
            parts.push(part);
        }
        match parts.as_slice() {
            [whole] => Ok(whole.clone()),
            parts => concat_batches(&self.schema, parts).map_err(JoinError::arrow("cut answers to length")),
        }
    }

    fn next(&mut self) -> Result<Option<RecordBatch>, JoinError> {
        match (self.memory.pop_front(), &mut self.file) {
            (Some(batch), _) => Ok(Some(batch)),
            (None, Some(file)) => file.next(),
            (None, None) => Ok(None),
        }
    }
}

//! How many rows go into one call and one pipeline.

use crate::online::OnlineRow;

/// Rows of one call of the write rule: Redis serves nobody else meanwhile (about 0.3 ms).
const CALL_ROWS: usize = 64;
/// Rows and bytes of one pipeline.
const PIPELINE_ROWS: usize = 512;
const PIPELINE_BYTES: usize = 1 << 20;

/// Places in `rows` of the rows of one call: all in one slot.
pub(super) type Call = Vec<usize>;

/// Orders the rows named by `places` by slot and cuts them into calls, and calls into pipelines. Rows of one key keep their
/// order.
pub(super) fn calls_by_slot(rows: &[OnlineRow], places: Vec<usize>) -> Vec<Vec<Call>> {
    let mut by_slot: Vec<(u16, usize)> = places.into_iter().map(|i| (rows[i].key.slot(), i)).collect();
    by_slot.sort_by_key(|(slot, _)| *slot);
    let (mut pipelines, mut pipeline, mut size) = (Vec::new(), Vec::new(), Size::default());
    for same_slot in by_slot.chunk_by(|a, b| a.0 == b.0) {
        for call in same_slot.chunks(CALL_ROWS) {
            let call: Call = call.iter().map(|(_, i)| *i).collect();
            for i in &call {
                size.add(&rows[*i]);
            }
            pipeline.push(call);
            if size.is_full() {
                pipelines.push(std::mem::take(&mut pipeline));
                size = Size::default();
            }
        }
    }
    if !pipeline.is_empty() {
        pipelines.push(pipeline);
    }
    pipelines
}

/// Cuts `places` into pipelines.
pub(super) fn pipelines(rows: &[OnlineRow], places: &[usize]) -> Vec<Vec<usize>> {
    let (mut pipelines, mut pipeline, mut size) = (Vec::new(), Vec::new(), Size::default());
    for i in places {
        size.add(&rows[*i]);
        pipeline.push(*i);
        if size.is_full() {
            pipelines.push(std::mem::take(&mut pipeline));
            size = Size::default();
        }
    }
    if !pipeline.is_empty() {
        pipelines.push(pipeline);
    }
    pipelines
}

#[derive(Default)]
struct Size {
    rows: usize,
    bytes: usize,
}

impl Size {
    fn add(&mut self, row: &OnlineRow) {
        self.rows += 1;
        self.bytes += row.bytes.len() + row.key.as_bytes().len();
    }

    fn is_full(&self) -> bool {
        self.rows >= PIPELINE_ROWS || self.bytes >= PIPELINE_BYTES
    }
}

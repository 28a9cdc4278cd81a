//! Matches come in the order of keys; answers leave in the order of observations.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use triplane_feature_store::semantics::RowAge;

use super::JoinError;
use super::answers::{AnswerWriter, ViewAnswers};
use super::block::Block;
use super::gather::{Gathered, payload_of};
use super::merge::Match;
use super::serve::Server;
use super::shares::Shares;
use super::sorter::Sorter;
use super::spill::Scratch;

/// Rows of one batch of answers.
const ANSWER_ROWS: usize = 8_192;

/// Where the answer of an observation is, while every fact is in memory.
#[derive(Clone, Copy)]
struct Slot {
    block: u32,
    row: u32,
    age: RowAge,
}

/// Takes matches, gives answers.
pub(crate) struct Collector<'a> {
    server: &'a Server,
    route: Route,
    rows: usize,
    writer: AnswerWriter,
    no_fact: RecordBatch,
    /// Bytes of facts that may be kept alive by matches not served yet.
    share: usize,
    fresh: u64,
}

/// How answers get back into order.
enum Route {
    /// Facts stay in memory: each observation remembers its fact, values are copied once, in order.
    Direct { slots: Vec<Slot>, facts: Gathered },
    /// Facts pass by: values are copied as they are met, then sorted by observation.
    Resort {
        rows: Vec<i64>,
        ages: Vec<RowAge>,
        facts: Gathered,
        sorter: Sorter,
    },
}

impl<'a> Collector<'a> {
    /// A collector for `rows` observations.
    pub(crate) fn new(
        server: &'a Server,
        rows: usize,
        facts_in_memory: bool,
        shares: Shares,
        scratch: &Arc<Scratch>,
    ) -> Result<Self, JoinError> {
        let route = if facts_in_memory && rows.saturating_mul(size_of::<Slot>()) <= shares.matches {
            let nothing = Slot {
                block: u32::MAX,
                row: 0,
                age: RowAge::Absent,
            };
            Route::Direct {
                slots: vec![nothing; rows],
                facts: Gathered::default(),
            }
        } else {
            let sorter = Sorter::new(shares.matches / 2, server.schema(), scratch);
            Route::Resort {
                rows: Vec::new(),
                ages: Vec::new(),
                facts: Gathered::default(),
                sorter,
            }
        };
        let writer = AnswerWriter::new(shares.answers, server.schema(), scratch);
        Ok(Self {
            server,
            route,
            rows,
            writer,
            no_fact: server.no_fact()?,
            share: shares.matches / 2,
            fresh: 0,
        })
    }

    /// Takes the match of one observation.
    pub(crate) fn add(&mut self, found: &Match<'_>) -> Result<(), JoinError> {
        let age = self
            .server
            .age(found.fact.map(|(block, row)| block.time(row)), found.as_of_us);
        self.fresh += u64::from(age == RowAge::Fresh);
        let fact = found.fact.filter(|_| age != RowAge::Absent);
        match &mut self.route {
            Route::Direct { slots, facts } => {
                if let Some((block, row)) = fact {
                    slots[found.row as usize] = Slot {
                        block: facts.index_of(block) as u32,
                        row: row as u32,
                        age,
                    };
                }
            }
            Route::Resort { rows, ages, facts, .. } => {
                rows.push(found.row);
                ages.push(age);
                match fact {
                    Some((block, row)) => facts.add(block, row),
                    None => facts.add_nowhere(),
                }
                if rows.len() == ANSWER_ROWS || facts.held() > self.share {
                    self.serve_pending()?;
                }
            }
        }
        Ok(())
    }

    fn serve_pending(&mut self) -> Result<(), JoinError> {
        if let Route::Resort {
            rows,
            ages,
            facts,
            sorter,
        } = &mut self.route
        {
            let raw = facts.take_payload(&self.no_fact)?;
            let answers = self.server.serve(ages, &raw)?;
            sorter.push(Block::answers(Int64Array::from(std::mem::take(rows)), answers))?;
            ages.clear();
        }
        Ok(())
    }

    /// The answers of all observations; those that were never matched (a NULL key or time) find nothing.
    pub(crate) fn finish(mut self) -> Result<ViewAnswers, JoinError> {
        self.serve_pending()?;
        let Self {
            server,
            route,
            rows,
            mut writer,
            no_fact,
            fresh,
            ..
        } = self;
        match route {
            Route::Direct { slots, facts } => write_direct(server, &slots, facts.blocks(), &no_fact, &mut writer)?,
            Route::Resort { sorter, .. } => write_sorted(server, sorter, rows, &mut writer)?,
        }
        writer.finish(fresh)
    }
}

fn write_direct(
    server: &Server,
    slots: &[Slot],
    facts: &[Arc<Block>],
    no_fact: &RecordBatch,
    writer: &mut AnswerWriter,
) -> Result<(), JoinError> {
    for slots in slots.chunks(ANSWER_ROWS) {
        let places: Vec<_> = slots
            .iter()
            .map(|slot| (slot.block as usize, slot.row as usize))
            .collect();
        let ages: Vec<_> = slots.iter().map(|slot| slot.age).collect();
        writer.push(server.serve(&ages, &payload_of(facts, &places, no_fact)?)?)?;
    }
    Ok(())
}

fn write_sorted(server: &Server, sorter: Sorter, rows: usize, writer: &mut AnswerWriter) -> Result<(), JoinError> {
    let no_answer = server.no_answer()?;
    let mut sorted = sorter.finish()?;
    for first in (0..rows).step_by(ANSWER_ROWS) {
        let mut batch = Gathered::default();
        for row in first..rows.min(first + ANSWER_ROWS) {
            match sorted.peek().filter(|head| head.time == row as i64) {
                Some(head) => {
                    batch.add(head.block, head.row);
                    sorted.advance()?;
                }
                None => batch.add_nowhere(),
            }
        }
        writer.push(batch.take_payload(&no_answer)?)?;
    }
    Ok(())
}

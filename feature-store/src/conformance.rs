//! The boundary cases of time semantics as data, an oracle that is written from the design's text alone, and what runs cases
//! against an online store. For tests of this and other crates (cargo feature `conformance`).
//!
//! A case lies in `conformance/*.yaml` and reads into `Case`. The point-in-time join gets each view's facts as its offline
//! table and the questions as observations, in order; online stores and servers get the facts published and each question as
//! a request at its as-of time. Facts of one run are listed in the order of (key, event time, created time, encoded bytes),
//! so that the sequences given here are those a run gives.

mod load;
pub mod oracle;
mod publish;

use std::collections::BTreeMap;

use serde::Deserialize;
use triplane_contract::View;
use triplane_contract::run::RejectCause;

use crate::Value;
use crate::order::Order;
use crate::semantics::Status;

pub use load::{CaseError, load};
pub use publish::{ask, known_state, publish};

/// What a case is run against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// The point-in-time join over offline tables.
    Join,
    /// The in-process online store.
    Memory,
    /// The online store on a Redis server.
    Redis,
    /// A server's HTTP answers.
    Server,
}

/// One boundary case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Number in the list of boundary cases.
    pub number: u32,
    /// What has to hold, as a sentence.
    pub title: String,
    /// What it is run against.
    pub targets: Vec<Target>,
    /// Views with their facts.
    pub views: Vec<CaseView>,
    /// How the questions read the views.
    pub reads: Vec<Read>,
    /// Questions in order: observations of the join, requests of a server.
    pub questions: Vec<Question>,
}

/// A view and everything that is known about it.
#[derive(Clone, Debug)]
pub struct CaseView {
    /// Its definition: one schema, generation 1.
    pub view: View,
    /// Its facts, in file order.
    pub facts: Vec<Fact>,
    /// Rows that a run has to reject; they are no facts.
    pub rejected: Vec<Rejected>,
}

/// One fact about one entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Key values in declared order.
    pub keys: Vec<Value>,
    /// Its place among the facts of the key.
    pub order: Order,
    /// A retraction of the row with the same event time; it has no values.
    pub deleted: bool,
    /// Feature values in declared order.
    pub values: Vec<Value>,
}

/// A source row that becomes no fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Key values in declared order.
    pub keys: Vec<Value>,
    /// Event time, microseconds.
    pub event_time_us: Option<i64>,
    /// Feature values in declared order.
    pub values: Vec<Value>,
    /// Why it is rejected.
    pub cause: RejectCause,
}

/// One view as the questions see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Prefix of the answers.
    pub alias: String,
    /// Place of the view in `Case::views`.
    pub view: usize,
    /// View key -> column of the question.
    pub keys: BTreeMap<String, String>,
}

/// One question: the values of every feature read, at a moment.
#[derive(Clone, Debug)]
pub struct Question {
    /// Targets that can answer it; the case's, unless history is asked about, which online stores do not have.
    pub targets: Vec<Target>,
    /// The moment.
    pub as_of_us: i64,
    /// Columns: the keys (typed as the view's; NULL where nothing may be found) and others, as text.
    pub columns: BTreeMap<String, Value>,
    /// Answers by `<alias>/<feature>`.
    pub expect: BTreeMap<String, Expected>,
}

/// The answer to one feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The value after `onMissing`.
    pub value: Value,
    /// What was found.
    pub status: Status,
    /// It comes from a row past its ttl.
    pub stale: bool,
    /// A server refuses the request with `FeatureMissing`; the join writes NULL with the status.
    pub fail: bool,
}

impl Question {
    /// The key values of `read` in the declared order of its view; `None` for a column the question lacks.
    pub fn keys(&self, case: &Case, read: &Read) -> Option<Vec<Value>> {
        let keys = &case.views[read.view].view.keys;
        keys.iter()
            .map(|key| self.columns.get(read.keys.get(&key.name)?).cloned())
            .collect()
    }
}

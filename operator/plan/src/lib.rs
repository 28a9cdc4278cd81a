//! Pure decisions: observed state in, status, records and next steps out.
//!
//! [`plan()`] looks at one namespace at one moment. It has no client, no IO and no clock, so `triplane dev` and the operator
//! call the same function and a test needs microseconds. The caller gathers a [`Snapshot`], calls [`plan()`], keeps the
//! records, writes the statuses that differ, does the actions, and looks again at the next event or at [`Plan::next_us`].
//!
//! One folder per kind: `observed` (facts in), `validate` (spec to numbers and names that fit together), `resolve` or
//! `generation` (what it means among the other objects), `decide` (what starts), `status` (what is said), `pass` (all
//! objects of the kind).

pub mod attempt;
pub mod backoff;
mod failure;
pub mod feature_store;
pub mod feature_view;
pub mod inference_service;
mod judgement;
pub mod model;
pub mod parse;
pub mod plan;
pub mod resolve;
pub mod snapshot;
pub mod time;
pub mod training_set;
pub mod work;

pub use plan::{Action, Plan, plan};
pub use snapshot::{Kind, Snapshot};

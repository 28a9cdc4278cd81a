//! Offline tables, materialization runs and point-in-time training sets.
//!
//! [`run()`] brings one view generation up to date: plan, transform, commit, publish, report. Every step can be killed and
//! done again, and two runs at once end with the same table and the same online rows
//! (`docs/reference/run-protocol.md`).

pub mod environment;
pub mod join;
pub mod offline;
pub mod plan;
pub mod progress;
pub mod training_set;

mod engine;
mod fault;
mod memory;
mod objects;
mod publish;
mod rows;
mod run;
mod transform;

pub use environment::Environment;
pub use objects::{FooterError, ObjectError};
pub use publish::PublishError;
pub use run::{RunError, run};
pub use transform::{QueryError, RejectError, TransformError};

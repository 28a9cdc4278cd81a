//! Protocols, routing, features to vector to model to answer.
//!
//! A request is decoded against the gather plan of its model, its rows are read in one go within a budget, the plan fills the
//! model's vectors, the model scores them, and the answer says of every row what was imputed, stale or the default.
//! Decisions (`gather`, `features::breaker`, `runtime`, `json`) are free of IO; IO is in `http`, `features::reader` and
//! `server`.

mod app;
pub mod artifact;
pub mod features;
pub mod gather;
mod http;
mod json;
pub mod metrics;
pub mod predict;
mod problem;
pub mod runtime;
pub mod server;
pub mod service;
pub mod settings;
pub mod verify;
pub mod watch;

pub use server::{BindError, Handle, Server};
pub use service::ServeError;
pub use settings::{Limits, Settings};
pub use verify::verify;

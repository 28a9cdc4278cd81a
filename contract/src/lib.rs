//! Versioned files that pass between operator, jobs and pods.
//!
//! Each file is JSON with a `version` field. Writers write the version the reader announced; readers accept the two
//! versions before their own (`version::check`). All times and durations are whole microseconds, UTC, in fields ending in
//! `_us`; Before 1970 and 0 are values, absence is `None`.

pub mod layout;
pub mod model;
pub mod route;
pub mod run;
pub mod sentinel;
pub mod store;
pub mod training;
pub mod value_type;
pub mod version;
pub mod view;

pub use value_type::ValueType;
pub use view::{Column, FeatureColumn, OnMissing, Schema, View};

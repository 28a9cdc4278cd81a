//! Model: one immutable, verified version.

pub mod decide;
pub mod observed;
pub(crate) mod pass;
pub mod resolve;
pub mod status;
pub mod validate;

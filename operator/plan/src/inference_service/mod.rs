//! InferenceService: a model behind an endpoint.

pub mod observed;
pub(crate) mod pass;
pub mod status;
pub mod table;
pub mod validate;

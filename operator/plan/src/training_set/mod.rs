//! TrainingSet: observations joined with the features known at their time.

pub mod decide;
pub mod observed;
pub(crate) mod pass;
pub mod resolve;
pub mod status;
pub mod validate;

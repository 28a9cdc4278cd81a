//! FeatureView: typed features of one entity, their generations and runs.

pub mod decide;
pub mod generation;
pub mod observed;
pub(crate) mod pass;
pub mod record;
pub mod status;
pub mod validate;

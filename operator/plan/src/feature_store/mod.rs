//! FeatureStore: where features are kept.

pub mod observed;
pub(crate) mod pass;
pub mod status;

//! The kinds of `triplane.dev/v1alpha1`, one a file.

pub mod feature_store;
pub mod feature_view;
pub mod inference_service;
pub mod model;
pub mod training_set;

pub use feature_store::{FeatureStore, FeatureStoreSpec, FeatureStoreStatus};
pub use feature_view::{FeatureView, FeatureViewSpec, FeatureViewStatus};
pub use inference_service::{InferenceService, InferenceServiceSpec, InferenceServiceStatus};
pub use model::{Model, ModelSpec, ModelStatus};
pub use training_set::{TrainingSet, TrainingSetSpec, TrainingSetStatus};

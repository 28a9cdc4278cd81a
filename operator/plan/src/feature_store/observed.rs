//! What is observed about a FeatureStore.

use triplane_contract::store::StoreAccess;
use triplane_crds::v1alpha1::FeatureStore;

/// Whether online store and bucket answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Not asked yet.
    #[default]
    Unknown,
    /// Both answer.
    Up,
    /// One does not.
    Down {
        /// Which, with its last error.
        message: String,
        /// Since when, microseconds.
        since_us: i64,
    },
    /// The store's root in the bucket belongs to another object.
    Foreign {
        /// Whose it is.
        message: String,
    },
}

/// A FeatureStore with what is known about it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreObserved {
    /// The object with its last status.
    pub object: FeatureStore,
    /// How jobs and servers of this caller reach it.
    pub access: StoreAccess,
    /// Whether it answers.
    pub reach: Reach,
    /// Shards that serve, of how many (`3/3`); `None` where there are none.
    pub shards: Option<String>,
    /// Memory used by rows, of how much.
    pub memory: Option<String>,
}

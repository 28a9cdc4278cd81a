//! Rows that were published under another clock. What a publisher leaves out depends on the present (rows past their
//! expiry), but its marks do not say which present that was.

use std::sync::Arc;

use triplane_contract::layout;
use triplane_contract::store::OnlineAccess;
use triplane_feature_store::online::{OnlineError, OnlineStore};

use super::place::Place;
use super::world::World;

/// View generations whose online rows have to go before anything is published.
#[derive(Debug, Default)]
pub struct Stale(Vec<String>);

impl Stale {
    /// Every generation known from earlier sessions, where rows outlive a session and this one's clock stands still.
    pub fn of(world: &World, place: &Place) -> Self {
        if place.as_of_us.is_none() || place.online == OnlineAccess::Memory {
            return Self::default();
        }
        let mut ids = Vec::new();
        for (namespace, snapshot) in &world.namespaces {
            for (name, view) in &snapshot.views {
                let store = &view.object.spec.store_ref.name;
                let generations = 1..=view.record.last;
                ids.extend(generations.map(|generation| layout::view_id(namespace, store, name, generation)));
            }
        }
        Self(ids)
    }

    /// Whether nothing has to go (any more).
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Drops what has to go; returns rows dropped. What could not be dropped stays to be dropped.
    pub async fn drop_from(&mut self, online: &Arc<dyn OnlineStore>) -> Result<u64, OnlineError> {
        let mut rows = 0;
        while let Some(id) = self.0.last() {
            rows += online.drop_view(id).await?;
            self.0.pop();
        }
        Ok(rows)
    }
}

//! The keys of a request's rows.

use triplane_feature_store::key::{RowKey, encode_entity};

use super::{GatherPlan, Rows};

/// A key that is NULL matches no row: it is not read.
const NOT_READ: u32 = u32::MAX;

/// Keys to read, and which of them belongs to each row and read.
#[derive(Debug)]
pub struct Keys {
    /// What to ask the store for.
    pub keys: Vec<RowKey>,
    places: Vec<u32>,
    reads: usize,
}

impl Keys {
    /// Place of a row's key in `keys`; `None` where a part of it is NULL.
    pub(crate) fn place(&self, row: usize, read: usize) -> Option<usize> {
        let place = *self.places.get(row * self.reads + read)?;
        (place != NOT_READ).then_some(place as usize)
    }
}

impl GatherPlan {
    /// Makes the keys of all rows.
    pub fn keys(&self, rows: &Rows) -> Keys {
        let capacity = rows.len() * self.reads.len();
        let mut made = Keys {
            keys: Vec::with_capacity(capacity),
            places: Vec::with_capacity(capacity),
            reads: self.reads.len(),
        };
        let mut entity = Vec::with_capacity(64);
        for row in 0..rows.len() {
            let values = rows.row(row);
            for read in &self.reads {
                entity.clear();
                let parts = read.key_columns.iter().map(|column| values[*column].borrowed());
                if encode_entity(parts, &mut entity).is_none() {
                    made.places.push(NOT_READ);
                    continue;
                }
                made.places.push(made.keys.len() as u32);
                made.keys.push(RowKey::new(&self.prefix, &entity, &read.view_id));
            }
        }
        made
    }
}

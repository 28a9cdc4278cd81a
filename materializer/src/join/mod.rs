//! The point-in-time join: for each observation, the newest fact that was visible at its time.
//!
//! Sort-merge per view. Observations are sorted by (entity, time), facts by (entity, event time, created time, sequence);
//! one pass over both finds the fact of each observation; answers go back into the order of the observations. Whatever
//! does not fit in its share of memory is sorted through files. *Which* fact counts and *what* is served of it is decided
//! by `triplane_feature_store`, as for online reads. This module knows batches, not tables: IO but for spilling is the
//! caller's.

mod answers;
mod block;
mod code;
mod collect;
mod error;
mod gather;
mod merge;
mod order;
mod run;
mod serve;
mod shares;
mod sorter;
mod spill;
mod types;
mod view;

pub use answers::ViewAnswers;
pub use error::JoinError;
pub use shares::Shares;
pub use spill::Scratch;
pub use types::{canonical, one_row, value_type};
pub use view::{ViewJoin, event_times};

#[cfg(test)]
mod tests;

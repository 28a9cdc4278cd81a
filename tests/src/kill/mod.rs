//! Stores that end their own process by SIGKILL at the n-th call, counted over both stores of a run.

mod bucket;
mod command_proxy;
mod gate;
mod online;

pub use bucket::KillableBucket;
pub use command_proxy::{CommandProxies, Trigger};
pub use gate::{Cut, Gate, Phase, Point, When};
pub use online::KillableOnline;

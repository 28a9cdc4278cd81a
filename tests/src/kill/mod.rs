//! Runs that end by SIGKILL at the n-th call: by their own hand, counted over both stores, or from outside, counted by a proxy
//! in front of one.

mod bucket;
mod command_proxy;
mod gate;
mod killer;
mod online;
mod steps;

pub use bucket::KillableBucket;
pub use command_proxy::CommandProxies;
pub use gate::{Cut, Gate, Point, When};
pub use killer::{Inside, Killer};
pub use online::KillableOnline;
pub use steps::{Phase, Steps};

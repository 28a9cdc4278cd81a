//! The API of Triplane, `triplane.dev/v1alpha1`: kinds, CEL rules, columns, conditions. Types only, no client.
//!
//! Every type keeps what the user wrote: durations and quantities stay text with a `parse` beside them, and nothing is
//! defaulted here. Resolving is the work of the plan, which writes what it resolved to `status`.

// `KubeSchema` copies each type into a function to derive its schema; the copies keep their `pub`.
#![allow(unreachable_pub)]

pub mod columns;
pub mod condition;
pub mod duration;
pub mod name;
pub mod path;
pub mod policy;
pub mod quantity;
pub mod reason;
pub mod reference;
pub mod resources;
mod schema;
pub mod time;
pub mod v1alpha1;
#[cfg(feature = "validate")]
pub mod validate;
pub mod value_type;

pub use schema::all;

/// API group of every kind.
pub const GROUP: &str = "triplane.dev";

/// The version this crate describes.
pub const VERSION: &str = "v1alpha1";

//! Request values from JSON and answers to JSON, exactly.
//!
//! Numbers are read from their text by the type of the column they go to: integers in full, floats correctly rounded, which
//! a general JSON value cannot promise.

mod cell;
mod write;

pub(crate) use cell::cell;
pub(crate) use write::Writer;

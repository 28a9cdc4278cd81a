//! Text of a manifest into numbers. Parsed once; afterwards only numbers travel. Durations and quantities are parsed by
//! `triplane-crds`.

pub mod field;
pub mod schedule;

//! Desired outputs: manifests and facts in, contract files, conditions and actions out, per kind and for the real example.

#![cfg(test)]

mod disturbed;
mod farm;
mod feature_view;
mod flights;
mod generations;
mod inference_service;
mod model;
mod training_set;
mod world;

//! The content address of a set: the same inputs give the same version, whoever builds it and when.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};
use triplane_contract::training::{PinnedView, TrainingSetSpec};
use triplane_contract::{Column, FeatureColumn};

use super::layout::LaidView;

/// Hex digits of a version.
const DIGITS: usize = 16;

/// Everything that decides the rows of a set. Paths, memory, live schemas and times of files are left out on purpose.
#[derive(Serialize)]
struct Inputs<'a> {
    namespace: &'a str,
    name: &'a str,
    timestamp_column: &'a str,
    label: Option<&'a str>,
    request: &'a [String],
    observations: &'a str,
    views: Vec<ViewInputs<'a>>,
}

#[derive(Serialize)]
struct ViewInputs<'a> {
    pinned: &'a PinnedView,
    keys: &'a [Column],
    columns: &'a BTreeMap<String, String>,
    features: &'a [FeatureColumn],
    ttl_us: Option<i64>,
    /// It decides when a row counts as removed, and may come from a feature that is not taken.
    reach_us: Option<i64>,
    availability_delay_us: i64,
}

/// First 16 hex digits of the sha256 of the inputs.
pub(super) fn set_version(
    spec: &TrainingSetSpec,
    views: &[LaidView],
    pinned: &[PinnedView],
    observation_digest: &str,
) -> Result<String, serde_json::Error> {
    let views = views.iter().zip(pinned).map(|(laid, pinned)| ViewInputs {
        pinned,
        keys: &laid.joined.view.keys,
        columns: &laid.joined.keys,
        features: &laid.features,
        ttl_us: laid.joined.view.ttl_us,
        reach_us: laid.joined.view.reach_us(),
        availability_delay_us: laid.joined.view.availability_delay_us,
    });
    let inputs = Inputs {
        namespace: &spec.namespace,
        name: &spec.name,
        timestamp_column: &spec.timestamp_column,
        label: spec.label.as_deref(),
        request: &spec.request,
        observations: observation_digest,
        views: views.collect(),
    };
    let digest = Sha256::digest(serde_json::to_vec(&inputs)?);
    Ok(hex::encode(digest).chars().take(DIGITS).collect())
}

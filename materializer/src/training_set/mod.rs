//! Training sets: observations joined with the features that were visible at their time, written once per content.
//!
//! [`build`] pins a version of every view's table, digests the observations, and so knows the set's version before it
//! joins anything: a set that exists is used as it is. Files are described in `docs/reference/training-set.md`.

mod bridge;
mod digest;
mod error;
mod facts;
mod job;
mod layout;
mod observations;
mod output;
mod sketch;
mod statistics;
mod survey;
mod version;
mod writer;

use std::time::Instant;

use snafu::{OptionExt, ResultExt};
use triplane_contract::training::{PinnedView, TrainingSetManifest, TrainingSetReport, TrainingSetSpec};
use triplane_contract::{layout as paths, version as contract};

use crate::environment::Environment;
use crate::objects::{get_json, put_if_absent};
use crate::offline::Table;
use crate::plan::claim;
use crate::progress::Progress;

pub use error::TrainingSetError;
use error::{AddressSnafu, ClaimSnafu, ManifestSnafu, NoTableSnafu, TableSnafu};
use job::Job;
use layout::{LaidView, SetLayout};
use observations::Observations;

/// Builds the set of the spec, or finds that it exists. The same inputs give the same version and the same rows.
pub async fn build(
    spec: &TrainingSetSpec,
    env: &Environment,
    progress: &dyn Progress,
) -> Result<TrainingSetReport, TrainingSetError> {
    let started = Instant::now();
    contract::check("training set spec", spec.version).map_err(|message| TrainingSetError::Version { message })?;
    let set = spec.name.as_str();
    claim(&spec.store, &env.bucket).await.context(ClaimSnafu { set })?;
    let observations = Observations::open(spec, &env.bucket).await?;
    let layout = SetLayout::new(spec, observations.schema())?;
    let tables = pin(spec, env).await?;
    let survey = survey::survey(set, &observations, layout.timestamp).await?;
    let pinned: Vec<_> = layout
        .views
        .iter()
        .zip(&tables)
        .map(|(view, table)| pinned(view, table))
        .collect();
    let set_version =
        version::set_version(spec, &layout.views, &pinned, &survey.digest).context(AddressSnafu { set })?;
    let root = paths::training_set_root(&spec.store.root, set, &set_version);
    let manifest_path = format!("{root}/manifest.json");
    let existing = get_json(&env.bucket, &manifest_path)
        .await
        .context(ManifestSnafu { set })?;
    let manifest: TrainingSetManifest = if let Some(manifest) = existing {
        manifest
    } else {
        let job = Job {
            spec,
            env,
            observations,
            layout,
            tables,
            survey,
        };
        let answers = job.join(progress).await?;
        let built = job.write(&root, &set_version, pinned, answers).await?;
        put_if_absent(&env.bucket, &manifest_path, built)
            .await
            .context(ManifestSnafu { set })?
    };
    Ok(TrainingSetReport {
        version: contract::CURRENT,
        set_version,
        path: root,
        rows: manifest.rows,
        found: manifest.found,
        peak_memory_bytes: crate::memory::peak_resident_bytes(),
        elapsed_us: i64::try_from(started.elapsed().as_micros()).unwrap_or(i64::MAX),
    })
}

async fn pin(spec: &TrainingSetSpec, env: &Environment) -> Result<Vec<Table>, TrainingSetError> {
    let mut tables = Vec::new();
    for joined in &spec.views {
        let (set, view) = (&spec.name, &joined.view.name);
        let root = paths::view_root(&spec.store.root, &joined.view);
        let table = Table::open(&env.bucket, &root, None)
            .await
            .context(TableSnafu { set, view })?;
        tables.push(table.context(NoTableSnafu {
            set,
            view,
            generation: joined.view.generation,
        })?);
    }
    Ok(tables)
}

fn pinned(view: &LaidView, table: &Table) -> PinnedView {
    PinnedView {
        alias: view.joined.alias.clone(),
        view: view.joined.view.name.clone(),
        generation: view.joined.view.generation,
        table_version: table.version(),
    }
}

//! The contract file of a training-set join.

use snafu::{ResultExt, Snafu};
use triplane_contract::store::StoreAccess;
use triplane_contract::training::{JoinedView, TrainingSetSpec};
use triplane_contract::{View, version};

use super::validate::{Selection, ValidatedTrainingSet};
use crate::resolve::{self, CallerColumns, ResolveError, Views};

/// Why a training set cannot be joined.
#[derive(Clone, Debug, PartialEq, Eq, Snafu)]
pub enum SetInputError {
    /// A reference to a view.
    #[snafu(display("{source}"))]
    Reference {
        /// What is wrong with it.
        source: ResolveError,
    },
}

impl SetInputError {
    /// Whether it ends without an edit.
    pub fn is_waiting(&self) -> bool {
        let Self::Reference { source } = self;
        source.is_waiting()
    }
}

/// Checks every reference against the present definitions of the views.
pub fn check(set: &ValidatedTrainingSet, views: &Views<'_>) -> Result<(), SetInputError> {
    let mut observed = CallerColumns::default();
    for (index, selection) in set.views.iter().enumerate() {
        let field = format!("spec.features[{index}]");
        let view = resolve::defined(views, &selection.alias, &set.store, &field).context(ReferenceSnafu)?;
        observed
            .read_keys(view, &selection.alias, &field)
            .context(ReferenceSnafu)?;
        for name in selection.features.iter().flatten() {
            resolve::feature(view, name, &format!("{field}.features")).context(ReferenceSnafu)?;
        }
    }
    Ok(())
}

/// Checks that every view is complete in its present definition.
pub fn complete(set: &ValidatedTrainingSet, views: &Views<'_>) -> Result<(), SetInputError> {
    check(set, views)?;
    set.views.iter().try_for_each(|selection| {
        resolve::current(views, &selection.alias.view)
            .map(|_| ())
            .context(ReferenceSnafu)
    })
}

/// The join over the present definition of every view, once complete: a set is never made from a definition that is on its
/// way out.
pub fn spec(
    set: &ValidatedTrainingSet,
    views: &Views<'_>,
    store: &StoreAccess,
) -> Result<TrainingSetSpec, SetInputError> {
    check(set, views)?;
    let joined = set.views.iter().map(|selection| {
        let view = resolve::current(views, &selection.alias.view).context(ReferenceSnafu)?;
        Ok(joined(selection, view))
    });
    Ok(TrainingSetSpec {
        version: version::CURRENT,
        namespace: set.namespace.clone(),
        name: set.name.clone(),
        store: store.clone(),
        observations_path: set.observations_path.clone(),
        timestamp_column: set.timestamp_column.clone(),
        label: set.label.clone(),
        request: set.request.clone(),
        views: joined.collect::<Result<_, _>>()?,
        memory_limit_bytes: set.memory_limit_bytes,
    })
}

fn joined(selection: &Selection, view: &View) -> JoinedView {
    let all = || view.features.iter().map(|feature| feature.name.clone()).collect();
    JoinedView {
        alias: selection.alias.alias.clone(),
        view: view.clone(),
        keys: resolve::key_columns(view, &selection.alias),
        features: selection.features.clone().unwrap_or_else(all),
    }
}

//! A TrainingSet's spec as numbers and names that fit together.

use serde::Serialize;
use snafu::{ResultExt, Snafu};
use triplane_crds::v1alpha1::TrainingSetSpec;

use crate::parse::field::{self, FieldError};
use crate::parse::schedule::Schedule;
use crate::resolve::Alias;

/// One view of the join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Selection {
    /// Which view, under which name, by which columns.
    pub alias: Alias,
    /// Features in output order; `None` takes all of the view.
    pub features: Option<Vec<String>>,
}

/// A spec that can be acted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatedTrainingSet {
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// Name of its FeatureStore.
    pub store: String,
    /// Bucket-rooted folder or file.
    pub observations_path: String,
    /// As-of time of an observation.
    pub timestamp_column: String,
    /// Label column.
    pub label: Option<String>,
    /// Columns the caller knows.
    pub request: Vec<String>,
    /// Views in output order.
    pub views: Vec<Selection>,
    /// When a new version is due.
    pub schedule: Option<Schedule>,
    /// Memory of the join, bytes.
    pub memory_limit_bytes: u64,
    /// Starts no join.
    pub suspend: bool,
}

/// Why a TrainingSet's spec cannot be acted on.
#[derive(Debug, Clone, PartialEq, Eq, Snafu)]
pub enum SetSpecError {
    /// A field does not parse.
    #[snafu(display("{source}"))]
    Field {
        /// Which and why.
        source: FieldError,
    },
    /// One view twice under one name.
    #[snafu(display("spec.features has {alias} twice: give one of them another name with `as`"))]
    RepeatedAlias {
        /// The name.
        alias: String,
    },
    /// One feature or column twice.
    #[snafu(display("{field} has {name} twice: remove one"))]
    Repeated {
        /// The list.
        field: String,
        /// The name.
        name: String,
    },
}

/// Checks a spec and resolves its defaults.
pub fn validate(namespace: &str, name: &str, spec: &TrainingSetSpec) -> Result<ValidatedTrainingSet, SetSpecError> {
    let views: Vec<Selection> = spec.features.iter().map(selection).collect();
    if let Some(alias) = field::repeated(views.iter().map(|selection| selection.alias.alias.as_str())) {
        return RepeatedAliasSnafu { alias }.fail();
    }
    for (index, view) in spec.features.iter().enumerate() {
        if let Some(name) = field::repeated(view.features.iter().map(String::as_str)) {
            return RepeatedSnafu {
                field: format!("spec.features[{index}].features"),
                name,
            }
            .fail();
        }
    }
    let observations = &spec.observations;
    let kept = observations
        .request
        .iter()
        .chain(&observations.label)
        .map(String::as_str);
    if let Some(name) = field::repeated(kept) {
        return RepeatedSnafu {
            field: "spec.observations (label and request)",
            name,
        }
        .fail();
    }
    let cron = spec.refresh.as_ref().map(|refresh| refresh.schedule.as_str());
    Ok(ValidatedTrainingSet {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        store: spec.store_ref.name.clone(),
        observations_path: observations.parquet.path.0.clone(),
        timestamp_column: observations.timestamp_column.clone(),
        label: observations.label.clone(),
        request: observations.request.clone(),
        views,
        schedule: field::schedule("spec.refresh.schedule", cron).context(FieldSnafu)?,
        memory_limit_bytes: field::memory("spec.resources", spec.resources.as_ref()).context(FieldSnafu)?,
        suspend: spec.suspend.unwrap_or(false),
    })
}

fn selection(joined: &triplane_crds::v1alpha1::training_set::JoinedView) -> Selection {
    Selection {
        alias: Alias {
            alias: joined.alias.clone().unwrap_or_else(|| joined.view.clone()),
            view: joined.view.clone(),
            keys: joined.keys.clone(),
        },
        features: (!joined.features.is_empty()).then(|| joined.features.clone()),
    }
}

//! A model with everything resolved that a server needs.

use snafu::{ResultExt, Snafu, ensure};
use triplane_contract::ValueType;
use triplane_contract::model::{Input, ServedModel, ServedView};

use super::validate::ValidatedModel;
use crate::resolve::{self, Alias, CallerColumns, ResolveError, Views};

/// Why a model does not fit its views.
#[derive(Clone, Debug, PartialEq, Eq, Snafu)]
pub enum ModelInputError {
    /// A reference to a view.
    #[snafu(display("{source}"))]
    Reference {
        /// What is wrong with it.
        source: ResolveError,
    },
    /// A feature that is no number.
    #[snafu(display(
        "{field} is {value_type}: {format} takes numbers, so leave it out or encode it as a number in the view"
    ))]
    NotNumeric {
        /// Which input.
        field: String,
        /// Its type.
        value_type: ValueType,
        /// Format of the model.
        format: &'static str,
    },
}

impl ModelInputError {
    /// Whether it ends without an edit.
    pub fn is_waiting(&self) -> bool {
        matches!(self, Self::Reference { source } if source.is_waiting())
    }
}

/// Checks every input against the present definitions of the views, complete or not.
pub fn check(model: &ValidatedModel, views: &Views<'_>) -> Result<(), ModelInputError> {
    let mut caller = CallerColumns::default();
    for (index, input) in model.inputs.iter().enumerate() {
        if let Input::Request { name, value_type } = input {
            let field = format!("spec.inputs[{index}].request {name}");
            numeric(&field, *value_type)?;
            caller.read(name, *value_type, &field).context(ReferenceSnafu)?;
        }
    }
    for alias in &model.views {
        let field = used_at(model, alias);
        let view = resolve::defined(views, alias, &model.store, &field).context(ReferenceSnafu)?;
        caller.read_keys(view, alias, &field).context(ReferenceSnafu)?;
        for (index, feature) in features_of(model, alias) {
            let field = format!("spec.inputs[{index}].feature {}/{feature}", alias.alias);
            let column = resolve::feature(view, feature, &field).context(ReferenceSnafu)?;
            numeric(&field, column.value_type)?;
        }
    }
    Ok(())
}

/// The model over the complete generations of its views.
pub fn served(model: &ValidatedModel, views: &Views<'_>) -> Result<ServedModel, ModelInputError> {
    check(model, views)?;
    let mut served = Vec::with_capacity(model.views.len());
    for alias in &model.views {
        let features: Vec<&str> = features_of(model, alias).map(|(_, feature)| feature).collect();
        let view = resolve::complete(views, &alias.view, &features).context(ReferenceSnafu)?;
        served.push(ServedView {
            alias: alias.alias.clone(),
            view: view.clone(),
            keys: resolve::key_columns(view, alias),
        });
    }
    Ok(ServedModel {
        name: model.name.clone(),
        sha256: model.sha256.clone(),
        artifact_path: model.artifact_path.clone(),
        format: model.format,
        inputs: model.inputs.clone(),
        views: served,
        output_name: model.output_name.clone(),
        baseline: model.baseline,
    })
}

fn features_of<'a>(model: &'a ValidatedModel, alias: &'a Alias) -> impl Iterator<Item = (usize, &'a str)> {
    model
        .inputs
        .iter()
        .enumerate()
        .filter_map(|(index, input)| match input {
            Input::Feature { view, feature, .. } if *view == alias.alias => Some((index, feature.as_str())),
            _ => None,
        })
}

/// The field that names a view: its alias entry, else the first input that reads it.
fn used_at(model: &ValidatedModel, alias: &Alias) -> String {
    if model.declared_aliases.contains(&alias.alias) {
        return format!("spec.views[as={}]", alias.alias);
    }
    let first = features_of(model, alias).next().map_or(0, |(index, _)| index);
    format!("spec.inputs[{first}].feature")
}

fn numeric(field: &str, value_type: ValueType) -> Result<(), ModelInputError> {
    ensure!(
        value_type.is_numeric(),
        NotNumericSnafu {
            field,
            value_type,
            format: "LightGBM"
        }
    );
    Ok(())
}

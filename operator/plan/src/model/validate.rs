//! A Model's spec as numbers and names that fit together.

use std::collections::BTreeSet;

use snafu::{OptionExt, Snafu, ensure};
use triplane_contract::model::{Golden, Input, ModelFormat};
use triplane_crds::v1alpha1::ModelSpec;
use triplane_crds::v1alpha1::model::{ModelFormat as Declared, ModelInput, TrainedOn};

use crate::parse::field;
use crate::resolve::Alias;

/// Largest difference of a golden prediction that is accepted where the Model does not say.
pub const DEFAULT_TOLERANCE: f64 = 1e-6;

/// A spec that can be acted on.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidatedModel {
    /// Name of the object.
    pub name: String,
    /// Name of its FeatureStore.
    pub store: String,
    /// Format of the artifact.
    pub format: ModelFormat,
    /// Bucket-rooted path of the artifact.
    pub artifact_path: String,
    /// 64 lower-case hex digits.
    pub sha256: String,
    /// Inputs in the model's order.
    pub inputs: Vec<Input>,
    /// Views the inputs name, each once: declared aliases first, then views by their own names.
    pub views: Vec<Alias>,
    /// Aliases that `spec.views` declares.
    pub declared_aliases: BTreeSet<String>,
    /// Name of the output.
    pub output_name: String,
    /// The safe default prediction.
    pub baseline: Option<f64>,
    /// Recorded predictions.
    pub golden: Option<Golden>,
    /// Training set and version.
    pub trained_on: Option<TrainedOn>,
}

/// Why a Model's spec cannot be acted on.
#[derive(Debug, Clone, PartialEq, Eq, Snafu)]
pub enum ModelSpecError {
    /// A format that is not built.
    #[snafu(display("spec.format {format} is not supported yet: use LightGBM"))]
    Format {
        /// What was written.
        format: &'static str,
    },
    /// An input that is neither or both.
    #[snafu(display("spec.inputs[{index}] needs exactly one of feature (view/name) and request (with type)"))]
    Input {
        /// Its place, from 0.
        index: usize,
    },
    /// Two inputs of one name.
    #[snafu(display("spec.inputs has {name} twice: every input has a name of its own"))]
    RepeatedInput {
        /// The name.
        name: String,
    },
    /// Two aliases of one name.
    #[snafu(display("spec.views has {alias} twice: every `as` is another name"))]
    RepeatedAlias {
        /// The name.
        alias: String,
    },
    /// An alias that no input uses.
    #[snafu(display(
        "spec.views[as={alias}] is used by no input: write {alias}/<feature> in spec.inputs or remove it"
    ))]
    UnusedAlias {
        /// The name.
        alias: String,
    },
    /// A default that is no number.
    #[snafu(display("spec.baseline.prediction is not a finite number: write the prediction to serve by default"))]
    Baseline,
    /// A digest that is none.
    #[snafu(display("spec.artifact.sha256 `{text}` is not 64 lower-case hex digits: quote what sha256sum prints"))]
    Digest {
        /// What was written.
        text: String,
    },
}

/// Checks a spec and resolves its defaults.
pub fn validate(name: &str, spec: &ModelSpec) -> Result<ValidatedModel, ModelSpecError> {
    let format = match spec.format {
        Declared::LightGBM => ModelFormat::LightGBM,
        other => return FormatSnafu { format: other.name() }.fail(),
    };
    let sha256 = spec.artifact.sha256.clone();
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    ensure!(
        sha256.len() == 64 && sha256.bytes().all(is_hex),
        DigestSnafu { text: sha256 }
    );
    let inputs = inputs(&spec.inputs)?;
    let declared_aliases = aliases(spec, &inputs)?;
    let baseline = spec.baseline.as_ref().map(|baseline| baseline.prediction);
    ensure!(baseline.is_none_or(f64::is_finite), BaselineSnafu);
    Ok(ValidatedModel {
        name: name.to_owned(),
        store: spec.store_ref.name.clone(),
        format,
        artifact_path: spec.artifact.path.0.clone(),
        sha256,
        views: views(spec, &inputs),
        inputs,
        declared_aliases,
        output_name: spec.output.name.clone(),
        baseline,
        golden: spec.golden.as_ref().map(|golden| Golden {
            path: golden.path.0.clone(),
            tolerance: golden.tolerance.unwrap_or(DEFAULT_TOLERANCE),
        }),
        trained_on: spec.trained_on.clone(),
    })
}

fn inputs(declared: &[ModelInput]) -> Result<Vec<Input>, ModelSpecError> {
    let mut names = BTreeSet::new();
    let mut inputs = Vec::with_capacity(declared.len());
    for (index, input) in declared.iter().enumerate() {
        let input = input_of(input).context(InputSnafu { index })?;
        let name = input.name();
        ensure!(names.insert(name.clone()), RepeatedInputSnafu { name });
        inputs.push(input);
    }
    Ok(inputs)
}

fn input_of(declared: &ModelInput) -> Option<Input> {
    match (&declared.feature, &declared.request, declared.value_type) {
        (Some(feature), None, None) => {
            let (view, feature) = feature.split_once('/')?;
            let allow_override = declared.allow_override.unwrap_or(false);
            Some(Input::Feature {
                view: view.to_owned(),
                feature: feature.to_owned(),
                allow_override,
            })
        }
        (None, Some(name), Some(value_type)) => Some(Input::Request {
            name: name.clone(),
            value_type: field::value_type(value_type),
        }),
        _ => None,
    }
}

fn aliases(spec: &ModelSpec, inputs: &[Input]) -> Result<BTreeSet<String>, ModelSpecError> {
    if let Some(alias) = field::repeated(spec.views.iter().map(|alias| alias.alias.as_str())) {
        return RepeatedAliasSnafu { alias }.fail();
    }
    let used: BTreeSet<&str> = inputs.iter().filter_map(view_of).collect();
    if let Some(alias) = spec.views.iter().find(|alias| !used.contains(alias.alias.as_str())) {
        return UnusedAliasSnafu { alias: &alias.alias }.fail();
    }
    Ok(spec.views.iter().map(|alias| alias.alias.clone()).collect())
}

/// Declared aliases, then every other view the inputs name, in the order of the inputs.
fn views(spec: &ModelSpec, inputs: &[Input]) -> Vec<Alias> {
    let mut views: Vec<Alias> = spec
        .views
        .iter()
        .map(|v| Alias {
            alias: v.alias.clone(),
            view: v.view.clone(),
            keys: v.keys.clone(),
        })
        .collect();
    for name in inputs.iter().filter_map(view_of) {
        if views.iter().all(|alias| alias.alias != name) {
            views.push(Alias {
                alias: name.to_owned(),
                view: name.to_owned(),
                keys: std::collections::BTreeMap::new(),
            });
        }
    }
    views
}

fn view_of(input: &Input) -> Option<&str> {
    match input {
        Input::Feature { view, .. } => Some(view),
        Input::Request { .. } => None,
    }
}

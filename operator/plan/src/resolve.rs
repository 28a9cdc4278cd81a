//! References to views, as a Model or a TrainingSet makes them: `view/feature` under an alias with keys.

use std::collections::BTreeMap;

use serde::Serialize;
use snafu::{OptionExt, Snafu, ensure};
use triplane_contract::{FeatureColumn, ValueType, View};

/// What is known of a view by those who refer to it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// The generation of its present spec; `None` while the spec is not valid.
    pub target: Option<&'a View>,
    /// The generation whose rows are complete.
    pub ready: Option<&'a View>,
}

/// The views of a namespace by name.
pub type Views<'a> = BTreeMap<String, Known<'a>>;

/// A view under the name that inputs and columns use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alias {
    /// Name in `alias/feature`: the `as`, else the view's name.
    pub alias: String,
    /// Name of the FeatureView.
    pub view: String,
    /// View key -> column of the request or observations; keys that are left out read the column of their own name.
    pub keys: BTreeMap<String, String>,
}

/// Why a reference cannot be resolved. `Missing`, `NotReady` and `Building` end by themselves; the others need an edit.
#[derive(Clone, Debug, PartialEq, Eq, Snafu)]
pub enum ResolveError {
    /// There is no such view.
    #[snafu(display("FeatureView {view} does not exist yet: apply it, or correct the name in {field}"))]
    Missing {
        /// Name of the view.
        view: String,
        /// Field that names it.
        field: String,
    },
    /// The view has no complete generation.
    #[snafu(display("FeatureView {view} has no complete generation yet: its own status says what it waits for"))]
    NotReady {
        /// Name of the view.
        view: String,
    },
    /// The present definition is being filled.
    #[snafu(display("generation {generation} of FeatureView {view} is being filled: nothing to do"))]
    Building {
        /// Name of the view.
        view: String,
        /// Generation that is waited for.
        generation: u32,
    },
    /// The view lives in another store.
    #[snafu(display(
        "FeatureView {view} in {field} belongs to FeatureStore {other}, not to {store}: use views of one store"
    ))]
    OtherStore {
        /// Name of the view.
        view: String,
        /// Field that names it.
        field: String,
        /// Store of the view.
        other: String,
        /// Store of the object.
        store: String,
    },
    /// The view has no such feature.
    #[snafu(display("FeatureView {view} has no feature {feature} ({field}): it has {known}"))]
    NoFeature {
        /// Name of the view.
        view: String,
        /// Name of the feature.
        feature: String,
        /// Field that names it.
        field: String,
        /// Features there are.
        known: String,
    },
    /// `keys` names a key the view does not have.
    #[snafu(display("{field} maps {key}, which is no key of FeatureView {view}: its keys are {known}"))]
    NoKey {
        /// Name of the view.
        view: String,
        /// Name of the key.
        key: String,
        /// Field that names it.
        field: String,
        /// Keys there are.
        known: String,
    },
    /// One column is read with two types.
    #[snafu(display(
        "column {column} is read as {one} and as {other} ({field}): map one of them to another column in keys"
    ))]
    TypeConflict {
        /// The column.
        column: String,
        /// First type.
        one: ValueType,
        /// Second type.
        other: ValueType,
        /// Field that reads it the second time.
        field: String,
    },
}

impl ResolveError {
    /// Whether it ends without an edit.
    pub fn is_waiting(&self) -> bool {
        matches!(
            self,
            Self::Missing { .. } | Self::NotReady { .. } | Self::Building { .. }
        )
    }
}

/// The view an alias names, as its present spec defines it, in the store `store`.
pub fn defined<'a>(views: &Views<'a>, alias: &Alias, store: &str, field: &str) -> Result<&'a View, ResolveError> {
    let known = views.get(&alias.view).context(MissingSnafu {
        view: &alias.view,
        field,
    })?;
    let view = known
        .target
        .or(known.ready)
        .context(NotReadySnafu { view: &alias.view })?;
    ensure!(
        view.store == store,
        OtherStoreSnafu {
            view: &alias.view,
            field,
            other: &view.store,
            store
        }
    );
    if let Some(key) = alias
        .keys
        .keys()
        .find(|key| view.keys.iter().all(|column| column.name != **key))
    {
        let known = listed(view.keys.iter().map(|column| column.name.as_str()));
        return NoKeySnafu {
            view: &alias.view,
            key,
            field,
            known,
        }
        .fail();
    }
    Ok(view)
}

/// A feature of a view.
pub fn feature<'a>(view: &'a View, name: &str, field: &str) -> Result<&'a FeatureColumn, ResolveError> {
    view.features
        .iter()
        .find(|feature| feature.name == name)
        .with_context(|| NoFeatureSnafu {
            view: &view.name,
            feature: name,
            field,
            known: listed(view.features.iter().map(|feature| feature.name.as_str())),
        })
}

/// The complete generation of a view that has every feature in `features`.
pub fn complete<'a>(views: &Views<'a>, name: &str, features: &[&str]) -> Result<&'a View, ResolveError> {
    let known = views.get(name).copied().unwrap_or_default();
    let view = known.ready.context(NotReadySnafu { view: name })?;
    let has = |feature: &str| view.features.iter().any(|f| f.name == feature);
    let generation = known.target.map_or(view.generation, |target| target.generation);
    ensure!(
        features.iter().all(|f| has(f)),
        BuildingSnafu { view: name, generation }
    );
    Ok(view)
}

/// The present definition of a view, once it is complete.
pub fn current<'a>(views: &Views<'a>, name: &str) -> Result<&'a View, ResolveError> {
    let known = views.get(name).copied().unwrap_or_default();
    let view = known.ready.context(NotReadySnafu { view: name })?;
    let target = known.target.unwrap_or(view);
    ensure!(
        target.generation == view.generation,
        BuildingSnafu {
            view: name,
            generation: target.generation
        }
    );
    Ok(view)
}

/// Every key of `view` with the column it is read from.
pub fn key_columns(view: &View, alias: &Alias) -> BTreeMap<String, String> {
    let column = |key: &str| alias.keys.get(key).cloned().unwrap_or_else(|| key.to_owned());
    view.keys
        .iter()
        .map(|key| (key.name.clone(), column(&key.name)))
        .collect()
}

/// The types of the columns a caller gives; one column has one type.
#[derive(Debug, Default)]
pub struct CallerColumns(BTreeMap<String, ValueType>);

impl CallerColumns {
    /// Notes that `column` is read as `value_type` by `field`.
    pub fn read(&mut self, column: &str, value_type: ValueType, field: &str) -> Result<(), ResolveError> {
        let one = *self.0.entry(column.to_owned()).or_insert(value_type);
        ensure!(
            one == value_type,
            TypeConflictSnafu {
                column,
                one,
                other: value_type,
                field
            }
        );
        Ok(())
    }

    /// Notes the key columns of a view.
    pub fn read_keys(&mut self, view: &View, alias: &Alias, field: &str) -> Result<(), ResolveError> {
        view.keys.iter().try_for_each(|key| {
            let column = alias.keys.get(&key.name).unwrap_or(&key.name);
            self.read(column, key.value_type, field)
        })
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

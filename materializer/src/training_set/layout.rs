//! What columns a set has, decided from the spec and the observations' schema before anything is joined.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use snafu::{OptionExt, ensure};
use triplane_contract::training::{JoinedView, TrainingSetSpec};
use triplane_contract::{Column, FeatureColumn, ValueType};

use super::error::{ClashSnafu, KeysSnafu, ObservationColumnSnafu, TrainingSetError, UnknownFeatureSnafu};
use crate::join::value_type;
use crate::offline::arrow_type;

/// One view of the set.
#[derive(Clone, Debug)]
pub(super) struct LaidView {
    pub(super) joined: JoinedView,
    /// Features in output order.
    pub(super) features: Vec<FeatureColumn>,
    /// Observation columns of the view's keys in declared order, then of the as-of time.
    pub(super) asked: Vec<usize>,
}

/// The columns of a set.
#[derive(Clone, Debug)]
pub(super) struct SetLayout {
    pub(super) timestamp: usize,
    pub(super) views: Vec<LaidView>,
    /// Observation columns, then for each view each feature and its status.
    pub(super) schema: SchemaRef,
    /// Columns with statistics: index and declared type.
    pub(super) measured: Vec<(usize, ValueType)>,
}

/// The type of status columns: text, stored as a number of one byte and a dictionary.
pub(super) fn status_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8))
}

impl SetLayout {
    pub(super) fn new(spec: &TrainingSetSpec, observations: &Schema) -> Result<Self, TrainingSetError> {
        let known = Known {
            set: &spec.name,
            observations,
        };
        let timestamp = known.typed(&spec.timestamp_column, "timestampColumn", ValueType::Timestamp)?;
        let mut measured = Vec::new();
        for name in &spec.request {
            measured.push(known.measured(name, "request")?);
        }
        if let Some(label) = &spec.label {
            measured.push(known.measured(label, "label")?);
        }
        let mut fields: Vec<Field> = observations
            .fields()
            .iter()
            .map(|field| field.as_ref().clone())
            .collect();
        let mut views = Vec::new();
        for joined in &spec.views {
            let view = known.view(joined, timestamp)?;
            for feature in &view.features {
                let name = format!("{}/{}", joined.alias, feature.name);
                measured.push((fields.len(), feature.value_type));
                fields.push(Field::new(&name, arrow_type(feature.value_type), true));
                fields.push(Field::new(format!("{name}.status"), status_type(), false));
            }
            views.push(view);
        }
        let mut names = BTreeSet::new();
        for field in &fields {
            ensure!(
                names.insert(field.name()),
                ClashSnafu {
                    set: &spec.name,
                    column: field.name()
                }
            );
        }
        measured.sort_unstable();
        measured.dedup();
        Ok(Self {
            timestamp,
            views,
            schema: Arc::new(Schema::new(fields)),
            measured,
        })
    }

    /// Columns for the manifest; those of types that `v1alpha1` does not know are in the files only.
    pub(super) fn columns(&self) -> Vec<Column> {
        let columns = self.schema.fields().iter();
        columns
            .filter_map(|field| {
                let value_type = measured_type(field.data_type())?;
                Some(Column {
                    name: field.name().clone(),
                    value_type,
                })
            })
            .collect()
    }
}

/// The declared type that holds every value of a column: as in a view, and small integers in the next larger type.
fn measured_type(data_type: &DataType) -> Option<ValueType> {
    match data_type {
        DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16 => Some(ValueType::Int32),
        DataType::UInt32 => Some(ValueType::Int64),
        DataType::Float16 => Some(ValueType::Float32),
        other => value_type(other),
    }
}

struct Known<'a> {
    set: &'a str,
    observations: &'a Schema,
}

impl Known<'_> {
    fn view(&self, joined: &JoinedView, timestamp: usize) -> Result<LaidView, TrainingSetError> {
        let view = &joined.view;
        let expected: BTreeSet<&String> = view.keys.iter().map(|key| &key.name).collect();
        ensure!(
            expected.iter().copied().eq(joined.keys.keys()),
            KeysSnafu {
                set: self.set,
                view: &joined.alias,
                expected: list(expected),
                found: list(joined.keys.keys())
            }
        );
        let mut asked = Vec::new();
        for key in &view.keys {
            let column = joined.keys.get(&key.name).map_or(key.name.as_str(), String::as_str);
            asked.push(self.typed(
                column,
                &format!("key {} of view {}", key.name, joined.alias),
                key.value_type,
            )?);
        }
        asked.push(timestamp);
        let features = joined.features.iter().map(|name| {
            let found = view.features.iter().find(|feature| feature.name == *name).cloned();
            found.context(UnknownFeatureSnafu {
                set: self.set,
                view: &joined.alias,
                feature: name,
            })
        });
        Ok(LaidView {
            features: features.collect::<Result<_, _>>()?,
            joined: joined.clone(),
            asked,
        })
    }

    /// The column of this name, which must have this type.
    fn typed(&self, column: &str, purpose: &str, needed: ValueType) -> Result<usize, TrainingSetError> {
        let (index, field) = self.column(column, purpose, needed.name())?;
        let fits = value_type(field.data_type()) == Some(needed);
        ensure!(fits, self.wrong(column, purpose, field.data_type(), needed.name()));
        Ok(index)
    }

    /// The column of this name with the type of its statistics.
    fn measured(&self, column: &str, purpose: &str) -> Result<(usize, ValueType), TrainingSetError> {
        let needed = "a type of v1alpha1 (cast it where the observations are written)";
        let (index, field) = self.column(column, purpose, needed)?;
        let known = measured_type(field.data_type());
        Ok((
            index,
            known.with_context(|| self.wrong(column, purpose, field.data_type(), needed))?,
        ))
    }

    fn column(&self, column: &str, purpose: &str, needed: &str) -> Result<(usize, &Field), TrainingSetError> {
        self.observations
            .column_with_name(column)
            .with_context(|| ObservationColumnSnafu {
                set: self.set,
                purpose,
                column,
                found: "absent",
                needed,
            })
    }

    fn wrong<'n>(
        &'n self,
        column: &'n str,
        purpose: &'n str,
        found: &DataType,
        needed: &'n str,
    ) -> ObservationColumnSnafu<&'n str, &'n str, &'n str, String, &'n str> {
        ObservationColumnSnafu {
            set: self.set,
            purpose,
            column,
            found: found.to_string(),
            needed,
        }
    }
}

fn list<'n>(names: impl IntoIterator<Item = &'n String>) -> String {
    let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

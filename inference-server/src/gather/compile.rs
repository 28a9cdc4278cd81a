//! Compiles the plan of a model.

use std::sync::Arc;

use snafu::{OptionExt, ResultExt, Snafu, ensure};
use triplane_contract::model::{Input, ServedModel, ServedView};
use triplane_contract::{FeatureColumn, ValueType};
use triplane_feature_store::key::{KeyError, check_prefix};
use triplane_feature_store::row::{RowDecoder, RowError};
use triplane_feature_store::semantics::{FeatureRule, RuleError, ViewRule};

use super::{GatherPlan, Read, RequestColumn, Source};

/// Why a model of a route table cannot be served.
#[derive(Debug, Snafu)]
pub enum PlanError {
    /// An input names a view that the model does not list.
    #[snafu(display("input {input}: the model lists no view \"{view}\""))]
    UnknownView {
        /// The input.
        input: String,
        /// The view.
        view: String,
    },
    /// A view has no such feature.
    #[snafu(display("input {input}: view {view} has no such feature"))]
    UnknownFeature {
        /// The input.
        input: String,
        /// The view.
        view: String,
    },
    /// Text or bytes where the model takes numbers.
    #[snafu(display("input {input} is {value_type}: the model takes numbers"))]
    NotNumeric {
        /// The input.
        input: String,
        /// Its type.
        value_type: ValueType,
    },
    /// One request column with two types.
    #[snafu(display("request column \"{column}\" is {first} in one place and {second} in another"))]
    ColumnTypes {
        /// The column.
        column: String,
        /// One type.
        first: ValueType,
        /// The other type.
        second: ValueType,
    },
    /// A key of a view without a request column.
    #[snafu(display("view {alias}: key \"{key}\" has no request column"))]
    UnmappedKey {
        /// Alias of the view.
        alias: String,
        /// The key.
        key: String,
    },
    /// A rule for missing values that contradicts itself.
    #[snafu(display("view {alias}: {source}"))]
    Rule {
        /// Alias of the view.
        alias: String,
        /// What is wrong.
        source: RuleError,
    },
    /// Schemas that contradict each other.
    #[snafu(display("{source}"))]
    Schemas {
        /// What is wrong.
        source: RowError,
    },
    /// A prefix that no key can have.
    #[snafu(display("{source}"))]
    Prefix {
        /// What is wrong.
        source: KeyError,
    },
}

#[derive(Default)]
struct Builder {
    columns: Vec<RequestColumn>,
    /// Features wanted of each read, by slot.
    wanted: Vec<Vec<String>>,
    /// View of each read, with its key columns.
    reads: Vec<(ServedView, Vec<usize>)>,
}

impl GatherPlan {
    /// Compiles the plan of `model` for an online store with key prefix `prefix`.
    pub fn compile(model: &ServedModel, prefix: &str) -> Result<Self, PlanError> {
        check_prefix(prefix).context(PrefixSnafu)?;
        let mut builder = Builder::default();
        let inputs = model
            .inputs
            .iter()
            .map(|input| builder.input(model, input))
            .collect::<Result<_, _>>()?;
        let names = model.inputs.iter().map(|input| Arc::from(input.name())).collect();
        let reads = builder
            .reads
            .iter()
            .zip(&builder.wanted)
            .map(|((served, key_columns), wanted)| {
                Ok(Read {
                    view: served.view.name.clone(),
                    view_id: served.view.id.clone(),
                    key_columns: key_columns.clone(),
                    decoder: RowDecoder::new(&served.view, wanted).context(SchemasSnafu)?,
                    rule: ViewRule::online(&served.view),
                })
            })
            .collect::<Result<_, PlanError>>()?;
        Ok(Self {
            columns: builder.columns,
            reads,
            inputs,
            names,
            prefix: prefix.to_owned(),
        })
    }
}

impl Builder {
    fn input(&mut self, model: &ServedModel, input: &Input) -> Result<Source, PlanError> {
        match input {
            Input::Request { name, value_type } => {
                require_number(input, *value_type)?;
                Ok(Source::Request {
                    column: self.column(name, *value_type, true)?,
                })
            }
            Input::Feature {
                view,
                feature,
                allow_override,
            } => {
                let served = model.views.iter().find(|served| served.alias == *view);
                let served = served.with_context(|| UnknownViewSnafu {
                    input: input.name(),
                    view,
                })?;
                let column = served.view.features.iter().find(|column| column.name == *feature);
                let column = column.with_context(|| UnknownFeatureSnafu {
                    input: input.name(),
                    view: served.view.full_name(),
                })?;
                require_number(input, column.value_type)?;
                let (read, slot) = self.slot(served, column)?;
                let rule = FeatureRule::compile(column).context(RuleSnafu { alias: &served.alias })?;
                let override_column = match allow_override {
                    true => Some(self.column(&input.name(), column.value_type, false)?),
                    false => None,
                };
                Ok(Source::Feature {
                    read,
                    slot,
                    rule,
                    override_column,
                })
            }
        }
    }

    /// The request column of that name, added where it is new.
    fn column(&mut self, name: &str, value_type: ValueType, required: bool) -> Result<usize, PlanError> {
        if let Some(index) = self.columns.iter().position(|column| *column.name == *name) {
            let column = &mut self.columns[index];
            let first = column.value_type;
            ensure!(
                first == value_type,
                ColumnTypesSnafu {
                    column: name,
                    first,
                    second: value_type
                }
            );
            column.required |= required;
            return Ok(index);
        }
        self.columns.push(RequestColumn {
            name: name.into(),
            value_type,
            required,
        });
        Ok(self.columns.len() - 1)
    }

    /// The read and slot of a feature. Aliases of one view under the same key columns share a read.
    fn slot(&mut self, served: &ServedView, feature: &FeatureColumn) -> Result<(usize, usize), PlanError> {
        let key_columns = self.key_columns(served)?;
        let same =
            |(other, columns): &(ServedView, Vec<usize>)| other.view.id == served.view.id && *columns == key_columns;
        let read = self.reads.iter().position(same).unwrap_or_else(|| {
            self.reads.push((served.clone(), key_columns.clone()));
            self.wanted.push(Vec::new());
            self.reads.len() - 1
        });
        let wanted = &mut self.wanted[read];
        let slot = wanted.iter().position(|name| *name == feature.name).unwrap_or_else(|| {
            wanted.push(feature.name.clone());
            wanted.len() - 1
        });
        Ok((read, slot))
    }

    fn key_columns(&mut self, served: &ServedView) -> Result<Vec<usize>, PlanError> {
        let mut keys: Vec<_> = served.view.keys.iter().collect();
        keys.sort_by(|a, b| a.name.cmp(&b.name));
        keys.into_iter()
            .map(|key| {
                let column = served.keys.get(&key.name);
                let column = column.with_context(|| UnmappedKeySnafu {
                    alias: &served.alias,
                    key: &key.name,
                })?;
                self.column(column, key.value_type, true)
            })
            .collect()
    }
}

fn require_number(input: &Input, value_type: ValueType) -> Result<(), PlanError> {
    ensure!(
        value_type.is_numeric(),
        NotNumericSnafu {
            input: input.name(),
            value_type
        }
    );
    Ok(())
}

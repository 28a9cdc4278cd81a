//! The query of a view: parsed, checked, and shaped to the view's columns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Column, TableReference};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::prelude::SQLOptions;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;
use snafu::Snafu;
use triplane_contract::run::Transform;
use triplane_contract::view::is_reserved;
use triplane_contract::{ValueType, View};

use super::checks::{Objection, looks_both_ways, objection};
use super::conform::{Rule, may_conform};
use super::event_time::is_source_time;
use super::source::{FILE_RANK, SourceTable};
use crate::offline::{CREATED_TIME, EVENT_TIME, arrow_type};

/// Why a query is refused before it runs.
#[derive(Clone, Debug, PartialEq, Eq, Snafu)]
#[snafu(visibility(pub(crate)))]
pub enum QueryError {
    /// The query does not parse, names something that is not there, or is no single SELECT.
    #[snafu(display("QueryInvalid: spec.query of {view}: {message}"))]
    QueryInvalid {
        /// `namespace/name`
        view: String,
        /// The engine's message, with the position where it gives one.
        message: String,
    },
    /// The query parses, but not over the columns that its sources have.
    #[snafu(display("QueryInvalid: spec.query of {view}: {message}"))]
    Unresolved {
        /// `namespace/name`
        view: String,
        /// The engine's message.
        message: String,
    },
    /// The query looks at other rows but does not say how far.
    #[snafu(display(
        "LookbackRequired: spec.query of {view} has {construct}: set spec.lookback to how far from its own time the rows are that a row is made of"
    ))]
    LookbackRequired {
        /// `namespace/name`
        view: String,
        /// What needs it.
        construct: &'static str,
    },
    /// The query gives another result each time it runs.
    #[snafu(display("VolatileFunction: spec.query of {view} calls {function}(): use a column of the source instead"))]
    VolatileFunction {
        /// `namespace/name`
        view: String,
        /// The function.
        function: String,
    },
    /// The result lacks a column of the view.
    #[snafu(display("QueryInvalid: the result of {view} has no column \"{column}\" ({role}); it has {found}"))]
    ColumnMissing {
        /// `namespace/name`
        view: String,
        /// Column.
        column: String,
        /// What it is for.
        role: &'static str,
        /// Columns of the result.
        found: String,
    },
    /// A column of the result has another type than declared.
    #[snafu(display(
        "QueryInvalid: column \"{column}\" of {view} is {found}, the view declares {declared}: CAST it in the query or change the declaration"
    ))]
    ColumnType {
        /// `namespace/name`
        view: String,
        /// Column.
        column: String,
        /// Type of the result.
        found: String,
        /// Declared type.
        declared: ValueType,
    },
    /// A key or feature has a name that the offline table uses itself.
    #[snafu(display(
        "{view} has a key or feature named \"{column}\", which the offline table uses itself: choose another name"
    ))]
    ReservedColumn {
        /// `namespace/name`
        view: String,
        /// Column.
        column: String,
    },
}

impl QueryError {
    /// Whether sources with other columns would do.
    pub(crate) fn is_about_columns(&self) -> bool {
        matches!(
            self,
            Self::Unresolved { .. } | Self::ColumnMissing { .. } | Self::ColumnType { .. }
        )
    }
}

/// A checked query.
#[derive(Debug)]
pub(crate) struct Query {
    /// Optimised plan whose columns are the keys, features, `event_time`, (where declared) `created_time` and (without a
    /// query) `FILE_RANK`, by place.
    pub(crate) plan: LogicalPlan,
    /// Columns each source has to give.
    pub(crate) needed: BTreeMap<String, BTreeSet<String>>,
    /// A row may be made of rows up to `lookback` after it, too.
    pub(crate) both_ways: bool,
}

/// Parses, checks and shapes the query over sources that are registered by name.
pub(crate) async fn prepare(session: &SessionContext, view: &View, transform: &Transform) -> Result<Query, QueryError> {
    let invalid = |error: DataFusionError| invalid(view, message(&error));
    plain_time(view, transform)?;
    let plan = parse(session, view, transform).await?;
    refuse(&plan, view, transform)?;
    let both_ways = looks_both_ways(&plan).map_err(invalid)?;
    let shaped = shape(plan, view, transform)?;
    let event_time = view.keys.len() + view.features.len();
    let moved = !is_source_time(&shaped, event_time, &transform.sources);
    if moved && transform.lookback_us == 0 {
        return Err(QueryError::LookbackRequired {
            view: view.full_name(),
            construct: "an event time that is not a source's timestampColumn as it is",
        });
    }
    let plan = session.state().optimize(&shaped).map_err(|e| unresolved(view, &e))?;
    let needed = needed_columns(&plan).map_err(invalid)?;
    Ok(Query {
        plan,
        needed,
        both_ways: both_ways || moved,
    })
}

fn invalid(view: &View, message: impl Into<String>) -> QueryError {
    QueryError::QueryInvalid {
        view: view.full_name(),
        message: message.into(),
    }
}

fn unresolved(view: &View, error: &DataFusionError) -> QueryError {
    QueryError::Unresolved {
        view: view.full_name(),
        message: message(error),
    }
}

/// Rows of a view without a query are placed in time by the column that is their event time.
fn plain_time(view: &View, transform: &Transform) -> Result<(), QueryError> {
    let own = transform.timestamp_column.as_str();
    let mut sources = transform.sources.iter();
    match sources.find(|source| source.timestamp_column != own) {
        Some(source) if transform.query.is_none() => Err(invalid(
            view,
            format!(
                "there is none, so timestampColumn \"{}\" of source {} has to be the view's, \"{own}\": remove it, or write a query",
                source.timestamp_column, source.name
            ),
        )),
        _ => Ok(()),
    }
}

async fn parse(session: &SessionContext, view: &View, transform: &Transform) -> Result<LogicalPlan, QueryError> {
    let failed = |error: DataFusionError| invalid(view, message(&error));
    let sql = transform.query.clone().unwrap_or_else(|| plain_sql(view, transform));
    let state = session.state();
    let statement = state
        .sql_to_statement(&sql, &state.config_options().sql_parser.dialect)
        .map_err(failed)?;
    let is_query = matches!(&statement, Statement::Statement(inner) if matches!(**inner, SqlStatement::Query(_)));
    if !is_query {
        let message = "it has to be one SELECT (DDL, DML, COPY, SET and EXPLAIN are not accepted)";
        return Err(invalid(view, message));
    }
    let plan = state.statement_to_plan(statement).await;
    let plan = plan.map_err(|e| unresolved(view, &e))?;
    let read_only = SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false);
    read_only.verify_plan(&plan).map_err(failed)?;
    Ok(plan)
}

fn refuse(plan: &LogicalPlan, view: &View, transform: &Transform) -> Result<(), QueryError> {
    let sources = transform.sources.iter().map(|source| source.timestamp_column.as_str());
    let times: Vec<&str> = sources.chain([transform.timestamp_column.as_str()]).collect();
    let found = objection(plan, transform.lookback_us > 0, &times).map_err(|e| invalid(view, message(&e)))?;
    let Some(found) = found else {
        return Ok(());
    };
    let name = view.full_name();
    Err(match found {
        Objection::Lookback(construct) => QueryError::LookbackRequired { view: name, construct },
        Objection::Volatile(function) => QueryError::VolatileFunction { view: name, function },
        Objection::Forward(why) => invalid(view, format!("it looks forward: {why}")),
        Objection::Limit => invalid(
            view,
            "LIMIT makes a row depend on all others: rank rows in a window instead",
        ),
    })
}

/// The message a user can act on: DataFusion's own, without the names of its layers.
fn message(error: &DataFusionError) -> String {
    error.find_root().strip_backtrace()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The query of a view without one: its columns as they are.
fn plain_sql(view: &View, transform: &Transform) -> String {
    let names: BTreeSet<&str> = outputs(view, transform)
        .into_iter()
        .map(|output| output.source)
        .collect();
    let columns: Vec<String> = names.into_iter().map(quoted).collect();
    let source = transform.sources.first().map_or("", |source| source.name.as_str());
    format!("SELECT {} FROM {}", columns.join(", "), quoted(source))
}

/// One column of the shaped result.
pub(crate) struct Output<'a> {
    /// Column of the query's result.
    pub(crate) source: &'a str,
    /// Column in the offline table.
    pub(crate) name: &'a str,
    pub(crate) value_type: ValueType,
    role: &'static str,
}

/// Columns of the shaped result, in order.
pub(crate) fn outputs<'a>(view: &'a View, transform: &'a Transform) -> Vec<Output<'a>> {
    let keys = view.keys.iter().map(|k| Output {
        source: &k.name,
        name: &k.name,
        value_type: k.value_type,
        role: "key",
    });
    let features = view.features.iter().map(|f| Output {
        source: &f.name,
        name: &f.name,
        value_type: f.value_type,
        role: "feature",
    });
    let time = |source, name, role| Output {
        source,
        name,
        value_type: ValueType::Timestamp,
        role,
    };
    let event = time(transform.timestamp_column.as_str(), EVENT_TIME, "timestampColumn");
    let created = transform
        .created_column
        .as_deref()
        .map(|column| time(column, CREATED_TIME, "createdTimestampColumn"));
    let rank = transform.query.is_none().then_some(Output {
        source: FILE_RANK,
        name: FILE_RANK,
        value_type: ValueType::Int64,
        role: "place of the file",
    });
    keys.chain(features).chain([event]).chain(created).chain(rank).collect()
}

fn shape(plan: LogicalPlan, view: &View, transform: &Transform) -> Result<LogicalPlan, QueryError> {
    let name = view.full_name();
    if let Some(column) = view
        .keys
        .iter()
        .map(|k| &k.name)
        .chain(view.features.iter().map(|f| &f.name))
        .find(|name| is_reserved(name))
    {
        return Err(QueryError::ReservedColumn {
            view: name,
            column: column.clone(),
        });
    }
    let mut columns = Vec::new();
    for output in outputs(view, transform) {
        let schema = plan.schema();
        let Some((qualifier, field)) = schema.iter().find(|(_, field)| field.name() == output.source) else {
            let found = schema
                .fields()
                .iter()
                .map(|f| f.name().as_str())
                .collect::<Vec<_>>()
                .join(", ");
            let (column, role) = (output.source.to_owned(), output.role);
            return Err(QueryError::ColumnMissing {
                view: name,
                column,
                role,
                found,
            });
        };
        if !may_conform(field.data_type(), &arrow_type(output.value_type), Rule::Declared) {
            let (column, found) = (output.source.to_owned(), field.data_type().to_string());
            return Err(QueryError::ColumnType {
                view: name,
                column,
                found,
                declared: output.value_type,
            });
        }
        let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
        columns.push(column.alias(output.name));
    }
    let project = || LogicalPlanBuilder::from(plan).project(columns)?.build();
    project().map_err(|error| QueryError::QueryInvalid {
        view: name,
        message: message(&error),
    })
}

fn needed_columns(plan: &LogicalPlan) -> Result<BTreeMap<String, BTreeSet<String>>, DataFusionError> {
    let mut needed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let names = scan.projected_schema.fields().iter().map(|field| field.name().clone());
            needed
                .entry(scan.table_name.table().to_owned())
                .or_default()
                .extend(names);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(needed)
}

/// The schema queries of a view without SQL see: its own declared columns, and where a row comes from.
pub(crate) fn plain_schema(view: &View, transform: &Transform) -> SchemaRef {
    let mut fields: Vec<datafusion::arrow::datatypes::Field> = Vec::new();
    let time = transform
        .sources
        .iter()
        .map(|s| (s.timestamp_column.as_str(), arrow_type(ValueType::Timestamp)));
    let columns = outputs(view, transform)
        .into_iter()
        .map(|o| (o.source, arrow_type(o.value_type)))
        .chain(time);
    for (name, data_type) in columns {
        if fields.iter().all(|field| field.name() != name) {
            fields.push(datafusion::arrow::datatypes::Field::new(name, data_type, true));
        }
    }
    Arc::new(datafusion::arrow::datatypes::Schema::new(fields))
}

/// Registers a source under its name, in place of one that was registered before.
pub(crate) fn register(
    session: &SessionContext,
    name: &str,
    schema: SchemaRef,
) -> Result<Arc<SourceTable>, DataFusionError> {
    let table = Arc::new(SourceTable::new(schema));
    session.deregister_table(TableReference::bare(name))?;
    session.register_table(TableReference::bare(name), Arc::clone(&table) as _)?;
    Ok(table)
}

/// Whether a column can place rows in time.
pub(crate) fn is_time(schema: &SchemaRef, column: &str) -> bool {
    schema
        .field_with_name(column)
        .is_ok_and(|field| matches!(field.data_type(), DataType::Timestamp(..)))
}

//! Whether a row of the result has the time of the source row it is made from.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::logical_expr::{Distinct, Expr, JoinType, LogicalPlan};
use triplane_contract::run::Source;

/// Whether column `index` of the result is a source's timestamp column as it is. A computed one may be the start of a bin
/// or be shifted: its rows lie elsewhere than the rows they are made from.
pub(super) fn is_source_time(plan: &LogicalPlan, index: usize, sources: &[Source]) -> bool {
    let below = |input: &LogicalPlan, index| is_source_time(input, index, sources);
    match plan {
        LogicalPlan::Projection(node) => of_column(&node.input, node.expr.get(index), sources),
        LogicalPlan::Aggregate(node) => of_column(&node.input, node.group_expr.get(index), sources),
        LogicalPlan::SubqueryAlias(node) => below(&node.input, index),
        LogicalPlan::Filter(node) => below(&node.input, index),
        LogicalPlan::Sort(node) => below(&node.input, index),
        LogicalPlan::Distinct(Distinct::All(input)) => below(input, index),
        LogicalPlan::Window(node) => index < node.input.schema().fields().len() && below(&node.input, index),
        LogicalPlan::Union(node) => node.inputs.iter().all(|input| below(input, index)),
        LogicalPlan::Join(node) => {
            let left = match node.join_type {
                JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => 0,
                _ => node.left.schema().fields().len(),
            };
            if index < left {
                below(&node.left, index)
            } else {
                below(&node.right, index - left)
            }
        }
        LogicalPlan::TableScan(scan) => {
            let (table, fields) = (scan.table_name.table(), scan.projected_schema.fields());
            let source = sources.iter().find(|source| source.name == table);
            source
                .zip(fields.get(index))
                .is_some_and(|(source, field)| field.name() == &source.timestamp_column)
        }
        _ => false,
    }
}

/// A column, under another name or as a timestamp that is no coarser.
fn of_column(input: &LogicalPlan, expression: Option<&Expr>, sources: &[Source]) -> bool {
    match expression {
        Some(Expr::Alias(alias)) => of_column(input, Some(&alias.expr), sources),
        Some(Expr::Cast(cast)) => {
            let exact = matches!(
                cast.field.data_type(),
                DataType::Timestamp(TimeUnit::Microsecond | TimeUnit::Nanosecond, _)
            );
            exact && of_column(input, Some(&cast.expr), sources)
        }
        Some(Expr::Column(column)) => {
            let index = input.schema().maybe_index_of_column(column);
            index.is_some_and(|index| is_source_time(input, index, sources))
        }
        _ => false,
    }
}

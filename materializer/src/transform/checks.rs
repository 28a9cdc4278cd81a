//! What a query may not contain, decided on its logical plan before anything runs.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};

/// A construct that makes a result depend on more than the rows of its own time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Objection {
    /// Needs `lookback`: the construct.
    Lookback(&'static str),
    /// Gives another result each time: the function.
    Volatile(String),
    /// Cuts the result to some rows of the whole.
    Limit,
}

/// The first objection in the plan, subqueries included; `None`: it can be run range by range.
pub(crate) fn objection(plan: &LogicalPlan, has_lookback: bool) -> Result<Option<Objection>> {
    let mut found = None;
    plan.apply_with_subqueries(|node| {
        found = of_node(node, has_lookback);
        if found.is_none() {
            node.apply_expressions(|expression| {
                found = of_expression(expression)?;
                Ok(if found.is_some() {
                    TreeNodeRecursion::Stop
                } else {
                    TreeNodeRecursion::Continue
                })
            })?;
        }
        Ok(if found.is_some() {
            TreeNodeRecursion::Stop
        } else {
            TreeNodeRecursion::Continue
        })
    })?;
    Ok(found)
}

fn of_node(node: &LogicalPlan, has_lookback: bool) -> Option<Objection> {
    let construct = match node {
        LogicalPlan::Limit(_) => return Some(Objection::Limit),
        LogicalPlan::Window(_) => "a window",
        LogicalPlan::Aggregate(_) => "an aggregate",
        LogicalPlan::Distinct(_) => "DISTINCT",
        LogicalPlan::RecursiveQuery(_) => "a recursive query",
        _ => return None,
    };
    (!has_lookback).then_some(Objection::Lookback(construct))
}

fn of_expression(expression: &Expr) -> Result<Option<Objection>> {
    let mut found = None;
    expression.apply(|part| {
        if let Expr::ScalarFunction(call) = part
            && call.func.signature().volatility != Volatility::Immutable
        {
            found = Some(Objection::Volatile(call.func.name().to_owned()));
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

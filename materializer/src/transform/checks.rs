//! What a query may not contain, decided on its logical plan before anything runs.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};

use super::forward::looks_forward;

/// A construct that makes a result depend on more than the rows of its own time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Objection {
    /// Needs `lookback`: the construct.
    Lookback(&'static str),
    /// Gives another result each time: the function.
    Volatile(String),
    /// Depends on rows of a later time: what does, and what to write.
    Forward(&'static str),
    /// Cuts the result to some rows of the whole.
    Limit,
}

/// The first objection in the plan, subqueries included; `None`: it can be run range by range. What no lookback allows
/// comes before what needs one. `times`: the columns that place rows in time.
pub(crate) fn objection(plan: &LogicalPlan, has_lookback: bool, times: &[&str]) -> Result<Option<Objection>> {
    let mut forbidden = None;
    let mut looks_back = None;
    plan.apply_with_subqueries(|node| {
        forbidden = of_node(node, times)?;
        if forbidden.is_some() {
            return Ok(TreeNodeRecursion::Stop);
        }
        looks_back = looks_back.or_else(|| other_rows(node));
        Ok(TreeNodeRecursion::Continue)
    })?;
    let needed = looks_back.filter(|_| !has_lookback).map(Objection::Lookback);
    Ok(forbidden.or(needed))
}

/// Whether a row of the result may be made of rows after it as well as before: those of its bin, or of another source.
pub(crate) fn looks_both_ways(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found = matches!(
            node,
            LogicalPlan::Aggregate(_) | LogicalPlan::Join(_) | LogicalPlan::Subquery(_)
        );
        Ok(if found {
            TreeNodeRecursion::Stop
        } else {
            TreeNodeRecursion::Continue
        })
    })?;
    Ok(found)
}

/// What makes a row depend on other rows than its own.
fn other_rows(node: &LogicalPlan) -> Option<&'static str> {
    match node {
        LogicalPlan::Window(_) => Some("a window"),
        LogicalPlan::Aggregate(_) => Some("an aggregate"),
        LogicalPlan::Distinct(_) => Some("DISTINCT"),
        LogicalPlan::RecursiveQuery(_) => Some("a recursive query"),
        LogicalPlan::Join(_) => Some("a join"),
        // Subqueries of expressions (IN, EXISTS, scalar ones) are visited as this node, too.
        LogicalPlan::Subquery(_) => Some("a subquery"),
        _ => None,
    }
}

fn of_node(node: &LogicalPlan, times: &[&str]) -> Result<Option<Objection>> {
    if matches!(node, LogicalPlan::Limit(_)) {
        return Ok(Some(Objection::Limit));
    }
    let mut found = None;
    node.apply_expressions(|expression| {
        expression.apply(|part| {
            found = of_expression(part, node, times)?;
            Ok(if found.is_some() {
                TreeNodeRecursion::Stop
            } else {
                TreeNodeRecursion::Continue
            })
        })
    })?;
    Ok(found)
}

fn of_expression(part: &Expr, node: &LogicalPlan, times: &[&str]) -> Result<Option<Objection>> {
    match part {
        Expr::ScalarFunction(call) if call.func.signature().volatility != Volatility::Immutable => {
            Ok(Some(Objection::Volatile(call.func.name().to_owned())))
        }
        Expr::WindowFunction(call) => match node {
            LogicalPlan::Window(window) => {
                Ok(looks_forward(call, window.input.schema(), times)?.map(Objection::Forward))
            }
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

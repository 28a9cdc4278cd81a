//! Windows that look at later rows. Of what arrives only the time after it is computed again, so that they would keep what
//! later rows made wrong.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{Sort, WindowFunction};
use datafusion::logical_expr::{Expr, ExprSchemable, WindowFrameBound};

const END: &str = "its frame ends after the current row: end it at CURRENT ROW";
const ORDER: &str =
    "no ORDER BY in its window, it is over every row of the partition: order by time and end at CURRENT ROW";
const LEAD: &str = "lead() takes a later row: use lag(), or let the later row have the feature";
const WHOLE: &str =
    "ntile(), percent_rank() and cume_dist() count the later rows of the partition: use rank() or count()";
const OFFSET: &str = "lag() takes a later row unless its offset is a number from 0: write one";
const TIME: &str = "its window is not ordered by time ascending: order by the timestamp column first";

/// Why a window depends on rows of a later time; `None`: it does not. `times`: the columns that place rows in time.
pub(super) fn looks_forward(call: &WindowFunction, input: &DFSchema, times: &[&str]) -> Result<Option<&'static str>> {
    let params = &call.params;
    let is_time = |e: &Expr| matches!(e, Expr::Column(column) if times.contains(&column.name.as_str()));
    if params.partition_by.iter().any(is_time) {
        // Every row of the partition has the same time.
        return Ok(None);
    }
    let found = match call.fun.name() {
        "lead" => Some(LEAD),
        "ntile" | "percent_rank" | "cume_dist" => Some(WHOLE),
        "lag" if !params.args.get(1).is_none_or(is_offset) => Some(OFFSET),
        _ => None,
    };
    if found.is_some() {
        return Ok(found);
    }
    let Some(first) = params.order_by.first() else {
        return Ok(Some(ORDER));
    };
    if matches!(params.window_frame.end_bound, WindowFrameBound::Following(_)) {
        return Ok(Some(END));
    }
    Ok((!by_time(first, input, times)?).then_some(TIME))
}

fn is_offset(offset: &Expr) -> bool {
    match offset {
        Expr::Literal(ScalarValue::Int64(Some(n)), _) => *n >= 0,
        Expr::Literal(ScalarValue::UInt64(Some(_)), _) => true,
        _ => false,
    }
}

/// A time under any name, or anything made of a column that is one, such as its seconds.
fn by_time(order: &Sort, input: &DFSchema, times: &[&str]) -> Result<bool> {
    let is_temporal = matches!(
        order.expr.get_type(input)?,
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64
    );
    let of_time = order
        .expr
        .column_refs()
        .iter()
        .any(|c| times.contains(&c.name.as_str()));
    Ok(order.asc && (is_temporal || of_time))
}

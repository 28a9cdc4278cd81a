//! The reason a failure is shown with.

use triplane_crds::condition::ConditionType;
use triplane_crds::reason::Reason;

use crate::work::Failure;

/// The documented reason named like the failure's code, if it may stand on a stalled object; `InvalidSpec` else.
pub(crate) fn stalled_reason(failure: &Failure) -> Reason {
    named(&failure.code, ConditionType::Stalled).unwrap_or(Reason::InvalidSpec)
}

/// The documented reason named like the failure's code, if it may stand beside a kept promise; `RunFailed` else.
pub(crate) fn degraded_reason(failure: &Failure) -> Reason {
    named(&failure.code, ConditionType::Degraded).unwrap_or(Reason::RunFailed)
}

/// What failed, how often, and when it is tried again.
pub(crate) fn retry_message(failure: &Failure) -> String {
    let again = crate::time::text(crate::backoff::retry_at_us(failure.attempts, failure.at_us));
    format!(
        "{} (attempt {}, tried again at {again})",
        failure.message, failure.attempts
    )
}

fn named(code: &str, on: ConditionType) -> Option<Reason> {
    Reason::ALL
        .iter()
        .copied()
        .find(|reason| reason.name() == code && reason.conditions().contains(&on))
}

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

/// Whether only a user can go on: by an edit, or by another upload, which is why it may be tried again all the same.
pub(crate) fn needs_user(failure: &Failure) -> bool {
    !failure.retryable || named(&failure.code, ConditionType::Stalled).is_some()
}

/// What failed, and where it is tried again how often it did and when that is.
pub(crate) fn stalled_message(failure: &Failure) -> String {
    if failure.retryable {
        retry_message(failure)
    } else {
        failure.message.clone()
    }
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

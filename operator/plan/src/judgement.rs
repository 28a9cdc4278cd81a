//! From a judgement of an object to its conditions, the same way for every kind.

use triplane_crds::condition::{self, Condition, ConditionStatus, ConditionType, Observation};
use triplane_crds::reason::Reason;

use crate::time;

/// How long Ready may stay Unknown before the first success, microseconds.
const UNKNOWN_AT_MOST_US: i64 = 600_000_000;

/// How an object stands to its promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is kept.
    Kept,
    /// Not yet, or not at the moment; it comes about by itself.
    Coming,
    /// It cannot be kept without a change by the user.
    Stalled,
}

/// What is said about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// How it stands.
    pub verdict: Verdict,
    /// Why, on Ready.
    pub reason: Reason,
    /// What it means and what to do.
    pub message: String,
    /// Work under way, on Reconciling: beside a kept promise, or as another word for what is coming.
    pub work: Option<(Reason, String)>,
    /// What failed while the promise is kept.
    pub degraded: Option<(Reason, String)>,
    /// Conditions of the kind; those left out are cleared.
    pub others: Vec<Observation>,
}

impl Judgement {
    /// A judgement without anything beside it.
    pub(crate) fn new(verdict: Verdict, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            verdict,
            reason,
            message: message.into(),
            work: None,
            degraded: None,
            others: Vec::new(),
        }
    }

    /// The promise is kept.
    pub(crate) fn kept(message: impl Into<String>) -> Self {
        Self::new(Verdict::Kept, Reason::Available, message)
    }

    /// Work goes on towards it.
    pub(crate) fn coming(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(Verdict::Coming, reason, message)
    }

    /// Only the user can go on.
    pub(crate) fn stalled(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(Verdict::Stalled, reason, message)
    }

    /// Work under way.
    pub(crate) fn working(self, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            work: Some((reason, message.into())),
            ..self
        }
    }

    /// Something failed beside it.
    pub(crate) fn degraded(self, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            degraded: Some((reason, message.into())),
            ..self
        }
    }

    /// A condition of the kind.
    pub(crate) fn with(mut self, other: Option<Observation>) -> Self {
        self.others.extend(other);
        self
    }
}

/// The conditions after a judgement, and when they change without any event.
pub(crate) fn conditions(
    before: &[Condition],
    judgement: Judgement,
    generation: i64,
    now_us: i64,
) -> (Vec<Condition>, Option<i64>) {
    let mut conditions = before.to_vec();
    let (status, recheck) = ready(before, judgement.verdict, now_us);
    let mut wanted = vec![observe(
        ConditionType::Ready,
        status,
        judgement.reason,
        &judgement.message,
    )];
    let mut while_true = |type_, reason: Reason, message: &str| {
        wanted.push(observe(type_, ConditionStatus::True, reason, message));
    };
    match (&judgement.work, judgement.verdict) {
        (Some((reason, message)), _) => while_true(ConditionType::Reconciling, *reason, message),
        (None, Verdict::Coming) => while_true(ConditionType::Reconciling, judgement.reason, &judgement.message),
        (None, Verdict::Kept | Verdict::Stalled) => {}
    }
    if judgement.verdict == Verdict::Stalled {
        while_true(ConditionType::Stalled, judgement.reason, &judgement.message);
    }
    if let Some((reason, message)) = &judgement.degraded {
        while_true(ConditionType::Degraded, *reason, message);
    }
    wanted.extend(judgement.others);
    for type_ in ConditionType::ALL.iter().copied() {
        if wanted.iter().all(|observation| observation.type_ != type_) {
            condition::clear(&mut conditions, type_);
        }
    }
    let now = time::seconds(now_us);
    for observation in wanted {
        condition::set(&mut conditions, observation, generation, &now);
    }
    // One order whatever came first: two ways to the same end leave the same status.
    conditions.sort_by_key(|condition| {
        ConditionType::ALL
            .iter()
            .position(|type_| type_.name() == condition.type_)
    });
    (conditions, recheck)
}

/// A condition that a kind has of its own.
pub(crate) fn observe(type_: ConditionType, status: ConditionStatus, reason: Reason, message: &str) -> Observation {
    Observation {
        type_,
        status,
        reason,
        message: message.to_owned(),
    }
}

/// Unknown until the first success, for ten minutes at most; then False until it is kept again.
fn ready(before: &[Condition], verdict: Verdict, now_us: i64) -> (ConditionStatus, Option<i64>) {
    if verdict != Verdict::Coming {
        let kept = verdict == Verdict::Kept;
        return (
            if kept {
                ConditionStatus::True
            } else {
                ConditionStatus::False
            },
            None,
        );
    }
    let (status, since) = match condition::find(before, ConditionType::Ready) {
        Some(ready) => (ready.status, time::micros(&ready.last_transition_time)),
        None => (ConditionStatus::Unknown, now_us),
    };
    let until = since.saturating_add(UNKNOWN_AT_MOST_US);
    if status == ConditionStatus::Unknown && now_us < until {
        return (ConditionStatus::Unknown, Some(until));
    }
    (ConditionStatus::False, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    fn statuses(conditions: &[Condition]) -> Vec<(&str, &str, &str)> {
        conditions
            .iter()
            .map(|c| (c.type_.as_str(), c.status.name(), c.reason.as_str()))
            .collect()
    }

    #[test]
    fn ready_is_unknown_for_ten_minutes_then_false_until_the_first_success() {
        let coming = || Judgement::coming(Reason::WaitingForStore, "apply it");
        let (first, recheck) = conditions(&[], coming(), 1, MINUTE);
        assert_eq!(
            statuses(&first),
            [
                ("Ready", "Unknown", "WaitingForStore"),
                ("Reconciling", "True", "WaitingForStore")
            ]
        );
        assert_eq!(recheck, Some(11 * MINUTE));
        let (same, _) = conditions(&first, coming(), 1, 11 * MINUTE - 1);
        assert_eq!(same, first);
        let (late, recheck) = conditions(&first, coming(), 1, 11 * MINUTE);
        assert_eq!(
            (statuses(&late)[0], recheck),
            (("Ready", "False", "WaitingForStore"), None)
        );
        let (kept, _) = conditions(&late, Judgement::kept("3 rows"), 1, 12 * MINUTE);
        assert_eq!(statuses(&kept), [("Ready", "True", "Available")]);
        let (again, _) = conditions(&kept, coming(), 1, 13 * MINUTE);
        assert_eq!(statuses(&again)[0], ("Ready", "False", "WaitingForStore"));
    }

    #[test]
    fn stalled_and_degraded_are_present_only_while_true() {
        let stalled = Judgement::stalled(Reason::InvalidSpec, "change spec.ttl");
        let (broken, _) = conditions(&[], stalled, 1, 0);
        assert_eq!(
            statuses(&broken),
            [("Ready", "False", "InvalidSpec"), ("Stalled", "True", "InvalidSpec")]
        );
        let (mended, _) = conditions(&broken, Judgement::kept("").degraded(Reason::RunFailed, "m"), 2, 0);
        assert_eq!(
            statuses(&mended),
            [("Ready", "True", "Available"), ("Degraded", "True", "RunFailed")]
        );
        let (well, _) = conditions(&mended, Judgement::kept(""), 2, 0);
        assert_eq!(statuses(&well), [("Ready", "True", "Available")]);
    }
}

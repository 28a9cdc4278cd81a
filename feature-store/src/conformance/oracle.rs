//! The semantics once more, slowly, from the text of the design and nothing of `semantics` or `order`: O(facts) a question.
//!
//! "Visible at t: event time + availabilityDelay <= t and, where ttl is set, t - event time <= ttl (inclusive). Newest among
//! visible rows of one key: event time, created time, sequence. Deleted rows count as absent. Row absent or expired, or value
//! NULL: per feature onMissing. LastKnown serves the newest row past its ttl up to lastKnownFor, flagged stale. Physical
//! expiry = event time + max(ttl, lastKnownFor) + 24 h. The server never applies the availability delay."

use triplane_contract::{OnMissing, View};

use super::{Expected, Fact};
use crate::Value;
use crate::semantics::Status;

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The join: it knows every fact and waits for the availability delay.
    Offline,
    /// The online store: it knows the newest row only, whenever that is.
    Online,
}

const DAY_US: i128 = 86_400_000_000;

/// The answers for the features of `view` in declared order, for the entity with `keys`.
pub fn answer(view: &View, facts: &[Fact], keys: &[Value], as_of_us: i64, side: Side) -> Vec<Expected> {
    let as_of = i128::from(as_of_us);
    let delay = if side == Side::Offline {
        i128::from(view.availability_delay_us)
    } else {
        0
    };
    let mut newest: Option<&Fact> = None;
    for fact in facts {
        let is_known = side == Side::Online || i128::from(fact.order.event_time_us) + delay <= as_of;
        if fact.deleted || !is_known || !same_entity(&fact.keys, keys) || is_superseded(fact, facts) {
            continue;
        }
        if newest.is_none_or(|n| fact.order.event_time_us > n.order.event_time_us) {
            newest = Some(fact);
        }
    }
    let newest =
        newest.filter(|fact| i128::from(fact.order.event_time_us) + delay <= as_of && !is_removed(view, fact, as_of));
    view.features
        .iter()
        .enumerate()
        .map(|(index, _)| answer_feature(view, index, newest, as_of))
        .collect()
}

fn same_entity(a: &[Value], b: &[Value]) -> bool {
    // NULL never matches NULL.
    a.iter().all(|value| !value.is_null()) && a == b
}

/// Whether the same row has a later version.
fn is_superseded(fact: &Fact, facts: &[Fact]) -> bool {
    facts.iter().any(|other| {
        other.keys == fact.keys
            && other.order.event_time_us == fact.order.event_time_us
            && (other.order.created_time_us, other.order.sequence) > (fact.order.created_time_us, fact.order.sequence)
    })
}

fn is_removed(view: &View, fact: &Fact, as_of: i128) -> bool {
    let Some(ttl) = view.ttl_us.filter(|ttl| *ttl != 0) else {
        return false;
    };
    let mut longest = i128::from(ttl);
    for feature in &view.features {
        longest = longest.max(feature.last_known_for_us.unwrap_or(0).into());
    }
    as_of - i128::from(fact.order.event_time_us) >= (longest + DAY_US).min(i64::MAX.into())
}

fn answer_feature(view: &View, index: usize, newest: Option<&Fact>, as_of: i128) -> Expected {
    let feature = &view.features[index];
    let found = newest.map_or(Value::Null, |fact| fact.values[index].clone());
    let age = newest.map(|fact| as_of - i128::from(fact.order.event_time_us));
    let expired = age.is_some_and(|age| view.ttl_us.is_some_and(|ttl| ttl != 0 && age > i128::from(ttl)));
    let status = if newest.is_none() {
        Status::NotFound
    } else if expired {
        Status::OutsideMaxAge
    } else if found.is_null() {
        Status::NullValue
    } else {
        return Expected {
            value: found,
            status: Status::Present,
            stale: false,
            fail: false,
        };
    };
    let mut expected = Expected {
        value: Value::Null,
        status,
        stale: false,
        fail: false,
    };
    match feature.on_missing {
        OnMissing::LeaveNull => {}
        OnMissing::Fail => expected.fail = true,
        OnMissing::Default => {
            let text = feature.default.as_deref().unwrap_or_default();
            expected.value = Value::parse(feature.value_type, text).unwrap_or(Value::Null);
        }
        OnMissing::LastKnown => {
            let within = age.is_some_and(|age| age <= i128::from(feature.last_known_for_us.unwrap_or(0)));
            if expired && within && !found.is_null() {
                (expected.value, expected.stale) = (found, true);
            }
        }
    }
    expected
}

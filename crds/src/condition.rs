//! Conditions: what an object says about itself, and since when.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reason::Reason;
use crate::time::Time;

/// Longest message kept in a condition, bytes.
pub const MESSAGE_MAX: usize = 1024;

macro_rules! condition_types {
    ($($(#[doc = $meaning:literal])+ $name:ident;)+) => {
        /// The condition types, each with the same meaning on every kind.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ConditionType {
            $($(#[doc = $meaning])+ $name,)+
        }

        impl ConditionType {
            /// Every type, in the order it is documented.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Name in `status.conditions[].type`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }

            /// What it says, one or two sentences.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($meaning),+).trim_ascii_start(),)+
                }
            }
        }
    };
}

condition_types! {
    /// The object keeps its promise. Always present: Unknown until the first success.
    Ready;
    /// Work towards the spec is under way. Present only while true.
    Reconciling;
    /// No progress without a change by the user. Present only while true.
    Stalled;
    /// Something failed, the promise is still kept. Present only while true.
    Degraded;
    /// FeatureView: the newest event is younger than `freshness.target`.
    Fresh;
    /// Model: the artifact was fetched, checked and loaded, and its golden predictions were reproduced.
    Verified;
    /// Model: a view has another generation than the training set it was trained on.
    FeaturesChanged;
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It is not known yet.
    Unknown,
}

impl ConditionStatus {
    /// The word in `status.conditions[].status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// One condition of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 64))]
    pub type_: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// The generation of the spec that was judged.
    #[schemars(range(min = 0))]
    pub observed_generation: i64,
    /// When `status` last changed.
    #[schemars(schema_with = "crate::time::schema")]
    pub last_transition_time: Time,
    /// Why, one word of the documented list.
    #[schemars(length(min = 1, max = 64))]
    pub reason: String,
    /// What it means here and what to do.
    #[schemars(length(max = MESSAGE_MAX))]
    pub message: String,
}

/// What a condition shall say; [`set`] adds since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Which condition.
    pub type_: ConditionType,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why.
    pub reason: Reason,
    /// What it means here and what to do; cut at [`MESSAGE_MAX`] bytes.
    pub message: String,
}

/// Puts `observation` into `conditions`. The transition time moves only when the status changes; the observed
/// generation is always set. New conditions are appended.
pub fn set(conditions: &mut Vec<Condition>, observation: Observation, generation: i64, now: &Time) {
    let condition = Condition {
        type_: observation.type_.name().to_owned(),
        status: observation.status,
        observed_generation: generation,
        last_transition_time: now.clone(),
        reason: observation.reason.name().to_owned(),
        message: cut(observation.message),
    };
    match conditions.iter_mut().find(|existing| existing.type_ == condition.type_) {
        None => conditions.push(condition),
        Some(existing) => {
            let since = if existing.status == condition.status {
                existing.last_transition_time.clone()
            } else {
                condition.last_transition_time.clone()
            };
            *existing = Condition {
                last_transition_time: since,
                ..condition
            };
        }
    }
}

/// Removes a condition that is present only while true.
pub fn clear(conditions: &mut Vec<Condition>, type_: ConditionType) {
    conditions.retain(|condition| condition.type_ != type_.name());
}

/// The condition of this type.
pub fn find(conditions: &[Condition], type_: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == type_.name())
}

/// Whether the condition of this type is there and True.
pub fn is_true(conditions: &[Condition], type_: ConditionType) -> bool {
    find(conditions, type_).is_some_and(|condition| condition.status == ConditionStatus::True)
}

fn cut(mut message: String) -> String {
    if message.len() > MESSAGE_MAX {
        let end = (0..=MESSAGE_MAX - 3)
            .rev()
            .find(|end| message.is_char_boundary(*end))
            .unwrap_or(0);
        message.truncate(end);
        message.push_str("...");
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Time {
        serde_json::from_value(serde_json::json!(format!("2026-01-01T00:00:{second:02}Z"))).unwrap()
    }

    fn ready(status: ConditionStatus, reason: Reason) -> Observation {
        Observation {
            type_: ConditionType::Ready,
            status,
            reason,
            message: "m".to_owned(),
        }
    }

    #[test]
    fn the_transition_time_moves_only_with_the_status_and_the_generation_always() {
        let mut conditions = Vec::new();
        set(
            &mut conditions,
            ready(ConditionStatus::Unknown, Reason::Materializing),
            1,
            &at(1),
        );
        set(
            &mut conditions,
            ready(ConditionStatus::Unknown, Reason::WaitingForStore),
            2,
            &at(2),
        );
        assert_eq!(conditions.len(), 1);
        assert_eq!(conditions[0].last_transition_time, at(1));
        assert_eq!(
            (conditions[0].observed_generation, conditions[0].reason.as_str()),
            (2, "WaitingForStore")
        );
        set(
            &mut conditions,
            ready(ConditionStatus::True, Reason::Available),
            2,
            &at(3),
        );
        assert_eq!(conditions[0].last_transition_time, at(3));
        assert!(is_true(&conditions, ConditionType::Ready));
    }

    #[test]
    fn a_cleared_condition_is_gone() {
        let mut conditions = Vec::new();
        set(
            &mut conditions,
            ready(ConditionStatus::True, Reason::Available),
            1,
            &at(1),
        );
        clear(&mut conditions, ConditionType::Ready);
        assert_eq!(find(&conditions, ConditionType::Ready), None);
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let mut conditions = Vec::new();
        let message = "ä".repeat(MESSAGE_MAX);
        set(
            &mut conditions,
            Observation {
                message,
                ..ready(ConditionStatus::True, Reason::Available)
            },
            1,
            &at(1),
        );
        assert!(conditions[0].message.len() <= MESSAGE_MAX && conditions[0].message.ends_with("ä..."));
    }
}

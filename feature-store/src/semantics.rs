//! Time semantics: which row is visible at a moment, and what is served where a value is missing. The text of record is
//! `docs/reference/time-semantics.md`; the point-in-time join and the servers both decide with the functions here.

use std::sync::Arc;

use snafu::{OptionExt, ResultExt, Snafu};
use triplane_contract::{FeatureColumn, OnMissing, ValueType, View};

use crate::Value;
use crate::order::Rank;
use crate::value::ValueError;

/// How far beyond `max(ttl, lastKnownFor)` a row is kept online: 24 h, so that physical expiry never beats the rules.
pub const EXPIRY_GRACE_US: i64 = 24 * 3_600 * 1_000_000;

/// Rows with an event time later than this after the run's plan are rejected: 5 min. They would block their key.
pub const FUTURE_LIMIT_US: i64 = 5 * 60 * 1_000_000;

/// What is known about one feature of one key at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Status {
    /// The row is visible and the value is not NULL.
    Present = 0,
    /// The row is visible and the value is NULL.
    NullValue = 1,
    /// There is no row at or before the moment.
    NotFound = 2,
    /// The newest row is older than ttl.
    OutsideMaxAge = 3,
}

impl Status {
    /// Every status, in order of its number.
    pub const ALL: [Self; 4] = [Self::Present, Self::NullValue, Self::NotFound, Self::OutsideMaxAge];

    /// Name on the wire and in training sets.
    pub fn name(self) -> &'static str {
        match self {
            Self::Present => "PRESENT",
            Self::NullValue => "NULL_VALUE",
            Self::NotFound => "NOT_FOUND",
            Self::OutsideMaxAge => "OUTSIDE_MAX_AGE",
        }
    }
}

/// A feature as it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The value after `onMissing`.
    pub value: Value,
    /// What was found, before `onMissing`.
    pub status: Status,
    /// The value comes from a row past its ttl (`LastKnown`).
    pub stale: bool,
}

/// A feature as it is served to a model. NULL is NaN.
#[derive(Clone, Copy, Debug)]
pub struct ServedF64 {
    /// The value after `onMissing`; NaN where it is NULL.
    pub value: f64,
    /// What was found, before `onMissing`.
    pub status: Status,
    /// The value comes from a row past its ttl (`LastKnown`).
    pub stale: bool,
}

/// `onMissing: Fail` and there is no value.
#[derive(Clone, Debug, PartialEq, Eq, Snafu)]
#[snafu(display("feature \"{feature}\" has no value ({}) and onMissing is Fail", status.name()))]
pub struct FeatureMissing {
    /// Name of the feature.
    pub feature: Arc<str>,
    /// Why it has none.
    pub status: Status,
}

/// Why a feature's rule does not compile.
#[derive(Clone, Debug, PartialEq, Eq, Snafu)]
pub enum RuleError {
    /// `onMissing: Default` without `default`.
    #[snafu(display("feature \"{feature}\": onMissing is Default, so set default"))]
    NoDefault {
        /// Name of the feature.
        feature: Arc<str>,
    },
    /// The default is no value of the feature's type.
    #[snafu(display("feature \"{feature}\": default: {source}"))]
    BadDefault {
        /// Name of the feature.
        feature: Arc<str>,
        /// What is wrong with it.
        source: ValueError,
    },
    /// `onMissing: LastKnown` without `lastKnownFor`, or a negative one.
    #[snafu(display("feature \"{feature}\": onMissing is LastKnown, so set lastKnownFor to a duration from 0s"))]
    NoLastKnownFor {
        /// Name of the feature.
        feature: Arc<str>,
    },
}

/// The newest row of a key, seen from a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowAge {
    /// No row, or only rows that are not visible yet.
    Absent,
    /// Visible and at most ttl old.
    Fresh,
    /// Visible but for its age, in microseconds.
    Expired(u64),
}

/// When rows of a view are visible. Any i64 is a time; nothing here overflows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewRule {
    ttl_us: Option<u64>,
    /// Age at which a row is removed physically, microseconds.
    removed_age: Option<u64>,
    delay_us: i64,
}

impl ViewRule {
    /// The rule of the point-in-time join: a row is readable `availabilityDelay` after its event time.
    pub fn offline(view: &View) -> Self {
        Self {
            delay_us: view.availability_delay_us,
            ..Self::online(view)
        }
    }

    /// The rule of servers: the online store itself is the delay.
    pub fn online(view: &View) -> Self {
        let ttl_us = view
            .ttl_us
            .and_then(|ttl| u64::try_from(ttl).ok())
            .filter(|ttl| *ttl > 0);
        let kept = |reach: i64| reach.saturating_add(EXPIRY_GRACE_US).unsigned_abs();
        Self {
            ttl_us,
            removed_age: view.reach_us().map(kept),
            delay_us: 0,
        }
    }

    /// Whether a row can be known at `as_of_us`, whatever its age: `event_time + delay <= as_of`.
    pub fn is_known(&self, event_time_us: i64, as_of_us: i64) -> bool {
        i128::from(event_time_us) + i128::from(self.delay_us) <= i128::from(as_of_us)
    }

    /// The latest event time that is known at `as_of_us`; `None` where no time is.
    pub fn newest_known_us(&self, as_of_us: i64) -> Option<i64> {
        let latest = i128::from(as_of_us) - i128::from(self.delay_us);
        (latest >= i128::from(i64::MIN)).then(|| i64::try_from(latest).unwrap_or(i64::MAX))
    }

    /// Sees the newest known row of a key (`None`: there is none) from `as_of_us`. A row that is not known yet is `Absent`,
    /// and so is one that is old enough to be removed from the online store: whether it already is makes no difference.
    pub fn age(&self, event_time_us: Option<i64>, as_of_us: i64) -> RowAge {
        let Some(event_time_us) = event_time_us.filter(|t| self.is_known(*t, as_of_us)) else {
            return RowAge::Absent;
        };
        // Negative only under a negative delay, which admission refuses; such a row is fresh.
        let age = u64::try_from(i128::from(as_of_us) - i128::from(event_time_us)).unwrap_or(0);
        match self.ttl_us {
            Some(_) if self.removed_age.is_some_and(|removed| age >= removed) => RowAge::Absent,
            Some(ttl) if age > ttl => RowAge::Expired(age),
            _ => RowAge::Fresh,
        }
    }
}

/// When an online row of rank `rank` is removed physically, microseconds since 1970; `None` for a view without ttl.
pub fn expires_at_us(view: &View, rank: Rank) -> Option<i64> {
    view.reach_us().map(|reach| {
        rank.top
            .event_time_us
            .saturating_add(reach)
            .saturating_add(EXPIRY_GRACE_US)
    })
}

/// Rows with an event time before this have been removed physically by `now_us`; `None` for a view without ttl.
pub fn kept_since_us(view: &View, now_us: i64) -> Option<i64> {
    let reach = view.reach_us()?;
    Some(now_us.saturating_sub(reach).saturating_sub(EXPIRY_GRACE_US))
}

/// Whether a row is too far in the future for a run planned at `planned_at_us`.
pub fn is_future(event_time_us: i64, planned_at_us: i64) -> bool {
    event_time_us > planned_at_us.saturating_add(FUTURE_LIMIT_US)
}

/// One feature's rule for missing values, compiled once: the default is parsed, durations are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureRule {
    name: Arc<str>,
    value_type: ValueType,
    on_missing: OnMissing,
    last_known_for_us: u64,
    default: Value,
    default_bits: u64,
}

/// Where the served value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// The row's value.
    Row,
    /// The row's value although the row is past its ttl.
    StaleRow,
    /// No value.
    Null,
    /// The declared default.
    Default,
    /// No value, and the request is refused; a training join leaves NULL.
    Fail,
}

impl FeatureRule {
    /// Compiles the rule of a feature.
    pub fn compile(column: &FeatureColumn) -> Result<Self, RuleError> {
        let name: Arc<str> = column.name.as_str().into();
        let default = match (column.on_missing, &column.default) {
            (OnMissing::Default, Some(text)) => {
                Value::parse(column.value_type, text).with_context(|_| BadDefaultSnafu {
                    feature: Arc::clone(&name),
                })?
            }
            (OnMissing::Default, None) => return NoDefaultSnafu { feature: name }.fail(),
            _ => Value::Null,
        };
        let last_known_for_us = match column.on_missing {
            OnMissing::LastKnown => column
                .last_known_for_us
                .and_then(|age| u64::try_from(age).ok())
                .with_context(|| NoLastKnownForSnafu {
                    feature: Arc::clone(&name),
                })?,
            _ => 0,
        };
        let default_bits = default.as_f64().unwrap_or(f64::NAN).to_bits();
        let (value_type, on_missing) = (column.value_type, column.on_missing);
        Ok(Self {
            name,
            value_type,
            on_missing,
            last_known_for_us,
            default,
            default_bits,
        })
    }

    /// Name of the feature.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Type of the feature.
    pub fn value_type(&self) -> ValueType {
        self.value_type
    }

    /// The declared default; NULL unless `onMissing` is `Default`.
    pub fn default_value(&self) -> &Value {
        &self.default
    }

    /// Serves the feature from the newest row, `value` being the row's (NULL where there is no row).
    pub fn serve(&self, age: RowAge, value: Value) -> Result<Served, FeatureMissing> {
        let (status, pick) = self.decide(age, value.is_null());
        let (value, stale) = match pick {
            Pick::Row => (value, false),
            Pick::StaleRow => (value, true),
            Pick::Null => (Value::Null, false),
            Pick::Default => (self.default.clone(), false),
            Pick::Fail => return Err(self.missing(status)),
        };
        Ok(Served { value, status, stale })
    }

    /// As `serve`, for a numeric feature of a model: nothing is allocated. `Err` carries the status (`missing` names it).
    pub fn serve_f64(&self, age: RowAge, value: Option<f64>) -> Result<ServedF64, Status> {
        let (status, pick) = self.decide(age, value.is_none());
        let (value, stale) = match (pick, value) {
            (Pick::Row, Some(value)) => (value, false),
            (Pick::StaleRow, Some(value)) => (value, true),
            (Pick::Default, _) => (f64::from_bits(self.default_bits), false),
            (Pick::Fail, _) => return Err(status),
            (Pick::Null | Pick::Row | Pick::StaleRow, _) => (f64::NAN, false),
        };
        Ok(ServedF64 { value, status, stale })
    }

    /// The error of a feature whose rule is `Fail`.
    pub fn missing(&self, status: Status) -> FeatureMissing {
        FeatureMissing {
            feature: Arc::clone(&self.name),
            status,
        }
    }

    /// The one decision behind every form, for callers that hold values in columns.
    pub fn decide(&self, age: RowAge, is_null: bool) -> (Status, Pick) {
        let status = match age {
            RowAge::Absent => Status::NotFound,
            RowAge::Expired(_) => Status::OutsideMaxAge,
            RowAge::Fresh if is_null => Status::NullValue,
            RowAge::Fresh => return (Status::Present, Pick::Row),
        };
        let pick = match (self.on_missing, age) {
            (OnMissing::LastKnown, RowAge::Expired(age)) if age <= self.last_known_for_us && !is_null => Pick::StaleRow,
            (OnMissing::LeaveNull | OnMissing::LastKnown, _) => Pick::Null,
            (OnMissing::Default, _) => Pick::Default,
            (OnMissing::Fail, _) => Pick::Fail,
        };
        (status, pick)
    }
}

#[cfg(test)]
mod tests;

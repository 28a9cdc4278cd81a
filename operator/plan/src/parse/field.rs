//! Fields that several kinds have.

use snafu::Snafu;
use triplane_contract::ValueType;
use triplane_crds::duration::Duration;
use triplane_crds::resources::{ResourceList, Resources};
use triplane_crds::value_type::ValueType as Declared;

use super::schedule::{Schedule, ScheduleError};

/// Memory of a job that does not say, bytes.
pub const DEFAULT_MEMORY: u64 = 512 << 20;

/// A field that does not parse.
#[derive(Debug, Clone, PartialEq, Eq, Snafu)]
#[snafu(display("{field}: {message}"))]
pub struct FieldError {
    field: String,
    message: String,
}

impl FieldError {
    /// An error of `field`.
    pub fn new(field: &str, message: &impl ToString) -> Self {
        Self {
            field: field.to_owned(),
            message: message.to_string(),
        }
    }
}

/// Microseconds of a duration that must not be negative.
pub fn micros(field: &str, duration: &Duration) -> Result<i64, FieldError> {
    let us = duration.micros().map_err(|error| FieldError::new(field, &error))?;
    if us < 0 {
        return Err(FieldError::new(
            field,
            &format!("{duration} is negative: use 0s or longer"),
        ));
    }
    Ok(us)
}

/// As [`micros`], where the field may be left out.
pub fn optional_micros(field: &str, duration: Option<&Duration>) -> Result<Option<i64>, FieldError> {
    duration.map(|duration| micros(field, duration)).transpose()
}

/// A schedule, where there is one.
pub fn schedule(field: &str, text: Option<&str>) -> Result<Option<Schedule>, FieldError> {
    text.map(Schedule::parse)
        .transpose()
        .map_err(|error: ScheduleError| FieldError::new(field, &error))
}

/// Memory a job may use, bytes: its limit, else its request, else [`DEFAULT_MEMORY`].
pub fn memory(field: &str, resources: Option<&Resources>) -> Result<u64, FieldError> {
    let of = |list: Option<&ResourceList>| list.and_then(|list| list.memory.clone());
    let (limits, requests) = resources.map_or((None, None), |r| (of(r.limits.as_ref()), of(r.requests.as_ref())));
    let (part, quantity) = match (limits, requests) {
        (Some(quantity), _) => ("limits", quantity),
        (None, Some(quantity)) => ("requests", quantity),
        (None, None) => return Ok(DEFAULT_MEMORY),
    };
    let field = format!("{field}.{part}.memory");
    let bytes = quantity.bytes().map_err(|error| FieldError::new(&field, &error))?;
    if bytes == 0 {
        return Err(FieldError::new(
            &field,
            &"0 bytes is no memory: leave the field out for 512Mi",
        ));
    }
    Ok(bytes)
}

/// The contract's name of a declared type.
pub fn value_type(declared: Declared) -> ValueType {
    match declared {
        Declared::Bool => ValueType::Bool,
        Declared::Int32 => ValueType::Int32,
        Declared::Int64 => ValueType::Int64,
        Declared::Float32 => ValueType::Float32,
        Declared::Float64 => ValueType::Float64,
        Declared::String => ValueType::String,
        Declared::Bytes => ValueType::Bytes,
        Declared::Timestamp => ValueType::Timestamp,
    }
}

/// The first name that appears twice.
pub fn repeated<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = std::collections::BTreeSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}

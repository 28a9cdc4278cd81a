//! Microseconds to the moments of a status, and to words.

use jiff::Timestamp;
use triplane_crds::time::Time;

/// A moment in whole seconds, as statuses have it; moments no calendar has become the nearest end of it.
pub fn seconds(us: i64) -> Time {
    let end = if us < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Time(Timestamp::from_second(us.div_euclid(1_000_000)).unwrap_or(end))
}

/// Microseconds of a moment.
pub fn micros(time: &Time) -> i64 {
    time.0.as_microsecond()
}

/// `2026-01-31T06:00:00Z`, for messages.
pub fn text(us: i64) -> String {
    seconds(us).0.to_string()
}

/// The earlier of two moments that may not be set.
pub fn earlier(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    a.into_iter().chain(b).min()
}

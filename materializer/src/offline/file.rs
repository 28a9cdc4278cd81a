//! One data file as the log describes it.

use std::collections::HashMap;

use jiff::Timestamp;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::schema::{EVENT_DATE, EVENT_TIME, SEQUENCE};

const DAY_US: i64 = 86_400_000_000;

/// An active file of the table. Bounds are inclusive and may be wider than the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile {
    /// Bucket-rooted path.
    pub path: Path,
    /// Bytes.
    pub size: u64,
    /// Rows.
    pub rows: u64,
    /// Smallest event time, microseconds.
    pub min_event_us: i64,
    /// Largest event time.
    pub max_event_us: i64,
    /// Largest sequence in the file.
    pub max_sequence: i64,
    /// Largest event time as the log writes it.
    pub newest_event_us: i64,
}

impl DataFile {
    /// Whether a row of the file may have its event time in `[from_us, to_us]`.
    pub fn overlaps(&self, from_us: i64, to_us: i64) -> bool {
        self.min_event_us <= to_us && self.max_event_us >= from_us
    }
}

/// Statistics of a file as the Delta log writes them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Stats {
    pub(crate) num_records: u64,
    pub(crate) min_values: HashMap<String, serde_json::Value>,
    pub(crate) max_values: HashMap<String, serde_json::Value>,
    pub(crate) null_count: HashMap<String, serde_json::Value>,
}

/// Makes a file from what the log says of it. Where statistics are absent (another writer compacted the table) the
/// partition's date bounds the event times.
pub(crate) fn describe(
    path: Path,
    size: u64,
    stats: Option<&str>,
    partition: &HashMap<String, Option<String>>,
) -> DataFile {
    let stats: Stats = stats
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let day = partition
        .get(EVENT_DATE)
        .and_then(Option::as_deref)
        .and_then(day_start_us);
    let min = time(&stats.min_values).or(day).unwrap_or(i64::MIN);
    // Writers may cut statistics to whole milliseconds, downwards.
    let written = time(&stats.max_values);
    let max = written.map(|us| if us % 1000 == 0 { us.saturating_add(999) } else { us });
    let max = max
        .or(day.map(|start| start.saturating_add(DAY_US - 1)))
        .unwrap_or(i64::MAX);
    let newest_event_us = written.unwrap_or(max);
    let max_sequence = stats
        .max_values
        .get(SEQUENCE)
        .and_then(serde_json::Value::as_i64)
        .unwrap_or(i64::MAX);
    DataFile {
        path,
        size,
        rows: stats.num_records,
        min_event_us: min,
        max_event_us: max,
        max_sequence,
        newest_event_us,
    }
}

fn time(values: &HashMap<String, serde_json::Value>) -> Option<i64> {
    let text = values.get(EVENT_TIME)?.as_str()?;
    text.parse::<Timestamp>().ok().map(Timestamp::as_microsecond)
}

fn day_start_us(date: &str) -> Option<i64> {
    format!("{date}T00:00:00Z")
        .parse::<Timestamp>()
        .ok()
        .map(Timestamp::as_microsecond)
}

/// Midnight UTC at or before `us`, as days since 1970.
pub(crate) fn day_of(us: i64) -> i64 {
    us.div_euclid(DAY_US)
}

/// `YYYY-MM-DD` of a day; days beyond the calendar (years below -9999 or above 9999) are given as a number.
pub(crate) fn day_name(day: i64) -> String {
    let start = day
        .checked_mul(DAY_US)
        .and_then(|us| Timestamp::from_microsecond(us).ok());
    start.map_or_else(|| day.to_string(), |t| t.strftime("%Y-%m-%d").to_string())
}

/// A time as the log's statistics write it, microseconds kept.
pub(crate) fn time_text(us: i64) -> Option<String> {
    Timestamp::from_microsecond(us)
        .ok()
        .map(|t| t.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_come_from_statistics_and_else_from_the_partition() {
        let partition = HashMap::from([(EVENT_DATE.to_owned(), Some("1969-12-31".to_owned()))]);
        let bare = describe(Path::from("a"), 1, None, &partition);
        assert_eq!((bare.min_event_us, bare.max_event_us), (-DAY_US, -1));
        let stats = r#"{"numRecords":2,"minValues":{"event_time":"1969-12-31T23:59:59.999999Z"},
            "maxValues":{"event_time":"1969-12-31T23:59:59.999Z","sequence":7}}"#;
        let file = describe(Path::from("a"), 1, Some(stats), &partition);
        assert_eq!(
            (file.min_event_us, file.max_event_us, file.max_sequence, file.rows),
            (-1, -1, 7, 2)
        );
        assert!(file.overlaps(-1, 5) && !file.overlaps(0, 5));
    }

    #[test]
    fn names_of_days_and_times_keep_microseconds_before_1970() {
        assert_eq!(day_name(day_of(-1)), "1969-12-31");
        assert_eq!(day_name(day_of(0)), "1970-01-01");
        assert_eq!(time_text(-1).as_deref(), Some("1969-12-31T23:59:59.999999Z"));
    }
}

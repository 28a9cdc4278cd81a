//! Schedules in the five fields of a Kubernetes `CronJob`, in UTC: minute, hour, day of month, month, day of week.
//!
//! A small parser of its own, because the same text has to mean the same on one machine and in a `CronJob`: Sunday is 0, and
//! where both day fields are restricted, either may match.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use snafu::{OptionExt, Snafu, ensure};

/// Why a text is not a schedule.
#[derive(Debug, PartialEq, Eq, Snafu)]
pub enum ScheduleError {
    /// Not five fields, nor a known `@` name.
    #[snafu(display(
        "`{text}` is not a schedule: write five fields (minute hour day month weekday), for example `*/15 * * * *`, or @hourly, @daily, @weekly, @monthly, @yearly"
    ))]
    Fields {
        /// What was written.
        text: String,
    },
    /// A field does not parse or is out of range.
    #[snafu(display(
        "field {name} `{field}` of schedule `{text}` is not understood: use numbers from {low} to {high}, `*`, ranges, steps or lists"
    ))]
    Field {
        /// What was written.
        text: String,
        /// Which field.
        name: &'static str,
        /// Its text.
        field: String,
        /// Smallest number.
        low: u8,
        /// Largest number.
        high: u8,
    },
    /// No date matches.
    #[snafu(display("schedule `{text}` is never due: no date matches its day and month"))]
    Never {
        /// What was written.
        text: String,
    },
}

/// One field: its name, range and the names its numbers may be written as.
struct Field {
    name: &'static str,
    low: u8,
    high: u8,
    words: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        low: 0,
        high: 59,
        words: &[],
    },
    Field {
        name: "hour",
        low: 0,
        high: 23,
        words: &[],
    },
    Field {
        name: "day of month",
        low: 1,
        high: 31,
        words: &[],
    },
    Field {
        name: "month",
        low: 1,
        high: 12,
        words: &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    },
    Field {
        name: "day of week",
        low: 0,
        high: 6,
        words: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    },
];

const NAMED: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// Days searched for the next date: past the longest gap between two 29ths of February.
const HORIZON_DAYS: u32 = 366 * 9;

/// A parsed schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Bit n is number n, per field.
    bits: [u64; 5],
    any_day: bool,
    any_weekday: bool,
}

impl Schedule {
    /// Parses `text`.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        let expanded = NAMED
            .iter()
            .find(|(name, _)| *name == text.trim())
            .map_or(text, |(_, fields)| fields);
        let fields: Vec<&str> = expanded.split_whitespace().collect();
        ensure!(fields.len() == FIELDS.len(), FieldsSnafu { text });
        let mut bits = [0; 5];
        for ((out, field), rule) in bits.iter_mut().zip(&fields).zip(&FIELDS) {
            *out = field_bits(field, rule).context(FieldSnafu {
                text,
                name: rule.name,
                field: *field,
                low: rule.low,
                high: rule.high,
            })?;
        }
        // As in a CronJob, `*/2` restricts a day field, `*` does not.
        let any = |field: &str| field.split(',').any(|item| matches!(item, "*" | "?" | "*/1" | "?/1"));
        let schedule = Self {
            bits,
            any_day: any(fields[2]),
            any_weekday: any(fields[4]),
        };
        schedule.next_after(0).context(NeverSnafu { text })?;
        Ok(schedule)
    }

    /// The first due time after `after_us`, microseconds; `None` past the range of dates.
    pub fn next_after(&self, after_us: i64) -> Option<i64> {
        let start = Timestamp::from_microsecond(after_us)
            .ok()?
            .to_zoned(TimeZone::UTC)
            .datetime();
        let mut day = start.date();
        let mut from = i32::from(start.hour()) * 60 + i32::from(start.minute()) + 1;
        for _ in 0..HORIZON_DAYS {
            if self.matches_day(day)
                && let Some(minute) = self.minute_from(from)
            {
                return at(day, minute);
            }
            day = day.checked_add(1.day()).ok()?;
            from = 0;
        }
        None
    }

    fn matches_day(&self, date: Date) -> bool {
        let has = |field: usize, n: i8| self.bits[field] & (1 << n) != 0;
        let day = has(2, date.day());
        let weekday = has(4, date.weekday().to_sunday_zero_offset());
        let days = if self.any_day || self.any_weekday {
            day && weekday
        } else {
            day || weekday
        };
        has(3, date.month()) && days
    }

    /// The first matching minute of the day from `from` on.
    fn minute_from(&self, from: i32) -> Option<i32> {
        (from..24 * 60).find(|m| self.bits[1] & (1 << (m / 60)) != 0 && self.bits[0] & (1 << (m % 60)) != 0)
    }
}

fn at(day: Date, minute: i32) -> Option<i64> {
    let time = DateTime::from_parts(day, jiff::civil::Time::midnight())
        .checked_add(i64::from(minute).minutes())
        .ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond())
}

fn field_bits(field: &str, rule: &Field) -> Option<u64> {
    field
        .split(',')
        .try_fold(0, |bits, item| Some(bits | item_bits(item, rule)?))
}

/// `*`, `n`, `a-b`, each with an optional `/step`; `n/step` runs to the end of the range.
fn item_bits(item: &str, rule: &Field) -> Option<u64> {
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step.parse::<usize>().ok().filter(|s| *s > 0)?)),
        None => (item, None),
    };
    let (low, high) = match range.split_once('-') {
        Some((a, b)) => (number(a, rule)?, number(b, rule)?),
        None if range == "*" || range == "?" => (rule.low, rule.high),
        None => {
            let n = number(range, rule)?;
            (n, if step.is_some() { rule.high } else { n })
        }
    };
    (low <= high).then(|| {
        (low..=high)
            .step_by(step.unwrap_or(1))
            .fold(0, |bits, n| bits | (1 << n))
    })
}

fn number(text: &str, rule: &Field) -> Option<u8> {
    if let Some(at) = rule.words.iter().position(|word| word.eq_ignore_ascii_case(text)) {
        return Some(rule.low + at as u8);
    }
    let all_digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|n| all_digits && (rule.low..=rule.high).contains(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    fn next(schedule: &str, after: &str) -> String {
        let due = Schedule::parse(schedule).unwrap().next_after(us(after)).unwrap();
        Timestamp::from_microsecond(due).unwrap().to_string()
    }

    #[test]
    fn the_next_due_time_is_after_the_given_one_in_utc() {
        for (schedule, after, want) in [
            ("*/15 * * * *", "2026-03-01T10:14:59.999999Z", "2026-03-01T10:15:00Z"),
            ("*/15 * * * *", "2026-03-01T10:15:00Z", "2026-03-01T10:30:00Z"),
            ("5 * * * *", "2026-12-31T23:05:00Z", "2027-01-01T00:05:00Z"),
            ("0 0 29 2 *", "2026-03-01T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("30 4 1,15 * fri", "2026-03-02T00:00:00Z", "2026-03-06T04:30:00Z"),
            ("30 4 */10 * fri", "2026-03-02T00:00:00Z", "2026-03-06T04:30:00Z"),
            ("30 4 * * fri", "2026-03-02T00:00:00Z", "2026-03-06T04:30:00Z"),
            ("0 9-17/4 * JAN-mar mon", "2026-02-28T00:00:00Z", "2026-03-02T09:00:00Z"),
            ("7/20 0 ? * *", "2026-02-28T00:10:00Z", "2026-02-28T00:27:00Z"),
            ("@daily", "1969-12-30T12:00:00Z", "1969-12-31T00:00:00Z"),
        ] {
            assert_eq!(next(schedule, after), want, "{schedule}");
        }
    }

    #[test]
    fn a_schedule_that_is_not_understood_names_the_field() {
        for (text, part) in [
            ("* * * *", "five fields"),
            ("0 5 * * * *", "five fields"),
            ("@reboot", "five fields"),
            ("60 * * * *", "minute"),
            ("0 24 * * *", "hour"),
            ("0 0 0 * *", "day of month"),
            ("0 0 * foo *", "month"),
            ("0 0 * * 7", "day of week"),
            ("*/0 * * * *", "minute"),
            ("5-1 * * * *", "minute"),
            ("+5 * * * *", "minute"),
            ("0 0 31 2 *", "never due"),
        ] {
            let message = Schedule::parse(text).unwrap_err().to_string();
            assert!(message.contains(part) && message.contains(text), "{text}: {message}");
        }
    }
}

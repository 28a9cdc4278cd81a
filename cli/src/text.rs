//! Tables and ages as kubectl prints them.

use std::fmt::Write;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Rows of the same number of cells as lines, each column as wide as its longest cell.
pub fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a String cannot fail.
            let _ = write!(line, "{cell:<width$}   ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// How long before `now_us` a moment was, in microseconds since 1970 both: `45s`, `5m`, `3h`, `2d`.
pub fn age(now_us: i64, then_us: i64) -> String {
    let seconds = now_us.saturating_sub(then_us).max(0) / 1_000_000;
    match seconds {
        ..=119 => format!("{seconds}s"),
        120..=7199 => format!("{}m", seconds / MINUTE),
        7200..=172_799 => format!("{}h", seconds / HOUR),
        _ => format!("{}d", seconds / DAY),
    }
}

/// A moment in microseconds since 1970 as RFC 3339; the number where no calendar has it.
pub fn moment(us: i64) -> String {
    jiff::Timestamp::from_microsecond(us).map_or_else(|_| us.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_longest_cell_and_lines_have_no_end_of_spaces() {
        let rows = [["NAME", "ÄGE"], ["a-long-name", ""], ["b", "5m"]];
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|row| row.iter().map(ToString::to_string).collect())
            .collect();
        assert_eq!(aligned(&rows), "NAME          ÄGE\na-long-name\nb             5m\n");
        assert_eq!(aligned(&[]), "");
    }

    #[test]
    fn ages_have_one_unit() {
        for (seconds, text) in [(-5, "0s"), (119, "119s"), (120, "2m"), (7_200, "2h"), (172_800, "2d")] {
            assert_eq!(age(seconds * 1_000_000, 0), text);
        }
    }
}

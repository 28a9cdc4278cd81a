//! Reads a Delta table as any other engine would: the log's JSON, then the Parquet files it names. Independent of the
//! writer's library, so that it can tell what others will see.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use arrow::array::{Array, RecordBatch};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

/// Column -> value as text; NULL columns are left out.
pub type Row = BTreeMap<String, String>;

/// A table at its newest version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Newest version.
    pub version: i64,
    /// Every fact, sorted.
    pub facts: Vec<Row>,
}

impl Table {
    /// Reads the table at `root`; `None` where there is no table.
    pub fn read(root: &Path) -> Option<Self> {
        let mut logs: Vec<_> = std::fs::read_dir(root.join("_delta_log"))
            .ok()?
            .map(|entry| entry.expect("log entry").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .collect();
        logs.sort();
        let version = logs
            .last()?
            .file_stem()?
            .to_str()?
            .parse()
            .expect("a log is named by its version");
        let mut files = BTreeSet::new();
        for log in logs {
            replay(&std::fs::read_to_string(log).expect("log file"), &mut files);
        }
        let mut facts: Vec<Row> = files.iter().flat_map(|file| rows(&root.join(file))).collect();
        facts.sort();
        Some(Self { version, facts })
    }

    /// The newest fact of each (keys, event time) that is not deleted, without its bookkeeping.
    pub fn current(&self, keys: &[&str]) -> BTreeMap<Row, Row> {
        let mut newest: BTreeMap<Row, (i64, i64, &Row)> = BTreeMap::new();
        for fact in &self.facts {
            let place = |name: &str| {
                fact.get(name)
                    .map_or(i64::MIN, |text| text.parse().expect("an integer"))
            };
            let identity = pick(fact, |name| name == "event_time" || keys.contains(&name));
            let order = (place("created_time"), place("sequence"), fact);
            let held = newest.entry(identity).or_insert(order);
            if (held.0, held.1) < (order.0, order.1) {
                *held = order;
            }
        }
        let bookkeeping = ["event_time", "created_time", "sequence", "is_deleted"];
        newest
            .into_iter()
            .filter(|(_, (_, _, fact))| fact.get("is_deleted").is_none_or(|deleted| deleted == "false"))
            .map(|(identity, (_, _, fact))| {
                (
                    identity,
                    pick(fact, |name| !bookkeeping.contains(&name) && !keys.contains(&name)),
                )
            })
            .collect()
    }
}

/// The rows of one Parquet file.
pub fn rows(path: &Path) -> Vec<Row> {
    let file = std::fs::File::open(path).unwrap_or_else(|error| panic!("failed to open {}: {error}", path.display()));
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .expect("parquet");
    reader.flat_map(|batch| to_rows(&batch.expect("batch"))).collect()
}

fn replay(log: &str, files: &mut BTreeSet<String>) {
    for line in log.lines().filter(|line| !line.trim().is_empty()) {
        let action: Value = serde_json::from_str(line).expect("a log line is JSON");
        if let Some(path) = action["add"]["path"].as_str() {
            files.insert(unescape(path));
        }
        if let Some(path) = action["remove"]["path"].as_str() {
            files.remove(&unescape(path));
        }
    }
}

/// Paths in the log are URL-encoded.
fn unescape(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let code = (byte == b'%').then(|| tail.get(..2)).flatten();
        let code = code.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(code.unwrap_or(byte));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).expect("UTF-8 path")
}

/// Times as whole microseconds: text would depend on the formatter.
fn to_rows(batch: &RecordBatch) -> Vec<Row> {
    use arrow::datatypes::{DataType, TimeUnit};
    let options = FormatOptions::default();
    let mut rows = vec![Row::new(); batch.num_rows()];
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let column = match column.data_type() {
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                arrow::compute::cast(column, &DataType::Int64).expect("a time as integer")
            }
            _ => column.clone(),
        };
        let formatter = ArrayFormatter::try_new(column.as_ref(), &options).expect("a printable column");
        for (index, row) in rows.iter_mut().enumerate().filter(|(index, _)| column.is_valid(*index)) {
            row.insert(field.name().clone(), formatter.value(index).to_string());
        }
    }
    rows
}

fn pick(row: &Row, keep: impl Fn(&str) -> bool) -> Row {
    row.iter()
        .filter(|(name, _)| keep(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_paths_of_the_log_become_file_names() {
        assert_eq!(
            unescape("event_date%3D2026-03-02/part%20%25.parquet"),
            "event_date=2026-03-02/part %.parquet"
        );
    }

    #[test]
    fn the_current_row_is_the_newest_fact_and_a_deleted_one_is_none() {
        let fact = |account: &str, created: i64, deleted: bool, value: i64| -> Row {
            let pairs = [
                ("account", account.to_owned()),
                ("event_time", "7".to_owned()),
                ("created_time", created.to_string()),
                ("sequence", created.to_string()),
                ("is_deleted", deleted.to_string()),
                ("value", value.to_string()),
            ];
            pairs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()
        };
        let facts = vec![
            fact("x", 2, false, 20),
            fact("x", 1, false, 10),
            fact("y", 1, false, 1),
            fact("y", 2, true, 1),
        ];
        let current = Table { version: 1, facts }.current(&["account"]);
        let values: Vec<(&str, &str)> = current
            .iter()
            .map(|(key, row)| (key["account"].as_str(), row["value"].as_str()))
            .collect();
        assert_eq!(values, [("x", "20")]);
    }
}

//! What does not fit into the memory limit ends the run by name, and heals with more memory or with another file.

use crate::support::{HOUR, Lab, START, SourceRow, row};

/// One row group of more than 8 MiB.
fn large() -> Vec<SourceRow> {
    (0..9_000).map(|i| row(format!("{i:01000}").leak(), START, i)).collect()
}

#[tokio::test]
async fn a_row_group_that_does_not_fit_is_named_and_heals_with_another_file() {
    let mut lab = Lab::plain();
    lab.spec.memory_limit_bytes = 8 << 20;
    lab.put("raw/a.parquet", &large());
    let error = lab.try_run().await.unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("row group 0 of raw/a.parquet") && message.contains("8388608"),
        "{message}"
    );
    assert_eq!(error.code(), "MemoryLimit");
    assert!(error.is_retryable(), "an upload heals it");
    lab.put("raw/a.parquet", &[row("a", START, 1)]);
    assert_eq!(lab.run().await.rows, 1);
    lab.assert_online_is_the_table().await;
}

#[tokio::test]
async fn a_row_group_that_does_not_fit_heals_with_more_memory() {
    let mut lab = Lab::plain();
    lab.spec.memory_limit_bytes = 8 << 20;
    lab.put("raw/a.parquet", &large());
    lab.try_run().await.unwrap_err();
    lab.spec.memory_limit_bytes = 256 << 20;
    assert_eq!(lab.run().await.rows, 9_000);
}

/// A join holds one side in memory and cannot spill it.
#[tokio::test]
async fn an_operator_that_cannot_spill_is_named_and_needs_more_memory() {
    let sql = "SELECT a.k, a.at, a.n, b.x FROM raw a JOIN raw b ON a.k = b.k AND a.at = b.at";
    let mut lab = Lab::query(sql, HOUR);
    let rows: Vec<SourceRow> = (0..60_000).map(|i| row("a", START + i, i)).collect();
    lab.put("raw/a.parquet", &rows);
    lab.spec.memory_limit_bytes = 2 << 20;
    let error = lab.try_run().await.unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with("MemoryLimit: tests/view needs more than 2097152 bytes") && message.contains("HashJoin"),
        "{message}"
    );
    assert!(!error.is_retryable(), "only the manifest heals it");
    lab.spec.memory_limit_bytes = 256 << 20;
    assert_eq!(lab.run().await.rows, 60_000);
}

//! The offline table of a view generation: one Delta Lake table, partitioned by event date, bitemporal.
//!
//! `docs/reference/offline-table.md` describes it for readers that are not Triplane.

mod commit;
mod file;
mod read;
mod schema;
mod table;
mod write;

pub use commit::{CommitOutcome, RunCommit, commit_run};
pub use file::DataFile;
pub use read::{ReadOptions, read_file};
pub use schema::{CREATED_TIME, EVENT_DATE, EVENT_TIME, IS_DELETED, SEQUENCE, arrow_type, row_schema};
pub use table::{OfflineError, Table, create_if_absent};
pub use write::{TableWriter, WrittenFile};

pub(crate) use file::day_of;
pub(crate) use schema::{declared_fields, timestamp};

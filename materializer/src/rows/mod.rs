//! Rows of the offline table in memory: typed access, and groups of equal keys in a sorted stream.

mod columns;
mod cursor;
mod files;

pub(crate) use columns::Columns;
pub(crate) use cursor::{Cursor, Page};
pub(crate) use files::rows_of_files;

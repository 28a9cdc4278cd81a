//! Objects of the bucket: small JSON files with put-if-absent, and Parquet objects read by range.

mod budget;
mod footer;
mod json;
mod reader;

pub(crate) use budget::ReadBudget;
pub use budget::RowGroupTooLarge;
pub use footer::FooterError;
pub(crate) use footer::{Pinned, bucket_error, open_footer};
pub use json::ObjectError;
pub(crate) use json::{BucketSnafu, MalformedSnafu, get_json, put_if_absent, put_json};
pub(crate) use reader::ObjectReader;

//! Objects of the bucket: small JSON files with put-if-absent, and Parquet objects read by range.

mod footer;
mod json;
mod reader;

pub(crate) use footer::bucket_error;
pub use footer::{FooterError, Pinned, open_footer};
pub use json::{ObjectError, get_json, put_if_absent, put_json};
pub use reader::ObjectReader;

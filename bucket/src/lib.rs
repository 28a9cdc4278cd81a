//! Buckets: S3 and directories, their credentials, listing and preflight.
//!
//! [`open`] gives every bucket as one `ObjectStore`. On S3 two clients share one source of credentials, one way of trying
//! again and one way of reading errors (`docs/adr/0006-one-bucket-two-s3-clients.md`): `object_store` moves bytes, the AWS
//! SDK lists, deletes and asks. Failures are [`BucketError`]s, found in any error they end up in by [`BucketError::find`].

mod answer;
mod credentials;
mod error;
mod list;
mod multipart;
mod open;
mod preflight;
mod resume;
mod retry;
mod s3;
mod s3_store;

pub use error::BucketError;
pub use open::open;
pub use preflight::preflight;

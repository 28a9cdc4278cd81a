//! Fetching a model file: its size is looked at before its bytes, its digest before anything reads it.

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use sha2::{Digest, Sha256};
use snafu::{ResultExt, Snafu, ensure};

/// Why a file was not fetched.
#[derive(Debug, Snafu)]
pub enum ArtifactError {
    /// The path is not one of a bucket.
    #[snafu(display("\"{path}\" is not a path in a bucket: {source}"))]
    BadPath {
        /// The path.
        path: String,
        /// Cause.
        source: object_store::path::Error,
    },
    /// There is nothing at the path.
    #[snafu(display("there is no object {path}: upload it or correct the path"))]
    Missing {
        /// The path.
        path: String,
    },
    /// The bucket does not answer.
    #[snafu(display("cannot read {path}: {source}"))]
    Unreadable {
        /// The path.
        path: String,
        /// Cause.
        source: object_store::Error,
    },
    /// The object is larger than accepted.
    #[snafu(display("{path} has {size} bytes, at most {max} are accepted"))]
    TooLarge {
        /// The path.
        path: String,
        /// Its size.
        size: u64,
        /// The limit.
        max: u64,
    },
    /// The bytes are not the ones that were registered.
    #[snafu(display(
        "{path} has sha256 {found}, the model says {expected}: upload the right file or correct the digest"
    ))]
    Digest {
        /// The path.
        path: String,
        /// Digest of the bytes.
        found: String,
        /// Digest of the model.
        expected: String,
    },
}

/// Fetches an object of at most `max` bytes.
pub(crate) async fn fetch(bucket: &dyn ObjectStore, path: &str, max: u64) -> Result<Bytes, ArtifactError> {
    let location = Path::parse(path).context(BadPathSnafu { path })?;
    let unreadable = |source| match source {
        object_store::Error::NotFound { .. } => ArtifactError::Missing { path: path.to_owned() },
        source => ArtifactError::Unreadable {
            path: path.to_owned(),
            source,
        },
    };
    let size = bucket.head(&location).await.map_err(unreadable)?.size;
    ensure!(size <= max, TooLargeSnafu { path, size, max });
    let answer = bucket.get(&location).await.map_err(unreadable)?;
    // It may have been replaced since: this is the size of what is read now.
    let size = answer.meta.size;
    ensure!(size <= max, TooLargeSnafu { path, size, max });
    answer.bytes().await.map_err(unreadable)
}

/// Checks the sha256 of a file (64 hex digits, either case). `path` is where it came from.
pub(crate) fn check_digest(file: &[u8], path: &str, sha256: &str) -> Result<(), ArtifactError> {
    let found = hex::encode(Sha256::digest(file));
    ensure!(
        found.eq_ignore_ascii_case(sha256),
        DigestSnafu {
            path,
            found,
            expected: sha256
        }
    );
    Ok(())
}

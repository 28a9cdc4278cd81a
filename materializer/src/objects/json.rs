//! Small JSON files.

use std::sync::Arc;

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use serde::Serialize;
use serde::de::DeserializeOwned;
use snafu::{ResultExt, Snafu};

/// Why a small file could not be read or written.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
pub enum ObjectError {
    /// The bucket did not answer as it should.
    #[snafu(display("failed to {action} {path}: {source}"))]
    Bucket {
        /// What was tried.
        action: &'static str,
        /// Bucket-rooted path.
        path: String,
        /// Cause.
        source: object_store::Error,
    },
    /// The file is not what it should be.
    #[snafu(display(
        "{path} is not the JSON it should be ({source}): restore it from a backup or delete the view's folder"
    ))]
    Malformed {
        /// Bucket-rooted path.
        path: String,
        /// Cause.
        source: serde_json::Error,
    },
}

/// Reads a file; `None` where it does not exist.
pub(crate) async fn get_json<T: DeserializeOwned>(
    bucket: &Arc<dyn ObjectStore>,
    path: &str,
) -> Result<Option<T>, ObjectError> {
    let found = match bucket.get(&Path::from(path)).await {
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        other => other.context(BucketSnafu { action: "read", path })?,
    };
    let bytes = found.bytes().await.context(BucketSnafu { action: "read", path })?;
    serde_json::from_slice(&bytes)
        .context(MalformedSnafu { path })
        .map(Some)
}

/// Writes a file whatever is there.
pub(crate) async fn put_json<T: Serialize>(
    bucket: &Arc<dyn ObjectStore>,
    path: &str,
    value: &T,
) -> Result<(), ObjectError> {
    let bytes = serde_json::to_vec_pretty(value).context(MalformedSnafu { path })?;
    bucket
        .put(&Path::from(path), PutPayload::from(bytes))
        .await
        .context(BucketSnafu { action: "write", path })?;
    Ok(())
}

/// Writes a file if it is not there; gives what is there afterwards, so that the loser of a race goes on with the winner's.
pub(crate) async fn put_if_absent<T: Serialize + DeserializeOwned>(
    bucket: &Arc<dyn ObjectStore>,
    path: &str,
    value: T,
) -> Result<T, ObjectError> {
    let bytes = serde_json::to_vec_pretty(&value).context(MalformedSnafu { path })?;
    let options = PutOptions {
        mode: PutMode::Create,
        ..PutOptions::default()
    };
    match bucket
        .put_opts(&Path::from(path), PutPayload::from(bytes), options)
        .await
    {
        Ok(_) => Ok(value),
        Err(object_store::Error::AlreadyExists { .. }) => {
            get_json(bucket, path).await?.ok_or_else(|| ObjectError::Bucket {
                action: "read",
                path: path.to_owned(),
                source: object_store::Error::Generic {
                    store: "bucket",
                    source: "it was there a moment ago".into(),
                },
            })
        }
        Err(source) => Err(ObjectError::Bucket {
            action: "write",
            path: path.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn the_loser_of_a_race_reads_the_winners_file() {
        let bucket: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        assert_eq!(get_json::<u32>(&bucket, "a/b.json").await.unwrap(), None);
        assert_eq!(put_if_absent(&bucket, "a/b.json", 1_u32).await.unwrap(), 1);
        assert_eq!(put_if_absent(&bucket, "a/b.json", 2_u32).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_malformed_file_is_named() {
        let bucket: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        bucket
            .put(&Path::from("x.json"), PutPayload::from_static(b"{"))
            .await
            .unwrap();
        let message = get_json::<u32>(&bucket, "x.json").await.unwrap_err().to_string();
        assert!(message.starts_with("x.json is not"), "{message}");
    }
}

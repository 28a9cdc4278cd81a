//! What can be wrong with a bucket, in the user's words, and whether trying again may help.

use std::error::Error;

use snafu::Snafu;

/// Why a bucket could not be used. Secrets are in none of the messages.
#[derive(Debug, Snafu)]
#[snafu(visibility(pub(crate)))]
pub enum BucketError {
    /// The directory does not exist or cannot be read.
    #[snafu(display("failed to open bucket directory {path}: {source}; create it first"))]
    Directory {
        /// The directory.
        path: String,
        /// Cause.
        source: object_store::Error,
    },
    /// Name, endpoint or region cannot be right.
    #[snafu(display("bucket {bucket} cannot be reached as described: {message}"))]
    Settings {
        /// The bucket.
        bucket: String,
        /// What is wrong.
        message: String,
    },
    /// Nothing gave credentials.
    #[snafu(display("bucket {bucket}: no credentials were found: {message}"))]
    NoCredentials {
        /// The bucket.
        bucket: String,
        /// Where they were looked for, and what to do.
        message: String,
    },
    /// The key id or the secret is wrong.
    #[snafu(display(
        "bucket {bucket}: S3 refuses the credentials ({code}): correct accessKeyId and secretAccessKey in the Secret, or the role of the service account"
    ))]
    WrongCredentials {
        /// The bucket.
        bucket: String,
        /// What S3 says.
        code: String,
    },
    /// Temporary credentials are over and no newer ones were found.
    #[snafu(display("bucket {bucket}: the credentials have expired ({code}): put new ones into the Secret"))]
    ExpiredCredentials {
        /// The bucket.
        bucket: String,
        /// What S3 says.
        code: String,
    },
    /// The credentials are known but may not do this.
    #[snafu(display(
        "bucket {bucket}: the credentials may not {action} {path} ({code}): allow it in their policy (docs/reference/bucket.md lists what is needed)"
    ))]
    AccessDenied {
        /// The bucket.
        bucket: String,
        /// What was tried.
        action: &'static str,
        /// Path or prefix in the bucket.
        path: String,
        /// What S3 says.
        code: String,
    },
    /// There is no such bucket.
    #[snafu(display("bucket {bucket} does not exist at {endpoint}: create it, or correct its name"))]
    BucketMissing {
        /// The bucket.
        bucket: String,
        /// Where it was looked for.
        endpoint: String,
    },
    /// The clock here and the clock there differ too much for a signature.
    #[snafu(display(
        "bucket {bucket}: the clock of this machine differs from that of S3 by more than 15 minutes{server_time}: synchronize it (NTP)"
    ))]
    ClockSkew {
        /// The bucket.
        bucket: String,
        /// `; there it is T`, where S3 says.
        server_time: String,
    },
    /// The bucket lies in another region.
    #[snafu(display("bucket {bucket} lies in another region than {asked}{found}: set the region of the store"))]
    WrongRegion {
        /// The bucket.
        bucket: String,
        /// Region that was asked.
        asked: String,
        /// `, in R`, where S3 says.
        found: String,
    },
    /// No connection, or none that carries an answer.
    #[snafu(display(
        "bucket {bucket} cannot be reached at {endpoint} ({message}): check the endpoint and the network"
    ))]
    Unreachable {
        /// The bucket.
        bucket: String,
        /// Where it was looked for.
        endpoint: String,
        /// Cause.
        message: String,
    },
    /// More requests than S3 takes.
    #[snafu(display("bucket {bucket}: S3 takes no more requests for now ({code}): run fewer jobs at once"))]
    Throttled {
        /// The bucket.
        bucket: String,
        /// What S3 says.
        code: String,
    },
    /// Any other answer that is no success.
    #[snafu(display("bucket {bucket}: failed to {action} {path}: S3 answers {status} {code} {message}"))]
    Failed {
        /// The bucket.
        bucket: String,
        /// What was tried.
        action: &'static str,
        /// Path or prefix in the bucket.
        path: String,
        /// HTTP status; 0 where there is none.
        status: u16,
        /// What S3 says, as a code.
        code: String,
        /// What S3 says.
        message: String,
    },
    /// A body that went on ending early or standing still.
    #[snafu(display(
        "bucket {bucket}: reading {path} stopped at byte {at} of {end} and {resumed} new requests brought no more: check the network"
    ))]
    Stalled {
        /// The bucket.
        bucket: String,
        /// Path in the bucket.
        path: String,
        /// Bytes had.
        at: u64,
        /// Where the wanted range ends.
        end: u64,
        /// Requests since the last progress.
        resumed: u32,
    },
    /// Lengths that contradict each other.
    #[snafu(display("bucket {bucket}: {path} has another length than was announced: {message}"))]
    WrongLength {
        /// The bucket.
        bucket: String,
        /// Path in the bucket.
        path: String,
        /// Which lengths.
        message: String,
    },
    /// A key that is no path.
    #[snafu(display("bucket {bucket}: the key \"{key}\" cannot be read as a path: rename or remove the object"))]
    UnreadableKey {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
    /// The server overwrites what it was told not to.
    #[snafu(display(
        "bucket {bucket}: the server at {endpoint} ignores If-None-Match on PUT, without which two runs could write the same thing: use S3, MinIO or another server with conditional writes"
    ))]
    NoConditionalWrites {
        /// The bucket.
        bucket: String,
        /// The server.
        endpoint: String,
    },
}

impl BucketError {
    /// The bucket error among `error` and its causes.
    pub fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }

    /// Name of the cause, stable over versions: the reason of a condition.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Directory { .. } | Self::BucketMissing { .. } => "BucketMissing",
            Self::Settings { .. } => "InvalidBucket",
            Self::NoCredentials { .. } => "NoCredentials",
            Self::WrongCredentials { .. } => "WrongCredentials",
            Self::ExpiredCredentials { .. } => "ExpiredCredentials",
            Self::AccessDenied { .. } => "AccessDenied",
            Self::ClockSkew { .. } => "ClockSkew",
            Self::WrongRegion { .. } => "WrongRegion",
            Self::Unreachable { .. } | Self::Stalled { .. } => "BucketUnreachable",
            Self::Throttled { .. } => "Throttled",
            Self::Failed { .. } | Self::WrongLength { .. } | Self::UnreadableKey { .. } => "BucketFailed",
            Self::NoConditionalWrites { .. } => "NoConditionalWrites",
        }
    }

    /// Whether the same request may succeed a moment later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Throttled { .. } => true,
            Self::Failed { status, code, .. } => *status >= 500 || *status == 408 || is_conflict(code),
            _ => false,
        }
    }

    /// Whether other credentials may help. A HEAD is refused without a code.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::NoCredentials { .. } | Self::WrongCredentials { .. } | Self::ExpiredCredentials { .. } => true,
            Self::AccessDenied { code, .. } => code.is_empty(),
            _ => false,
        }
    }

    /// As an error of an object store.
    pub(crate) fn into_store(self) -> object_store::Error {
        object_store::Error::Generic {
            store: "S3",
            source: Box::new(self),
        }
    }
}

/// Two conditional writes met: neither has happened, S3 asks for another try.
pub(crate) fn is_conflict(code: &str) -> bool {
    matches!(code, "ConditionalRequestConflict" | "OperationAborted")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_found_below_what_wraps_it() {
        let error = BucketError::Throttled {
            bucket: "b".into(),
            code: "SlowDown".into(),
        };
        let wrapped = object_store::Error::NotSupported {
            source: Box::new(error.into_store()),
        };
        assert_eq!(BucketError::find(&wrapped).map(BucketError::code), Some("Throttled"));
        let other = object_store::Error::NotSupported { source: "no".into() };
        assert!(BucketError::find(&other).is_none());
    }
}

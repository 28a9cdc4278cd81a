//! Buckets: S3 and directories, their credentials, listing and preflight.

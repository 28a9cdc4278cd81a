//! One bucket on S3 and its two clients: `data` moves bytes, `control` lists, deletes and asks.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use object_store::aws::AmazonS3;
use object_store::{Error, Result};
use rand::Rng;

use crate::answer::{self, Asked};
use crate::credentials::Credentials;
use crate::error::BucketError;
use crate::retry::{Policy, attempt_limit};

/// Time a connection may take.
pub(crate) const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// A bucket, shared by everything that reads or writes it.
pub(crate) struct Bucket {
    pub(crate) name: String,
    pub(crate) endpoint: String,
    pub(crate) region: String,
    pub(crate) data: AmazonS3,
    pub(crate) control: aws_sdk_s3::Client,
    pub(crate) credentials: Credentials,
    pub(crate) policy: Policy,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3({} at {})", self.name, self.endpoint)
    }
}

/// One thing asked of a bucket, in however many attempts.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    action: &'static str,
    path: &'a str,
    limit: Duration,
    attempts: AtomicU32,
}

impl<'a> Call<'a> {
    /// `action` on `path`, carrying `bytes`.
    pub(crate) fn new(action: &'static str, path: &'a str, bytes: usize) -> Self {
        Self {
            action,
            path,
            limit: attempt_limit(bytes),
            attempts: AtomicU32::new(0),
        }
    }

    /// Whether an attempt before the last may have been carried out without our seeing its answer.
    pub(crate) fn was_repeated(&self) -> bool {
        self.attempts.load(Ordering::Relaxed) > 1
    }
}

impl Bucket {
    /// Makes attempts until one succeeds, its answer is one that the caller asked about, or trying again is of no use.
    pub(crate) async fn tried<T, F>(&self, call: &Call<'_>, attempt: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let begun = Instant::now();
        loop {
            let made = call.attempts.fetch_add(1, Ordering::Relaxed) + 1;
            let seen = self.credentials.generation();
            let error = match tokio::time::timeout(call.limit, attempt()).await {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(error)) => answer::of_data(error, &self.asked(call)),
                Err(_) => {
                    let waited = format!("no answer within {} s", call.limit.as_secs());
                    answer::unreachable(&self.asked(call), waited).into_store()
                }
            };
            let Some(cause) = BucketError::find(&error) else {
                return Err(error);
            };
            let renewed = cause.is_refusal() && self.credentials.renew(seen).await;
            let jitter = rand::rng().random::<f64>();
            let Some(pause) = self.policy.pause(cause, made, begun.elapsed(), renewed, jitter) else {
                return Err(error);
            };
            tracing::warn!(attempt = made, "trying again in {} ms: {cause}", pause.as_millis());
            tokio::time::sleep(pause).await;
        }
    }

    /// What an error of the SDK means.
    pub(crate) fn of_sdk<E>(&self, call: &Call<'_>, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        answer::of_sdk(error, &self.asked(call))
    }

    fn asked<'a>(&'a self, call: &'a Call<'_>) -> Asked<'a> {
        Asked {
            bucket: &self.name,
            endpoint: &self.endpoint,
            region: &self.region,
            action: call.action,
            path: call.path,
        }
    }
}

/// The one form of an `ETag`: in quotes, as S3 sends it. Some servers leave them out in listings.
pub(crate) fn quoted(etag: &str) -> String {
    if etag.starts_with('"') || etag.starts_with("W/") {
        etag.to_owned()
    } else {
        format!("\"{etag}\"")
    }
}

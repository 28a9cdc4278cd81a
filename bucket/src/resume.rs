//! Reading an object: a body that breaks off, stands still or crawls is gone on with where it ended, by a request for the rest
//! of the same content.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, GetResult, GetResultPayload, ObjectMeta, ObjectStore, Result};

use crate::error::BucketError;
use crate::list;
use crate::s3::{Bucket, Call, quoted};

/// Time over which the pace of a body is measured.
const WINDOW: Duration = Duration::from_secs(5);
/// Bytes a window has to bring. There is no other deadline: a large object on a slow line is read to its end.
const PACE: u64 = 32 << 10;
/// New requests for the rest of a body without a window's bytes between them.
const RESUMED: u32 = 8;

/// Reads `location`. An unconditional read asks for the range from the first byte on: then the answer names the length twice,
/// and a wrong `Content-Length` is noticed.
pub(crate) async fn get(bucket: &Arc<Bucket>, location: &Path, options: GetOptions) -> Result<GetResult> {
    if options.head {
        return head(bucket, location, options).await;
    }
    let is_whole = options.range.is_none();
    let first = GetOptions {
        range: options.range.clone().or(Some(GetRange::Offset(0))),
        ..options.clone()
    };
    let found = match request(bucket, location, &first).await {
        // No range of an empty object can be had.
        Err(error) if is_whole && is_unsatisfiable(&error) => request(bucket, location, &options).await?,
        other => other?,
    };
    let range = found.range.clone();
    let meta = normal(found.meta.clone());
    let attributes = found.attributes.clone();
    let body = Body {
        bucket: Arc::clone(bucket),
        location: location.clone(),
        etag: meta.e_tag.clone(),
        version: options.version,
        rest: range.clone(),
        from: Some(found.into_stream()),
        pace: Pace::default(),
        resumed: 0,
    };
    let stream = stream::try_unfold(body, |mut body| async move {
        Ok(body.next().await?.map(|bytes| (bytes, body)))
    });
    Ok(GetResult {
        payload: GetResultPayload::Stream(stream.boxed()),
        meta,
        range,
        attributes,
    })
}

/// HEAD is answered without a body: what a refusal is about is asked by a listing.
async fn head(bucket: &Arc<Bucket>, location: &Path, options: GetOptions) -> Result<GetResult> {
    match request(bucket, location, &options).await {
        Ok(found) => Ok(GetResult {
            meta: normal(found.meta.clone()),
            ..found
        }),
        Err(error) => {
            let is_bare = BucketError::find(&error).is_none_or(BucketError::is_refusal);
            if is_bare && !matches!(error, Error::NotModified { .. } | Error::Precondition { .. }) {
                list::probe(bucket, location).await?;
            }
            Err(error)
        }
    }
}

async fn request(bucket: &Bucket, location: &Path, options: &GetOptions) -> Result<GetResult> {
    let call = Call::new("read", location.as_ref(), 0);
    bucket
        .tried(&call, || bucket.data.get_opts(location, options.clone()))
        .await
}

fn normal(meta: ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        e_tag: meta.e_tag.as_deref().map(quoted),
        ..meta
    }
}

fn is_unsatisfiable(error: &Error) -> bool {
    matches!(BucketError::find(error), Some(BucketError::Failed { status: 416, .. }))
}

/// A body on its way.
struct Body {
    bucket: Arc<Bucket>,
    location: Path,
    /// Pins the content.
    etag: Option<String>,
    version: Option<String>,
    /// Bytes still wanted.
    rest: Range<u64>,
    from: Option<BoxStream<'static, Result<Bytes>>>,
    pace: Pace,
    resumed: u32,
}

impl Body {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        while !self.rest.is_empty() {
            let Some(from) = &mut self.from else {
                self.resume().await?;
                continue;
            };
            let asked = Instant::now();
            let come = tokio::time::timeout(self.pace.left(), from.next()).await;
            let bytes = match come {
                Ok(Some(Ok(bytes))) => bytes,
                Ok(Some(Err(error))) => {
                    tracing::info!("{} broke off at byte {}: {error}", self.location, self.rest.start);
                    self.from = None;
                    continue;
                }
                Ok(None) | Err(_) => {
                    self.from = None;
                    continue;
                }
            };
            self.take(&bytes)?;
            if !self.pace.keeps_up(bytes.len() as u64, asked.elapsed()) {
                self.from = None;
            }
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    fn take(&mut self, bytes: &Bytes) -> Result<()> {
        let length = bytes.len() as u64;
        if length > self.rest.end - self.rest.start {
            let message = format!("more bytes than the {} of the range came", self.rest.end);
            return Err(self.wrong_length(message));
        }
        self.rest.start += length;
        Ok(())
    }

    /// Asks for the rest. What is there now has to be what was there before.
    async fn resume(&mut self) -> Result<()> {
        if self.pace.had >= PACE {
            self.resumed = 0;
        }
        self.resumed += 1;
        let Some(etag) = self.etag.clone().filter(|_| self.resumed <= RESUMED) else {
            return Err(self.stalled());
        };
        self.pace = Pace::default();
        let options = GetOptions {
            range: Some(GetRange::Bounded(self.rest.clone())),
            if_match: Some(etag),
            version: self.version.clone(),
            ..GetOptions::default()
        };
        let found = request(&self.bucket, &self.location, &options).await?;
        if found.range != self.rest {
            let message = format!("bytes {:?} were asked for, {:?} came", self.rest, found.range);
            return Err(self.wrong_length(message));
        }
        self.from = Some(found.into_stream());
        Ok(())
    }

    fn stalled(&self) -> Error {
        BucketError::Stalled {
            bucket: self.bucket.name.clone(),
            path: self.location.to_string(),
            at: self.rest.start,
            end: self.rest.end,
            resumed: self.resumed - 1,
        }
        .into_store()
    }

    fn wrong_length(&self, message: String) -> Error {
        BucketError::WrongLength {
            bucket: self.bucket.name.clone(),
            path: self.location.to_string(),
            message,
        }
        .into_store()
    }
}

/// How fast a body comes. Only the time that is spent waiting for it counts: its reader may be slow.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    waited: Duration,
    in_window: u64,
    /// Bytes since the last request.
    had: u64,
}

impl Pace {
    /// Time until the window ends.
    fn left(&self) -> Duration {
        WINDOW.saturating_sub(self.waited)
    }

    /// Counts bytes that came after `waited`; `false` where the window that ends with them brought too few.
    fn keeps_up(&mut self, bytes: u64, waited: Duration) -> bool {
        self.waited += waited;
        self.in_window += bytes;
        self.had += bytes;
        if self.waited < WINDOW {
            return true;
        }
        let enough = self.in_window >= PACE;
        (self.waited, self.in_window) = (Duration::ZERO, 0);
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crawling_body_is_given_up_at_the_end_of_a_window_and_a_slow_one_is_not() {
        let step = WINDOW / 4;
        let ends = |bytes: u64| {
            let mut pace = Pace::default();
            (0..4).map(|_| pace.keeps_up(bytes, step)).collect::<Vec<bool>>()
        };
        assert_eq!(ends(100), [true, true, true, false]);
        assert_eq!(ends(PACE / 4), [true, true, true, true]);
    }

    #[test]
    fn a_window_that_is_over_waits_no_longer() {
        let mut pace = Pace::default();
        assert_eq!(pace.left(), WINDOW);
        pace.keeps_up(PACE, WINDOW / 4);
        assert_eq!(pace.left(), WINDOW * 3 / 4);
    }
}

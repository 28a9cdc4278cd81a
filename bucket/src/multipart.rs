//! Uploads in parts, each part tried again by itself.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    Error, MultipartUpload, ObjectStoreExt, PutMultipartOptions, PutPayload, PutResult, Result, UploadPart,
};

use crate::s3::{Bucket, Call, quoted};
use crate::s3_store::S3Store;

#[derive(Debug)]
struct Upload {
    state: Arc<State>,
    parts: usize,
    bytes: u64,
}

#[derive(Debug)]
struct State {
    bucket: Arc<Bucket>,
    location: Path,
    id: String,
    done: Mutex<Vec<Option<PartId>>>,
}

/// Begins an upload to `location`. Tags and attributes are not carried.
pub(crate) async fn begin(
    bucket: &Arc<Bucket>,
    location: &Path,
    opts: &PutMultipartOptions,
) -> Result<Box<dyn MultipartUpload>> {
    if !opts.attributes.is_empty() || !opts.tags.encoded().is_empty() {
        return Err(Error::NotSupported {
            source: "an upload in parts with tags or attributes".into(),
        });
    }
    let call = Call::new("write", location.as_ref(), 0);
    let id = bucket.tried(&call, || bucket.data.create_multipart(location)).await?;
    Ok(Box::new(Upload {
        state: Arc::new(State {
            bucket: Arc::clone(bucket),
            location: location.clone(),
            id,
            done: Mutex::default(),
        }),
        parts: 0,
        bytes: 0,
    }))
}

impl State {
    async fn put(&self, index: usize, data: PutPayload) -> Result<()> {
        let (bucket, location) = (&self.bucket, &self.location);
        let call = Call::new("write", location.as_ref(), data.content_length());
        let put = || bucket.data.put_part(location, &self.id, index, data.clone());
        let part = bucket.tried(&call, put).await?;
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if done.len() <= index {
            done.resize(index + 1, None);
        }
        done[index] = Some(part);
        Ok(())
    }

    /// Whether what lies there is this upload, completed by a request whose answer was lost.
    async fn is_there(&self, parts: usize, bytes: u64) -> Option<PutResult> {
        let found = S3Store(Arc::clone(&self.bucket)).head(&self.location).await.ok()?;
        let etag = found.e_tag.as_deref().map(quoted)?;
        let is_ours = found.size == bytes && etag.ends_with(&format!("-{parts}\""));
        is_ours.then_some(PutResult {
            e_tag: Some(etag),
            version: found.version,
        })
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (state, index) = (Arc::clone(&self.state), self.parts);
        self.parts += 1;
        self.bytes += data.content_length() as u64;
        Box::pin(async move { state.put(index, data).await })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let state = &self.state;
        let done: Option<Vec<PartId>> = {
            let done = state.done.lock().unwrap_or_else(PoisonError::into_inner);
            done.iter().cloned().collect()
        };
        let Some(parts) = done.filter(|parts| parts.len() == self.parts) else {
            return Err(Error::Generic {
                store: "S3",
                source: format!("a part of {} was not uploaded", state.location).into(),
            });
        };
        let call = Call::new("write", state.location.as_ref(), 0);
        let data = &state.bucket.data;
        let complete = || data.complete_multipart(&state.location, &state.id, parts.clone());
        match state.bucket.tried(&call, complete).await {
            Ok(done) => Ok(PutResult {
                e_tag: done.e_tag.as_deref().map(quoted),
                ..done
            }),
            // S3 forgets an upload when it is complete.
            Err(error @ Error::NotFound { .. }) if call.was_repeated() => {
                state.is_there(self.parts.max(1), self.bytes).await.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    async fn abort(&mut self) -> Result<()> {
        let state = &self.state;
        let call = Call::new("delete", state.location.as_ref(), 0);
        let abort = || state.bucket.data.abort_multipart(&state.location, &state.id);
        match state.bucket.tried(&call, abort).await {
            Err(Error::NotFound { .. }) => Ok(()),
            other => other,
        }
    }
}

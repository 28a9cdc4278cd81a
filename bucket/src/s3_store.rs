//! A bucket on S3 as an object store.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::s3::{Bucket, Call, quoted};
use crate::{list, multipart, resume};

/// Deletions under way at once.
const DELETES: usize = 8;

/// What [`crate::open`] gives for S3.
#[derive(Clone, Debug)]
pub(crate) struct S3Store(pub(crate) Arc<Bucket>);

impl fmt::Display for S3Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl S3Store {
    /// The end of a conditional write that was repeated and then found something there: where these are the same bytes, it was
    /// this write whose answer was lost.
    async fn settle(&self, location: &Path, payload: &PutPayload, refusal: Error) -> Result<PutResult> {
        let found = self.get(location).await?;
        let (e_tag, version) = (found.meta.e_tag.clone(), found.meta.version.clone());
        let size_differs = found.meta.size != payload.content_length() as u64;
        if size_differs || found.bytes().await? != payload_bytes(payload) {
            return Err(refusal);
        }
        Ok(PutResult { e_tag, version })
    }
}

fn payload_bytes(payload: &PutPayload) -> bytes::Bytes {
    bytes::Bytes::from(payload.clone())
}

#[async_trait]
impl ObjectStore for S3Store {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let call = Call::new("write", location.as_ref(), payload.content_length());
        let attempt = || self.0.data.put_opts(location, payload.clone(), opts.clone());
        match (self.0.tried(&call, attempt).await, &opts.mode) {
            (Ok(done), _) => Ok(PutResult {
                e_tag: done.e_tag.as_deref().map(quoted),
                ..done
            }),
            (Err(refusal @ Error::AlreadyExists { .. }), PutMode::Create)
            | (Err(refusal @ Error::Precondition { .. }), PutMode::Update(_))
                if call.was_repeated() =>
            {
                self.settle(location, &payload, refusal).await
            }
            (Err(error), _) => Err(error),
        }
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        multipart::begin(&self.0, location, &opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        resume::get(&self.0, location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let bucket = Arc::clone(&self.0);
        locations
            .map(move |location| {
                let bucket = Arc::clone(&bucket);
                async move {
                    let location = location?;
                    let call = Call::new("delete", location.as_ref(), 0);
                    let delete = || async {
                        let request = bucket.control.delete_object().bucket(&bucket.name);
                        let sent = request.key(location.as_ref()).send().await;
                        sent.map_err(|error| bucket.of_sdk(&call, &error))
                    };
                    bucket.tried(&call, delete).await?;
                    Ok(location)
                }
            })
            .buffered(DELETES)
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        list::all(&self.0, prefix, None)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        list::all(&self.0, prefix, Some(offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        list::folder(&self.0, prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let call = Call::new("write", to.as_ref(), 0);
        let attempt = || self.0.data.copy_opts(from, to, options.clone());
        self.0.tried(&call, attempt).await
    }
}

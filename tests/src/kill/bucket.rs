//! An object store behind a gate.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{BoxStream, Stream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};

use super::Gate;

/// `inner`, every call of which goes through the gate.
pub struct KillableBucket {
    inner: Arc<dyn ObjectStore>,
    gate: Arc<Gate>,
}

impl KillableBucket {
    /// Puts `inner` behind `gate`.
    pub fn new(inner: Arc<dyn ObjectStore>, gate: Arc<Gate>) -> Self {
        Self { inner, gate }
    }

    /// A stream whose call is over when nobody reads it any more.
    fn gated<T: Send + 'static>(
        &self,
        call: usize,
        items: impl Stream<Item = T> + Send + 'static,
    ) -> BoxStream<'static, T> {
        let over = Leave {
            gate: self.gate.clone(),
            call,
        };
        items
            .map(move |item| {
                let _held = &over;
                item
            })
            .boxed()
    }
}

/// Leaves a call when dropped.
struct Leave {
    gate: Arc<Gate>,
    call: usize,
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.gate.leave(self.call);
    }
}

impl fmt::Debug for KillableBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KillableBucket({:?})", self.inner)
    }
}

impl fmt::Display for KillableBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KillableBucket({})", self.inner)
    }
}

#[async_trait]
impl ObjectStore for KillableBucket {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let call = self.gate.enter("put", location.as_ref());
        let result = self.inner.put_opts(location, payload, opts).await;
        self.gate.leave(call);
        result
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let call = self.gate.enter("begin", location.as_ref());
        let inner = self.inner.put_multipart_opts(location, opts).await?;
        self.gate.leave(call);
        Ok(Box::new(KillableUpload {
            inner,
            location: location.clone(),
            gate: self.gate.clone(),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let call = self
            .gate
            .enter(if options.head { "head" } else { "get" }, location.as_ref());
        let result = self.inner.get_opts(location, options).await;
        self.gate.leave(call);
        result
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let call = self.gate.enter("get", location.as_ref());
        let result = self.inner.get_ranges(location, ranges).await;
        self.gate.leave(call);
        result
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let call = self.gate.enter("delete", "");
        self.gated(call, self.inner.delete_stream(locations))
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let call = self.gate.enter("list", prefix.map_or("", |prefix| prefix.as_ref()));
        self.gated(call, self.inner.list(prefix))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        let call = self.gate.enter("list", prefix.map_or("", |prefix| prefix.as_ref()));
        self.gated(call, self.inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let call = self.gate.enter("list", prefix.map_or("", |prefix| prefix.as_ref()));
        let result = self.inner.list_with_delimiter(prefix).await;
        self.gate.leave(call);
        result
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let call = self.gate.enter("put", to.as_ref());
        let result = self.inner.copy_opts(from, to, options).await;
        self.gate.leave(call);
        result
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let call = self.gate.enter("put", to.as_ref());
        let result = self.inner.rename_opts(from, to, options).await;
        self.gate.leave(call);
        result
    }
}

#[derive(Debug)]
struct KillableUpload {
    inner: Box<dyn MultipartUpload>,
    location: Path,
    gate: Arc<Gate>,
}

#[async_trait]
impl MultipartUpload for KillableUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let call = self.gate.enter("part", self.location.as_ref());
        let (gate, part) = (self.gate.clone(), self.inner.put_part(data));
        Box::pin(async move {
            let result = part.await;
            gate.leave(call);
            result
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let call = self.gate.enter("complete", self.location.as_ref());
        let result = self.inner.complete().await;
        self.gate.leave(call);
        result
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

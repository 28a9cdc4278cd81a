//! Listing by the SDK, page by page.

use std::sync::Arc;

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::Object;
use chrono::{DateTime, Utc};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ListResult, ObjectMeta, Result};

use crate::error::BucketError;
use crate::s3::{Bucket, Call, quoted};

/// What is listed.
struct Wanted {
    /// Folder, with its slash; empty for the whole bucket.
    prefix: String,
    after: Option<String>,
    folders: bool,
}

impl Wanted {
    fn new(prefix: Option<&Path>, after: Option<&Path>, folders: bool) -> Self {
        let prefix = prefix.map_or("", |path| path.as_ref());
        let slash = if prefix.is_empty() { "" } else { "/" };
        Self {
            prefix: format!("{prefix}{slash}"),
            after: after.map(ToString::to_string),
            folders,
        }
    }
}

/// Every object below `prefix`, in the order of keys.
pub(crate) fn all(
    bucket: &Arc<Bucket>,
    prefix: Option<&Path>,
    after: Option<&Path>,
) -> BoxStream<'static, Result<ObjectMeta>> {
    let wanted = Wanted::new(prefix, after, false);
    let begin = (Arc::clone(bucket), wanted, Some(None));
    stream::try_unfold(begin, |(bucket, wanted, next)| async move {
        let Some(token) = next else {
            return Ok::<_, object_store::Error>(None);
        };
        let page = page(&bucket, &wanted, token).await?;
        let objects: Vec<ObjectMeta> = objects(&bucket, page.contents())?;
        let next = next_page(&page);
        Ok(Some((
            stream::iter(objects.into_iter().map(Ok)),
            (bucket, wanted, next),
        )))
    })
    .try_flatten()
    .boxed()
}

/// The objects and folders right below `prefix`.
pub(crate) async fn folder(bucket: &Arc<Bucket>, prefix: Option<&Path>) -> Result<ListResult> {
    let wanted = Wanted::new(prefix, None, true);
    let mut found = ListResult {
        common_prefixes: Vec::new(),
        objects: Vec::new(),
    };
    let mut next = Some(None);
    while let Some(token) = next {
        let page = page(bucket, &wanted, token).await?;
        found.objects.extend(objects(bucket, page.contents())?);
        for folder in page.common_prefixes().iter().filter_map(|folder| folder.prefix()) {
            found.common_prefixes.push(path(bucket, folder)?);
        }
        next = next_page(&page);
    }
    Ok(found)
}

/// `Some(token)` where more follows.
fn next_page(page: &ListObjectsV2Output) -> Option<Option<String>> {
    let token = page.next_continuation_token().filter(|token| !token.is_empty());
    token.map(|token| Some(token.to_owned()))
}

async fn page(bucket: &Bucket, wanted: &Wanted, token: Option<String>) -> Result<ListObjectsV2Output> {
    let call = Call::new("list", &wanted.prefix, 0);
    let attempt = || async {
        let request = bucket.control.list_objects_v2().bucket(&bucket.name);
        let request = request
            .prefix(&wanted.prefix)
            .set_delimiter(wanted.folders.then(|| "/".to_owned()));
        let request = match &token {
            Some(token) => request.continuation_token(token),
            None => request.set_start_after(wanted.after.clone()),
        };
        let sent = request.send().await;
        sent.map_err(|error| bucket.of_sdk(&call, &error))
    };
    bucket.tried(&call, attempt).await
}

fn objects(bucket: &Bucket, listed: &[Object]) -> Result<Vec<ObjectMeta>> {
    let is_object = |object: &&Object| {
        // A key that ends with a slash and holds nothing is a folder as web consoles make them.
        let key = object.key().unwrap_or_default();
        !(key.is_empty() || key.ends_with('/') && object.size().unwrap_or(0) == 0)
    };
    listed
        .iter()
        .filter(is_object)
        .map(|object| {
            Ok(ObjectMeta {
                location: path(bucket, object.key().unwrap_or_default())?,
                // Whole seconds, as the header of a GET or HEAD has it: the same time whoever asks, and however.
                last_modified: seconds(object.last_modified().map_or(0, |time| time.secs())),
                size: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
                e_tag: object.e_tag().map(quoted),
                version: None,
            })
        })
        .collect()
}

fn seconds(since_1970: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(since_1970, 0).unwrap_or_default()
}

fn path(bucket: &Bucket, key: &str) -> Result<Path> {
    Path::parse(key.trim_end_matches('/')).map_err(|_| {
        BucketError::UnreadableKey {
            bucket: bucket.name.clone(),
            key: key.to_owned(),
        }
        .into_store()
    })
}

/// Asks for one key at `location`: an answer to a listing says what is wrong, where one to a HEAD cannot.
pub(crate) async fn probe(bucket: &Bucket, location: &Path) -> Result<()> {
    let call = Call::new("list", location.as_ref(), 0);
    let attempt = || async {
        let request = bucket.control.list_objects_v2().bucket(&bucket.name).max_keys(1);
        let sent = request.prefix(location.as_ref()).send().await;
        sent.map_err(|error| bucket.of_sdk(&call, &error))
    };
    bucket.tried(&call, attempt).await.map(drop)
}

//! Listing by the SDK, page by page.

use std::sync::Arc;

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::Object;
use chrono::Utc;
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

/// What is asked for next.
enum Next {
    First,
    After(String),
    Nothing,
}

impl Next {
    fn of(page: &ListObjectsV2Output) -> Self {
        match page.next_continuation_token() {
            Some(token) if !token.is_empty() => Self::After(token.to_owned()),
            _ => Self::Nothing,
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
    let begin = (Arc::clone(bucket), wanted, Next::First);
    stream::try_unfold(begin, |(bucket, wanted, next)| async move {
        let Some(page) = page(&bucket, &wanted, &next).await? else {
            return Ok::<_, object_store::Error>(None);
        };
        let objects = objects(&bucket, page.contents())?;
        let rest = (bucket, wanted, Next::of(&page));
        Ok(Some((stream::iter(objects.into_iter().map(Ok)), rest)))
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
    let mut next = Next::First;
    while let Some(page) = page(bucket, &wanted, &next).await? {
        found.objects.extend(objects(bucket, page.contents())?);
        for folder in page.common_prefixes().iter().filter_map(|folder| folder.prefix()) {
            found.common_prefixes.push(path(bucket, folder)?);
        }
        next = Next::of(&page);
    }
    Ok(found)
}

/// The page that `next` asks for.
async fn page(bucket: &Bucket, wanted: &Wanted, next: &Next) -> Result<Option<ListObjectsV2Output>> {
    let request = bucket.control.list_objects_v2().bucket(&bucket.name);
    let request = request
        .prefix(&wanted.prefix)
        .set_delimiter(wanted.folders.then(|| "/".to_owned()));
    let request = match next {
        Next::First => request.set_start_after(wanted.after.clone()),
        Next::After(token) => request.continuation_token(token),
        Next::Nothing => return Ok(None),
    };
    let call = Call::new("list", &wanted.prefix, 0);
    let attempt = || async {
        let sent = request.clone().send().await;
        sent.map_err(|error| bucket.of_sdk(&call, &error))
    };
    bucket.tried(&call, attempt).await.map(Some)
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
                last_modified: seconds(object.last_modified().map_or(0, DateTime::secs)),
                size: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
                e_tag: object.e_tag().map(quoted),
                version: None,
            })
        })
        .collect()
}

fn seconds(since_1970: i64) -> chrono::DateTime<Utc> {
    chrono::DateTime::from_timestamp(since_1970, 0).unwrap_or_default()
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

//! Before the first write: is the bucket there, are the credentials good, do the clocks agree, and does the server keep the
//! promise that runs rest on.

use aws_sdk_s3::primitives::ByteStream;
use object_store::path::Path;
use object_store::{Error, Result};
use triplane_contract::layout;
use triplane_contract::store::OfflineAccess;

use crate::error::BucketError;
use crate::list;
use crate::open::{Place, open};
use crate::retry::Policy;
use crate::s3::{Bucket, Call};

/// Checks that a store may be kept below `root` of a bucket. It leaves one small object there, which later checks find.
pub async fn preflight(access: &OfflineAccess, root: &str) -> Result<(), BucketError> {
    let OfflineAccess::S3 {
        bucket,
        endpoint,
        region,
        credentials,
    } = access
    else {
        return open(access).map(drop);
    };
    let place = Place::new(bucket, endpoint.as_deref(), region.as_deref());
    let bucket = place.bucket(credentials, Policy::BRIEF)?;
    let path = Path::from(layout::preflight(root));
    let checked = async {
        list::probe(&bucket, &Path::from(root)).await?;
        // The first of them may create the object; the second has to be refused whatever the first did.
        put_if_absent(&bucket, &path).await?;
        put_if_absent(&bucket, &path).await
    };
    match checked.await {
        Ok(Put::Refused) => Ok(()),
        Ok(Put::Done) => Err(BucketError::NoConditionalWrites {
            bucket: bucket.name.clone(),
            endpoint: bucket.endpoint.clone(),
        }),
        Err(error) => Err(of_bucket(&bucket, error)),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Put {
    Done,
    Refused,
}

async fn put_if_absent(bucket: &Bucket, path: &Path) -> Result<Put> {
    let call = Call::new("write", path.as_ref(), 0);
    let attempt = || async {
        let request = bucket.control.put_object().bucket(&bucket.name).key(path.as_ref());
        let request = request.if_none_match("*").body(ByteStream::from_static(b"{}\n"));
        match request.send().await {
            Ok(_) => Ok(Put::Done),
            Err(error) if error.raw_response().is_some_and(|raw| raw.status().as_u16() == 412) => Ok(Put::Refused),
            Err(error) => Err(bucket.of_sdk(&call, &error)),
        }
    };
    bucket.tried(&call, attempt).await
}

fn of_bucket(bucket: &Bucket, error: Error) -> BucketError {
    let message = error.to_string();
    let source = match error {
        Error::Generic { source, .. } => source.downcast::<BucketError>().ok(),
        _ => None,
    };
    source.map_or_else(
        || BucketError::Settings {
            bucket: bucket.name.clone(),
            message,
        },
        |known| *known,
    )
}

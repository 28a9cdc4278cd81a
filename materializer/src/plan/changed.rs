//! Objects that were not what they were planned as when a run read them. What was read may be undone before anybody lists the
//! sources again, so it is noted: the next plan takes such an object for an arrival whatever it is by then, and adds the
//! times of what was read to its own.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use snafu::ResultExt;
use triplane_contract::{layout, version};

use crate::objects::{BucketSnafu, MalformedSnafu, ObjectError, get_json, put_json};

/// An object with the span of what was read instead of the planned content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChangedObject {
    /// Name of the source it belongs to.
    pub(crate) source: String,
    /// Bucket-rooted path.
    pub(crate) path: String,
    /// Smallest time that may have been read; `None`: no row.
    pub(crate) min_us: Option<i64>,
    /// Largest time.
    pub(crate) max_us: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    version: u32,
    objects: BTreeSet<ChangedObject>,
}

/// Notes what an attempt of `run` read, before the attempt can commit. Attempts add up: a note too many costs a second look
/// at an object, one too few would leave rows that nobody takes back.
pub(crate) async fn note(
    bucket: &Arc<dyn ObjectStore>,
    root: &str,
    run: u64,
    objects: BTreeSet<ChangedObject>,
) -> Result<(), ObjectError> {
    if objects.is_empty() {
        return Ok(());
    }
    let folder = layout::changed_objects(root, run);
    let note = Note {
        version: version::CURRENT,
        objects,
    };
    let content = serde_json::to_vec(&note).context(MalformedSnafu { path: &folder })?;
    let name = hex::encode(&Sha256::digest(content)[..8]);
    put_json(bucket, &format!("{folder}/{name}.json"), &note).await
}

/// Everything noted by attempts of `run`.
pub(super) async fn noted(
    bucket: &Arc<dyn ObjectStore>,
    root: &str,
    run: u64,
) -> Result<BTreeSet<ChangedObject>, ObjectError> {
    let folder = layout::changed_objects(root, run);
    let notes: Vec<ObjectMeta> = bucket
        .list(Some(&Path::from(folder.as_str())))
        .try_collect()
        .await
        .context(BucketSnafu {
            action: "list",
            path: &folder,
        })?;
    let mut objects = BTreeSet::new();
    for file in notes {
        let note: Option<Note> = get_json(bucket, file.location.as_ref()).await?;
        objects.extend(note.into_iter().flat_map(|note| note.objects));
    }
    Ok(objects)
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    fn changed(path: &str, max_us: i64) -> ChangedObject {
        ChangedObject {
            source: "s".to_owned(),
            path: path.to_owned(),
            min_us: Some(0),
            max_us: Some(max_us),
        }
    }

    #[tokio::test]
    async fn notes_of_attempts_add_up_and_concern_their_run_only() {
        let bucket: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let (first, second) = (changed("a", 1), changed("a", 2));
        for objects in [vec![], vec![first.clone()], vec![second.clone(), first.clone()]] {
            note(&bucket, "v", 1, objects.into_iter().collect()).await.unwrap();
        }
        note(&bucket, "v", 11, [changed("b", 1)].into()).await.unwrap();
        assert_eq!(noted(&bucket, "v", 1).await.unwrap(), [first, second].into());
        assert_eq!(noted(&bucket, "v", 2).await.unwrap(), [].into());
    }
}

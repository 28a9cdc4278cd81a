//! What lies below the sources now.

use std::sync::Arc;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use snafu::ResultExt;
use triplane_contract::run::{RunSpec, Source};

use super::{ListSnafu, PlanError};

/// An object of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) source: String,
    pub(super) path: String,
    pub(super) etag: String,
    pub(super) size: u64,
    pub(super) last_modified_us: i64,
}

/// Lists every source, sorted by (source, path).
pub(super) async fn list(bucket: &Arc<dyn ObjectStore>, spec: &RunSpec) -> Result<Vec<Listed>, PlanError> {
    let mut found = Vec::new();
    let own = Path::from(spec.store.root.as_str());
    for source in &spec.transform.sources {
        let prefix = Path::from(source.path.as_str());
        let context = ListSnafu {
            name: &source.name,
            path: &source.path,
        };
        let objects: Vec<ObjectMeta> = bucket.list(Some(&prefix)).try_collect().await.context(context)?;
        let wanted = objects
            .into_iter()
            .filter(|o| !is_hidden(&prefix, &o.location) && !o.location.prefix_matches(&own));
        found.extend(wanted.map(|object| listed(source, object)));
    }
    found.sort_by(|a, b| (&a.source, &a.path).cmp(&(&b.source, &b.path)));
    Ok(found)
}

fn listed(source: &Source, object: ObjectMeta) -> Listed {
    let last_modified_us = object.last_modified.timestamp_micros();
    Listed {
        source: source.name.clone(),
        path: object.location.to_string(),
        etag: object
            .e_tag
            .unwrap_or_else(|| format!("{}-{last_modified_us}", object.size)),
        size: object.size,
        last_modified_us,
    }
}

/// `_SUCCESS`, `_temporary/`, `.part.crc` and the like belong to whoever writes the files.
pub(crate) fn is_hidden(prefix: &Path, location: &Path) -> bool {
    location
        .prefix_match(prefix)
        .is_some_and(|mut parts| parts.any(|part| part.as_ref().starts_with(['_', '.'])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_writer_are_left_out_but_a_hidden_prefix_is_the_users_choice() {
        let prefix = Path::from("_raw/weather");
        assert!(is_hidden(&prefix, &Path::from("_raw/weather/_SUCCESS")));
        assert!(is_hidden(&prefix, &Path::from("_raw/weather/_temporary/0/a.parquet")));
        assert!(is_hidden(&prefix, &Path::from("_raw/weather/.a.parquet.crc")));
        assert!(!is_hidden(&prefix, &Path::from("_raw/weather/day=1/a.parquet")));
    }
}

//! Facts of one view, read from the files of its offline table that can matter.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use triplane_contract::{FeatureColumn, View};

use crate::offline::{
    CREATED_TIME, EVENT_TIME, IS_DELETED, OfflineError, ReadOptions, SEQUENCE, Table, read_file, row_schema,
};

/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;
/// Files opened ahead.
const AHEAD: usize = 2;

/// Batches of keys, `event_time`, `created_time`, `sequence`, `is_deleted` and `features`, event times in `event_times`.
pub(super) fn facts(
    table: &Table,
    view: &View,
    features: &[FeatureColumn],
    event_times: (i64, i64),
) -> Result<BoxStream<'static, Result<RecordBatch, OfflineError>>, OfflineError> {
    let all = row_schema(view);
    let keys = view.keys.iter().map(|key| key.name.as_str());
    let own = [EVENT_TIME, CREATED_TIME, SEQUENCE, IS_DELETED];
    let names = keys
        .chain(own)
        .chain(features.iter().map(|feature| feature.name.as_str()));
    let fields: Vec<Field> = names
        .filter_map(|name| all.field_with_name(name).ok().cloned())
        .collect();
    let options = ReadOptions {
        schema: Arc::new(Schema::new(fields)),
        event_times,
        batch_rows: BATCH_ROWS,
    };
    let mut files = table.files()?;
    files.retain(|file| file.overlaps(event_times.0, event_times.1));
    let bucket = Arc::clone(table.bucket());
    let opened = futures::stream::iter(files).map(move |file| {
        let (bucket, options) = (Arc::clone(&bucket), options.clone());
        async move { read_file(&bucket, &file, &options).await }
    });
    Ok(opened.buffered(AHEAD).try_flatten().boxed())
}

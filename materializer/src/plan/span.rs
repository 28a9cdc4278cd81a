//! Looking at new objects: the smallest and largest time in each, from the footer where it says, else from the rows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::SchemaRef;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStore;
use object_store::path::Path;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use snafu::ResultExt;
use triplane_contract::run::{PlannedObject, RunSpec};

use super::arrivals::Change;
use super::listing::Listed;
use super::{Inventory, LookSnafu, PlanError};
use crate::objects::{FooterError, Pinned, bucket_error, open_footer};
use crate::transform::conform::micros;

/// Footers read at once.
const AT_ONCE: usize = 8;

/// Plans each change, in order. An object that went away since the listing never arrived; one that was known before is gone.
pub(super) async fn look_at(
    bucket: &Arc<dyn ObjectStore>,
    spec: &RunSpec,
    known: &Inventory,
    changes: Vec<Change>,
) -> Result<Vec<PlannedObject>, PlanError> {
    let looks = changes
        .into_iter()
        .map(|change| look_again(bucket, spec, known, change));
    let seen: Vec<Option<PlannedObject>> = futures::stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
    Ok(seen.into_iter().flatten().collect())
}

async fn look_again(
    bucket: &Arc<dyn ObjectStore>,
    spec: &RunSpec,
    known: &Inventory,
    change: Change,
) -> Result<Option<PlannedObject>, PlanError> {
    let listed = match change {
        Change::Removed(object) => return Ok(Some(removed(object))),
        Change::Arrived(listed) => listed,
    };
    let source = spec.transform.sources.iter().find(|s| s.name == listed.source);
    let column = source.map_or("", |s| s.timestamp_column.as_str());
    let seen = look(bucket, &listed, column)
        .await
        .context(LookSnafu { name: &listed.source })?;
    let known = known.get(&listed.source, &listed.path);
    Ok(match (seen, known) {
        (Some(object), Some(known)) if Inventory::is_forgotten(known) => Some(with_times_of(object, known)),
        (Some(object), _) => Some(object),
        (None, known) => known.cloned().map(removed),
    })
}

fn removed(object: PlannedObject) -> PlannedObject {
    PlannedObject {
        removed: true,
        unreadable: None,
        ..object
    }
}

/// What a run has read of an object beyond what was planned is affected by it, too.
fn with_times_of(mut object: PlannedObject, known: &PlannedObject) -> PlannedObject {
    if let Some((min, max)) = known.min_us.zip(known.max_us) {
        let (min, max) = widen(object.min_us.zip(object.max_us), min, max);
        (object.min_us, object.max_us) = (Some(min), Some(max));
    }
    object
}

async fn look(
    bucket: &Arc<dyn ObjectStore>,
    listed: &Listed,
    column: &str,
) -> Result<Option<PlannedObject>, FooterError> {
    let mut object = PlannedObject {
        source: listed.source.clone(),
        path: listed.path.clone(),
        etag: listed.etag.clone(),
        size: listed.size,
        last_modified_us: listed.last_modified_us,
        min_us: None,
        max_us: None,
        removed: false,
        unreadable: None,
    };
    let pinned = match open_footer(bucket, &Path::from(listed.path.as_str())).await {
        Ok(pinned) => pinned,
        Err(FooterError::Gone { .. }) => return Ok(None),
        Err(FooterError::Unreadable { message, .. }) => {
            object.unreadable = Some(message);
            return Ok(Some(object));
        }
        Err(other) => return Err(other),
    };
    // The footer may be of newer content than the listing saw. Of the same content listing and footer tell the same time: a
    // bucket gives it in one precision.
    object.etag = pinned.version();
    (object.size, object.last_modified_us) = (pinned.size, pinned.last_modified_us);
    match span(bucket, &pinned, column).await {
        Ok(Some((min, max))) => (object.min_us, object.max_us) = (Some(min), Some(max)),
        Ok(None) => {}
        Err(FooterError::Unreadable { message, .. }) => object.unreadable = Some(message),
        Err(other) => return Err(other),
    }
    Ok(Some(object))
}

/// Smallest and largest time of `column`; `None` where it is missing, is no timestamp, or has no value.
pub(crate) async fn span(
    bucket: &Arc<dyn ObjectStore>,
    pinned: &Pinned,
    column: &str,
) -> Result<Option<(i64, i64)>, FooterError> {
    let schema = pinned.metadata.schema();
    match schema.field_with_name(column) {
        Ok(field) if matches!(field.data_type(), arrow::datatypes::DataType::Timestamp(..)) => {}
        _ => return Ok(None),
    }
    match from_statistics(pinned, schema, column) {
        Told::Span(found) => Ok(found),
        Told::Nothing => from_rows(bucket, pinned, column).await,
    }
}

/// What a footer tells of a column.
enum Told {
    /// Its span; `None` without a value.
    Span(Option<(i64, i64)>),
    /// Not enough: a row group has no statistics.
    Nothing,
}

fn from_statistics(pinned: &Pinned, schema: &SchemaRef, column: &str) -> Told {
    group_spans(pinned, schema, column).map_or(Told::Nothing, |spans| {
        Told::Span(
            spans
                .into_iter()
                .fold(None, |span, (min, max)| Some(widen(span, min, max))),
        )
    })
}

/// The span of each row group that has a value; `None` where one does not tell.
fn group_spans(pinned: &Pinned, schema: &SchemaRef, column: &str) -> Option<Vec<(i64, i64)>> {
    let metadata = pinned.metadata.metadata();
    let groups = metadata.row_groups();
    let converter = StatisticsConverter::try_new(column, schema, metadata.file_metadata().schema_descr()).ok()?;
    let (min, max) = (
        micros(&converter.row_group_mins(groups).ok()?)?,
        micros(&converter.row_group_maxes(groups).ok()?)?,
    );
    let nulls = converter.row_group_null_counts(groups).ok()?;
    let mut spans = Vec::new();
    for (i, group) in groups.iter().enumerate() {
        let all_null = nulls.is_valid(i) && nulls.value(i) == group.num_rows() as u64;
        if group.num_rows() == 0 || all_null {
            continue;
        }
        if min.is_null(i) || max.is_null(i) {
            return None;
        }
        spans.push((min.value(i), max.value(i)));
    }
    Some(spans)
}

async fn from_rows(
    bucket: &Arc<dyn ObjectStore>,
    pinned: &Pinned,
    column: &str,
) -> Result<Option<(i64, i64)>, FooterError> {
    let path = pinned.path.to_string();
    let failed = |error| match bucket_error(error) {
        Ok(source) => FooterError::Bucket {
            path: path.clone(),
            source,
        },
        Err(message) => FooterError::Unreadable {
            path: path.clone(),
            message,
        },
    };
    let builder = ParquetRecordBatchStreamBuilder::new_with_metadata(pinned.reader(bucket), pinned.metadata.clone());
    let mask = ProjectionMask::columns(builder.parquet_schema(), [column]);
    let mut batches = builder.with_projection(mask).build().map_err(failed)?;
    let mut span = None;
    while let Some(batch) = batches.try_next().await.map_err(failed)? {
        let times = batch.columns().first().and_then(|array: &ArrayRef| micros(array));
        span = times
            .iter()
            .flat_map(|times| times.iter().flatten())
            .fold(span, |span, t| Some(widen(span, t, t)));
    }
    Ok(span)
}

fn widen(span: Option<(i64, i64)>, min: i64, max: i64) -> (i64, i64) {
    span.map_or((min, max), |(low, high)| (low.min(min), high.max(max)))
}

//! The columns of a source as queries see them: fixed once for a generation, so that one odd file never changes what the
//! query means. Most files decide.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStore;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use triplane_contract::run::PlannedObject;
use triplane_contract::version;

use super::TransformError;
use super::conform::plain_type;
use crate::objects::{FooterError, get_json, open_footer, put_if_absent};

const AT_ONCE: usize = 8;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    version: u32,
    /// The run that fixed it.
    run: u64,
    columns: Vec<ColumnType>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ColumnType {
    name: String,
    /// Arrow's name of the type.
    #[serde(rename = "type")]
    data_type: String,
}

/// The columns of a source.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    /// Columns with their plain types.
    pub(crate) schema: SchemaRef,
    /// The run that fixed it: what other sources brought before could not be used.
    pub(crate) run: u64,
    /// It cannot change any more in this generation.
    pub(crate) is_fixed: bool,
}

/// The fixed reference of source `name`, else what `objects` propose; `None` while no object is readable.
pub(crate) async fn reference(
    bucket: &Arc<dyn ObjectStore>,
    root: &str,
    name: &str,
    run: u64,
    objects: &[PlannedObject],
) -> Result<Option<Reference>, TransformError> {
    if let Some(file) = get_json::<File>(bucket, &path_of(root, name)).await? {
        return Ok(Some(parse(&file, true)));
    }
    let readable: Vec<Path> = objects
        .iter()
        .filter(|o| o.unreadable.is_none())
        .map(|o| Path::from(o.path.as_str()))
        .collect();
    let looks = readable.into_iter().map(|path| {
        let bucket = Arc::clone(bucket);
        async move {
            match open_footer(&bucket, &path).await {
                Ok(pinned) => Ok(Some(Arc::clone(pinned.metadata.schema()))),
                Err(FooterError::Gone { .. } | FooterError::Unreadable { .. }) => Ok(None),
                Err(source) => Err(TransformError::Look { source }),
            }
        }
    });
    let seen: Vec<Option<SchemaRef>> = futures::stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
    let schemas: Vec<SchemaRef> = seen.into_iter().flatten().collect();
    if schemas.is_empty() {
        return Ok(None);
    }
    let file = File {
        version: version::CURRENT,
        run,
        columns: most_common(&schemas),
    };
    Ok(Some(parse(&file, false)))
}

/// Fixes a proposal, or gives what another attempt has fixed.
pub(crate) async fn fix(
    bucket: &Arc<dyn ObjectStore>,
    root: &str,
    name: &str,
    proposed: &Reference,
) -> Result<Reference, TransformError> {
    let columns = proposed.schema.fields().iter().map(|field| ColumnType {
        name: field.name().clone(),
        data_type: field.data_type().to_string(),
    });
    let file = File {
        version: version::CURRENT,
        run: proposed.run,
        columns: columns.collect(),
    };
    let file = put_if_absent(bucket, &path_of(root, name), file).await?;
    Ok(parse(&file, true))
}

fn path_of(root: &str, name: &str) -> String {
    format!("{root}/_triplane/sources/{name}.json")
}

fn most_common(schemas: &[SchemaRef]) -> Vec<ColumnType> {
    let mut order: Vec<&str> = Vec::new();
    let mut votes: BTreeMap<&str, Vec<(DataType, usize)>> = BTreeMap::new();
    for field in schemas.iter().flat_map(|schema| schema.fields()) {
        let found = plain_type(field.data_type());
        let types = votes.entry(field.name()).or_insert_with(|| {
            order.push(field.name());
            Vec::new()
        });
        match types.iter_mut().find(|(known, _)| *known == found) {
            Some((_, count)) => *count += 1,
            None => types.push((found, 1)),
        }
    }
    // Among equals the first file by path decides.
    let winner = |types: &[(DataType, usize)]| {
        let most = types.iter().map(|(_, count)| *count).max()?;
        types
            .iter()
            .find(|(_, count)| *count == most)
            .map(|(found, _)| found.clone())
    };
    order
        .into_iter()
        .filter_map(|name| Some((name, winner(votes.get(name)?)?)))
        .filter(|(_, found)| {
            found
                .to_string()
                .parse::<DataType>()
                .is_ok_and(|parsed| parsed == *found)
        })
        .map(|(name, found)| ColumnType {
            name: name.to_owned(),
            data_type: found.to_string(),
        })
        .collect()
}

fn parse(file: &File, is_fixed: bool) -> Reference {
    let fields = file
        .columns
        .iter()
        .filter_map(|c| Some(Field::new(&c.name, c.data_type.parse::<DataType>().ok()?, true)));
    Reference {
        schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
        run: file.run,
        is_fixed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_files_decide_and_encodings_do_not_matter() {
        let schema = |data_type| Arc::new(Schema::new(vec![Field::new("a", data_type, true)]));
        let columns = most_common(&[schema(DataType::Utf8), schema(DataType::Int16), schema(DataType::Int32)]);
        assert_eq!(columns[0].data_type, "Int32");
        let file = |columns| File {
            version: 1,
            run: 1,
            columns,
        };
        let reference = parse(&file(columns), true);
        assert_eq!(reference.schema.field(0).data_type(), &DataType::Int32);
        let times = most_common(&[schema(DataType::Timestamp(
            arrow::datatypes::TimeUnit::Nanosecond,
            None,
        ))]);
        assert_eq!(
            parse(&file(times), true).schema.field(0).data_type(),
            &crate::offline::timestamp()
        );
    }

    #[tokio::test]
    async fn a_proposal_is_fixed_once_and_the_first_one_counts() {
        let bucket: Arc<dyn ObjectStore> = Arc::new(object_store::memory::InMemory::new());
        let proposed = |data_type, run| Reference {
            schema: Arc::new(Schema::new(vec![Field::new("a", data_type, true)])),
            run,
            is_fixed: false,
        };
        let first = fix(&bucket, "v", "s", &proposed(DataType::Int64, 1)).await.unwrap();
        let second = fix(&bucket, "v", "s", &proposed(DataType::Utf8, 2)).await.unwrap();
        assert_eq!((first.run, second.run), (1, 1));
        assert_eq!(second.schema.field(0).data_type(), &DataType::Int64);
        let known = reference(&bucket, "v", "s", 3, &[]).await.unwrap().unwrap();
        assert!(known.is_fixed && known.run == 1);
    }
}

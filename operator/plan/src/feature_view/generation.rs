//! When a changed spec begins a new generation, and when it is only a new schema or another way of reading.
//!
//! | change | effect |
//! | --- | --- |
//! | store, entity keys or their types, sources, query, timestamp or created column, lookback | new generation |
//! | type of a kept feature | new generation |
//! | ttl grows, or `lastKnownFor` grows past it | new generation: rows that expired online have to come back |
//! | feature added | new generation: rows already written would answer NULL where their sources have a value |
//! | a 17th schema | new generation: at most 16 schemas stay decodable |
//! | feature dropped, or features in another order | new schema id; rows written before stay readable with their own |
//! | onMissing, default, smaller ttl or lastKnownFor, availabilityDelay, order of keys | read differently, same rows |
//! | schedule, freshness, resources | nothing about rows |
//!
//! A run only looks at objects that arrived since the last one, so a column that is added to a generation would stay NULL in
//! every row whose object does not arrive again. A new generation is filled beside the old and switched to at once instead;
//! readers never see half of it. Dropping a feature rewrites nothing.

use std::fmt;

use triplane_contract::run::Transform;
use triplane_contract::{Column, FeatureColumn, Schema, View, layout};

use super::record::{Generation, ViewRecord};
use super::validate::ValidatedView;

/// Schemas of one generation that stay decodable.
pub const LIVE_SCHEMAS: usize = 16;

/// Why a new generation is begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// There is none yet.
    First,
    /// Another FeatureStore.
    Store,
    /// Entity keys or their types.
    Entity,
    /// Names, paths or timestamp columns of sources.
    Sources,
    /// The SQL text.
    Query,
    /// `timestampColumn` or `createdTimestampColumn`.
    TimeColumns,
    /// `lookback`.
    Lookback,
    /// A kept feature has another type.
    FeatureType(String),
    /// A feature is new.
    FeatureAdded(String),
    /// Rows are served to a greater age than they were kept for.
    ReachGrew,
    /// The 17th schema.
    TooManySchemas,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => f.write_str("the view is new"),
            Self::Store => f.write_str("storeRef changed"),
            Self::Entity => f.write_str("entity changed"),
            Self::Sources => f.write_str("sources changed"),
            Self::Query => f.write_str("query changed"),
            Self::TimeColumns => f.write_str("a timestamp column changed"),
            Self::Lookback => f.write_str("lookback changed"),
            Self::FeatureType(name) => write!(f, "the type of feature {name} changed"),
            Self::FeatureAdded(name) => write!(f, "feature {name} was added"),
            Self::ReachGrew => f.write_str("ttl or lastKnownFor grew"),
            Self::TooManySchemas => write!(f, "more than {LIVE_SCHEMAS} sets of features were used"),
        }
    }
}

/// The record after `spec` is seen. Going back to the definition that is served abandons the generation being built.
pub fn advance(record: &ViewRecord, spec: &ValidatedView) -> ViewRecord {
    let mut next = record.clone();
    let kept = [record.target, record.ready]
        .into_iter()
        .flatten()
        .find(|n| record.get(*n).is_some_and(|g| change(g, spec).is_none()));
    if let Some(number) = kept {
        next.target = Some(number);
        if let Some(generation) = next.generations.iter_mut().find(|g| g.view.generation == number) {
            *generation = revised(generation, spec);
        }
        return next;
    }
    let because = record
        .target()
        .or(record.ready())
        .map_or(Some(Change::First), |g| change(g, spec));
    next.last += 1;
    next.target = Some(next.last);
    next.generations.push(Generation {
        view: view_of(
            spec,
            next.last,
            vec![Schema {
                id: 1,
                columns: columns(&spec.features),
            }],
        ),
        transform: spec.transform.clone(),
        because: because.unwrap_or(Change::First).to_string(),
    });
    next
}

/// The first change that gives rows of `old` another meaning; `None` where they can stay.
pub fn change(old: &Generation, spec: &ValidatedView) -> Option<Change> {
    if old.view.store != spec.store {
        return Some(Change::Store);
    }
    if by_name(&old.view.keys) != by_name(&spec.keys) {
        return Some(Change::Entity);
    }
    transform_change(&old.transform, &spec.transform)
        .or_else(|| feature_change(&old.view.features, &spec.features))
        .or_else(|| reach_grew(&old.view, spec).then_some(Change::ReachGrew))
        .or_else(|| (schemas(&old.view, spec).len() > LIVE_SCHEMAS).then_some(Change::TooManySchemas))
}

fn transform_change(old: &Transform, new: &Transform) -> Option<Change> {
    let times = |t: &Transform| (t.timestamp_column.clone(), t.created_column.clone());
    if old.sources != new.sources {
        Some(Change::Sources)
    } else if old.query.as_deref().map(str::trim) != new.query.as_deref().map(str::trim) {
        Some(Change::Query)
    } else if times(old) != times(new) {
        Some(Change::TimeColumns)
    } else {
        (old.lookback_us != new.lookback_us).then_some(Change::Lookback)
    }
}

fn feature_change(old: &[FeatureColumn], new: &[FeatureColumn]) -> Option<Change> {
    new.iter()
        .find_map(|feature| match old.iter().find(|f| f.name == feature.name) {
            None => Some(Change::FeatureAdded(feature.name.clone())),
            Some(before) if before.value_type != feature.value_type => Some(Change::FeatureType(feature.name.clone())),
            Some(_) => None,
        })
}

/// Without bound is the greatest reach.
fn reach_grew(old: &View, spec: &ValidatedView) -> bool {
    let new = View {
        features: spec.features.clone(),
        ttl_us: spec.ttl_us,
        ..old.clone()
    };
    let bound = |us: Option<i64>| us.unwrap_or(i64::MAX);
    bound(new.ttl_us) > bound(old.ttl_us) || bound(new.reach_us()) > bound(old.reach_us())
}

fn revised(old: &Generation, spec: &ValidatedView) -> Generation {
    Generation {
        view: view_of(spec, old.view.generation, schemas(&old.view, spec)),
        ..old.clone()
    }
}

/// The live schemas with the present one last. Ids rise and are not used twice: rows carry them.
fn schemas(old: &View, spec: &ValidatedView) -> Vec<Schema> {
    let columns = columns(&spec.features);
    let mut schemas = old.schemas.clone();
    if schemas.last().is_none_or(|schema| schema.columns != columns) {
        let id = schemas.iter().map(|schema| schema.id).max().unwrap_or(0) + 1;
        schemas.push(Schema { id, columns });
    }
    schemas
}

fn view_of(spec: &ValidatedView, generation: u32, schemas: Vec<Schema>) -> View {
    View {
        namespace: spec.namespace.clone(),
        store: spec.store.clone(),
        name: spec.name.clone(),
        generation,
        id: layout::view_id(&spec.namespace, &spec.store, &spec.name, generation),
        keys: spec.keys.clone(),
        features: spec.features.clone(),
        schemas,
        ttl_us: spec.ttl_us,
        availability_delay_us: spec.availability_delay_us,
    }
}

fn columns(features: &[FeatureColumn]) -> Vec<Column> {
    features
        .iter()
        .map(|f| Column {
            name: f.name.clone(),
            value_type: f.value_type,
        })
        .collect()
}

fn by_name(columns: &[Column]) -> Vec<Column> {
    let mut sorted = columns.to_vec();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    sorted
}

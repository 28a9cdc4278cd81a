//! A FeatureView's spec as numbers and names that fit together.

use snafu::{ResultExt, Snafu, ensure};
use triplane_contract::run::{Source, Transform};
use triplane_contract::sentinel;
use triplane_contract::view::is_reserved;
use triplane_contract::{Column, FeatureColumn, OnMissing};
use triplane_crds::v1alpha1::FeatureViewSpec;
use triplane_crds::v1alpha1::feature_view::{Feature, OnMissing as Declared, Source as Declaration};

use crate::parse::field::{self, FieldError};
use crate::parse::schedule::Schedule;

/// A spec that can be acted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatedView {
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// Name of its FeatureStore.
    pub store: String,
    /// Entity keys in declared order.
    pub keys: Vec<Column>,
    /// Features in declared order.
    pub features: Vec<FeatureColumn>,
    /// How rows are made.
    pub transform: Transform,
    /// Validity of a row, microseconds; `None` is without bound.
    pub ttl_us: Option<i64>,
    /// Delay until a row is readable online, microseconds.
    pub availability_delay_us: i64,
    /// When runs after the first are due.
    pub schedule: Option<Schedule>,
    /// Memory of a run, bytes.
    pub memory_limit_bytes: u64,
    /// Oldest acceptable age of the newest event, microseconds.
    pub freshness_target_us: Option<i64>,
    /// Starts no run.
    pub suspend: bool,
}

/// Why a FeatureView's spec cannot be acted on.
#[derive(Debug, Clone, PartialEq, Eq, Snafu)]
pub enum ViewSpecError {
    /// A field does not parse.
    #[snafu(display("{source}"))]
    Field {
        /// Which and why.
        source: FieldError,
    },
    /// Two things have one name.
    #[snafu(display("{field} has {name} twice: names are unique within a view, keys and features together"))]
    Repeated {
        /// The list.
        field: &'static str,
        /// The name.
        name: String,
    },
    /// Two names that many readers of tables cannot tell apart.
    #[snafu(display(
        "spec.features: {name} and {other} differ only by case, which many readers of tables do not tell apart: rename one"
    ))]
    Alike {
        /// The later name, key or feature.
        name: String,
        /// The earlier one.
        other: String,
    },
    /// A name that Triplane's own columns have.
    #[snafu(display("{field} {name} is the name of a column that Triplane writes: choose another"))]
    Reserved {
        /// The list.
        field: &'static str,
        /// The name.
        name: String,
    },
    /// A default that is no value of the type.
    #[snafu(display("spec.features[{feature}].default `{text}` is no {value_type}: write {form}"))]
    Default {
        /// Name of the feature.
        feature: String,
        /// What was written.
        text: String,
        /// Declared type.
        value_type: triplane_contract::ValueType,
        /// What to write.
        form: &'static str,
    },
    /// `onMissing`, `default` and `lastKnownFor` contradict each other.
    #[snafu(display("spec.features[{feature}]: {message}"))]
    Missing {
        /// Name of the feature.
        feature: String,
        /// What to change.
        message: &'static str,
    },
    /// A source without Parquet files.
    #[snafu(display("spec.sources[{source_name}] has no parquet.path: name a folder of Parquet files"))]
    NoParquet {
        /// Name of the source.
        source_name: String,
    },
    /// Rows of plain columns would be looked for at another time than they have.
    #[snafu(display(
        "spec.sources[{source_name}].timestampColumn is {column}, but without spec.query rows have the time of spec.timestampColumn, {own}: remove it, or write a query"
    ))]
    PlainTime {
        /// Name of the source.
        source_name: String,
        /// Its column.
        column: String,
        /// The view's.
        own: String,
    },
    /// Sources and query do not fit together.
    #[snafu(display("{message}"))]
    Query {
        /// What to change.
        message: &'static str,
    },
}

/// Checks a spec and resolves its defaults.
pub fn validate(namespace: &str, name: &str, spec: &FeatureViewSpec) -> Result<ValidatedView, ViewSpecError> {
    names(spec)?;
    let ttl_us = field::optional_micros("spec.ttl", spec.ttl.as_ref()).context(FieldSnafu)?;
    let delay = field::optional_micros("spec.availabilityDelay", spec.availability_delay.as_ref());
    let materialization = spec.materialization.as_ref();
    let cron = materialization.and_then(|m| m.schedule.as_deref());
    let resources = materialization.and_then(|m| m.resources.as_ref());
    let target = spec.freshness.as_ref().map(|freshness| &freshness.target);
    Ok(ValidatedView {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        store: spec.store_ref.name.clone(),
        keys: spec
            .entity
            .keys
            .iter()
            .map(|key| Column {
                name: key.name.clone(),
                value_type: field::value_type(key.value_type),
            })
            .collect(),
        features: spec
            .features
            .iter()
            .map(|f| feature(f, ttl_us))
            .collect::<Result<_, _>>()?,
        transform: transform(spec)?,
        ttl_us,
        availability_delay_us: delay.context(FieldSnafu)?.unwrap_or(0),
        schedule: field::schedule("spec.materialization.schedule", cron).context(FieldSnafu)?,
        memory_limit_bytes: field::memory("spec.materialization.resources", resources).context(FieldSnafu)?,
        freshness_target_us: field::optional_micros("spec.freshness.target", target).context(FieldSnafu)?,
        suspend: spec.suspend.unwrap_or(false),
    })
}

fn names(spec: &FeatureViewSpec) -> Result<(), ViewSpecError> {
    let keys = || spec.entity.keys.iter().map(|key| key.name.as_str());
    let features = || spec.features.iter().map(|feature| feature.name.as_str());
    if let Some(name) = field::repeated(keys().chain(features())) {
        return RepeatedSnafu {
            field: "spec.features",
            name,
        }
        .fail();
    }
    if let Some((other, name)) = alike(keys().chain(features())) {
        return AlikeSnafu { name, other }.fail();
    }
    if let Some(name) = field::repeated(spec.sources.iter().map(|source| source.name.as_str())) {
        return RepeatedSnafu {
            field: "spec.sources",
            name,
        }
        .fail();
    }
    for (field, mut names) in [
        ("spec.entity.keys", keys().collect::<Vec<_>>()),
        ("spec.features", features().collect()),
    ] {
        names.retain(|name| is_reserved(name));
        if let Some(name) = names.first() {
            return ReservedSnafu { field, name: *name }.fail();
        }
    }
    Ok(())
}

/// Two names that differ only by case, the earlier one first.
fn alike<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<(&'a str, &'a str)> {
    let mut seen = std::collections::BTreeMap::new();
    names.find_map(|name| Some((seen.insert(name.to_ascii_lowercase(), name)?, name)))
}

fn feature(declared: &Feature, ttl_us: Option<i64>) -> Result<FeatureColumn, ViewSpecError> {
    let name = declared.name.as_str();
    let value_type = field::value_type(declared.value_type);
    let on_missing = match declared.on_missing.unwrap_or_default() {
        Declared::LeaveNull => OnMissing::LeaveNull,
        Declared::Default => OnMissing::Default,
        Declared::LastKnown => OnMissing::LastKnown,
        Declared::Fail => OnMissing::Fail,
    };
    let wrong = |message| MissingSnafu { feature: name, message }.fail();
    match (on_missing == OnMissing::Default, &declared.default) {
        (true, None) => return wrong("onMissing: Default needs default: write the value to serve"),
        (false, Some(_)) => return wrong("default is only used with onMissing: Default: set that or remove default"),
        _ => {}
    }
    let path = format!("spec.features[{name}].lastKnownFor");
    let last_known_for_us = field::optional_micros(&path, declared.last_known_for.as_ref()).context(FieldSnafu)?;
    match (on_missing == OnMissing::LastKnown, last_known_for_us, ttl_us) {
        (true, None, _) => return wrong("onMissing: LastKnown needs lastKnownFor: say how old a row may be"),
        (true, Some(_), None) => return wrong("onMissing: LastKnown needs spec.ttl: without it no row is too old"),
        (true, Some(last), Some(ttl)) if last <= ttl => {
            return wrong("lastKnownFor must be longer than spec.ttl: younger rows are served anyway");
        }
        (false, Some(_), _) => {
            return wrong("lastKnownFor is only used with onMissing: LastKnown: set that or remove lastKnownFor");
        }
        _ => {}
    }
    if let Some(text) = &declared.default
        && let Err(form) = sentinel::parse(value_type, text)
    {
        return DefaultSnafu {
            feature: name,
            text,
            value_type,
            form,
        }
        .fail();
    }
    Ok(FeatureColumn {
        name: name.to_owned(),
        value_type,
        on_missing,
        default: declared.default.clone(),
        last_known_for_us,
    })
}

fn transform(spec: &FeatureViewSpec) -> Result<Transform, ViewSpecError> {
    ensure!(
        !spec.sources.is_empty(),
        QuerySnafu {
            message: "spec.sources is empty: name at least one source"
        }
    );
    let plain = spec.query.is_none();
    let several = "spec.query is required when there are several sources: say how they are joined";
    ensure!(!plain || spec.sources.len() == 1, QuerySnafu { message: several });
    let lookback = field::optional_micros("spec.lookback", spec.lookback.as_ref()).context(FieldSnafu)?;
    let needless = "spec.lookback needs spec.query: plain columns look at one row";
    ensure!(!plain || lookback.is_none(), QuerySnafu { message: needless });
    let own = &spec.timestamp_column;
    let elsewhere = |source: &&Declaration| source.timestamp_column.as_ref().is_some_and(|column| column != own);
    if let Some(source) = spec.sources.iter().find(elsewhere).filter(|_| plain) {
        return PlainTimeSnafu {
            source_name: &source.name,
            column: source.timestamp_column.clone().unwrap_or_default(),
            own,
        }
        .fail();
    }
    let source = |source: &Declaration| {
        let parquet = source.parquet.as_ref();
        let path = parquet.map(|folder| folder.path.0.clone());
        Ok(Source {
            name: source.name.clone(),
            path: path.ok_or_else(|| {
                NoParquetSnafu {
                    source_name: &source.name,
                }
                .build()
            })?,
            timestamp_column: source.timestamp_column.clone().unwrap_or_else(|| own.clone()),
        })
    };
    Ok(Transform {
        sources: spec.sources.iter().map(source).collect::<Result<_, _>>()?,
        query: spec.query.clone(),
        timestamp_column: spec.timestamp_column.clone(),
        created_column: spec.created_timestamp_column.clone(),
        lookback_us: lookback.unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(edit: impl FnOnce(&mut serde_json::Value)) -> Result<ValidatedView, String> {
        let mut spec = serde_json::json!({
            "storeRef": {"name": "barn"},
            "entity": {"keys": [{"name": "cow", "type": "Int64"}]},
            "features": [{"name": "litres", "type": "Float64"}],
            "timestampColumn": "milked_at",
            "sources": [{"name": "milkings", "parquet": {"path": "raw/milk/"}}],
        });
        edit(&mut spec);
        let spec: FeatureViewSpec = serde_json::from_value(spec).map_err(|error| error.to_string())?;
        validate("farm", "milk", &spec).map_err(|error| error.to_string())
    }

    #[test]
    fn names_of_our_own_columns_are_refused_in_any_case_and_are_those_of_the_schema() {
        assert_eq!(
            triplane_crds::name::RESERVED_COLUMNS,
            triplane_contract::view::RESERVED_COLUMNS
        );
        for name in ["event_date", "Event_Time"] {
            let message = view(|spec| spec["features"][0]["name"] = name.into()).unwrap_err();
            assert!(message.contains(&format!("spec.features {name}")), "{message}");
        }
    }

    #[test]
    fn names_that_differ_only_by_case_are_refused() {
        for name in ["Litres", "COW"] {
            let other = serde_json::json!({"name": name, "type": "Float64"});
            let message = view(|spec| spec["features"].as_array_mut().unwrap().push(other)).unwrap_err();
            let known = name.to_ascii_lowercase();
            assert!(
                message.contains(&format!("{name} and {known} differ only by case")),
                "{message}"
            );
        }
    }

    #[test]
    fn a_source_of_plain_columns_has_the_time_of_the_view() {
        let at = |spec: &mut serde_json::Value, column: &str| spec["sources"][0]["timestampColumn"] = column.into();
        let message = view(|spec| at(spec, "loaded_at")).unwrap_err();
        assert!(
            message.contains("spec.sources[milkings].timestampColumn is loaded_at") && message.contains("milked_at"),
            "{message}"
        );
        assert!(view(|spec| at(spec, "milked_at")).is_ok());
        let queried = view(|spec| {
            at(spec, "loaded_at");
            spec["query"] = "SELECT * FROM milkings".into();
        });
        assert_eq!(queried.unwrap().transform.sources[0].timestamp_column, "loaded_at");
    }
}

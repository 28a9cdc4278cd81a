//! Reads case files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use snafu::{ResultExt, Snafu};
use triplane_contract::run::RejectCause;
use triplane_contract::{Column, FeatureColumn, OnMissing, Schema, ValueType, View, layout};

use super::{Case, CaseView, Expected, Fact, Question, Read, Rejected, Target};
use crate::Value;
use crate::order::Order;
use crate::semantics::Status;

/// Why the cases do not load.
#[derive(Debug, Snafu)]
pub enum CaseError {
    /// The folder or a file cannot be read.
    #[snafu(display("failed to read {}: {source}", path.display()))]
    ReadFile {
        /// The file.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// A file is no case.
    #[snafu(display("failed to parse {}: {source}", path.display()))]
    ParseFile {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[snafu(source(from(serde_saphyr::Error, Box::new)))]
        source: Box<serde_saphyr::Error>,
    },
    /// Something in a case that cannot be meant.
    #[snafu(display("{}: {message}", path.display()))]
    BadCase {
        /// The file.
        path: PathBuf,
        /// What.
        message: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCase {
    number: u32,
    title: String,
    targets: Vec<Target>,
    views: Vec<RawView>,
    #[serde(default)]
    reads: Vec<RawRead>,
    questions: Vec<RawQuestion>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawView {
    name: String,
    keys: Vec<Column>,
    features: Vec<RawFeature>,
    ttl: Option<String>,
    availability_delay: Option<String>,
    facts: Vec<RawFact>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawFeature {
    name: String,
    #[serde(rename = "type")]
    value_type: ValueType,
    #[serde(default)]
    on_missing: OnMissing,
    default: Option<String>,
    last_known_for: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFact {
    keys: Texts,
    /// Event time: RFC 3339, or whole microseconds.
    at: Option<String>,
    /// Created time; the event time where left out.
    created: Option<String>,
    run: Option<u64>,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    values: Texts,
    rejected: Option<RejectCause>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRead {
    #[serde(rename = "as")]
    alias: String,
    view: String,
    #[serde(default)]
    keys: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawQuestion {
    targets: Option<Vec<Target>>,
    as_of: String,
    columns: Texts,
    expect: BTreeMap<String, RawExpected>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExpected {
    #[serde(default)]
    is: Option<String>,
    status: String,
    #[serde(default)]
    stale: bool,
    #[serde(default)]
    fail: bool,
}

type Texts = BTreeMap<String, Option<String>>;

/// Every case, by number.
pub fn load() -> Result<Vec<Case>, CaseError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
    let entries = std::fs::read_dir(&folder).context(ReadFileSnafu { path: &folder })?;
    let mut cases = Vec::new();
    for entry in entries {
        let path = entry.context(ReadFileSnafu { path: &folder })?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = std::fs::read_to_string(&path).context(ReadFileSnafu { path: &path })?;
            let raw: RawCase = serde_saphyr::from_str(&text).context(ParseFileSnafu { path: &path })?;
            cases.push(raw.resolve().map_err(|message| CaseError::BadCase { path, message })?);
        }
    }
    cases.sort_by_key(|case| case.number);
    Ok(cases)
}

impl RawCase {
    fn resolve(self) -> Result<Case, String> {
        let views: Vec<CaseView> = self.views.into_iter().map(RawView::resolve).collect::<Result<_, _>>()?;
        let by_name = |name: &str| {
            views
                .iter()
                .position(|v| v.view.name == name)
                .ok_or(format!("no view {name}"))
        };
        let mut reads = Vec::new();
        for read in self.reads {
            reads.push(Read {
                view: by_name(&read.view)?,
                alias: read.alias,
                keys: read.keys,
            });
        }
        if reads.is_empty() {
            let all = views.iter().enumerate();
            reads = all
                .map(|(view, v)| Read {
                    view,
                    alias: v.view.name.clone(),
                    keys: BTreeMap::new(),
                })
                .collect();
        }
        for read in &mut reads {
            for key in &views[read.view].view.keys {
                read.keys.entry(key.name.clone()).or_insert_with(|| key.name.clone());
            }
        }
        let questions = self.questions.into_iter();
        let questions = questions
            .map(|q| q.resolve(&self.targets, &views, &reads))
            .collect::<Result<_, _>>()?;
        Ok(Case {
            number: self.number,
            title: self.title,
            targets: self.targets,
            views,
            reads,
            questions,
        })
    }
}

impl RawView {
    fn resolve(self) -> Result<CaseView, String> {
        let features = self
            .features
            .iter()
            .map(RawFeature::resolve)
            .collect::<Result<Vec<_>, _>>()?;
        let columns = features
            .iter()
            .map(|f| Column {
                name: f.name.clone(),
                value_type: f.value_type,
            })
            .collect();
        let view = View {
            namespace: "conformance".to_owned(),
            store: "store".to_owned(),
            id: layout::view_id("conformance", "store", &self.name, 1),
            name: self.name,
            generation: 1,
            keys: self.keys,
            features,
            schemas: vec![Schema { id: 1, columns }],
            ttl_us: self.ttl.as_deref().map(duration_us).transpose()?,
            availability_delay_us: self.availability_delay.as_deref().map_or(Ok(0), duration_us)?,
        };
        let (mut facts, mut rejected) = (Vec::new(), Vec::new());
        for (ordinal, raw) in self.facts.into_iter().enumerate() {
            let keys = typed(&raw.keys, view.keys.iter().map(|c| (&c.name, c.value_type)))?;
            let values = typed(&raw.values, view.features.iter().map(|c| (&c.name, c.value_type)))?;
            let event_time_us = raw.at.as_deref().map(time_us).transpose()?;
            if let Some(cause) = raw.rejected {
                rejected.push(Rejected {
                    keys,
                    event_time_us,
                    values,
                    cause,
                });
                continue;
            }
            let event_time_us = event_time_us.ok_or("a fact without event time has to be rejected")?;
            let created_time_us = raw.created.as_deref().map_or(Ok(event_time_us), time_us)?;
            let sequence = Order::sequence(raw.run.unwrap_or(1), ordinal as u64);
            let order = Order {
                event_time_us,
                created_time_us,
                sequence,
            };
            facts.push(Fact {
                keys,
                order,
                deleted: raw.deleted,
                values,
            });
        }
        Ok(CaseView { view, facts, rejected })
    }
}

impl RawFeature {
    fn resolve(&self) -> Result<FeatureColumn, String> {
        Ok(FeatureColumn {
            name: self.name.clone(),
            value_type: self.value_type,
            on_missing: self.on_missing,
            default: self.default.clone(),
            last_known_for_us: self.last_known_for.as_deref().map(duration_us).transpose()?,
        })
    }
}

impl RawQuestion {
    fn resolve(self, targets: &[Target], views: &[CaseView], reads: &[Read]) -> Result<Question, String> {
        let mut columns = BTreeMap::new();
        for (name, text) in &self.columns {
            let as_key = reads.iter().find_map(|read| {
                let key = read.keys.iter().find(|(_, column)| *column == name)?.0;
                views[read.view].view.keys.iter().find(|c| c.name == *key)
            });
            let value_type = as_key.map_or(ValueType::String, |column| column.value_type);
            columns.insert(name.clone(), parse(text.as_deref(), value_type)?);
        }
        let mut expect = BTreeMap::new();
        for read in reads {
            for feature in &views[read.view].view.features {
                let name = format!("{}/{}", read.alias, feature.name);
                let raw = self
                    .expect
                    .get(&name)
                    .ok_or(format!("a question does not say what {name} is"))?;
                let status = Status::ALL.into_iter().find(|s| s.name() == raw.status);
                let status = status.ok_or(format!("{name}: no status {}", raw.status))?;
                let value = parse(raw.is.as_deref(), feature.value_type)?;
                expect.insert(
                    name,
                    Expected {
                        value,
                        status,
                        stale: raw.stale,
                        fail: raw.fail,
                    },
                );
            }
        }
        let unknown = self.expect.keys().find(|name| !expect.contains_key(*name));
        if let Some(name) = unknown {
            return Err(format!("nothing reads {name}"));
        }
        let targets = self.targets.unwrap_or_else(|| targets.to_vec());
        Ok(Question {
            targets,
            as_of_us: time_us(&self.as_of)?,
            columns,
            expect,
        })
    }
}

/// Values in the order of `columns`; NULL where a column is left out.
fn typed<'a>(
    texts: &Texts,
    columns: impl Iterator<Item = (&'a String, ValueType)> + Clone,
) -> Result<Vec<Value>, String> {
    if let Some(name) = texts
        .keys()
        .find(|name| columns.clone().all(|(column, _)| column != *name))
    {
        return Err(format!("no column {name}"));
    }
    columns
        .map(|(name, value_type)| parse(texts.get(name).and_then(Option::as_deref), value_type))
        .collect()
}

fn parse(text: Option<&str>, value_type: ValueType) -> Result<Value, String> {
    text.map_or(Ok(Value::Null), |text| {
        Value::parse(value_type, text).map_err(|error| error.to_string())
    })
}

fn time_us(text: &str) -> Result<i64, String> {
    if let Ok(micros) = text.parse() {
        return Ok(micros);
    }
    match Value::parse(ValueType::Timestamp, text) {
        Ok(Value::Timestamp(micros)) => Ok(micros),
        Ok(other) => Err(format!("{other} is no time")),
        Err(error) => Err(error.to_string()),
    }
}

fn duration_us(text: &str) -> Result<i64, String> {
    let duration: jiff::SignedDuration = text.parse().map_err(|error| format!("{text}: {error}"))?;
    i64::try_from(duration.as_micros()).map_err(|error| format!("{text}: {error}"))
}

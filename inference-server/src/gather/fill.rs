//! Fills input vectors from request values and rows.

use std::sync::Arc;

use triplane_feature_store::Value;
use triplane_feature_store::row::RowView;
use triplane_feature_store::semantics::{RowAge, Status};

use super::{GatherPlan, Keys, Read, Rows, Source};
use crate::features::Found;

/// Where one input of one row came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A feature with this status, before `onMissing`.
    Feature(Status),
    /// A feature that could not be read because the store failed.
    Unavailable,
    /// A feature of a stored row that cannot be decoded: counted as missing.
    Undecodable,
    /// A value of the request in place of a feature.
    Override,
    /// A value of the request.
    Request,
}

impl Origin {
    /// Name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Feature(status) => status.name(),
            Self::Unavailable => "UNAVAILABLE",
            Self::Undecodable => "UNDECODABLE",
            Self::Override => "OVERRIDE",
            Self::Request => "REQUEST",
        }
    }

    /// Whether the value is a feature's that is not present and fresh.
    pub fn is_imputed(self) -> bool {
        match self {
            Self::Feature(status) => status != Status::Present,
            Self::Unavailable | Self::Undecodable => true,
            Self::Override | Self::Request => false,
        }
    }

    fn is_fetched(self) -> bool {
        !matches!(self, Self::Override | Self::Request)
    }
}

/// What the rows of a request add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowVerdict {
    /// Features imputed.
    pub imputed: u32,
    /// Features fetched (not overridden).
    pub fetched: u32,
    /// Some feature could not be read because the store failed.
    pub unavailable: bool,
    /// A feature with `onMissing: Fail` could not be read because the store failed: only a default can be answered.
    pub unanswerable: bool,
}

/// Vectors of a request, with the origin of every value.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Row-major inputs; NaN is missing.
    pub vectors: Vec<f64>,
    /// Origin of each input, row-major.
    pub origins: Vec<Origin>,
    /// Whether each input is stale, row-major: from a row past its ttl, or from the cache while the store fails.
    pub stale: Vec<bool>,
    /// One per row.
    pub verdicts: Vec<RowVerdict>,
}

/// A feature with `onMissing: Fail` is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureRefused {
    /// Request row, from 0.
    pub row: usize,
    /// Name of the input.
    pub input: Arc<str>,
    /// Why it is missing.
    pub status: Status,
}

/// A row of the store, opened once for all its features.
struct Opened<'a> {
    row: Option<RowView<'a>>,
    age: RowAge,
    cached: bool,
    /// Why there is no row, where that is not for the store to say.
    broken: Option<Origin>,
}

/// One input as it goes to the model.
struct Filled {
    value: f64,
    origin: Origin,
    stale: bool,
}

impl GatherPlan {
    /// Fills the vectors of all rows as of `as_of_us`; `found` is one answer per key of `keys`.
    pub fn fill(&self, rows: &Rows, keys: &Keys, found: &[Found], as_of_us: i64) -> Result<Gathered, FeatureRefused> {
        let cells = rows.len() * self.inputs.len();
        let mut gathered = Gathered {
            vectors: Vec::with_capacity(cells),
            origins: Vec::with_capacity(cells),
            stale: Vec::with_capacity(cells),
            verdicts: Vec::with_capacity(rows.len()),
        };
        let mut opened = Vec::with_capacity(self.reads.len());
        for index in 0..rows.len() {
            opened.clear();
            for (read_index, read) in self.reads.iter().enumerate() {
                let answer = keys.place(index, read_index).and_then(|place| found.get(place));
                opened.push(open(read, answer, as_of_us));
            }
            self.fill_row(index, rows.row(index), &opened, &mut gathered)?;
        }
        Ok(gathered)
    }

    fn fill_row(
        &self,
        row: usize,
        values: &[Value],
        opened: &[Opened<'_>],
        into: &mut Gathered,
    ) -> Result<(), FeatureRefused> {
        let mut verdict = RowVerdict {
            imputed: 0,
            fetched: 0,
            unavailable: false,
            unanswerable: false,
        };
        for (input, source) in self.inputs.iter().enumerate() {
            let filled = match source {
                Source::Request { column } => request(&values[*column], Origin::Request),
                Source::Feature {
                    override_column: Some(column),
                    ..
                } if !values[*column].is_null() => request(&values[*column], Origin::Override),
                Source::Feature { read, slot, rule, .. } => {
                    let opened = &opened[*read];
                    let value = opened.row.as_ref().and_then(|row| row.f64(*slot));
                    match rule.serve_f64(opened.age, value) {
                        Ok(served) => Filled {
                            value: served.value,
                            origin: opened.broken.unwrap_or(Origin::Feature(served.status)),
                            stale: served.stale || (opened.cached && served.status == Status::Present),
                        },
                        Err(_) if opened.broken == Some(Origin::Unavailable) => {
                            verdict.unanswerable = true;
                            Filled {
                                value: f64::NAN,
                                origin: Origin::Unavailable,
                                stale: false,
                            }
                        }
                        Err(status) => {
                            return Err(FeatureRefused {
                                row,
                                input: Arc::clone(&self.names[input]),
                                status,
                            });
                        }
                    }
                }
            };
            verdict.imputed += u32::from(filled.origin.is_imputed());
            verdict.fetched += u32::from(filled.origin.is_fetched());
            verdict.unavailable |= filled.origin == Origin::Unavailable;
            into.vectors.push(filled.value);
            into.origins.push(filled.origin);
            into.stale.push(filled.stale);
        }
        into.verdicts.push(verdict);
        Ok(())
    }

    /// Adds up what was found for the features of each read: calls `count(read, origin)` once per fetched value.
    pub fn tally(&self, gathered: &Gathered, mut count: impl FnMut(usize, Origin)) {
        for origins in gathered.origins.chunks_exact(self.inputs.len().max(1)) {
            for (source, origin) in self.inputs.iter().zip(origins) {
                if let Source::Feature { read, .. } = source
                    && origin.is_fetched()
                {
                    count(*read, *origin);
                }
            }
        }
    }
}

fn request(value: &Value, origin: Origin) -> Filled {
    Filled {
        value: value.as_f64().unwrap_or(f64::NAN),
        origin,
        stale: false,
    }
}

/// Opens what the store answered. `None`: the key has a NULL, so there is no row.
fn open<'a>(read: &'a Read, answer: Option<&'a Found>, as_of_us: i64) -> Opened<'a> {
    let (bytes, cached) = match answer {
        None => (None, false),
        Some(Found::Live(bytes)) => (bytes.as_deref(), false),
        Some(Found::LastKnown(bytes)) => (bytes.as_deref(), true),
        Some(Found::Unavailable) => {
            return Opened {
                row: None,
                age: RowAge::Absent,
                cached: false,
                broken: Some(Origin::Unavailable),
            };
        }
    };
    match bytes.map(|bytes| read.decoder.open(bytes)) {
        None => Opened {
            row: None,
            age: RowAge::Absent,
            cached,
            broken: None,
        },
        Some(Ok(row)) => Opened {
            age: row.age(&read.rule, as_of_us),
            row: Some(row),
            cached,
            broken: None,
        },
        Some(Err(_)) => Opened {
            row: None,
            age: RowAge::Absent,
            cached,
            broken: Some(Origin::Undecodable),
        },
    }
}

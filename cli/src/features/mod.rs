//! `triplane features get`: the online row of an entity in each view, decoded and judged as a server does it.

mod rows;
mod select;
mod show;

use std::io::Write;
use std::process::ExitCode;

use snafu::{OptionExt, ResultExt, Snafu};
use triplane_contract::View;
use triplane_feature_store::row::{RowDecoder, RowError};
use triplane_feature_store::semantics::{FeatureRule, Pick, RuleError, Status, ViewRule};
use triplane_feature_store::{Clock, SystemClock, Value};

use crate::args::{GetSettings, Output};
use crate::dev::folders::{FoldersError, find_state};
use crate::dev::saved::{self, Known, SavedError};
use rows::{Rows, RowsError};
use select::{Asked, SelectError, select};

/// Why rows cannot be shown.
#[derive(Debug, Snafu)]
enum FeaturesError {
    #[snafu(transparent)]
    Folders { source: FoldersError },
    #[snafu(transparent)]
    Saved { source: SavedError },
    #[snafu(display("{state} has no state of `triplane dev`: start it first"))]
    NeverBegun { state: String },
    #[snafu(transparent)]
    Select { source: SelectError },
    #[snafu(transparent)]
    Rows { source: RowsError },
    #[snafu(display("the row of {view} cannot be decoded: {source}"))]
    Row { view: String, source: RowError },
    #[snafu(display("{view}: {source}"))]
    Rule { view: String, source: RuleError },
    #[snafu(display("failed to start threads: {source}"))]
    Threads { source: std::io::Error },
}

/// A view's row of the entity, seen from a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct ShownView {
    /// Namespace of the view.
    pub namespace: String,
    /// Name of the view.
    pub view: String,
    /// The generation that servers read.
    pub generation: u32,
    /// The moment, microseconds since 1970.
    pub as_of_us: i64,
    /// Event time of the row, microseconds since 1970; `None` without a row.
    pub event_time_us: Option<i64>,
    /// Features in declared order.
    pub features: Vec<ShownFeature>,
}

/// A feature as a server would serve it.
#[derive(Clone, Debug, PartialEq)]
pub struct ShownFeature {
    /// Name of the feature.
    pub name: String,
    /// The value after `onMissing`; NULL also where the request would be refused.
    pub value: Value,
    /// What was found.
    pub status: Status,
    /// Where the value comes from.
    pub pick: Pick,
}

/// Prints the rows of an entity. Exit code 1: they could not be read.
pub fn run(settings: &GetSettings) -> ExitCode {
    match get(settings) {
        Ok(text) => {
            // A reader that has gone needs no text.
            let _ = write!(std::io::stdout(), "{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn get(settings: &GetSettings) -> Result<String, FeaturesError> {
    let state = find_state(settings.dir.as_deref(), settings.state.as_deref())?;
    let known = saved::known(&state)?.context(NeverBegunSnafu {
        state: state.display().to_string(),
    })?;
    let asked = select(&known.views, settings)?;
    let now_us = known.as_of_us.unwrap_or_else(|| SystemClock.now_us());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let shown = runtime
        .context(ThreadsSnafu)?
        .block_on(read(settings, &known, &asked, now_us))?;
    Ok(match settings.output {
        Output::Table => show::table(&shown),
        Output::Json => show::json(&shown),
    })
}

async fn read(
    settings: &GetSettings,
    known: &Known,
    asked: &[Asked<'_>],
    now_us: i64,
) -> Result<Vec<ShownView>, FeaturesError> {
    let rows = Rows::open(settings, known).await?;
    let mut shown = Vec::new();
    for asked in asked {
        let row = rows.read(asked.view, &asked.key).await?;
        shown.push(judge(asked.view, row.as_deref(), now_us)?);
    }
    Ok(shown)
}

/// What a server would say of a row at a moment.
fn judge(view: &View, row: Option<&[u8]>, now_us: i64) -> Result<ShownView, FeaturesError> {
    let context = || RowSnafu { view: view.full_name() };
    let names: Vec<&str> = view.features.iter().map(|feature| feature.name.as_str()).collect();
    let decoder = RowDecoder::new(view, &names).context(context())?;
    let opened = row.map(|row| decoder.open(row)).transpose().context(context())?;
    let event_time_us = opened.and_then(|row| row.event_time_us());
    let age = ViewRule::online(view).age(event_time_us, now_us);
    let mut features = Vec::new();
    for (index, column) in view.features.iter().enumerate() {
        let rule = FeatureRule::compile(column).context(RuleSnafu { view: view.full_name() })?;
        let found = opened
            .map_or(Ok(Value::Null), |row| row.value(index))
            .context(context())?;
        let (status, pick) = rule.decide(age, found.is_null());
        let value = match pick {
            Pick::Row | Pick::StaleRow => found,
            Pick::Default => rule.default_value().clone(),
            Pick::Null | Pick::Fail => Value::Null,
        };
        features.push(ShownFeature {
            name: column.name.clone(),
            value,
            status,
            pick,
        });
    }
    Ok(ShownView {
        namespace: view.namespace.clone(),
        view: view.name.clone(),
        generation: view.generation,
        as_of_us: now_us,
        event_time_us,
        features,
    })
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use serde_json::json;
    use triplane_feature_store::order::{Order, Rank};
    use triplane_feature_store::row::RowEncoder;

    use super::*;

    const HOUR_US: i64 = 3_600_000_000;

    fn weather() -> View {
        let columns = json!([{"name": "temp", "type": "Float64"}, {"name": "wind", "type": "Float64"}]);
        serde_json::from_value(json!({
            "namespace": "flights", "store": "flights", "name": "weather", "generation": 2, "id": "abcdefgh",
            "keys": [{"name": "origin", "type": "String"}],
            "features": [
                {"name": "temp", "type": "Float64", "onMissing": "LastKnown", "lastKnownForUs": 12 * HOUR_US},
                {"name": "wind", "type": "Float64", "onMissing": "Default", "default": "10.5"},
            ],
            "schemas": [{"id": 1, "columns": columns}], "ttlUs": 3 * HOUR_US,
        }))
        .unwrap()
    }

    fn row(temp: &Value, wind: &Value) -> Vec<u8> {
        let order = Order {
            event_time_us: 0,
            created_time_us: 0,
            sequence: 1,
        };
        let mut bytes = BytesMut::new();
        let encoder = RowEncoder::new(&weather()).unwrap();
        let values = [temp.borrowed(), wind.borrowed()];
        encoder.encode(Rank::live(order), order, values, &mut bytes).unwrap();
        bytes.to_vec()
    }

    fn features(row: Option<&[u8]>, now_us: i64) -> Vec<(String, Status, Pick)> {
        let shown = judge(&weather(), row, now_us).unwrap();
        let feature = |feature: ShownFeature| (feature.value.to_string(), feature.status, feature.pick);
        shown.features.into_iter().map(feature).collect()
    }

    #[test]
    fn every_status_is_shown_with_what_a_server_would_serve() {
        let stored = row(&Value::Float64(41.5), &Value::Null);
        assert_eq!(
            features(Some(&stored), HOUR_US),
            [
                ("41.5".to_owned(), Status::Present, Pick::Row),
                ("10.5".to_owned(), Status::NullValue, Pick::Default)
            ]
        );
        assert_eq!(
            features(Some(&stored), 4 * HOUR_US),
            [
                ("41.5".to_owned(), Status::OutsideMaxAge, Pick::StaleRow),
                ("10.5".to_owned(), Status::OutsideMaxAge, Pick::Default)
            ]
        );
        assert_eq!(
            features(None, 0),
            [
                ("null".to_owned(), Status::NotFound, Pick::Null),
                ("10.5".to_owned(), Status::NotFound, Pick::Default)
            ]
        );
    }

    #[test]
    fn a_row_that_is_none_is_an_error_that_names_the_view() {
        let error = judge(&weather(), Some(b"not a row"), 0).unwrap_err().to_string();
        assert!(
            error.starts_with("the row of flights/weather cannot be decoded"),
            "{error}"
        );
    }
}

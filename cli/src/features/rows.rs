//! Where online rows are read: in their store, or from the session that has the store in its process.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde::Deserialize;
use snafu::{ResultExt, Snafu};
use triplane_contract::View;
use triplane_contract::store::OnlineAccess;
use triplane_feature_store::key::{KeyEncoder, KeyError};
use triplane_feature_store::online::{self, OnlineError, OnlineStore};
use triplane_feature_store::{SystemClock, Value};

use crate::args::GetSettings;
use crate::ask::{Ask, AskError};
use crate::dev::saved::Known;

/// How long a store may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Why a row could not be read.
#[derive(Debug, Snafu)]
pub enum RowsError {
    /// The key cannot be made.
    #[snafu(display("FeatureView {view}: {source}"))]
    Key {
        /// Name of the view.
        view: String,
        /// Why.
        source: KeyError,
    },
    /// The store did not answer as it should.
    #[snafu(display("{source}: is it up, and is --redis right?"))]
    Store {
        /// Why.
        source: OnlineError,
    },
    /// The store did not answer in time.
    #[snafu(display("the online store did not answer within {} s: is it up, and is --redis right?", LIMIT.as_secs()))]
    Slow,
    /// The session did not answer.
    #[snafu(display(
        "{source}; online rows are in the process of `triplane dev`: start it, or keep them in a Redis (--redis)"
    ))]
    Session {
        /// Why.
        source: AskError,
    },
    /// The session's answer has no row in it.
    #[snafu(display("{url} gave a row that is no base64: is that `triplane dev` of this version?"))]
    NoRow {
        /// What was asked.
        url: String,
    },
}

/// A place to read rows from.
pub enum Rows {
    /// The store itself.
    Store(Arc<dyn OnlineStore>),
    /// A running session.
    Session(Ask),
}

/// Answer of `/admin/rows`.
#[derive(Deserialize)]
struct Found {
    row: Option<String>,
}

impl Rows {
    /// What the settings say, else where the session has its rows.
    pub async fn open(settings: &GetSettings, known: &Known) -> Result<Self, RowsError> {
        let access = settings.redis.clone().unwrap_or_else(|| known.online.clone());
        if access == OnlineAccess::Memory {
            let url = settings.url.as_deref().unwrap_or(&known.url);
            return Ok(Self::Session(Ask::new(url).context(SessionSnafu)?));
        }
        let store = online::connect(&access, Arc::new(SystemClock)).await;
        store.context(StoreSnafu).map(Self::Store)
    }

    /// The row of an entity as it is stored; `None` where there is none.
    pub async fn read(&self, view: &View, key: &[Value]) -> Result<Option<Bytes>, RowsError> {
        let context = KeySnafu { view: &view.name };
        match self {
            Self::Store(store) => {
                let keys = KeyEncoder::new(store.prefix(), view).context(context)?;
                let key = keys.key(key).context(context)?;
                let read = tokio::time::timeout(LIMIT, store.read(std::slice::from_ref(&key))).await;
                let rows = read.map_err(|_| RowsError::Slow)?.context(StoreSnafu)?;
                Ok(rows.into_iter().flatten().next())
            }
            Self::Session(ask) => {
                let mut entity = Vec::new();
                let keys = KeyEncoder::new("", view).context(context)?;
                keys.encode_into(key, &mut entity).context(context)?;
                let path = format!("/admin/rows/{}/{}", view.id, URL_SAFE_NO_PAD.encode(entity));
                let found: Found = ask.get(&path).await.context(SessionSnafu)?;
                let row = found.row.map(|row| STANDARD.decode(row)).transpose();
                row.map(|row| row.map(Bytes::from))
                    .map_err(|_| RowsError::NoRow { url: ask.url(&path) })
            }
        }
    }
}

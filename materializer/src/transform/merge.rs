//! The difference between what the query says now and what the table says, in one pass over two sorted streams.
//!
//! A row is known by (key, event time). Of several result rows of one identity the greatest by (created time, place of its
//! file, encoded bytes) counts; equal ones collapse with that. It is appended where the table's newest row of the identity has other
//! features or is a retraction; an identity the result no longer has is retracted. The created time of what is appended is
//! never before that of the row it supersedes, so that the newest row of an identity is always one of its last run.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use arrow::row::{RowConverter, SortField};
use bytes::BytesMut;
use datafusion::error::{DataFusionError, Result};
use triplane_contract::View;
use triplane_feature_store::order::{Order, Rank};
use triplane_feature_store::row::RowEncoder;

use super::append::Appender;
use crate::rows::{Cursor, Page};

/// A row somewhere in a page.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) page: Arc<Page>,
    pub(crate) row: usize,
}

/// Where the columns of both sides are: keys, features, `event_time`, `created_time`, then on the table's side `sequence`
/// and `is_deleted`, on the result's the event date and `FILE_RANK`.
pub(crate) struct Sides {
    features: Range<usize>,
    created: usize,
    deleted: usize,
    rank: usize,
    content: RowConverter,
    encoder: RowEncoder,
}

impl Sides {
    pub(crate) fn new(view: &View) -> Result<Self> {
        let features = view.keys.len()..view.keys.len() + view.features.len();
        let types = view
            .features
            .iter()
            .map(|f| SortField::new(crate::offline::arrow_type(f.value_type)))
            .collect();
        let encoder = RowEncoder::new(view).map_err(|e| DataFusionError::External(Box::new(e)))?;
        let created = features.end + 1;
        Ok(Self {
            content: RowConverter::new(types)?,
            created,
            deleted: created + 2,
            rank: created + 2,
            features,
            encoder,
        })
    }

    pub(crate) fn created(&self, place: &Place) -> i64 {
        place.page.columns.int(self.created, place.row)
    }

    /// What two result rows of one identity are told apart by before their content.
    fn precedence(&self, place: &Place) -> (i64, i64) {
        (self.created(place), place.page.columns.int(self.rank, place.row))
    }

    fn is_deleted(&self, place: &Place) -> bool {
        place.page.columns.flag(self.deleted, place.row)
    }

    fn same(&self, a: &Place, b: &Place) -> Result<bool> {
        Ok(a.page
            .same_content(a.row, &b.page, b.row, &self.content, &self.features)?)
    }

    fn encoded(&self, place: &Place) -> Result<BytesMut> {
        let order = Order {
            event_time_us: 0,
            created_time_us: 0,
            sequence: 0,
        };
        let mut bytes = BytesMut::new();
        let values = self
            .features
            .clone()
            .map(|column| place.page.columns.get(column, place.row));
        self.encoder
            .encode(Rank::live(order), order, values, &mut bytes)
            .map_err(|e| DataFusionError::External(Box::new(e)))?;
        Ok(bytes)
    }

    /// The one result row of the next identity.
    async fn next_result(&self, cursor: &mut Cursor) -> Result<Option<Place>> {
        let mut best: Option<Place> = None;
        cursor
            .next_group(|page, row| {
                let place = Place {
                    page: Arc::clone(page),
                    row,
                };
                let replaces = match &best {
                    None => true,
                    Some(known) => match self.precedence(&place).cmp(&self.precedence(known)) {
                        Ordering::Equal => self.encoded(&place)? > self.encoded(known)?,
                        other => other == Ordering::Greater,
                    },
                };
                if replaces {
                    best = Some(place);
                }
                Ok(())
            })
            .await?;
        Ok(best)
    }

    /// The table's newest row of the next identity: the last one, as the stream is sorted by created time and sequence too.
    async fn next_known(cursor: &mut Cursor) -> Result<Option<Place>> {
        let mut newest = None;
        cursor
            .next_group(|page, row| {
                newest = Some(Place {
                    page: Arc::clone(page),
                    row,
                });
                Ok(())
            })
            .await?;
        Ok(newest)
    }
}

/// Appends the difference; returns the rows of the result.
pub(crate) async fn merge(
    sides: &Sides,
    result: &mut Cursor,
    known: &mut Cursor,
    appender: &mut Appender,
    mut seen: impl FnMut(u64),
) -> Result<u64> {
    let mut rows = 0;
    let mut new = sides.next_result(result).await?;
    let mut old = Sides::next_known(known).await?;
    loop {
        let order = match (&new, &old) {
            (None, None) => return Ok(rows),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(n), Some(o)) => n.page.compare(n.row, &o.page, o.row),
        };
        if let Some(place) = new.as_ref().filter(|_| order.is_le()) {
            let superseded = old.as_ref().filter(|_| order.is_eq());
            let unchanged = match superseded {
                Some(o) => !sides.is_deleted(o) && sides.same(place, o)?,
                None => false,
            };
            if !unchanged {
                let not_before = superseded.map_or(i64::MIN, |o| sides.created(o));
                appender
                    .live(place.clone(), sides.created(place).max(not_before))
                    .await?;
            }
            rows += 1;
            seen(rows);
        } else if let Some(place) = old.as_ref().filter(|o| !sides.is_deleted(o)) {
            appender.retract(place.clone(), sides.created(place)).await?;
        }
        if order.is_le() {
            new = sides.next_result(result).await?;
        }
        if order.is_ge() {
            old = Sides::next_known(known).await?;
        }
    }
}

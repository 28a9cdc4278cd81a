//! Publishes facts to an online store and asks it, as jobs and servers do.

use std::collections::BTreeMap;

use bytes::BytesMut;

use super::{Expected, Fact};
use crate::Value;
use crate::key::KeyEncoder;
use crate::online::{OnlineStore, Written};
use crate::order::{self, Content, Order, Rank, key_state};
use crate::row::{OnlineRow, RowDecoder, RowEncoder};
use crate::semantics::{FeatureRule, RowAge, ViewRule, expires_at_us};
use triplane_contract::View;

/// An error of any part, for a test to show.
type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// The stored state of one entity from the facts of it among `facts`.
pub fn known_state<'a>(facts: &'a [Fact], keys: &[Value]) -> Option<(Rank, Content<&'a Fact>)> {
    let of_key = facts.iter().filter(|fact| fact.keys == keys);
    let mut of_key: Vec<order::Fact<&Fact>> = of_key
        .map(|fact| order::Fact {
            order: fact.order,
            deleted: fact.deleted,
            row: fact,
        })
        .collect();
    key_state(&mut of_key)
}

/// Publishes the facts of runs from `since_run` on, as a publisher that knows `facts` and nothing later does: the newest of
/// each key, and the state from all facts it knows where a retraction is involved.
pub async fn publish(store: &dyn OnlineStore, view: &View, facts: &[Fact], since_run: u64) -> Result<(), AnyError> {
    let delta: Vec<Fact> = facts
        .iter()
        .filter(|f| Order::run_of(f.order.sequence) >= since_run)
        .cloned()
        .collect();
    let mut entities: Vec<&Vec<Value>> = Vec::new();
    for fact in &delta {
        if !entities.contains(&&fact.keys) {
            entities.push(&fact.keys);
        }
    }
    let mut rows = Vec::new();
    for keys in &entities {
        let state = match known_state(&delta, keys) {
            Some((rank, _)) if rank.known_run > 0 => known_state(facts, keys),
            state => state,
        };
        if let Some(state) = state {
            rows.push(row(store, view, keys, state)?);
        }
    }
    let written = store.write(&rows).await?;
    let mut again = Vec::new();
    for (keys, written) in entities.iter().zip(written) {
        if let (Written::OlderThanRetraction, Some(state)) = (written, known_state(facts, keys)) {
            again.push(row(store, view, keys, state)?);
        }
    }
    store.write(&again).await?;
    Ok(())
}

fn row(
    store: &dyn OnlineStore,
    view: &View,
    keys: &[Value],
    state: (Rank, Content<&Fact>),
) -> Result<OnlineRow, AnyError> {
    let (rank, content) = state;
    let (encoder, mut bytes) = (RowEncoder::new(view)?, BytesMut::new());
    match content {
        Content::Live(order, fact) => {
            encoder.encode(rank, order, fact.values.iter().map(Value::borrowed), &mut bytes)?;
        }
        Content::Tombstone => encoder.tombstone(rank, &mut bytes),
    }
    let key = KeyEncoder::new(store.prefix(), view)?.key(keys)?;
    Ok(OnlineRow {
        key,
        rank,
        bytes: bytes.freeze(),
        expires_at_us: expires_at_us(view, rank),
    })
}

/// Asks for every feature of `view` as a server does: answers by feature name.
pub async fn ask(
    store: &dyn OnlineStore,
    view: &View,
    keys: &[Value],
    as_of_us: i64,
) -> Result<BTreeMap<String, Expected>, AnyError> {
    let key = KeyEncoder::new(store.prefix(), view)?.key(keys)?;
    let stored = store.read(&[key]).await?.pop().flatten();
    let names: Vec<&str> = view.features.iter().map(|feature| feature.name.as_str()).collect();
    let decoder = RowDecoder::new(view, &names)?;
    let row = stored.as_deref().map(|bytes| decoder.open(bytes)).transpose()?;
    let age = row.map_or(RowAge::Absent, |row| row.age(&ViewRule::online(view), as_of_us));
    let mut answers = BTreeMap::new();
    for (index, column) in view.features.iter().enumerate() {
        let value = match (row, age) {
            (None, _) | (_, RowAge::Absent) => Value::Null,
            (Some(row), _) => row.value(index)?,
        };
        let expected = match FeatureRule::compile(column)?.serve(age, value) {
            Ok(served) => Expected {
                value: served.value,
                status: served.status,
                stale: served.stale,
                fail: false,
            },
            Err(missing) => Expected {
                value: Value::Null,
                status: missing.status,
                stale: false,
                fail: true,
            },
        };
        answers.insert(column.name.clone(), expected);
    }
    Ok(answers)
}

//! One read of all keys of a request, within its budget: each shard's keys with the leave of that shard's breaker, so that a
//! shard that fails costs the others nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::future::join_all;
use triplane_contract::route::Breaker as BreakerSettings;
use triplane_feature_store::key::RowKey;
use triplane_feature_store::online::{OnlineError, OnlineStore};

use super::breaker::{Breaker, Permit, State};
use super::{Found, LastKnown};

/// Why the store gave no answer.
#[derive(Debug)]
pub enum Failure {
    /// It took longer than the budget.
    Slow,
    /// It answered with an error.
    Error(OnlineError),
    /// The breaker is open: it was not asked.
    BreakerOpen,
}

/// What became of a read.
#[derive(Debug)]
pub struct Fetched {
    /// One per key, in order.
    pub found: Vec<Found>,
    /// Why the store, or one of its shards, gave no answer; `None`: all did.
    pub failure: Option<Failure>,
}

/// Reads rows of one online store.
pub struct Reader {
    store: Arc<dyn OnlineStore>,
    breakers: Mutex<Breakers>,
    known: LastKnown,
    started: Instant,
}

/// One breaker a shard, made when the shard is first asked.
struct Breakers {
    settings: BreakerSettings,
    by_shard: Vec<Breaker>,
}

impl Breakers {
    fn of(&mut self, shard: usize) -> &mut Breaker {
        let missing = (shard + 1).saturating_sub(self.by_shard.len());
        let fresh = std::iter::repeat_with(|| Breaker::new(self.settings)).take(missing);
        self.by_shard.extend(fresh);
        &mut self.by_shard[shard]
    }
}

impl Reader {
    /// A reader with closed breakers that keeps at most `known_bytes` of last answers.
    pub fn new(store: Arc<dyn OnlineStore>, settings: BreakerSettings, known_bytes: u64) -> Self {
        let known = LastKnown::new(known_bytes);
        let by_shard = vec![Breaker::new(settings)];
        Self {
            store,
            breakers: Mutex::new(Breakers { settings, by_shard }),
            known,
            started: Instant::now(),
        }
    }

    /// Prefix of every key of the store.
    pub fn prefix(&self) -> &str {
        self.store.prefix()
    }

    /// Bytes of last answers that are kept.
    pub fn known_bytes(&self) -> u64 {
        self.known.bytes()
    }

    /// Takes new breaker settings.
    pub fn configure(&self, settings: BreakerSettings) {
        let mut breakers = self.breakers();
        breakers.settings = settings;
        for breaker in &mut breakers.by_shard {
            breaker.configure(settings);
        }
    }

    /// What the breaker of each shard is doing; shards that were never asked may be absent.
    pub fn breaker_states(&self) -> Vec<State> {
        let now = self.now_us();
        self.breakers()
            .by_shard
            .iter_mut()
            .map(|breaker| breaker.state(now))
            .collect()
    }

    /// Reads all keys at once within `timeout`, and within `budget` where that is less. A read that had less than half its
    /// timeout does not count as slow for the breaker: the store is not to blame for a request that came to it late.
    pub async fn read(&self, keys: &[RowKey], timeout: Duration, budget: Duration) -> Fetched {
        let Some(first) = keys.first() else {
            return Fetched {
                found: Vec::new(),
                failure: None,
            };
        };
        let shard = self.store.shard_of(first);
        if keys[1..].iter().all(|key| self.store.shard_of(key) == shard) {
            return self.read_shard(shard, keys, timeout, budget).await;
        }
        let groups = self.by_shard(keys);
        let asked = groups
            .iter()
            .map(|(shard, _, keys)| self.read_shard(*shard, keys, timeout, budget));
        let answers = join_all(asked).await;
        let mut found = vec![Found::Unavailable; keys.len()];
        let mut failure = None;
        for ((_, places, _), fetched) in groups.iter().zip(answers) {
            for (place, row) in places.iter().zip(fetched.found) {
                found[*place] = row;
            }
            failure = failure.or(fetched.failure);
        }
        Fetched { found, failure }
    }

    /// Keys of each shard, with their places.
    fn by_shard(&self, keys: &[RowKey]) -> Vec<(usize, Vec<usize>, Vec<RowKey>)> {
        let mut groups: Vec<(usize, Vec<usize>, Vec<RowKey>)> = Vec::new();
        for (place, key) in keys.iter().enumerate() {
            let shard = self.store.shard_of(key);
            match groups.iter_mut().find(|(other, ..)| *other == shard) {
                Some((_, places, of_shard)) => {
                    places.push(place);
                    of_shard.push(key.clone());
                }
                None => groups.push((shard, vec![place], vec![key.clone()])),
            }
        }
        groups
    }

    async fn read_shard(&self, shard: usize, keys: &[RowKey], timeout: Duration, budget: Duration) -> Fetched {
        let now = self.now_us();
        let Some(permit) = self.breakers().of(shard).permit(now) else {
            return self.failed(keys, Failure::BreakerOpen);
        };
        let permit = Held {
            reader: self,
            shard,
            permit: Some(permit),
        };
        match tokio::time::timeout(timeout.min(budget), self.store.read(keys)).await {
            Ok(Ok(answers)) if answers.len() == keys.len() => {
                permit.record(true);
                self.known.keep(keys, &answers);
                Fetched {
                    found: answers.into_iter().map(Found::Live).collect(),
                    failure: None,
                }
            }
            Ok(Ok(answers)) => {
                permit.record(false);
                let message = format!("{} answers for {} keys", answers.len(), keys.len());
                let address = "store".to_owned();
                self.failed(keys, Failure::Error(OnlineError::Protocol { address, message }))
            }
            Ok(Err(error)) => {
                permit.record(false);
                self.failed(keys, Failure::Error(error))
            }
            Err(_) => {
                if budget >= timeout / 2 {
                    permit.record(false);
                }
                self.failed(keys, Failure::Slow)
            }
        }
    }

    fn failed(&self, keys: &[RowKey], failure: Failure) -> Fetched {
        Fetched {
            found: keys.iter().map(|key| self.known.get(key)).collect(),
            failure: Some(failure),
        }
    }

    fn now_us(&self) -> i64 {
        self.started.elapsed().as_micros() as i64
    }

    /// A breaker is whole after every call, so a panic elsewhere does not spoil it.
    fn breakers(&self) -> MutexGuard<'_, Breakers> {
        self.breakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A permit that is given back when its request is dropped, for example because the caller went away.
struct Held<'a> {
    reader: &'a Reader,
    shard: usize,
    permit: Option<Permit>,
}

impl Held<'_> {
    fn record(mut self, ok: bool) {
        let Some(permit) = self.permit.take() else { return };
        let now = self.reader.now_us();
        let mut breakers = self.reader.breakers();
        let breaker = breakers.of(self.shard);
        let before = breaker.state(now);
        breaker.record(permit, now, ok);
        let after = breaker.state(now);
        drop(breakers);
        if before != after {
            tracing::warn!(
                shard = self.shard,
                from = before.name(),
                to = after.name(),
                "the breaker of the online store changed"
            );
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            self.reader.breakers().of(self.shard).withdraw(permit);
        }
    }
}

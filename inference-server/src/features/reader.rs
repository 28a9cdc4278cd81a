//! One read of all keys of a request, within its budget and with the breaker's leave.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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
    /// Why the store gave no answer; `None`: it did.
    pub failure: Option<Failure>,
}

/// Reads rows of one online store.
pub struct Reader {
    store: Arc<dyn OnlineStore>,
    breaker: Mutex<Breaker>,
    known: LastKnown,
    started: Instant,
}

impl Reader {
    /// A reader with a closed breaker that keeps at most `known_bytes` of last answers.
    pub fn new(store: Arc<dyn OnlineStore>, breaker: BreakerSettings, known_bytes: u64) -> Self {
        let known = LastKnown::new(known_bytes);
        Self {
            store,
            breaker: Mutex::new(Breaker::new(breaker)),
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
        self.breaker().configure(settings);
    }

    /// What the breaker is doing.
    pub fn breaker_state(&self) -> State {
        let now = self.now_us();
        self.breaker().state(now)
    }

    /// Reads all keys at once within `timeout`, and within `budget` where that is less. A read that had less than half its
    /// timeout does not count as slow for the breaker: the store is not to blame for a request that came to it late.
    pub async fn read(&self, keys: &[RowKey], timeout: Duration, budget: Duration) -> Fetched {
        if keys.is_empty() {
            return Fetched {
                found: Vec::new(),
                failure: None,
            };
        }
        let now = self.now_us();
        let Some(permit) = self.breaker().permit(now) else {
            return self.failed(keys, Failure::BreakerOpen);
        };
        let permit = Held {
            reader: self,
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
                self.failed(
                    keys,
                    Failure::Error(OnlineError::Protocol {
                        address: "store".to_owned(),
                        message,
                    }),
                )
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

    /// The breaker is whole after every call, so a panic elsewhere does not spoil it.
    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A permit that is given back when its request is dropped, for example because the caller went away.
struct Held<'a> {
    reader: &'a Reader,
    permit: Option<Permit>,
}

impl Held<'_> {
    fn record(mut self, ok: bool) {
        let Some(permit) = self.permit.take() else { return };
        let now = self.reader.now_us();
        let mut breaker = self.reader.breaker();
        let before = breaker.state(now);
        breaker.record(permit, now, ok);
        let after = breaker.state(now);
        drop(breaker);
        if before != after {
            tracing::warn!(
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
            self.reader.breaker().withdraw(permit);
        }
    }
}

//! One multiplexed connection that is made again when it breaks.
//!
//! Requests may be dropped at any time (a caller's deadline): a connection is opened by a task of its own, so that short
//! deadlines cannot keep it from ever being made, and a watcher replaces a connection on which nothing comes back.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, IntoConnectionInfo as _, RedisConnectionInfo, RedisResult};
use tokio::time::Instant;

use super::error::{breaks_connection, classify, code};
use crate::online::OnlineError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Well above any caller's deadline: it frees what waits for an answer that will not come.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
const WATCH_EVERY: Duration = Duration::from_secs(1);
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Requests that may wait for the connection's writer.
const QUEUE: usize = 1_024;

/// How a server is reached.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// `host:port`, for messages.
    pub(super) address: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) username: Option<String>,
    pub(super) password_file: Option<String>,
}

/// A connection with its number, so that one failure is counted once.
#[derive(Clone)]
struct Lease {
    connection: MultiplexedConnection,
    id: u64,
}

type Attempt = Shared<BoxFuture<'static, Result<Lease, OnlineError>>>;

enum State {
    Down {
        failures: u32,
        retry_at: Instant,
        cause: Option<OnlineError>,
    },
    Connecting(Attempt),
    Up(Lease),
}

struct Inner {
    endpoint: Endpoint,
    state: Mutex<State>,
    next_id: AtomicU64,
    /// Counts answers; the watcher probes only where none came.
    answers: AtomicU64,
}

/// A connection that heals.
#[derive(Clone)]
pub(super) struct Link(Arc<Inner>);

impl Link {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        let state = Mutex::new(State::Down {
            failures: 0,
            retry_at: Instant::now(),
            cause: None,
        });
        Self(Arc::new(Inner {
            endpoint,
            state,
            next_id: AtomicU64::new(0),
            answers: AtomicU64::new(0),
        }))
    }

    /// Runs `request` on the connection; once more on a new one where it turns out to be broken. Every request of this crate
    /// may be repeated.
    pub(super) async fn run<T, F>(&self, request: impl Fn(MultiplexedConnection) -> F + Send) -> Result<T, OnlineError>
    where
        F: Future<Output = RedisResult<T>> + Send,
        T: Send,
    {
        let lease = self.lease().await?;
        let error = match request(lease.connection.clone()).await {
            Ok(answer) => return Ok(self.answered(answer)),
            Err(error) => error,
        };
        let cause = self.0.note(lease.id, &error);
        if !breaks_connection(&error) {
            return Err(cause);
        }
        let lease = self.lease().await?;
        match request(lease.connection.clone()).await {
            Ok(answer) => Ok(self.answered(answer)),
            Err(error) => Err(self.0.note(lease.id, &error)),
        }
    }

    /// Waits for a connection.
    pub(super) async fn connected(&self) -> Result<(), OnlineError> {
        self.lease().await.map(|_| ())
    }

    fn answered<T>(&self, answer: T) -> T {
        self.0.answers.fetch_add(1, Ordering::Relaxed);
        answer
    }

    /// The connection; while a server is away, its last error at once until the pause is over.
    async fn lease(&self) -> Result<Lease, OnlineError> {
        let attempt = {
            let mut state = self.0.lock();
            match &*state {
                State::Up(lease) => return Ok(lease.clone()),
                State::Connecting(attempt) => attempt.clone(),
                State::Down {
                    retry_at,
                    cause: Some(cause),
                    ..
                } if Instant::now() < *retry_at => {
                    return Err(cause.clone());
                }
                State::Down { failures, .. } => {
                    let attempt = connect_in_background(&self.0, *failures);
                    *state = State::Connecting(attempt.clone());
                    attempt
                }
            }
        };
        attempt.await
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a failed request: gives up the connection where it is broken or the login no longer holds.
    fn note(&self, id: u64, error: &redis::RedisError) -> OnlineError {
        let cause = classify(&self.endpoint.address, error);
        if breaks_connection(error) {
            // The next request may try at once: the server may have been restarted long ago.
            self.give_up(id, cause.clone(), Duration::ZERO);
        } else if matches!(&cause, OnlineError::Denied { .. }) && code(error) != "NOPERM" {
            self.give_up(id, cause.clone(), FIRST_PAUSE);
        } else {
            // An error is an answer too.
            self.answers.fetch_add(1, Ordering::Relaxed);
        }
        cause
    }

    fn give_up(&self, id: u64, cause: OnlineError, pause: Duration) {
        let mut state = self.lock();
        if matches!(&*state, State::Up(lease) if lease.id == id) {
            *state = State::Down {
                failures: 0,
                retry_at: Instant::now() + pause,
                cause: Some(cause),
            };
        }
    }

    fn is_current(&self, id: u64) -> bool {
        matches!(&*self.lock(), State::Up(lease) if lease.id == id)
    }

    fn settle(
        self: &Arc<Self>,
        outcome: Result<MultiplexedConnection, OnlineError>,
        failures: u32,
    ) -> Result<Lease, OnlineError> {
        match outcome {
            Ok(connection) => {
                let lease = Lease {
                    connection,
                    id: self.next_id.fetch_add(1, Ordering::Relaxed),
                };
                *self.lock() = State::Up(lease.clone());
                tokio::spawn(watch(Arc::downgrade(self), lease.clone()));
                Ok(lease)
            }
            Err(cause) => {
                tracing::warn!(address = self.endpoint.address, %cause, "failed to connect to the online store");
                let retry_at = Instant::now() + pause_after(failures);
                *self.lock() = State::Down {
                    failures: failures.saturating_add(1),
                    retry_at,
                    cause: Some(cause.clone()),
                };
                Err(cause)
            }
        }
    }
}

/// Opens a connection in a task of its own; callers wait for it, and may stop waiting.
fn connect_in_background(inner: &Arc<Inner>, failures: u32) -> Attempt {
    let (task_inner, inner) = (Arc::clone(inner), Arc::clone(inner));
    let task = tokio::spawn(async move {
        let outcome = open(&task_inner.endpoint).await;
        task_inner.settle(outcome, failures)
    });
    async move {
        match task.await {
            Ok(outcome) => outcome,
            // The runtime that ran the task is gone; the next request starts over.
            Err(error) => {
                let (address, message) = (inner.endpoint.address.clone(), error.to_string());
                inner.settle(Err(OnlineError::Unreachable { address, message }), failures)
            }
        }
    }
    .boxed()
    .shared()
}

async fn open(endpoint: &Endpoint) -> Result<MultiplexedConnection, OnlineError> {
    let refused = |error: redis::RedisError| classify(&endpoint.address, &error);
    let tcp = TcpSettings::default().set_nodelay(true);
    let info = (endpoint.host.clone(), endpoint.port)
        .into_connection_info()
        .map_err(refused)?;
    let info = info.set_tcp_settings(tcp).set_redis_settings(login(endpoint).await?);
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(RESPONSE_TIMEOUT))
        .set_pipeline_buffer_size(QUEUE);
    let client = redis::Client::open(info).map_err(refused)?;
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
        .map_err(refused)
}

/// The login; the password is read from its file each time, so that a new one counts from the next attempt.
async fn login(endpoint: &Endpoint) -> Result<RedisConnectionInfo, OnlineError> {
    let mut login = RedisConnectionInfo::default();
    if let Some(username) = &endpoint.username {
        // A user without a password logs in with an empty one.
        login = login.set_username(username).set_password("");
    }
    if let Some(path) = &endpoint.password_file {
        let password = tokio::fs::read_to_string(path)
            .await
            .map_err(|error| OnlineError::Denied {
                address: endpoint.address.clone(),
                message: format!("cannot read the password file {path}: {error}"),
            })?;
        login = login.set_password(password.trim_end_matches(['\r', '\n']));
    }
    Ok(login)
}

fn pause_after(failures: u32) -> Duration {
    let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(8)).min(LONGEST_PAUSE);
    // Jitter: many pods lose the same server at the same moment.
    pause.mul_f64(rand::random_range(0.75..=1.0))
}

/// Gives up a connection on which a probe is not answered: callers' own deadlines would never show that it is dead.
async fn watch(inner: Weak<Inner>, mut lease: Lease) {
    let mut seen = 0;
    loop {
        tokio::time::sleep(WATCH_EVERY).await;
        let Some(answers) = inner
            .upgrade()
            .filter(|i| i.is_current(lease.id))
            .map(|i| i.answers.load(Ordering::Relaxed))
        else {
            return;
        };
        if answers != seen {
            seen = answers;
            continue;
        }
        let probe = redis::cmd("PING");
        let probe = tokio::time::timeout(PROBE_TIMEOUT, probe.query_async::<redis::Value>(&mut lease.connection));
        let dead = match probe.await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) if !breaks_connection(&error) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("no answer to a probe".to_owned()),
        };
        if let (Some(message), Some(inner)) = (dead, inner.upgrade()) {
            let address = inner.endpoint.address.clone();
            inner.give_up(lease.id, OnlineError::Unreachable { address, message }, Duration::ZERO);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_between_attempts_grow_and_stay_below_a_second() {
        assert!(pause_after(0) <= FIRST_PAUSE);
        for failures in [1, 4, 40, u32::MAX] {
            let pause = pause_after(failures);
            assert!(pause > FIRST_PAUSE && pause <= LONGEST_PAUSE, "{pause:?}");
        }
    }
}

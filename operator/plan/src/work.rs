//! What is observed about work: a materialization run, a training-set join, a model check.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What a piece of work was asked to do, as digests. Opaque to the caller: it comes with an action and goes back with the
/// outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ticket {
    /// What is made. Another content makes a finished piece of work out of date.
    pub content: String,
    /// What is made and with which means (memory). Another request is tried at once after a failure.
    pub request: String,
}

impl Ticket {
    /// A ticket over what is made and the means it is made with.
    pub fn of(content: &impl Serialize, means: &impl Serialize) -> Self {
        let content = digest(content);
        let request = digest(&(&content, means));
        Self { content, request }
    }
}

/// The first 16 hex digits of the sha256 of the value's JSON. Contract types always have a JSON form.
pub(crate) fn digest(value: &impl Serialize) -> String {
    let mut json = serde_json::to_vec(value).unwrap_or_default();
    json.push(b'\n');
    hex::encode(&Sha256::digest(json)[..8])
}

/// A success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Done<R> {
    /// Of the action that started it.
    pub ticket: Ticket,
    /// When it ended, microseconds.
    pub at_us: i64,
    /// What it reported.
    pub report: R,
}

/// Failures in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Of the action that started the last attempt.
    pub ticket: Ticket,
    /// The error's name, for example `LookbackRequired`.
    pub code: String,
    /// What failed and what to do.
    pub message: String,
    /// Whether the same attempt may succeed later (a store away) or only after a change of the spec (SQL that does not parse).
    pub retryable: bool,
    /// Attempts in a row that failed, from 1.
    pub attempts: u32,
    /// When the last one failed, microseconds.
    pub at_us: i64,
}

/// Everything observed about one piece of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Work<R> {
    /// An attempt is under way.
    pub running: bool,
    /// When the last attempt started, microseconds.
    pub started_at_us: Option<i64>,
    /// The last success.
    pub done: Option<Done<R>>,
    /// Set from a failed attempt until the next success.
    pub failure: Option<Failure>,
}

impl<R> Default for Work<R> {
    fn default() -> Self {
        Self {
            running: false,
            started_at_us: None,
            done: None,
            failure: None,
        }
    }
}

impl<R> Work<R> {
    /// An attempt starts at `now_us`.
    pub fn start(&mut self, now_us: i64) {
        self.running = true;
        self.started_at_us = Some(now_us);
    }

    /// The attempt succeeded.
    pub fn succeed(&mut self, ticket: Ticket, report: R, now_us: i64) {
        self.running = false;
        self.failure = None;
        self.done = Some(Done {
            ticket,
            at_us: now_us,
            report,
        });
    }

    /// The attempt failed; attempts add up while the request stays the same.
    pub fn fail(&mut self, ticket: Ticket, code: &str, message: &str, retryable: bool, now_us: i64) {
        let before = self
            .failure
            .as_ref()
            .filter(|f| f.ticket == ticket)
            .map_or(0, |f| f.attempts);
        self.running = false;
        self.failure = Some(Failure {
            ticket,
            code: code.to_owned(),
            message: message.to_owned(),
            retryable,
            attempts: before.saturating_add(1),
            at_us: now_us,
        });
    }
}

//! From rows to predictions: fetch, gather, score, and the default where that is not possible in time.

use std::time::{Duration, Instant};

use triplane_contract::route::OnUnavailable;

use crate::features::{Failure, Fetched};
use crate::gather::{FeatureRefused, Gathered, Rows};
use crate::service::{Service, Variant};

/// Rows scored between two looks at the clock. A row takes microseconds, so the model runs where the request runs: handing
/// it to another thread and back would cost more than the work.
const CHUNK: usize = 64;

/// The answer to a request of several rows.
#[derive(Debug)]
pub struct Prediction {
    /// The moment features were judged at, microseconds.
    pub as_of_us: i64,
    /// One per row.
    pub scores: Vec<f64>,
    /// Whether a row's score is the default prediction.
    pub defaults: Vec<bool>,
    /// Inputs and where they came from.
    pub gathered: Gathered,
    /// Time spent reading features.
    pub features_took: Duration,
    /// Time spent gathering and scoring.
    pub model_took: Duration,
}

/// How a request ended, the worst of its rows deciding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Every feature present and fresh.
    Ok,
    /// Some feature comes from a row past its ttl or from the cache.
    Stale,
    /// Some feature was imputed.
    Imputed,
    /// Some row got the default prediction.
    Default,
    /// The request was refused because of what it says.
    Invalid,
    /// The request was refused because of load.
    Rejected,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 6] = [
        Self::Ok,
        Self::Stale,
        Self::Imputed,
        Self::Default,
        Self::Invalid,
        Self::Rejected,
    ];

    /// Name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Stale => "stale",
            Self::Imputed => "imputed",
            Self::Default => "default",
            Self::Invalid => "invalid",
            Self::Rejected => "rejected",
        }
    }
}

impl Prediction {
    /// How the request ended.
    pub fn outcome(&self) -> Outcome {
        if self.defaults.contains(&true) {
            Outcome::Default
        } else if self.gathered.verdicts.iter().any(|row| row.imputed > 0) {
            Outcome::Imputed
        } else if self.gathered.stale.contains(&true) {
            Outcome::Stale
        } else {
            Outcome::Ok
        }
    }
}

impl Service {
    /// Predicts all rows with `variant`. Every row gets an answer; the only refusal is a feature whose rule is `Fail`.
    pub async fn predict(
        &self,
        variant: &Variant,
        rows: &Rows,
        received: Instant,
    ) -> Result<Prediction, FeatureRefused> {
        let deadline = received + self.deadline;
        let started = Instant::now();
        let keys = variant.plan.keys(rows);
        let budget = deadline.saturating_duration_since(started);
        let Fetched { found, failure } = self.reader.read(&keys.keys, self.features_timeout, budget).await;
        let read = Instant::now();
        if !keys.keys.is_empty() {
            self.metrics.read(failure.as_ref());
        }
        if let Some(Failure::Error(error)) = &failure {
            tracing::debug!(service = self.name, %error, "features could not be read");
        }
        let as_of_us = self.clock.now_us();
        let gathered = variant.plan.fill(rows, &keys, &found, as_of_us)?;
        variant.metrics.features(&variant.plan, &gathered);
        let mut defaults: Vec<bool> = gathered
            .verdicts
            .iter()
            .map(|verdict| self.needs_default(verdict))
            .collect();
        let mut scores = vec![0.0; rows.len()];
        variant
            .score(&gathered.vectors, &mut scores, &mut defaults, deadline)
            .await;
        for (score, default) in scores.iter_mut().zip(&mut defaults) {
            *default |= !score.is_finite();
            if *default {
                *score = self.fallback;
            }
        }
        let (features_took, model_took) = (read - started, read.elapsed());
        Ok(Prediction {
            as_of_us,
            scores,
            defaults,
            gathered,
            features_took,
            model_took,
        })
    }

    /// Whether a row's vector says too little to ask the model.
    fn needs_default(&self, row: &crate::gather::RowVerdict) -> bool {
        if row.unavailable {
            return row.unanswerable || self.on_unavailable == OnUnavailable::DefaultPrediction;
        }
        f64::from(row.imputed) > self.max_imputed * f64::from(row.fetched)
    }
}

impl Variant {
    /// Scores the rows that need no default, in chunks: a long request stops at its deadline and lets others in between.
    async fn score(&self, vectors: &[f64], scores: &mut [f64], defaults: &mut [bool], deadline: Instant) {
        let width = self.model.inputs();
        let chunks = vectors
            .chunks(CHUNK * width)
            .zip(scores.chunks_mut(CHUNK))
            .zip(defaults.chunks_mut(CHUNK));
        for (index, ((vectors, scores), defaults)) in chunks.enumerate() {
            if index > 0 {
                tokio::task::yield_now().await;
            }
            if defaults.iter().all(|default| *default) {
                continue;
            }
            if Instant::now() >= deadline {
                defaults.fill(true);
                continue;
            }
            self.model.predict(vectors, scores);
        }
    }
}

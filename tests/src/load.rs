//! A load of constant rate, open loop: request i is due at start + i / rate whatever became of the ones before it, and its
//! latency counts from then, so that a stall is seen by every request that fell into it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::JoinHandle;

use crate::http::{Answer, Connection};

/// What to send and how an answer is judged.
pub trait Traffic: Send + Sync + 'static {
    /// Path of every request.
    fn path(&self) -> &str;
    /// Body of request `index`.
    fn body(&self, index: u64) -> Bytes;
    /// What the answer to request `index` says.
    fn judge(&self, index: u64, answer: &Answer) -> Verdict;
}

/// What an answer said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "four flags that are independent of one another"
)]
pub struct Verdict {
    /// It is not an answer to this request: another's, or wrong.
    pub crossed: bool,
    /// The default prediction.
    pub default: bool,
    /// At least one input was imputed.
    pub imputed: bool,
    /// At least one input was stale.
    pub stale: bool,
}

/// One request that was due.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its number.
    pub index: u64,
    /// When it was due, from the start of the load.
    pub due: Duration,
    /// From when it was due to its answer.
    pub latency: Duration,
    /// From when it was sent to its answer.
    pub service: Duration,
    /// Status; `Err` holds why there was no answer.
    pub status: Result<u16, String>,
    /// What the answer said.
    pub verdict: Verdict,
}

/// How much to send.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Requests a second; infinite: each connection sends as soon as it has its answer (closed loop).
    pub per_second: f64,
    /// Keep-alive connections.
    pub connections: usize,
    /// Requests in all, unless it is stopped before.
    pub requests: u64,
}

struct Shared<T> {
    traffic: T,
    rate: Rate,
    start: Instant,
    next: AtomicU64,
    stopped: AtomicBool,
}

/// A load under way.
pub struct Load<T> {
    shared: Arc<Shared<T>>,
    workers: Vec<JoinHandle<Vec<Sample>>>,
}

impl<T: Traffic> Load<T> {
    /// Starts sending to `address`.
    pub fn start(address: SocketAddr, rate: Rate, traffic: T) -> Self {
        let shared = Arc::new(Shared {
            traffic,
            rate,
            start: Instant::now(),
            next: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        });
        let workers = (0..rate.connections)
            .map(|_| tokio::spawn(work(address, shared.clone())))
            .collect();
        Self { shared, workers }
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.shared.start.elapsed()
    }

    /// Sends nothing more and waits for the answers under way.
    pub async fn stop(self) -> Vec<Sample> {
        self.shared.stopped.store(true, Ordering::Release);
        self.finish().await
    }

    /// Waits until every request has its answer; samples in the order of their numbers.
    pub async fn finish(self) -> Vec<Sample> {
        let mut samples = Vec::new();
        for worker in self.workers {
            samples.extend(worker.await.expect("a load worker panicked"));
        }
        samples.sort_unstable_by_key(|sample| sample.index);
        samples
    }
}

async fn work<T: Traffic>(address: SocketAddr, shared: Arc<Shared<T>>) -> Vec<Sample> {
    let mut connection = Connection::new(address);
    let mut samples = Vec::new();
    while !shared.stopped.load(Ordering::Acquire) {
        let index = shared.next.fetch_add(1, Ordering::Relaxed);
        if index >= shared.rate.requests {
            break;
        }
        let body = shared.traffic.body(index);
        let due = shared.wait_until_due(index).await;
        let sent = shared.start.elapsed();
        let answer = connection.post(shared.traffic.path(), body).await;
        let done = shared.start.elapsed();
        let (status, verdict) = match answer {
            Ok(answer) => (Ok(answer.status), shared.traffic.judge(index, &answer)),
            Err(error) => (Err(error.to_string()), Verdict::default()),
        };
        samples.push(Sample {
            index,
            due,
            latency: done.saturating_sub(due),
            service: done.saturating_sub(sent),
            status,
            verdict,
        });
    }
    samples
}

impl<T> Shared<T> {
    async fn wait_until_due(&self, index: u64) -> Duration {
        if !self.rate.per_second.is_finite() {
            return self.start.elapsed();
        }
        let due = Duration::from_secs_f64(index as f64 / self.rate.per_second);
        tokio::time::sleep_until((self.start + due).into()).await;
        due
    }
}

/// Counts and latencies of a stretch of a load.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Requests that were due.
    pub requests: u64,
    /// Answers with status 200.
    pub ok: u64,
    /// Answers with another status.
    pub refused: u64,
    /// No answer.
    pub lost: u64,
    /// Answers that were not to the request.
    pub crossed: u64,
    /// Answers with any flag.
    pub flagged: u64,
    /// Default predictions.
    pub default: u64,
    /// Answers with imputed inputs.
    pub imputed: u64,
    /// Answers with stale inputs.
    pub stale: u64,
    /// Latency from the due time at 0.5, 0.99, 0.999 and 1, milliseconds.
    pub latency_ms: [f64; 4],
    /// The largest time from sending to the answer, milliseconds.
    pub service_max_ms: f64,
}

impl Summary {
    /// Sums up `samples`.
    pub fn of<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Self {
        let mut sum = Self::default();
        let mut latencies = Vec::new();
        for sample in samples {
            sum.requests += 1;
            match sample.status {
                Ok(200) => sum.ok += 1,
                Ok(_) => sum.refused += 1,
                Err(_) => sum.lost += 1,
            }
            sum.crossed += u64::from(sample.verdict.crossed);
            let Verdict {
                default,
                imputed,
                stale,
                ..
            } = sample.verdict;
            sum.flagged += u64::from(default || imputed || stale);
            sum.default += u64::from(default);
            sum.imputed += u64::from(imputed);
            sum.stale += u64::from(stale);
            latencies.push(sample.latency.as_secs_f64() * 1e3);
            sum.service_max_ms = sum.service_max_ms.max(sample.service.as_secs_f64() * 1e3);
        }
        latencies.sort_unstable_by(f64::total_cmp);
        sum.latency_ms = [0.5, 0.99, 0.999, 1.0].map(|share| quantile(&latencies, share));
        sum
    }
}

/// The smallest value that at least `share` of `sorted` do not exceed; 0 where there is none.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let sorted: Vec<f64> = (1..=1000).map(f64::from).collect();
        assert_eq!(
            [0.5, 0.99, 0.999, 1.0].map(|share| quantile(&sorted, share)),
            [500.0, 990.0, 999.0, 1000.0]
        );
        assert_eq!(quantile(&[], 0.5), 0.0);
    }

    #[test]
    fn a_request_without_answer_is_lost_and_not_refused() {
        let sample = |status| Sample {
            index: 0,
            due: Duration::ZERO,
            latency: Duration::from_millis(3),
            service: Duration::from_millis(2),
            status,
            verdict: Verdict::default(),
        };
        let sum = Summary::of(&[sample(Ok(200)), sample(Ok(503)), sample(Err("reset".into()))]);
        assert_eq!((sum.requests, sum.ok, sum.refused, sum.lost), (3, 1, 1, 1));
    }
}

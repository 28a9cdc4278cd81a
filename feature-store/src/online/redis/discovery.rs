//! Finds out which node has which slots, and again when something was refused, moved or lost.
//!
//! The address of a store may be one server, a node of a cluster or a name that leads to any of its nodes. Every known node is
//! asked, the address too: so a cluster is found again of which every node has another address than before.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::Instant;

use super::node::{Login, Map, Node};
use super::topology::{Report, merge, of_cluster, parse};
use crate::online::OnlineError;

/// Between two rounds of questions that nobody waits for.
const SPACING: Duration = Duration::from_millis(100);
/// How long the first answer may take: a connection has to be made.
const FIRST_ANSWER: Duration = Duration::from_millis(1_200);
/// How long others may take after the first.
const OTHER_ANSWERS: Duration = Duration::from_millis(150);

type Finding = Shared<BoxFuture<'static, Result<Arc<Map>, OnlineError>>>;

#[derive(Default)]
struct Progress {
    running: Option<Finding>,
    asked: Option<Instant>,
}

/// What is known about the nodes of a store.
#[derive(Clone)]
pub(super) struct Discovery(Arc<Inner>);

struct Inner {
    /// The address of the store.
    seed: Arc<Node>,
    login: Login,
    map: ArcSwapOption<Map>,
    progress: Mutex<Progress>,
}

impl Discovery {
    pub(super) fn new(seed: Arc<Node>, login: Login) -> Self {
        Self(Arc::new(Inner {
            seed,
            login,
            map: ArcSwapOption::empty(),
            progress: Mutex::default(),
        }))
    }

    /// The address of the store, `host:port`.
    pub(super) fn address(&self) -> &str {
        &self.0.seed.address
    }

    /// What was found out last.
    pub(super) fn known(&self) -> Option<Arc<Map>> {
        self.0.map.load_full()
    }

    /// What was found out last; waits for the first time.
    pub(super) async fn map(&self) -> Result<Arc<Map>, OnlineError> {
        match self.known() {
            Some(map) => Ok(map),
            None => self.refresh().await,
        }
    }

    /// Finds out again, together with whoever wants to know it too.
    pub(super) async fn refresh(&self) -> Result<Arc<Map>, OnlineError> {
        self.begin(Duration::ZERO).await
    }

    /// Finds out again in the background.
    pub(super) fn suspect(&self) {
        // Outside of a runtime nobody is left to look.
        let may_change = self.known().is_none_or(|map| map.is_cluster);
        if may_change && tokio::runtime::Handle::try_current().is_ok() {
            drop(self.begin(SPACING));
        }
    }

    fn begin(&self, spacing: Duration) -> Finding {
        let mut progress = self.0.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = &progress.running {
            return running.clone();
        }
        let pause = progress
            .asked
            .map_or(Duration::ZERO, |at| spacing.saturating_sub(at.elapsed()));
        let inner = Arc::clone(&self.0);
        // A task of its own: whoever asked may stop waiting.
        let task = tokio::spawn(async move {
            // Jitter: many pods lose the same node at the same moment.
            tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..=1.0))).await;
            let _over = Over(&inner);
            inner.ask().await
        });
        let address = self.address().to_owned();
        let finding = async move {
            task.await.unwrap_or_else(|error| {
                let message = error.to_string();
                Err(OnlineError::Unreachable { address, message })
            })
        };
        let finding = finding.boxed().shared();
        progress.running = Some(finding.clone());
        finding
    }
}

/// Lets the next one begin, however this one ends.
struct Over<'a>(&'a Inner);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        let mut progress = self.0.progress.lock().unwrap_or_else(PoisonError::into_inner);
        *progress = Progress {
            running: None,
            asked: Some(Instant::now()),
        };
    }
}

/// One node's answer.
enum Said {
    Cluster(Report),
    /// It is one server that has everything.
    Single,
}

impl Inner {
    async fn ask(&self) -> Result<Arc<Map>, OnlineError> {
        let known: Vec<Arc<Node>> = self.map.load().iter().flat_map(|map| map.nodes()).cloned().collect();
        let mut asked = known.clone();
        if !asked.iter().any(|node| node.address == self.seed.address) {
            asked.push(Arc::clone(&self.seed));
        }
        let ask = |node: &Arc<Node>| {
            let node = Arc::clone(node);
            async move { (nodes_of(&node).await, node) }
        };
        let mut answers: FuturesUnordered<_> = asked.iter().map(ask).collect();
        let (mut reports, mut of_seed, mut is_single, mut refusal) = (Vec::new(), None, false, None);
        let mut give_up = Instant::now() + FIRST_ANSWER;
        while let Ok(Some((answer, node))) = tokio::time::timeout_at(give_up, answers.next()).await {
            let is_seed = node.address == self.seed.address;
            match answer {
                // Of another node: there is a server of somebody else by now.
                Ok(Said::Single) => is_single |= is_seed,
                Ok(Said::Cluster(report)) => {
                    if reports.is_empty() {
                        give_up = give_up.min(Instant::now() + OTHER_ANSWERS);
                    }
                    if is_seed {
                        of_seed = Some(report.ids.clone());
                    }
                    reports.push(report);
                }
                Err(error) => refusal = Some(worse(refusal, error)),
            }
        }
        if is_single {
            return Ok(self.found(Map::single(&self.seed)));
        }
        let known_ids = self.map.load().as_ref().map(|map| map.topology().ids.clone());
        if let Some(ids) = of_seed.or(known_ids).filter(|ids| !ids.is_empty()) {
            reports = of_cluster(reports, &ids);
        }
        match merge(&reports) {
            Some(topology) => Ok(self.found(Map::cluster(topology, &known, &self.login))),
            None => Err(refusal.unwrap_or_else(|| self.nobody(&reports))),
        }
    }

    fn found(&self, map: Map) -> Arc<Map> {
        let map = Arc::new(map);
        self.map.store(Some(Arc::clone(&map)));
        map
    }

    fn nobody(&self, reports: &[Report]) -> OnlineError {
        let message = if reports.is_empty() {
            format!("no answer within {} ms", FIRST_ANSWER.as_millis())
        } else {
            "it is a node of a cluster in which no node has slots".to_owned()
        };
        OnlineError::Unreachable {
            address: self.seed.address.clone(),
            message,
        }
    }
}

/// A refused login says more than a node that is away.
fn worse(before: Option<OnlineError>, error: OnlineError) -> OnlineError {
    match before {
        Some(denied @ OnlineError::Denied { .. }) => denied,
        _ => error,
    }
}

async fn nodes_of(node: &Arc<Node>) -> Result<Said, OnlineError> {
    let answer = node.reads.run(|mut connection| async move {
        redis::cmd("CLUSTER")
            .arg("NODES")
            .query_async::<String>(&mut connection)
            .await
    });
    match answer.await {
        Ok(text) => Ok(Said::Cluster(parse(&text, &node.host))),
        Err(OnlineError::Protocol { message, .. }) if message.contains("cluster support disabled") => Ok(Said::Single),
        // Also where the user may not ask: should it be a cluster, the first MOVED says so.
        Err(OnlineError::Denied { message, .. })
            if message.contains("NOPERM") || message.contains("no permissions") =>
        {
            tracing::warn!(
                address = node.address,
                "may not run CLUSTER NODES: taken for a single server"
            );
            Ok(Said::Single)
        }
        Err(error) => Err(error),
    }
}

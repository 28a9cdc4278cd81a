//! Sends calls to the nodes that have their slots, and follows the cluster where it has moved on.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use redis::{Cmd, FromRedisValue, Pipeline, RedisError, RedisResult};
use tokio::time::Instant;

use super::discovery::Discovery;
use super::error::{classify, is_login_refused};
use super::node::{Lane, Map, Node};
use super::redirect::{Step, step};
use super::script;
use crate::online::OnlineError;

/// How long a write waits for a cluster to have an owner for every slot again: a failover takes the node time-out and an
/// election, some seconds. Reads do not wait: their callers answer without.
const PATIENCE: Duration = Duration::from_secs(20);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// Redirections of one call before it waits as for a failover: two nodes that name each other agree in the end.
const HOPS: u32 = 5;
/// Keys and bytes of one pipeline.
const PIPELINE_KEYS: usize = 512;
const PIPELINE_BYTES: usize = 1 << 20;

/// A command whose keys share a slot. Keys are places in the caller's list.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) slot: u16,
    pub(super) keys: Vec<usize>,
    /// Bytes it sends, about.
    pub(super) bytes: usize,
}

/// A call on its way.
struct Sent {
    call: Call,
    route: Route,
    hops: u32,
}

#[derive(Clone)]
enum Route {
    Owner,
    Moved(String),
    Ask(String),
}

/// Why a call has no answer.
enum Refusal {
    /// The server said so.
    Answer(RedisError),
    /// There was no server to say anything.
    Lost(OnlineError),
}

struct Answered<T> {
    sent: Sent,
    node: Option<Arc<Node>>,
    answer: Result<T, Refusal>,
}

/// Makes the command for some of the caller's keys.
pub(super) type Encode<'a> = &'a (dyn Fn(&[usize]) -> Cmd + Sync);
/// Gets the answer for some of the caller's keys.
pub(super) type Take<'a, T> = &'a mut (dyn FnMut(&[usize], T) -> Result<(), OnlineError> + Send);

/// Runs `calls`, each made a command by `encode`, and gives each answer to `take`.
pub(super) async fn run<T: FromRedisValue + Send>(
    discovery: &Discovery,
    lane: Lane,
    calls: Vec<Call>,
    encode: Encode<'_>,
    take: Take<'_, T>,
) -> Result<(), OnlineError> {
    let give_up = Instant::now() + PATIENCE;
    let mut pause = FIRST_PAUSE;
    let mut open: Vec<Sent> = calls.into_iter().map(|call| Sent::to(call, Route::Owner, 0)).collect();
    let mut map = discovery.map().await?;
    while !open.is_empty() {
        let mut again = Again::default();
        for answered in round(discovery, &map, lane, open, encode).await {
            match answered.answer {
                Ok(value) => take(&answered.sent.call.keys, value)?,
                Err(refusal) => again.after(answered.sent, answered.node, refusal)?,
            }
        }
        for node in &again.unscripted {
            node.link(lane).run(script::load).await?;
        }
        if again.suspicious {
            discovery.suspect();
        }
        if let Some(cause) = again.late {
            if lane == Lane::Reads || !map.is_cluster || Instant::now() >= give_up {
                return Err(cause);
            }
            tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..=1.0))).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            // No answer is as good as an old one here: the loop ends by itself.
            map = discovery.refresh().await.unwrap_or(map);
        } else if again.leaves(&map) {
            map = discovery.refresh().await?;
        }
        open = again.sent;
    }
    Ok(())
}

/// What has to be sent again.
#[derive(Default)]
struct Again {
    sent: Vec<Sent>,
    /// Nodes that do not know the scripts.
    unscripted: Vec<Arc<Node>>,
    /// Whether slots may have changed hands.
    suspicious: bool,
    /// Why some of it has to wait.
    late: Option<OnlineError>,
}

impl Again {
    fn after(&mut self, sent: Sent, node: Option<Arc<Node>>, refusal: Refusal) -> Result<(), OnlineError> {
        let (node, error) = match (node, refusal) {
            (Some(node), Refusal::Answer(error)) => (node, error),
            (_, Refusal::Lost(cause @ OnlineError::Unreachable { .. })) => {
                self.wait(sent, cause);
                return Ok(());
            }
            (_, Refusal::Lost(cause)) => return Err(cause),
            (None, Refusal::Answer(error)) => return Err(classify("", &error)),
        };
        let hops = sent.hops + 1;
        match step(&error, &node.host) {
            Step::Moved(to) if hops <= HOPS => {
                self.suspicious = true;
                self.sent.push(Sent::to(sent.call, Route::Moved(to), hops));
            }
            Step::Ask(to) if hops <= HOPS => self.sent.push(Sent::to(sent.call, Route::Ask(to), hops)),
            Step::Apart if sent.call.keys.len() > 1 => self.split(&sent.call),
            Step::Unknown if hops <= HOPS => {
                self.sent.push(Sent { hops, ..sent });
                if !self.unscripted.iter().any(|other| Arc::ptr_eq(other, &node)) {
                    self.unscripted.push(node);
                }
            }
            Step::Moved(_) | Step::Ask(_) | Step::Apart | Step::Later => {
                self.wait(sent, classify(&node.address, &error));
            }
            Step::Unknown | Step::Fail => return Err(classify(&node.address, &error)),
        }
        Ok(())
    }

    fn wait(&mut self, sent: Sent, cause: OnlineError) {
        self.suspicious = true;
        self.late = Some(cause);
        self.sent.push(Sent::to(sent.call, Route::Owner, 0));
    }

    fn split(&mut self, call: &Call) {
        let bytes = call.bytes / call.keys.len().max(1);
        for key in &call.keys {
            let call = Call {
                slot: call.slot,
                keys: vec![*key],
                bytes,
            };
            self.sent.push(Sent::to(call, Route::Owner, 0));
        }
    }

    /// Whether a call is to go to a node that is not in `map` yet.
    fn leaves(&self, map: &Map) -> bool {
        self.sent.iter().any(|sent| match &sent.route {
            Route::Owner => false,
            Route::Moved(address) | Route::Ask(address) => map.node(address).is_none(),
        })
    }
}

impl Sent {
    fn to(call: Call, route: Route, hops: u32) -> Self {
        Self { call, route, hops }
    }
}

/// Sends every call once, to all nodes at the same time.
async fn round<T: FromRedisValue + Send>(
    discovery: &Discovery,
    map: &Map,
    lane: Lane,
    open: Vec<Sent>,
    encode: Encode<'_>,
) -> Vec<Answered<T>> {
    let mut groups: Vec<(Arc<Node>, Vec<Sent>)> = Vec::new();
    let mut answered = Vec::new();
    for sent in open {
        let node = match &sent.route {
            Route::Owner => map.owner(sent.call.slot).cloned(),
            Route::Moved(address) | Route::Ask(address) => map.node(address).cloned(),
        };
        let Some(node) = node else {
            let message = format!("no node has slot {}", sent.call.slot);
            let address = discovery.address().to_owned();
            let answer = Err(Refusal::Lost(OnlineError::Unreachable { address, message }));
            answered.push(Answered { sent, node, answer });
            continue;
        };
        match groups.iter_mut().find(|(other, _)| Arc::ptr_eq(other, &node)) {
            Some((_, group)) => group.push(sent),
            None => groups.push((node, vec![sent])),
        }
    }
    let asked = groups
        .into_iter()
        .map(|(node, group)| ask(discovery, node, lane, group, encode));
    answered.extend(join_all(asked).await.into_iter().flatten());
    answered
}

/// Sends the calls of one node, pipeline by pipeline. Where one is lost the rest is not sent either.
async fn ask<T: FromRedisValue + Send>(
    discovery: &Discovery,
    node: Arc<Node>,
    lane: Lane,
    group: Vec<Sent>,
    encode: Encode<'_>,
) -> Vec<Answered<T>> {
    let mut answered = Vec::with_capacity(group.len());
    let mut lost: Option<OnlineError> = None;
    for pipeline in pipelines(group) {
        let answers = match lost.clone() {
            Some(cause) => Err(cause),
            None => send(discovery, &node, lane, &pipeline, encode).await,
        };
        let mut answers = answers.map_err(|cause| lost = Some(cause)).ok().map(Vec::into_iter);
        for sent in pipeline {
            let answer = answers.as_mut().and_then(Iterator::next);
            let answer = answer.map(|answer| answer.map_err(Refusal::Answer));
            let answer = answer.unwrap_or_else(|| Err(Refusal::Lost(missing(&node, lost.as_ref()))));
            let node = Some(Arc::clone(&node));
            answered.push(Answered { sent, node, answer });
        }
    }
    answered
}

fn missing(node: &Node, lost: Option<&OnlineError>) -> OnlineError {
    lost.cloned().unwrap_or_else(|| OnlineError::Protocol {
        address: node.address.clone(),
        message: "fewer answers than commands".to_owned(),
    })
}

fn pipelines(group: Vec<Sent>) -> Vec<Vec<Sent>> {
    let mut pipelines = Vec::new();
    let (mut pipeline, mut keys, mut bytes) = (Vec::new(), 0, 0);
    for sent in group {
        keys += sent.call.keys.len();
        bytes += sent.call.bytes;
        pipeline.push(sent);
        if keys >= PIPELINE_KEYS || bytes >= PIPELINE_BYTES {
            pipelines.push(std::mem::take(&mut pipeline));
            (keys, bytes) = (0, 0);
        }
    }
    if !pipeline.is_empty() {
        pipelines.push(pipeline);
    }
    pipelines
}

async fn send<T: FromRedisValue + Send>(
    discovery: &Discovery,
    node: &Node,
    lane: Lane,
    pipeline: &[Sent],
    encode: Encode<'_>,
) -> Result<Vec<RedisResult<T>>, OnlineError> {
    let mut commands = Pipeline::with_capacity(pipeline.len());
    commands.ignore_errors();
    for sent in pipeline {
        if let Route::Ask(_) = sent.route {
            commands.cmd("ASKING").ignore();
        }
        commands.add_command(encode(&sent.call.keys));
    }
    let commands = &commands;
    let unanswered = Unanswered(Some(discovery));
    let answers = node.link(lane).run(|mut connection| async move {
        let answers: Vec<RedisResult<T>> = commands.query_async(&mut connection).await?;
        // A login that no longer holds is the connection's matter, not the command's.
        let (answers, refused): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|a| !is_login_refused(a.as_ref().err()));
        match refused.into_iter().find_map(Result::err) {
            Some(error) => Err(error),
            None => Ok(answers),
        }
    });
    let answers = answers.await;
    unanswered.answered();
    answers
}

/// Looks for a new owner of the slots when a caller gives up waiting: a node that was stopped refuses nothing.
struct Unanswered<'a>(Option<&'a Discovery>);

impl Unanswered<'_> {
    fn answered(mut self) {
        self.0 = None;
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if let Some(discovery) = self.0 {
            discovery.suspect();
        }
    }
}

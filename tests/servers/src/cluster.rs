//! A Redis Cluster of real servers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::snapshot::{Entry, Snapshot, dump};
use crate::standalone::{Redis, free_port};

const SLOTS: u16 = 16_384;
const PRIMARIES: usize = 3;
/// How long the cluster may take to become what it should.
const SETTLE_WITHIN: Duration = Duration::from_mins(1);

/// Three primaries with a replica each; all killed when dropped. Slots are shared as `redis-cli --cluster create` does.
pub struct RedisCluster {
    nodes: Vec<Redis>,
    more: Vec<String>,
    kept: Vec<Snapshot>,
    announced: Vec<u16>,
}

/// What a node says about one of its cluster.
#[derive(Clone, Debug)]
struct Line {
    port: u16,
    flags: Vec<String>,
    primary: String,
    slots: Vec<(u16, u16)>,
}

impl RedisCluster {
    /// Starts the nodes and waits until every slot is served and every replica follows.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts nodes with more `arguments`.
    pub fn start_with(arguments: &[&str]) -> Self {
        let more: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        let nodes: Vec<Redis> = (0..2 * PRIMARIES).map(|_| start_node(&more)).collect();
        let cluster = Self {
            nodes,
            more,
            kept: Vec::new(),
            announced: Vec::new(),
        };
        for (shard, node) in cluster.nodes[..PRIMARIES].iter().enumerate() {
            let (first, last) = share(shard);
            node.say::<()>(&format!("CLUSTER ADDSLOTSRANGE {first} {last}"));
        }
        for (place, node) in cluster.nodes.iter().enumerate() {
            node.say::<()>(&format!("CLUSTER SET-CONFIG-EPOCH {}", place + 1));
        }
        cluster.meet();
        for place in PRIMARIES..2 * PRIMARIES {
            let primary: String = cluster.nodes[place - PRIMARIES].say("CLUSTER MYID");
            cluster.nodes[place].say::<()>(&format!("CLUSTER REPLICATE {primary}"));
        }
        cluster.until_whole();
        cluster
    }

    /// Introduces every node to every other, as an operator does for nodes that came back elsewhere.
    pub fn meet(&self) {
        let bus = |node: &Redis| -> String {
            let ports: Vec<String> = node.say("CONFIG GET cluster-port");
            ports[1].clone()
        };
        for a in self.nodes.iter().filter(|node| node.is_running()) {
            for b in self.nodes.iter().filter(|node| node.is_running()) {
                a.say::<()>(&format!("CLUSTER MEET 127.0.0.1 {} {}", b.port(), bus(b)));
            }
        }
        let all = self.nodes.iter().filter(|node| node.is_running()).count();
        self.until("every node knows every other", |cluster| {
            let known = |node: &Redis| {
                let lines = lines(node);
                let lines = lines
                    .iter()
                    .filter(|l| l.port > 0 && !l.is("handshake") && !l.is("noaddr"));
                lines
                    .filter(|l| cluster.nodes.iter().any(|n| n.port() == l.port))
                    .count()
            };
            let mut running = cluster.nodes.iter().filter(|node| node.is_running());
            running.all(|node| known(node) >= all)
        });
    }

    /// Has every node name another port in place of its own, also after a restart.
    pub fn announce(&mut self, ports: &[u16]) {
        for (node, port) in self.nodes.iter_mut().zip(ports) {
            node.say::<()>(&format!("CONFIG SET cluster-announce-port {port}"));
            node.add_arguments(&["--cluster-announce-port", &port.to_string()]);
        }
        self.announced = ports.to_vec();
        self.until("every node knows the ports", |cluster| {
            let knows = |node: &Redis| lines(node).iter().all(|line| ports.contains(&line.port));
            cluster.nodes.iter().all(knows)
        });
    }

    /// Waits until every running node sees every slot served and no failure, and every replica follows its primary.
    pub fn until_whole(&self) {
        self.until("the cluster is whole", |cluster| {
            cluster.nodes.iter().filter(|node| node.is_running()).all(is_settled)
        });
    }

    /// Addresses of all nodes, `host:port`, those that are down too.
    pub fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(Redis::address).collect()
    }

    /// Address of the first node, as the seed of clients.
    pub fn address(&self) -> String {
        self.nodes[0].address()
    }

    /// The nodes.
    pub fn nodes(&self) -> &[Redis] {
        &self.nodes
    }

    /// The nodes.
    pub fn nodes_mut(&mut self) -> &mut [Redis] {
        &mut self.nodes
    }

    /// Place among the nodes of the primary that has `slot`, as most recently agreed.
    pub fn primary_of(&self, slot: u16) -> usize {
        let mut found = None;
        self.until("a primary has the slot", |cluster| {
            found = cluster.owner(slot);
            found.is_some()
        });
        found.expect("until it was found")
    }

    /// Places of the replicas of the primary at `place`.
    pub fn replicas_of(&self, place: usize) -> Vec<usize> {
        let id: String = self.nodes[place].say("CLUSTER MYID");
        let lines = lines(&self.nodes[place]);
        let ports: Vec<u16> = lines
            .iter()
            .filter(|line| line.primary == id)
            .map(|line| line.port)
            .collect();
        ports.iter().filter_map(|port| self.place(*port)).collect()
    }

    /// Places of the primaries that have slots.
    pub fn primaries(&self) -> Vec<usize> {
        let mut places: Vec<usize> = (0..PRIMARIES).map(|shard| self.primary_of(share(shard).0)).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    /// FLUSHALL on every primary.
    pub fn wipe(&self) {
        for place in self.primaries() {
            self.nodes[place].say::<()>("FLUSHALL");
        }
    }

    /// Every key of all shards.
    pub fn dump(&self) -> BTreeMap<Vec<u8>, Entry> {
        let dumps = self
            .primaries()
            .into_iter()
            .map(|place| dump(&mut self.nodes[place].connection()));
        dumps.flatten().collect()
    }

    /// Keeps what the store holds now, by node.
    pub fn keep(&mut self) {
        let keep = |node: &Redis| Snapshot::of(&mut node.connection());
        self.kept = self
            .primaries()
            .into_iter()
            .map(|place| keep(&self.nodes[place]))
            .collect();
    }

    /// Brings back what was kept: no slot has changed hands since.
    pub fn bring_back(&self) {
        for (place, kept) in self.primaries().into_iter().zip(&self.kept) {
            kept.restore(&mut self.nodes[place].connection());
        }
    }

    /// Kills every node and starts all again on other ports, with what they know of the cluster and without data; then
    /// introduces them to each other.
    pub fn restart_elsewhere(&mut self) {
        for node in &mut self.nodes {
            node.kill();
        }
        for node in &mut self.nodes {
            let arguments = arguments(&self.more);
            node.restart_elsewhere(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        }
        self.meet();
        self.until_whole();
    }

    /// Kills the shard that has `slot`, primary and replicas, and puts an empty one in its place on the same ports.
    pub fn replace_shard(&mut self, slot: u16) {
        let primary = self.primary_of(slot);
        let ranges = self.ranges(primary);
        let places: Vec<usize> = [primary].into_iter().chain(self.replicas_of(primary)).collect();
        let lost: Vec<String> = places
            .iter()
            .map(|place| self.nodes[*place].say("CLUSTER MYID"))
            .collect();
        for place in &places {
            self.nodes[*place].forget();
        }
        for node in self.nodes.iter().filter(|node| node.is_running()) {
            for id in &lost {
                node.say::<()>(&format!("CLUSTER FORGET {id}"));
            }
        }
        for place in &places {
            self.nodes[*place].restart();
        }
        for (first, last) in ranges {
            self.nodes[primary].say::<()>(&format!("CLUSTER ADDSLOTSRANGE {first} {last}"));
        }
        self.meet();
        self.nodes[primary].say::<()>("CLUSTER BUMPEPOCH");
        let id: String = self.nodes[primary].say("CLUSTER MYID");
        for place in &places[1..] {
            self.nodes[*place].say::<()>(&format!("CLUSTER REPLICATE {id}"));
        }
        self.until_whole();
    }

    /// Slots of the primary at `place`.
    pub fn ranges(&self, place: usize) -> Vec<(u16, u16)> {
        let lines = lines(&self.nodes[place]);
        let own = lines.into_iter().find(|line| line.is("myself"));
        own.map(|line| line.slots).unwrap_or_default()
    }

    /// Place of the node that is known by `port`.
    fn place(&self, port: u16) -> Option<usize> {
        let announced = self.announced.iter().position(|announced| *announced == port);
        announced.or_else(|| self.nodes.iter().position(|node| node.port() == port))
    }

    fn owner(&self, slot: u16) -> Option<usize> {
        let owns = |node: &&Redis| {
            let mine = lines(node).into_iter().find(|line| line.is("myself"));
            mine.is_some_and(|line| line.is("master") && line.has(slot))
        };
        let node = self.nodes.iter().filter(|node| node.is_running()).find(owns)?;
        self.nodes.iter().position(|other| std::ptr::eq(other, node))
    }

    fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let give_up = Instant::now() + SETTLE_WITHIN;
        while !holds(self) {
            let seen: Vec<String> = self
                .nodes
                .iter()
                .filter(|n| n.is_running())
                .map(|n| n.say("CLUSTER NODES"))
                .collect();
            assert!(Instant::now() < give_up, "not yet: {what}\n{}", seen.join("\n"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Line {
    fn is(&self, flag: &str) -> bool {
        self.flags.iter().any(|f| f == flag)
    }

    fn has(&self, slot: u16) -> bool {
        self.slots.iter().any(|(first, last)| (*first..=*last).contains(&slot))
    }
}

/// Slots of a shard at the start: as equal as whole slots allow, which are no multiples of 1,024.
fn share(shard: usize) -> (u16, u16) {
    let cut = |shard: usize| (f64::from(SLOTS) * shard as f64 / PRIMARIES as f64).round() as u16;
    (cut(shard), cut(shard + 1) - 1)
}

/// The settings that Triplane gives to clusters of its own.
const SETTINGS: [(&str, &str); 7] = [
    ("cluster-enabled", "yes"),
    ("cluster-node-timeout", "2000"),
    ("cluster-allow-replica-migration", "no"),
    ("cluster-replica-validity-factor", "0"),
    ("cluster-require-full-coverage", "no"),
    ("cluster-allow-reads-when-down", "yes"),
    ("repl-diskless-sync-delay", "0"),
];

fn arguments(more: &[String]) -> Vec<String> {
    let settings = SETTINGS
        .iter()
        .flat_map(|(name, value)| [format!("--{name}"), (*value).to_owned()]);
    let bus = ["--cluster-port".to_owned(), free_port().to_string()];
    settings.chain(bus).chain(more.iter().cloned()).collect()
}

fn start_node(more: &[String]) -> Redis {
    let arguments = arguments(more);
    Redis::start_with(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

fn is_settled(node: &Redis) -> bool {
    let info: String = node.say("CLUSTER INFO");
    let replication: String = node.say("INFO replication");
    let lines = lines(node);
    let known = lines.iter().all(|line| {
        !line
            .flags
            .iter()
            .any(|flag| flag.starts_with("fail") || flag == "handshake")
    });
    let follows = !replication.contains("role:slave") || replication.contains("master_link_status:up");
    let replicas = lines.iter().filter(|line| line.is("slave")).count();
    info.contains("cluster_state:ok") && known && follows && replicas >= PRIMARIES.min(lines.len() - PRIMARIES)
}

fn lines(node: &Redis) -> Vec<Line> {
    let text: String = node.say("CLUSTER NODES");
    let parse = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let port = words[1]
            .split('@')
            .next()
            .and_then(|a| a.rsplit(':').next())
            .and_then(|p| p.parse().ok());
        let range = |word: &&str| {
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            Some((first.parse().ok()?, last.parse().ok()?))
        };
        Line {
            port: port.unwrap_or_default(),
            flags: words[2].split(',').map(str::to_owned).collect(),
            primary: words[3].to_owned(),
            slots: words[8..].iter().filter_map(range).collect(),
        }
    };
    text.lines().map(parse).collect()
}

//! Nodes, and which of them has which slots now.

use std::sync::Arc;

use super::link::{Endpoint, Link};
use super::topology::Topology;
use crate::online::Piece;

/// Who asks: the same for every node of a store.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) username: Option<String>,
    pub(super) password_file: Option<String>,
}

/// One server.
pub(super) struct Node {
    pub(super) address: String,
    pub(super) host: String,
    /// Reads have a connection of their own: they do not queue behind bulk writes.
    pub(super) reads: Link,
    pub(super) writes: Link,
}

/// The connection that a command takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    Reads,
    Writes,
}

impl Node {
    /// A node that is connected to when it is first asked; `None` where the address is not `host:port`.
    pub(super) fn new(address: &str, login: &Login) -> Option<Arc<Self>> {
        let (host, port) = address.rsplit_once(':')?;
        let port = port.parse().ok()?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return None;
        }
        let endpoint = Endpoint {
            address: address.to_owned(),
            host: host.clone(),
            port,
            username: login.username.clone(),
            password_file: login.password_file.clone(),
        };
        Some(Arc::new(Self {
            address: address.to_owned(),
            host,
            reads: Link::new(endpoint.clone()),
            writes: Link::new(endpoint),
        }))
    }

    pub(super) fn link(&self, lane: Lane) -> &Link {
        match lane {
            Lane::Reads => &self.reads,
            Lane::Writes => &self.writes,
        }
    }
}

/// The nodes of a store, as far as was found out.
pub(super) struct Map {
    topology: Topology,
    /// In the order of `topology.primaries`.
    primaries: Vec<Arc<Node>>,
    others: Vec<Arc<Node>>,
    /// Whether slots may change hands.
    pub(super) is_cluster: bool,
}

impl Map {
    /// One server that has every slot.
    pub(super) fn single(node: &Arc<Node>) -> Self {
        Self {
            topology: Topology::single(&node.address),
            primaries: vec![Arc::clone(node)],
            others: Vec::new(),
            is_cluster: false,
        }
    }

    /// A cluster; `known` are kept with their connections where they still belong to it.
    pub(super) fn cluster(topology: Topology, known: &[Arc<Node>], login: &Login) -> Self {
        let node = |address: &String| {
            let kept = known.iter().find(|node| node.address == *address);
            kept.cloned().or_else(|| Node::new(address, login))
        };
        let primaries = topology.primaries.iter().filter_map(node).collect();
        let others = topology.others.iter().filter_map(node).collect();
        Self {
            topology,
            primaries,
            others,
            is_cluster: true,
        }
    }

    /// The primary that has `slot`.
    pub(super) fn owner(&self, slot: u16) -> Option<&Arc<Node>> {
        self.primaries.get(self.topology.owner(slot)?)
    }

    /// Place of the shard that has `slot`; slots that nobody has are a shard of their own.
    pub(super) fn shard(&self, slot: u16) -> usize {
        self.topology.owner(slot).unwrap_or(self.primaries.len())
    }

    /// The nodes that have slots.
    pub(super) fn primaries(&self) -> &[Arc<Node>] {
        &self.primaries
    }

    /// Every node.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.primaries.iter().chain(&self.others)
    }

    /// The node at `address`, or of that name, if it belongs to the map.
    pub(super) fn node(&self, address: &str) -> Option<&Arc<Node>> {
        let address = self.topology.aliases.get(address).map_or(address, String::as_str);
        self.nodes().find(|node| node.address == address)
    }

    /// Which node has which slots.
    pub(super) fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Pieces of all shards, by slot.
    pub(super) fn pieces(&self) -> Vec<Piece> {
        self.topology.pieces()
    }
}

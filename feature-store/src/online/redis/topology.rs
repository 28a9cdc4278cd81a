//! Which node has which slots, from what the nodes say (`CLUSTER NODES`). Free of IO.
//!
//! Nodes may disagree while a cluster changes: for each slot, the claim with the highest configuration epoch holds, as it does
//! among the nodes themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use crate::online::{Piece, SLOTS};

/// No node has the slot.
const NOBODY: u16 = u16::MAX;

/// A primary that has slots, as one node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) address: String,
    pub(super) epoch: u64,
    pub(super) slots: Vec<RangeInclusive<u16>>,
}

/// What one node says about all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    /// Primaries with slots.
    pub(super) claims: Vec<Claim>,
    /// Every node that may be asked, replicas included.
    pub(super) addresses: Vec<String>,
    /// Ids of all nodes: two clusters share none.
    pub(super) ids: BTreeSet<String>,
    /// Other names of nodes, by which redirections may name them, and their addresses.
    pub(super) aliases: BTreeMap<String, String>,
    /// Whether slots are on their way.
    pub(super) moving: bool,
}

/// Owners of all slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Topology {
    /// Addresses of primaries, in the order of their first slots: the shards.
    pub(super) primaries: Vec<String>,
    /// Other nodes.
    pub(super) others: Vec<String>,
    /// Ids of all nodes.
    pub(super) ids: BTreeSet<String>,
    /// Other names of nodes, and their addresses.
    pub(super) aliases: BTreeMap<String, String>,
    /// Whether slots are on their way.
    pub(super) moving: bool,
    /// Place in `primaries` of each slot's owner.
    owners: Vec<u16>,
}

/// Reads the answer of the node at `asked` (`host`): lines of `<id> <ip:port@cport[,hostname]> <flags> <primary> <ping> <pong>
/// <epoch> <link> <slots>...`. Lines of another form are left out: a newer server may know more.
pub(super) fn parse(answer: &str, asked_host: &str) -> Report {
    let mut report = Report::default();
    for line in answer.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [id, names, flags, _, _, _, epoch, _, slots @ ..] = words.as_slice() else {
            continue;
        };
        let is = |flag: &str| flags.split(',').any(|f| f == flag);
        let Some(address) = address_of(names, asked_host).filter(|_| !is("noaddr") && !is("handshake")) else {
            continue;
        };
        report.ids.insert((*id).to_owned());
        report.addresses.push(address.clone());
        if let Some(alias) = alias_of(names, &address) {
            report.aliases.insert(alias, address.clone());
        }
        report.moving |= slots.iter().any(|word| word.starts_with('['));
        let slots: Vec<_> = slots.iter().filter_map(|word| run(word)).collect();
        if is("master") && !slots.is_empty() {
            let epoch = epoch.parse().unwrap_or_default();
            report.claims.push(Claim { address, epoch, slots });
        }
    }
    report
}

/// `ip:port@cport[,hostname[,...]]`; a node that does not know its own address is the one that was asked.
fn address_of(word: &str, asked_host: &str) -> Option<String> {
    let mut names = word.split(',');
    let (host, port) = names.next()?.split('@').next()?.rsplit_once(':')?;
    let hostname = names.next().unwrap_or_default();
    let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
    let host = [host, hostname, asked_host].into_iter().find(|host| !host.is_empty())?;
    Some(join(host, port))
}

/// `hostname:port`, where a node has a hostname beside its address.
fn alias_of(word: &str, address: &str) -> Option<String> {
    let hostname = word.split(',').nth(1).filter(|name| !name.is_empty())?;
    let (_, port) = address.rsplit_once(':')?;
    let alias = format!("{hostname}:{port}");
    (alias != address).then_some(alias)
}

/// `host:port`, an IPv6 address in brackets.
pub(super) fn join(host: &str, port: u16) -> String {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if bare.contains(':') {
        format!("[{bare}]:{port}")
    } else {
        format!("{bare}:{port}")
    }
}

/// `5` or `5-7`; `[5->-id]` and `[5-<-id]` are slots on their way, which stay with their owner until they have arrived.
fn run(word: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && last < SLOTS).then_some(first..=last)
}

/// One topology from what several nodes say; `None` where nobody claims a slot.
pub(super) fn merge(reports: &[Report]) -> Option<Topology> {
    let mut best: Vec<Option<(u64, &str)>> = vec![None; usize::from(SLOTS)];
    for claim in reports.iter().flat_map(|report| &report.claims) {
        let claimed = Some((claim.epoch, claim.address.as_str()));
        for slot in claim.slots.iter().cloned().flatten() {
            let held = &mut best[usize::from(slot)];
            *held = (*held).max(claimed);
        }
    }
    let mut primaries: Vec<String> = Vec::new();
    let mut owners = vec![NOBODY; usize::from(SLOTS)];
    for (slot, (_, address)) in best
        .iter()
        .enumerate()
        .filter_map(|(slot, best)| Some((slot, (*best)?)))
    {
        let known = primaries.iter().position(|primary| primary == address);
        let place = known.unwrap_or(primaries.len());
        if known.is_none() {
            primaries.push(address.to_owned());
        }
        owners[slot] = place as u16;
    }
    let mut others: Vec<String> = reports.iter().flat_map(|r| r.addresses.iter().cloned()).collect();
    others.retain(|address| !primaries.contains(address));
    others.sort();
    others.dedup();
    (!primaries.is_empty()).then_some(Topology {
        primaries,
        others,
        ids: reports.iter().flat_map(|report| report.ids.iter().cloned()).collect(),
        aliases: reports.iter().flat_map(|report| report.aliases.clone()).collect(),
        moving: reports.iter().any(|report| report.moving),
        owners,
    })
}

/// The reports that speak of the cluster of `ids`: an address may belong to another cluster by now.
pub(super) fn of_cluster(reports: Vec<Report>, ids: &BTreeSet<String>) -> Vec<Report> {
    reports
        .into_iter()
        .filter(|report| !report.ids.is_disjoint(ids))
        .collect()
}

impl Topology {
    /// One server that has every slot.
    pub(super) fn single(address: &str) -> Self {
        Self {
            primaries: vec![address.to_owned()],
            others: Vec::new(),
            ids: BTreeSet::new(),
            aliases: BTreeMap::new(),
            moving: false,
            owners: vec![0; usize::from(SLOTS)],
        }
    }

    /// Place in `primaries` of the owner of `slot`.
    pub(super) fn owner(&self, slot: u16) -> Option<usize> {
        let owner = *self.owners.get(usize::from(slot))?;
        (owner != NOBODY).then_some(usize::from(owner))
    }

    /// Whether every slot has the same owner in both.
    pub(super) fn has_owners_of(&self, other: &Self) -> bool {
        self.primaries == other.primaries && self.owners == other.owners
    }

    /// Pieces of all shards, by slot.
    pub(super) fn pieces(&self) -> Vec<Piece> {
        let slots: Vec<u16> = (0..SLOTS).collect();
        let owner = |slot: u16| self.owners[usize::from(slot)];
        let runs = slots.chunk_by(|a, b| owner(*a) == owner(*b));
        let owned = runs.filter(|run| owner(run[0]) != NOBODY);
        Piece::cut(owned.map(|run| run[0]..=run[run.len() - 1]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "\
07c37df 10.0.0.4:6379@16379,redis-3.redis,shard-id=x slave e7d1ec1 0 1426238317239 4 connected
67ed2db 10.0.0.2:6379@16379 master - 0 1426238316232 2 connected 5461-10922
292f8b3 10.0.0.3:6379@16379 master,fail? - 0 1426238318243 3 connected 10923-16383 [5461->-67ed2db]
6ec2392 :0@0 master,noaddr - 0 0 0 disconnected
824fe11 10.0.0.9:6379@16379 handshake - 0 0 0 connected
e7d1ec1 :6379@16379 myself,master - 0 0 1 connected 0-5459 5460";

    #[test]
    fn lines_are_read_as_servers_write_them() {
        let report = parse(ANSWER, "seed");
        assert_eq!(
            report.addresses,
            ["10.0.0.4:6379", "10.0.0.2:6379", "10.0.0.3:6379", "seed:6379"]
        );
        let topology = merge(&[report]).unwrap();
        assert_eq!(topology.primaries, ["seed:6379", "10.0.0.2:6379", "10.0.0.3:6379"]);
        assert_eq!(topology.others, ["10.0.0.4:6379"]);
        for (slot, owner) in [(0, 0), (5_460, 0), (5_461, 1), (10_922, 1), (16_383, 2)] {
            assert_eq!(topology.owner(slot), Some(owner), "{slot}");
        }
        assert_eq!(topology.pieces().len(), 18);
        assert!(topology.moving, "slot 5461 is on its way");
        assert_eq!(topology.aliases["redis-3.redis:6379"], "10.0.0.4:6379");
    }

    #[test]
    fn a_report_of_another_cluster_is_left_out() {
        let (ours, foreign) = (
            parse(ANSWER, "seed"),
            parse(
                &ANSWER
                    .replace("df ", "aa ")
                    .replace("db ", "bb ")
                    .replace("b3 ", "cc ")
                    .replace("c1 ", "dd "),
                "x",
            ),
        );
        assert!(ours.ids.is_disjoint(&foreign.ids), "{:?}", foreign.ids);
        let ids = ours.ids.clone();
        assert_eq!(of_cluster(vec![foreign, ours.clone()], &ids), [ours]);
    }

    #[test]
    fn addresses_of_version_six_keep_their_brackets() {
        assert_eq!(
            address_of("2001:db8::7:6379@16379", ""),
            Some("[2001:db8::7]:6379".to_owned())
        );
        assert_eq!(address_of("?:6379", ""), Some("?:6379".to_owned()));
        assert_eq!(address_of(":6379@1", ""), None);
    }

    #[test]
    fn the_claim_with_the_highest_epoch_holds_whoever_tells_it() {
        let claim = |address: &str, epoch, slots| Report {
            claims: vec![Claim {
                address: address.to_owned(),
                epoch,
                slots: vec![slots],
            }],
            addresses: vec![address.to_owned()],
            ..Report::default()
        };
        // The old primary of a failover has not heard of it yet.
        let reports = [claim("old:1", 1, 0..=9), claim("new:1", 7, 0..=4)];
        for reports in [reports.to_vec(), reports.iter().rev().cloned().collect()] {
            let topology = merge(&reports).unwrap();
            let owner = |slot| topology.owner(slot).map(|place| topology.primaries[place].as_str());
            assert_eq!((owner(4), owner(5), owner(10)), (Some("new:1"), Some("old:1"), None));
        }
        assert_eq!(merge(&[Report::default()]), None);
    }

    #[test]
    fn nonsense_is_left_out() {
        assert_eq!(parse("nonsense\na b c d e f g h i\n", "h"), Report::default());
        for word in ["x", "5-", "7-5", "16384", "0-16384", "[1->-a]"] {
            assert_eq!(run(word), None, "{word}");
        }
    }
}

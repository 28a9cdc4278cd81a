//! Moving slots from one primary to another, with a pause in the middle.

use crate::cluster::RedisCluster;
use crate::standalone::Redis;

/// Slots on their way: some of their keys have arrived, some have not.
pub struct Migration<'a> {
    cluster: &'a RedisCluster,
    from: usize,
    to: usize,
    slots: Vec<u16>,
}

impl<'a> Migration<'a> {
    /// Begins to move `slots`, all of one primary, to the primary at `to`, and moves every other key of each.
    pub fn begin(cluster: &'a RedisCluster, slots: &[u16], to: usize) -> Self {
        let from = cluster.primary_of(slots[0]);
        let (source, target) = (&cluster.nodes()[from], &cluster.nodes()[to]);
        let (source_id, target_id): (String, String) = (source.say("CLUSTER MYID"), target.say("CLUSTER MYID"));
        for slot in slots {
            target.say::<()>(&format!("CLUSTER SETSLOT {slot} IMPORTING {source_id}"));
            source.say::<()>(&format!("CLUSTER SETSLOT {slot} MIGRATING {target_id}"));
            let keys = keys(source, *slot);
            send(source, target, keys.iter().step_by(2));
        }
        Self {
            cluster,
            from,
            to,
            slots: slots.to_vec(),
        }
    }

    /// Moves the rest and hands the slots over.
    pub fn finish(self) {
        let (source, target) = (&self.cluster.nodes()[self.from], &self.cluster.nodes()[self.to]);
        let id: String = target.say("CLUSTER MYID");
        for slot in &self.slots {
            loop {
                let left = keys(source, *slot);
                if left.is_empty() {
                    break;
                }
                send(source, target, left.iter());
            }
            // The target first: a source that gave a slot away to nobody would refuse its clients.
            target.say::<()>(&format!("CLUSTER SETSLOT {slot} NODE {id}"));
            source.say::<()>(&format!("CLUSTER SETSLOT {slot} NODE {id}"));
        }
        self.cluster.until_whole();
    }
}

fn keys(node: &Redis, slot: u16) -> Vec<Vec<u8>> {
    node.say(&format!("CLUSTER GETKEYSINSLOT {slot} 1000"))
}

fn send<'a>(from: &Redis, to: &Redis, keys: impl Iterator<Item = &'a Vec<u8>>) {
    let port = to.port().to_string();
    for key in keys {
        from.run::<()>(&[b"MIGRATE", b"127.0.0.1", port.as_bytes(), key, b"0", b"5000"]);
    }
}

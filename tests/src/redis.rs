//! The online store of a suite: one Redis, or a Redis Cluster of three primaries with a replica each, as `TRIPLANE_TEST_STORES`
//! says (`machine`, the default, or `cluster`). Suites are the same for both.

use std::collections::BTreeMap;

use triplane_contract::store::OnlineAccess;
use triplane_test_servers::RedisCluster;
pub use triplane_test_servers::{Entry, free_port};

/// Whether this run of the suites is to use the stores of a cluster.
pub fn on_a_cluster() -> bool {
    match std::env::var("TRIPLANE_TEST_STORES").as_deref() {
        Err(_) | Ok("machine") => false,
        Ok("cluster") => true,
        Ok(other) => panic!("TRIPLANE_TEST_STORES is {other}: write machine or cluster"),
    }
}

enum Servers {
    One {
        server: triplane_test_servers::Redis,
        kept: triplane_test_servers::Snapshot,
    },
    Cluster(RedisCluster),
}

/// The servers of one store; killed when dropped.
pub struct Redis(Servers);

impl Redis {
    /// Starts the servers and waits until they serve.
    pub fn start() -> Self {
        if on_a_cluster() {
            return Self(Servers::Cluster(RedisCluster::start()));
        }
        let server = triplane_test_servers::Redis::start();
        Self(Servers::One {
            server,
            kept: triplane_test_servers::Snapshot::default(),
        })
    }

    /// `host:port` by which clients find the store.
    pub fn address(&self) -> String {
        match &self.0 {
            Servers::One { server, .. } => server.address(),
            Servers::Cluster(cluster) => cluster.address(),
        }
    }

    /// Addresses of all servers.
    pub fn addresses(&self) -> Vec<String> {
        match &self.0 {
            Servers::One { server, .. } => vec![server.address()],
            Servers::Cluster(cluster) => cluster.addresses(),
        }
    }

    /// Has the nodes of a cluster name these ports, one each, in place of their own.
    pub fn announce(&mut self, ports: &[u16]) {
        if let Servers::Cluster(cluster) = &mut self.0 {
            cluster.announce(ports);
        }
    }

    /// How contract files name the store.
    pub fn access(&self) -> OnlineAccess {
        access(self.address())
    }

    /// SIGSTOP to every server: they keep their connections and answer nothing.
    pub fn stop(&self) {
        self.each(triplane_test_servers::Redis::stop);
    }

    /// SIGCONT.
    pub fn cont(&self) {
        self.each(triplane_test_servers::Redis::cont);
        if let Servers::Cluster(cluster) = &self.0 {
            cluster.until_whole();
        }
    }

    /// SIGKILL to every server, and waits for their end.
    pub fn kill(&mut self) {
        match &mut self.0 {
            Servers::One { server, .. } => server.kill(),
            Servers::Cluster(cluster) => cluster
                .nodes_mut()
                .iter_mut()
                .for_each(triplane_test_servers::Redis::kill),
        }
    }

    /// Starts every server again on the same port, without rows.
    pub fn restart(&mut self) {
        match &mut self.0 {
            Servers::One { server, .. } => server.restart(),
            Servers::Cluster(cluster) => {
                cluster
                    .nodes_mut()
                    .iter_mut()
                    .for_each(triplane_test_servers::Redis::kill);
                cluster
                    .nodes_mut()
                    .iter_mut()
                    .for_each(triplane_test_servers::Redis::restart);
                cluster.until_whole();
            }
        }
    }

    /// Removes every key.
    pub fn wipe(&self) {
        match &self.0 {
            Servers::One { server, .. } => server.say("FLUSHALL"),
            Servers::Cluster(cluster) => cluster.wipe(),
        }
    }

    /// Every key with its value, sorted: two stores are the same iff these are equal.
    pub fn dump(&self) -> BTreeMap<Vec<u8>, Entry> {
        match &self.0 {
            Servers::One { server, .. } => triplane_test_servers::dump(&mut server.connection()),
            Servers::Cluster(cluster) => cluster.dump(),
        }
    }

    /// Keeps what the store holds now.
    pub fn keep(&mut self) {
        match &mut self.0 {
            Servers::One { server, kept } => *kept = triplane_test_servers::Snapshot::of(&mut server.connection()),
            Servers::Cluster(cluster) => cluster.keep(),
        }
    }

    /// Brings back what was kept.
    pub fn bring_back(&self) {
        match &self.0 {
            Servers::One { server, kept } => kept.restore(&mut server.connection()),
            Servers::Cluster(cluster) => cluster.bring_back(),
        }
    }

    /// A blocking connection to the server, or to the first of them.
    pub fn connection(&self) -> redis::Connection {
        match &self.0 {
            Servers::One { server, .. } => server.connection(),
            Servers::Cluster(cluster) => cluster.nodes()[0].connection(),
        }
    }

    /// Process id of the server, or of the first of them, while it runs.
    pub fn pid(&self) -> u32 {
        match &self.0 {
            Servers::One { server, .. } => server.pid(),
            Servers::Cluster(cluster) => cluster.nodes()[0].pid(),
        }
    }

    fn each(&self, act: impl Fn(&triplane_test_servers::Redis)) {
        match &self.0 {
            Servers::One { server, .. } => act(server),
            Servers::Cluster(cluster) => cluster.nodes().iter().for_each(act),
        }
    }
}

/// A Redis at `address` as contract files name it, without prefix and login.
pub fn access(address: String) -> OnlineAccess {
    OnlineAccess::Redis {
        address,
        prefix: String::new(),
        username: None,
        password_file: None,
    }
}

//! A real Redis server on a free port, without persistence, that tests may stop, kill and bring back.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use triplane_contract::store::OnlineAccess;

/// How long a server may take to answer the first PING before the test gives up on it.
const START_WITHIN: Duration = Duration::from_secs(20);

/// What one key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Value as DUMP-independent bytes: a string's content, or a hash's fields and values length-prefixed in field order.
    pub value: Vec<u8>,
    /// Whether the key expires.
    pub expires: bool,
}

/// One `redis-server` process; killed when dropped.
pub struct Redis {
    port: u16,
    child: Option<Child>,
    dir: tempfile::TempDir,
}

impl Redis {
    /// Starts a server and waits until it answers PING. A port lost to another process between choosing and binding is
    /// chosen again.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().expect("failed to create a folder for redis");
        let mut redis = Self {
            port: free_port(),
            child: None,
            dir,
        };
        for _ in 0..5 {
            if redis.spawn() {
                return redis;
            }
            redis.port = free_port();
        }
        panic!("redis-server did not start: is it installed (package redis-server)?");
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How contract files name this server.
    pub fn access(&self) -> OnlineAccess {
        access(self.address())
    }

    /// SIGSTOP: the process keeps its connections and answers nothing.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn cont(&self) {
        self.signal(Signal::CONT);
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("failed to kill redis");
            child.wait().expect("failed to wait for redis");
        }
    }

    /// Starts an empty server on the same port.
    pub fn restart(&mut self) {
        self.kill();
        assert!(self.spawn(), "redis-server did not come back on port {}", self.port);
    }

    /// FLUSHALL.
    pub fn wipe(&self) {
        redis::cmd("FLUSHALL")
            .exec(&mut self.connection())
            .expect("failed to flush redis");
    }

    /// A blocking connection of the test's own.
    pub fn connection(&self) -> redis::Connection {
        let client = redis::Client::open(format!("redis://{}/", self.address())).expect("redis url");
        client
            .get_connection_with_timeout(Duration::from_secs(10))
            .expect("failed to connect to redis")
    }

    /// Every key with its value, sorted: two stores are the same iff these are equal.
    pub fn dump(&self) -> BTreeMap<Vec<u8>, Entry> {
        let mut connection = self.connection();
        let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(&mut connection).expect("KEYS");
        keys.into_iter()
            .map(|key| {
                let value = value_of(&mut connection, &key);
                let ttl: i64 = redis::cmd("PTTL").arg(&key).query(&mut connection).expect("PTTL");
                (
                    key,
                    Entry {
                        value,
                        expires: ttl >= 0,
                    },
                )
            })
            .collect()
    }

    /// Keeps what the store holds now in a database beside it.
    pub fn keep(&self) {
        copy(&mut self.connection(), 0, 1);
    }

    /// Brings back what was kept.
    pub fn bring_back(&self) {
        copy(&mut self.connection(), 1, 0);
    }

    /// Process id, while it runs.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("redis is not running").id()
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("redis is not running");
        kill_process(Pid::from_child(child), signal).expect("failed to signal redis");
    }

    fn spawn(&mut self) -> bool {
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(self.dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else { return false };
        self.child = Some(child);
        self.wait_for_pong()
    }

    fn wait_for_pong(&mut self) -> bool {
        let until = Instant::now() + START_WITHIN;
        let client = redis::Client::open(format!("redis://{}/", self.address())).expect("redis url");
        while Instant::now() < until {
            let ended = self
                .child
                .as_mut()
                .is_none_or(|child| matches!(child.try_wait(), Ok(Some(_))));
            if ended {
                return false;
            }
            let pong = client
                .get_connection_with_timeout(Duration::from_millis(200))
                .and_then(|mut connection| {
                    connection.set_read_timeout(Some(Duration::from_millis(500)))?;
                    redis::cmd("PING").query::<String>(&mut connection)
                });
            if pong.is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // The process may have ended already; there is nobody left to tell.
            let _ = child.kill();
            let _ = child.wait();
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

/// A TCP port nobody listens on at the moment.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("failed to bind a port");
    listener.local_addr().expect("local address").port()
}

fn copy(connection: &mut redis::Connection, from: u8, to: u8) {
    let select = |connection: &mut redis::Connection, database: u8| {
        redis::cmd("SELECT").arg(database).exec(connection).expect("SELECT");
    };
    select(connection, to);
    redis::cmd("FLUSHDB").exec(connection).expect("FLUSHDB");
    select(connection, from);
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(connection).expect("KEYS");
    for key in keys {
        let copied: bool = redis::cmd("COPY")
            .arg(&key)
            .arg(&key)
            .arg("DB")
            .arg(to)
            .query(connection)
            .expect("COPY");
        assert!(copied, "key {} was not copied", String::from_utf8_lossy(&key));
    }
}

fn value_of(connection: &mut redis::Connection, key: &[u8]) -> Vec<u8> {
    let kind: String = redis::cmd("TYPE").arg(key).query(connection).expect("TYPE");
    match kind.as_str() {
        "string" => redis::cmd("GET").arg(key).query(connection).expect("GET"),
        "hash" => {
            let fields: BTreeMap<Vec<u8>, Vec<u8>> = redis::cmd("HGETALL").arg(key).query(connection).expect("HGETALL");
            let mut bytes = Vec::new();
            for part in fields.iter().flat_map(|(field, value)| [field, value]) {
                bytes.extend((part.len() as u64).to_be_bytes());
                bytes.extend(part);
            }
            bytes
        }
        other => panic!(
            "key {} has type {other}, which no writer of Triplane makes",
            String::from_utf8_lossy(key)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_comes_back_and_a_restarted_server_is_empty() {
        let mut redis = Redis::start();
        let set = |redis: &Redis, value: &str| {
            redis::cmd("SET")
                .arg("k")
                .arg(value)
                .arg("EX")
                .arg(100)
                .exec(&mut redis.connection())
                .unwrap();
        };
        set(&redis, "one");
        redis.keep();
        let kept = redis.dump();
        set(&redis, "two");
        assert_ne!(redis.dump(), kept);
        redis.bring_back();
        assert_eq!(redis.dump(), kept);
        assert_eq!(
            kept[&b"k".to_vec()],
            Entry {
                value: b"one".to_vec(),
                expires: true
            }
        );
        redis.restart();
        assert!(redis.dump().is_empty());
    }
}

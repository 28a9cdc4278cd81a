//! Everything that servers hold, to be compared and to be brought back.

use std::collections::BTreeMap;

use redis::Connection;

/// What one key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The string.
    pub value: Vec<u8>,
    /// Whether the key expires.
    pub expires: bool,
}

/// Every key of one server with its value, sorted: two stores are the same iff these are equal.
pub fn dump(connection: &mut Connection) -> BTreeMap<Vec<u8>, Entry> {
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(connection).expect("KEYS");
    let mut entries = BTreeMap::new();
    for key in keys {
        let value: Option<Vec<u8>> = redis::cmd("GET").arg(&key).query(connection).expect("GET");
        let ttl: i64 = redis::cmd("PTTL").arg(&key).query(connection).expect("PTTL");
        if let Some(value) = value {
            let expires = ttl >= 0;
            entries.insert(key, Entry { value, expires });
        }
    }
    entries
}

/// Keys of one server as they can be restored: value in Redis' own form, milliseconds left (0: for ever).
#[derive(Clone, Debug, Default)]
pub struct Snapshot(Vec<(Vec<u8>, Vec<u8>, i64)>);

impl Snapshot {
    /// What the server holds now.
    pub fn of(connection: &mut Connection) -> Self {
        let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(connection).expect("KEYS");
        let take = |key: Vec<u8>| {
            let value: Option<Vec<u8>> = redis::cmd("DUMP").arg(&key).query(connection).expect("DUMP");
            let ttl: i64 = redis::cmd("PTTL").arg(&key).query(connection).expect("PTTL");
            value.map(|value| (key, value, ttl.max(0)))
        };
        Self(keys.into_iter().filter_map(take).collect())
    }

    /// Makes the server hold that and nothing else, no script either.
    pub fn restore(&self, connection: &mut Connection) {
        redis::cmd("FLUSHALL").exec(connection).expect("FLUSHALL");
        redis::cmd("SCRIPT")
            .arg("FLUSH")
            .exec(connection)
            .expect("SCRIPT FLUSH");
        for part in self.0.chunks(500) {
            let mut commands = redis::pipe();
            for (key, value, ttl) in part {
                commands.cmd("RESTORE").arg(key).arg(ttl).arg(value).ignore();
            }
            commands.exec(connection).expect("RESTORE");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Redis;

    #[test]
    fn what_was_kept_comes_back_and_a_restarted_server_is_empty() {
        let mut redis = Redis::start();
        redis.say::<()>("SET k one EX 100");
        let kept = (Snapshot::of(&mut redis.connection()), dump(&mut redis.connection()));
        redis.say::<()>("SET k two");
        redis.say::<()>("SET other three");
        assert_ne!(dump(&mut redis.connection()), kept.1);
        kept.0.restore(&mut redis.connection());
        assert_eq!(dump(&mut redis.connection()), kept.1);
        let one = Entry {
            value: b"one".to_vec(),
            expires: true,
        };
        assert_eq!(kept.1[&b"k".to_vec()], one);
        redis.restart();
        assert!(dump(&mut redis.connection()).is_empty());
    }
}

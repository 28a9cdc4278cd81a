//! What a server's refusal asks its client to do. Free of IO.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::topology::join;

/// The next step of a refused call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The slot has moved for good: send it there.
    Moved(String),
    /// The key has moved ahead of its slot: send it there, after ASKING, this once.
    Ask(String),
    /// Some keys of the call have moved ahead of others: send them one by one.
    Apart,
    /// The node cannot now: after a failover it, or another one, can.
    Later,
    /// The node does not know the script: load it.
    Unknown,
    /// It would be refused again.
    Fail,
}

/// The step after `error`, an answer of the node at `host`.
pub(super) fn step(error: &RedisError, host: &str) -> Step {
    let ErrorKind::Server(kind) = error.kind() else {
        return Step::Fail;
    };
    let target = || error.redirect_node().and_then(|(address, _)| absolute(address, host));
    match kind {
        ServerErrorKind::Moved => target().map_or(Step::Later, Step::Moved),
        ServerErrorKind::Ask => target().map_or(Step::Later, Step::Ask),
        ServerErrorKind::TryAgain => Step::Apart,
        ServerErrorKind::ClusterDown
        | ServerErrorKind::MasterDown
        | ServerErrorKind::ReadOnly
        | ServerErrorKind::BusyLoading => Step::Later,
        ServerErrorKind::NoScript => Step::Unknown,
        _ => Step::Fail,
    }
}

/// `:port` means the host of the node that said it.
fn absolute(address: &str, host: &str) -> Option<String> {
    let (named, port) = address.rsplit_once(':')?;
    let port = port.parse().ok()?;
    let host = if named.is_empty() { host } else { named };
    Some(join(host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(answer: &str) -> Step {
        let value = redis::parse_redis_value(format!("-{answer}\r\n").as_bytes()).unwrap();
        step(&value.extract_error().unwrap_err(), "10.0.0.1")
    }

    #[test]
    fn every_refusal_of_a_cluster_has_its_step() {
        assert_eq!(after("MOVED 866 10.0.0.2:6379"), Step::Moved("10.0.0.2:6379".into()));
        assert_eq!(after("MOVED 866 :6380"), Step::Moved("10.0.0.1:6380".into()));
        assert_eq!(
            after("ASK 866 2001:db8::7:6379"),
            Step::Ask("[2001:db8::7]:6379".into())
        );
        assert_eq!(
            after("TRYAGAIN Multiple keys request during rehashing of slot"),
            Step::Apart
        );
        for answer in [
            "CLUSTERDOWN The cluster is down",
            "READONLY You can't write against a read only replica.",
            "LOADING Redis is loading the dataset in memory",
            "MASTERDOWN Link with MASTER is down",
            "MOVED nonsense",
        ] {
            assert_eq!(after(answer), Step::Later, "{answer}");
        }
        assert_eq!(after("NOSCRIPT No matching script."), Step::Unknown);
        for answer in ["WRONGTYPE no", "CROSSSLOT Keys in request", "NOPERM no"] {
            assert_eq!(after(answer), Step::Fail, "{answer}");
        }
    }
}

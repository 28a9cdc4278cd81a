//! What a look at the server says of a service.

use triplane_plan::inference_service::observed::{ServerState, ServiceObserved};

/// What the server says of a service it serves.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Generation of the route table it serves.
    pub generation: u64,
    /// Whether requests are answered.
    pub ready: bool,
    /// A circuit breaker over the online store is open.
    pub breaker_open: bool,
}

/// The state after a look; `None` where it stays as it is: a refused table keeps its message until it is served, also while
/// the one before it answers.
pub fn state(service: &ServiceObserved, seen: Seen, now_us: i64) -> Option<ServerState> {
    let before = service.server.as_ref();
    let behind = service
        .table
        .as_ref()
        .is_some_and(|table| seen.generation < table.generation);
    if behind && before.is_some_and(|server| !server.message.is_empty()) {
        return None;
    }
    let since_us = before
        .filter(|server| server.ready == seen.ready)
        .map_or(now_us, |server| server.since_us);
    Some(ServerState {
        generation: seen.generation,
        ready: seen.ready,
        message: String::new(),
        since_us,
        breaker_open: seen.breaker_open,
    })
}

#[cfg(test)]
mod tests {
    use triplane_contract::route::{Breaker, FeaturePolicy, OnUnavailable, RouteTable};
    use triplane_contract::store::{OfflineAccess, OnlineAccess, StoreAccess};

    use super::*;

    fn table(generation: u64) -> RouteTable {
        RouteTable {
            version: 1,
            namespace: "flights".to_owned(),
            service: "delay".to_owned(),
            generation,
            routes: Vec::new(),
            features: FeaturePolicy {
                timeout_us: 1,
                breaker: Breaker::default(),
                on_unavailable: OnUnavailable::Impute,
                max_imputed: 0.5,
            },
            deadline_us: 1,
            fallback: 0.0,
            store: StoreAccess {
                online: OnlineAccess::Memory,
                offline: OfflineAccess::Directory { path: "/".to_owned() },
                root: String::new(),
                owner: String::new(),
            },
        }
    }

    fn service(table_generation: u64, server: Option<ServerState>) -> ServiceObserved {
        let text = include_str!("../../../examples/flights/service.yaml");
        ServiceObserved {
            object: serde_saphyr::from_str(text).unwrap(),
            table: Some(table(table_generation)),
            server,
            url: None,
        }
    }

    fn refused(generation: u64) -> ServerState {
        ServerState {
            generation,
            ready: false,
            message: "the artifact is gone".to_owned(),
            since_us: 5,
            breaker_open: false,
        }
    }

    const SEEN: Seen = Seen {
        generation: 1,
        ready: true,
        breaker_open: false,
    };

    #[test]
    fn a_refused_table_keeps_its_message_while_the_one_before_answers_and_loses_it_when_it_is_served() {
        let behind = service(2, Some(refused(1)));
        assert_eq!(state(&behind, SEEN, 9), None);
        let served = Seen { generation: 2, ..SEEN };
        let after = state(&behind, served, 9).unwrap();
        assert_eq!((after.generation, after.ready, after.message.as_str()), (2, true, ""));
        assert_eq!(after.since_us, 9, "ready since now");
    }

    #[test]
    fn a_table_that_is_only_on_its_way_is_no_refusal() {
        let waiting = ServerState {
            message: String::new(),
            ready: true,
            ..refused(1)
        };
        let after = state(&service(2, Some(waiting)), SEEN, 9).unwrap();
        assert_eq!((after.generation, after.since_us), (1, 5), "ready as before");
        assert_eq!(state(&service(1, None), SEEN, 9).unwrap().since_us, 9);
    }
}

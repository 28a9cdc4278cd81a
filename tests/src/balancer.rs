//! A layer-4 balancer in the manner of kube-proxy: a new connection goes to a backend that says it is ready, an open one
//! stays where it is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::http;

/// How often readiness is asked. A kubelet asks once in some seconds; the server's drain grace is configured to match.
pub const PROBE_PERIOD: Duration = Duration::from_millis(20);

struct Backend {
    address: SocketAddr,
    ready: AtomicBool,
}

/// A running balancer; ends when dropped.
pub struct Balancer {
    address: SocketAddr,
    backends: Arc<Vec<Backend>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Balancer {
    /// Balances over `backends`, probing `/v2/health/ready` of each.
    pub async fn start(backends: &[SocketAddr]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("failed to bind the balancer");
        let address = listener.local_addr().expect("local address");
        let backends: Arc<Vec<_>> = Arc::new(
            backends
                .iter()
                .map(|&address| Backend {
                    address,
                    ready: AtomicBool::new(false),
                })
                .collect(),
        );
        let mut tasks: Vec<_> = (0..backends.len())
            .map(|index| tokio::spawn(probe(backends.clone(), index)))
            .collect();
        tasks.push(tokio::spawn(accept(listener, backends.clone())));
        Self {
            address,
            backends,
            tasks,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Backends that said they are ready at their last probe.
    pub fn ready(&self) -> usize {
        self.backends
            .iter()
            .filter(|backend| backend.ready.load(Ordering::Acquire))
            .count()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn probe(backends: Arc<Vec<Backend>>, index: usize) {
    let backend = &backends[index];
    loop {
        let ready = http::get(backend.address, "/v2/health/ready")
            .await
            .is_ok_and(|answer| answer.status == 200);
        backend.ready.store(ready, Ordering::Release);
        tokio::time::sleep(PROBE_PERIOD).await;
    }
}

async fn accept(listener: TcpListener, backends: Arc<Vec<Backend>>) {
    let next = AtomicUsize::new(0);
    while let Ok((mut client, _)) = listener.accept().await {
        let turn = next.fetch_add(1, Ordering::Relaxed);
        let order: Vec<SocketAddr> = (0..backends.len())
            .map(|offset| &backends[(turn + offset) % backends.len()])
            .filter(|backend| backend.ready.load(Ordering::Acquire))
            .map(|backend| backend.address)
            .collect();
        tokio::spawn(async move {
            for address in order {
                if let Ok(mut server) = TcpStream::connect(address).await {
                    let _ = client.set_nodelay(true);
                    let _ = server.set_nodelay(true);
                    // An end on either side is the peers' business: both see it.
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                    return;
                }
            }
        });
    }
}

//! An HTTP proxy between S3's clients and the server: it counts requests, misbehaves on demand, and kills the process behind a
//! chosen one. Requests pass byte for byte, `Host` included, so that their signatures hold.

mod fault;
mod forward;
mod killer;
mod request;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

use crate::kill::Cut;

pub use fault::{Fault, On};
pub use request::Seen;

/// A running proxy; ends when dropped.
pub struct S3Proxy {
    address: SocketAddr,
    state: Arc<State>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What connections share.
struct State {
    upstream: String,
    seen: Mutex<Vec<Seen>>,
    faults: Mutex<Vec<(On, usize, Fault)>>,
    met: AtomicUsize,
    cut: Mutex<Option<Cut>>,
    victim: watch::Sender<Option<u32>>,
}

impl S3Proxy {
    /// Listens on a free port and forwards to `upstream` (`host:port`), on a thread of its own.
    pub fn start(upstream: String) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("failed to bind the proxy");
        listener.set_nonblocking(true).expect("a socket without blocking");
        let address = listener.local_addr().expect("local address");
        let state = Arc::new(State {
            upstream,
            seen: Mutex::default(),
            faults: Mutex::default(),
            met: AtomicUsize::new(0),
            cut: Mutex::default(),
            victim: watch::Sender::new(None),
        });
        let (end, ended) = oneshot::channel();
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                tokio::select! {
                    () = accept(listener, shared) => {}
                    _ = ended => {}
                }
            });
        });
        Self {
            address,
            state,
            end: Some(end),
            thread: Some(thread),
        }
    }

    /// `http://host:port`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next `times` requests that are `on` meet `fault`; faults that were set before come first.
    pub fn set(&self, on: On, times: usize, fault: Fault) {
        self.state.faults.lock().expect("faults").push((on, times, fault));
    }

    /// No fault any more.
    pub fn clear(&self) {
        self.state.faults.lock().expect("faults").clear();
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.state.seen.lock().expect("requests").clear();
    }

    /// How many requests have met a fault.
    pub fn met(&self) -> usize {
        self.state.met.load(Ordering::Relaxed)
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().expect("requests").clone()
    }
}

impl Drop for S3Proxy {
    fn drop(&mut self) {
        self.end.take();
        if let Some(thread) = self.thread.take() {
            // Its panic was printed already.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: std::net::TcpListener, state: Arc<State>) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    while let Ok((client, _)) = listener.accept().await {
        // Delays are this proxy's to add, not Nagle's.
        let _ = client.set_nodelay(true);
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let answer = service_fn(move |request| forward::answer(Arc::clone(&state), request));
            // An error is what the client made of it, or a fault that was asked for.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(client), answer)
                .await;
        });
    }
}

//! Accepting connections, and letting them go without losing a request.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::handle;
use super::lifetime::Lifetime;
use crate::app::App;

/// Bytes buffered for a connection.
const BUFFER_BYTES: usize = 64 * 1024;
/// Requests on one HTTP/2 connection at once.
const STREAMS: u32 = 256;
/// Pause after an accept that failed for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// How long each step of going down may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drain {
    /// Connections are accepted that long after the server has said that it is not ready.
    pub grace: Duration,
    /// Connections without a request under way are kept that long once the port is about to close.
    pub patience: Duration,
    /// The queue, the patience and the requests under way take at most this long together.
    pub limit: Duration,
}

/// Serves connections until `shutdown`; then goes on for the grace while callers learn that the server is not ready, takes
/// what is still in the queue, and lets every connection end after the request it has begun or is about to send.
pub(crate) async fn serve_connections(
    listener: TcpListener,
    app: Arc<App>,
    shutdown: impl Future<Output = ()>,
    drain: Drain,
) {
    let acceptor = Acceptor::new(app, drain.patience);
    tokio::select! {
        () = acceptor.accept(&listener) => {}
        () = shutdown => {}
    }
    acceptor.app.drain();
    tracing::info!(
        grace_ms = drain.grace.as_millis() as u64,
        "going down: not ready from now on"
    );
    // Either the grace ends or nothing does: accepting never returns.
    let _ = timeout(drain.grace, acceptor.accept(&listener)).await;
    if timeout(drain.limit, acceptor.close(listener)).await.is_err() {
        tracing::warn!(
            limit_ms = drain.limit.as_millis() as u64,
            "requests under way were cut off at the drain limit"
        );
    }
}

struct Acceptor {
    app: Arc<App>,
    builder: Builder<TokioExecutor>,
    patience: Duration,
    /// Every connection holds a receiver for as long as it lives.
    closing: watch::Sender<bool>,
    room: Arc<Semaphore>,
}

impl Acceptor {
    fn new(app: Arc<App>, patience: Duration) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            // It runs from the answer before, so it bounds idle time and head together.
            .header_read_timeout(app.limits.idle_timeout)
            .max_buf_size(BUFFER_BYTES)
            .pipeline_flush(true);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .keep_alive_interval(Duration::from_secs(20));
        let room = Arc::new(Semaphore::new(app.limits.connections.min(Semaphore::MAX_PERMITS)));
        Self {
            app,
            builder,
            patience,
            closing: watch::Sender::new(false),
            room,
        }
    }

    /// Accepts for ever; beyond the limit of connections callers wait in the queue.
    async fn accept(&self, listener: &TcpListener) {
        while let Ok(room) = Arc::clone(&self.room).acquire_owned().await {
            match listener.accept().await {
                Ok((stream, _)) => self.serve(stream, room),
                Err(error) => refused(&error).await,
            }
        }
    }

    /// Empties the queue, closes the port and waits for the last connection.
    async fn close(&self, listener: TcpListener) {
        // First, so that idle connections make room for those in the queue.
        self.closing.send_replace(true);
        if let Err(error) = self.accept_waiting(listener).await {
            tracing::warn!(%error, "connections waiting to be accepted are lost");
        }
        self.closing.closed().await;
    }

    /// Accepts until the queue is empty: closing the port resets what is in it. The runtime hears of new connections with a
    /// delay, so the system is asked.
    async fn accept_waiting(&self, listener: TcpListener) -> std::io::Result<()> {
        let listener = listener.into_std()?;
        while let Ok(room) = Arc::clone(&self.room).acquire_owned().await {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(true)?;
                    self.serve(TcpStream::from_std(stream)?, room);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => refused(&error).await,
            }
        }
        Ok(())
    }

    fn serve(&self, stream: TcpStream, room: OwnedSemaphorePermit) {
        // Answers are small and complete: waiting for more to send only costs time.
        let _ = stream.set_nodelay(true);
        let app = Arc::clone(&self.app);
        let heard = Arc::new(Notify::new());
        let hears = Arc::clone(&heard);
        let service = service_fn(move |request| {
            hears.notify_one();
            handle(Arc::clone(&app), request)
        });
        let connection = self
            .builder
            .serve_connection(TokioIo::new(stream), service)
            .into_owned();
        let lifetime = Lifetime {
            header_timeout: self.app.limits.header_timeout,
            patience: self.patience,
            closing: self.closing.subscribe(),
        };
        tokio::spawn(async move {
            if let Err(error) = lifetime.run(connection, &heard).await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(room);
        });
    }
}

async fn refused(error: &std::io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    sleep(ACCEPT_PAUSE).await;
}

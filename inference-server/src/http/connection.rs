//! Accepting connections, and letting them go without losing a request.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::handle;
use crate::app::App;

/// Bytes buffered for a connection.
const BUFFER_BYTES: usize = 64 * 1024;
/// Requests on one HTTP/2 connection at once.
const STREAMS: u32 = 256;
/// Pause after an accept that failed for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Serves connections until `shutdown`; then goes on for `grace` while callers learn that the server is not ready, takes
/// what is still in the queue, and lets every connection end after the request it has begun, within `limit`.
pub(crate) async fn serve_connections(
    listener: TcpListener,
    app: Arc<App>,
    shutdown: impl Future<Output = ()>,
    grace: Duration,
    limit: Duration,
) {
    let mut acceptor = Acceptor::new(app);
    tokio::select! {
        () = acceptor.accept(&listener) => {}
        () = shutdown => {}
    }
    acceptor.app.drain();
    tracing::info!(grace_ms = grace.as_millis() as u64, "going down: not ready from now on");
    // Either the grace ends or nothing does: accepting never returns.
    let _ = tokio::time::timeout(grace, acceptor.accept(&listener)).await;
    acceptor.accept_waiting(&listener).await;
    drop(listener);
    if tokio::time::timeout(limit, acceptor.graceful.shutdown()).await.is_err() {
        tracing::warn!(
            limit_ms = limit.as_millis() as u64,
            "requests under way were cut off at the drain limit"
        );
    }
}

struct Acceptor {
    app: Arc<App>,
    builder: Builder<TokioExecutor>,
    graceful: GracefulShutdown,
    room: Arc<Semaphore>,
}

impl Acceptor {
    fn new(app: Arc<App>) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(app.limits.header_timeout)
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
            graceful: GracefulShutdown::new(),
            room,
        }
    }

    /// Accepts for ever; beyond the limit of connections callers wait in the queue.
    async fn accept(&mut self, listener: &TcpListener) {
        loop {
            let Ok(room) = Arc::clone(&self.room).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, _)) => self.serve(stream, room),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Accepts what is in the queue: closing the listener would reset it.
    async fn accept_waiting(&mut self, listener: &TcpListener) {
        loop {
            let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else {
                return;
            };
            let next = poll_fn(|context| match listener.poll_accept(context) {
                Poll::Ready(Ok((stream, _))) => Poll::Ready(Some(stream)),
                Poll::Ready(Err(_)) | Poll::Pending => Poll::Ready(None),
            });
            match next.await {
                Some(stream) => self.serve(stream, room),
                None => return,
            }
        }
    }

    fn serve(&mut self, stream: TcpStream, room: OwnedSemaphorePermit) {
        // Answers are small and complete: waiting for more to send only costs time.
        let _ = stream.set_nodelay(true);
        let app = Arc::clone(&self.app);
        let service = service_fn(move |request| handle(Arc::clone(&app), request));
        let connection = self
            .builder
            .serve_connection(TokioIo::new(stream), service)
            .into_owned();
        let connection = self.graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(room);
        });
    }
}

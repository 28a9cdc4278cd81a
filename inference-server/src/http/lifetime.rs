//! How long a connection lives: until its caller is too slow, goes away, or the server goes down.

use std::pin::pin;
use std::time::Duration;

use hyper_util::server::graceful::GracefulConnection;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

/// What bounds a connection's life.
pub(super) struct Lifetime {
    /// How long the first request's head may take to arrive.
    pub header_timeout: Duration,
    /// How long a connection without a request under way is kept once the server closes.
    pub patience: Duration,
    /// Whether the server closes.
    pub closing: watch::Receiver<bool>,
}

impl Lifetime {
    /// Runs a connection to its end; `heard` is told of every request. Its protocol is known from its first bytes only, and
    /// until then neither its own timer runs nor can it be shut down without losing what is on its way: hence the first
    /// request is waited for here.
    pub(super) async fn run<C: GracefulConnection>(mut self, connection: C, heard: &Notify) -> Result<(), C::Error> {
        let mut connection = pin!(connection);
        // Each time the connection goes first: what has arrived is read before it is let go.
        tokio::select! {
            biased;
            ended = connection.as_mut() => return ended,
            () = heard.notified() => {}
            () = sleep(self.header_timeout) => return Ok(()),
            () = closes(&mut self.closing) => tokio::select! {
                biased;
                ended = connection.as_mut() => return ended,
                () = heard.notified() => {}
                () = sleep(self.patience) => return Ok(()),
            },
        }
        tokio::select! {
            biased;
            ended = connection.as_mut() => return ended,
            () = closes(&mut self.closing) => {}
        }
        // Answers say that the connection closes, so one that still gets a request ends by itself.
        tokio::select! {
            biased;
            ended = connection.as_mut() => return ended,
            () = sleep(self.patience) => {}
        }
        connection.as_mut().graceful_shutdown();
        connection.await
    }
}

/// Waits until the server closes; a server that is gone has closed.
async fn closes(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}
